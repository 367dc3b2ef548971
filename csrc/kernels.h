#pragma once

#include <cstddef>
#include <cstdint>

#include "math/activation.h"
#include "math/adadelta.h"
#include "math/adagrad.h"
#include "math/adam.h"
#include "math/adamax.h"
#include "math/gradient.h"
#include "math/lamb.h"
#include "math/lion.h"
#include "math/nadam.h"
#include "math/radam.h"
#include "math/recurrent.h"
#include "math/rmsprop.h"
#include "math/rprop.h"
#include "math/sgd.h"

// The contract of every kernel, on one page. A kernel is a function of one
// struct, `void name(const Args<T>&, Stream)` for T = float and double;
// `strop::cpu` and `strop::cuda` implement the same functions.
//
// Arrays are row-major and contiguous. Nothing is checked here: csrc/bind has
// done that before a kernel is called. Shape letters: csrc/README.md.

namespace strop {

using Index = std::int64_t;

// Where a CUDA kernel runs: the handle that Python hands over, and the place on
// that device for what a kernel finds wrong. The CPU backend ignores both.
struct Stream {
  std::uintptr_t handle = 0;
  std::uint64_t* fault = nullptr;  // 0, or ~place of the first bad id
};

// Ids as the user has them, int32 or int64; all lie in [0, V).
struct Ids {
  const void* data;
  Index size;
  bool wide;  // int64
};

// CUDA: no row, in lists of rows whose length only the device knows. Kernels
// skip it, where another id outside the table is an error.
inline constexpr Index kNoRow = INT64_MIN;

// A number of an optimizer step, which the host knows; or where it stands in
// device memory, and a kernel reads it when it runs, so that a captured graph
// goes on counting (CUDA).
template <typename N>
struct Number {
  N value;
  const N* place = nullptr;
};

// CUDA, where some stand in device memory: a kernel makes the coefficients of
// the step from them, in place of those that come with the call. `rule`: the
// settings, of math/<rule>.h.
inline constexpr Index kNumbersRoom = 16;

template <typename Rule>
struct DeviceNumbers {
  Rule rule;
  Number<double> learning_rate;
  Number<std::int64_t> step;
  Number<double> grad_scale;
  double l2;
  double* room = nullptr;  // kNumbersRoom of them; null: the host knows all
};

// ---- activation ------------------------------------------------------------

// out = activate(x). `out` may be `x`.
template <typename T>
struct ActivationForward {
  const T* x;
  T* out;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

// grad_x = grad * slope(x, out). `grad_x` may be `grad`.
template <typename T>
struct ActivationBackward {
  const T* grad;
  const T* x;
  const T* out;
  T* grad_x;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

#define STROP_ACTIVATION_KERNELS(X)        \
  X(activation_forward, ActivationForward) \
  X(activation_backward, ActivationBackward)

// ---- adam ------------------------------------------------------------------

// One parameter tensor of a step: four arrays of `size` elements that do not
// overlap. `param` and the moments are updated, `grad` is only read.
// `max_moment2` is null but for AMSGrad.
template <typename T>
struct AdamTensor {
  T* param;
  T* moment1;
  T* moment2;
  T* max_moment2;
  const T* grad;
  Index size;
  T decay;                  // in place of the coefficients' own
  double weight_decay = 0;  // `decay` by the learning rate, for `numbers`
};

// Many tensors in one call, so that a hundred small ones cost one.
template <typename T>
struct AdamStep {
  const AdamTensor<T>* tensors;
  Index count;
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<AdamRule> numbers = {};
};

// The same for the rows that have a gradient; the others stand still.
template <typename T>
struct AdamRows {
  T* param;  // (V, D), as the moments
  T* moment1;
  T* moment2;
  T* max_moment2;  // or null
  const T* grad;   // (R, D)
  Ids rows;        // (R), each once
  Index width;     // D
  Index stride;    // from row to row of param and of the moments
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  Index table_rows = 0;  // V; CUDA holds the ids against it
  double weight_decay = 0;
  DeviceNumbers<AdamRule> numbers = {};
};

#define STROP_ADAM_KERNELS(X) X(adam_step, AdamStep) X(adam_rows, AdamRows)

// ---- compact_adam ----------------------------------------------------------

// Adam with moments of 16 or 8 bits on float32 parameters; AMSGrad has none.
// math/compact_adam.h has the numbers.
enum class MomentFormat {
  kBfloat16,  // uint16, like the parameter
  kBlocks8,   // uint8, a row of the packed array for each row of the parameter
};

// A packed row of `width` codes and then, as the bytes of float32, the greatest
// size in each block of kMomentBlock: codes are of a share of it. Of the second
// moment the root is kept.
inline constexpr Index kMomentBlock = 256;

constexpr Index packed_width(Index width) {
  return width + 4 * ((width + kMomentBlock - 1) / kMomentBlock);
}

// One parameter tensor of a step: `rows` of `width` elements.
struct CompactAdamTensor {
  float* param;
  void* moment1;
  void* moment2;
  const float* grad;
  Index size;  // rows * width
  Index rows, width;
  float decay;  // in place of the coefficients' own
};

template <typename T>
struct CompactAdamStep {
  const CompactAdamTensor* tensors;
  Index count;
  MomentFormat format;
  std::uint32_t key;  // of the step, for rounding by chance
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
};

// The same for the rows that have a gradient; the others stand still. A row
// then has the bits of a dense step.
template <typename T>
struct CompactAdamRows {
  CompactAdamTensor table;  // its grad: (R, D)
  Ids ids;                  // (R), each once
  MomentFormat format;
  std::uint32_t key;
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
};

#define STROP_COMPACT_ADAM_KERNELS(X)   \
  X(compact_adam_step, CompactAdamStep) \
  X(compact_adam_rows, CompactAdamRows)

// ---- deferred_adam ---------------------------------------------------------

// CUDA: how far a clock is, in device memory. Kernels read it when they run.
struct ClockState {
  std::int32_t base, last;   // steps
  std::int32_t decays;       // whether any of them
  std::uint32_t ticket;      // blocks of a launch that have read the others
  double first[2], root[2];  // corrections of step last + 1, at its place % 2
};

// What the steps since `base` did to a row that had no gradient: one entry per
// step s = base, base + 1, ..., for rows that stand at s. math/deferred_adam.h
// has the formula. Lists of T are rounded once, when the clock goes on, so that
// a row only loads its numbers.
template <typename T>
struct AdamHistory {
  const double* steps;    // (steps, 4): step_size, inv_root_c2, eps, decay of s
  const T* coefficients;  // (steps, degree + 1): C_i of the gap from s
  const T* centre;        // (steps): e*, the centre of the expansion
  const double* kept;  // (steps): product of 1 - decay over the steps up to s
  const T* power1;     // (powers): beta1^k
  const T* power2;     // (powers): beta2^k
  double beta1, beta2;
  std::int32_t base;
  std::int32_t window;  // K: steps after which a moment moves nothing
  std::int32_t powers;
  int degree;  // P
  bool decays;
  // CUDA, whose clock is that of cuda/device_clock.h: coefficients that its
  // next steps change; and, in place of what comes with the call, base, step
  // and decays.
  const T* current = nullptr;
  const ClockState* state = nullptr;
};

// Brings rows from the step they stand at to `step`, as dense steps with zero
// gradients would have done. `gathered` then gets a copy of the parameters.
template <typename T>
struct DeferredAdamCatchUp {
  T* param;  // (V, D), as the moments
  T* moment1;
  T* moment2;
  T* max_moment2;      // or null; a gap leaves it alone
  std::int32_t* last;  // (V): the step that each row holds, `base` to `step`
  Ids rows;            // (R), each once; null data: all V = rows.size
  T* gathered;         // (R, D), or null
  bool peek;           // only `gathered` is written, nothing else changes
  Index width;         // D
  Index stride;        // from row to row of param and of the moments
  std::int32_t step;
  bool scattered;       // the rows are read one here, one there, beyond cache
  double replay_below;  // replay a row while one of its roots is below this
  std::int32_t replay_before;  // and it stands at an earlier step than this
  bool replay_all;             // every row, every step: the dense kernel's bits
  AdamHistory<T> history;
  Index table_rows = 0;  // V; CUDA holds the ids against it
};

namespace cuda {
template <typename T>
struct DeviceClock;
}

// CUDA: the step that a clock in device memory takes, together with the rows.
template <typename T>
struct ClockAdvance {
  const cuda::DeviceClock<T>* clock;
  double learning_rate;
  const double* rate;  // in device memory, in its place; or null
  double weight_decay;
};

// The same, and then the next step with the gradient of the rows. A `peek` at
// these very rows has their parameters already: given as `caught_up` they are
// not worked out again, and the bits are the same.
template <typename T>
struct DeferredAdamStep {
  DeferredAdamCatchUp<T> table;  // nothing is gathered
  const T* caught_up;            // (R, D): the parameters at `step`, or null
  const T* grad;                 // (R, D)
  AdamCoefficients<T> coefficients;
  ClockAdvance<T> advance = {};  // CUDA, in their place
};

#define STROP_DEFERRED_ADAM_KERNELS(X)           \
  X(deferred_adam_catch_up, DeferredAdamCatchUp) \
  X(deferred_adam_step, DeferredAdamStep)

// Adds step n to the coefficients of the steps in its window.
struct DeferredAdamAdvance {
  double* coefficients;  // (place, degree + 1)
  float* narrow;         // the same in float32
  const double* centre;  // (place)
  const double* power1;  // (window + 1): beta1^j
  const double* shrink;  // (window + 1): 1 - beta2^(j/2), 0 for AMSGrad
  const double* terms;   // (window, degree + 1): beta1^j shrink^i, j falling
  double alpha;          // learning_rate c_n / (1 - beta1^n)
  double decay;          // learning_rate * weight_decay of step n
  double eps;            // e_n
  Index place;           // n - base
  Index window;
  int degree;
  bool moving_eps;  // e_n differs from step to step
};

// ---- embedding -------------------------------------------------------------

// out[i] = table[ids[i]].
template <typename T>
struct EmbeddingLookup {
  const T* table;  // (V, D)
  Ids ids;
  T* out;             // (ids.size, D)
  Index rows, width;  // V, D
};

#define STROP_EMBEDDING_KERNELS(X) X(embedding_lookup, EmbeddingLookup)

// Where a row stands in the compact list of a call: the call's stamp in the
// upper half, the complement of the place in the lower. In a call the records
// of known rows are above what the next new row would get, and all others are
// below it, so that one maximum tells what an id's record shall be.
using CompactRecord = std::uint64_t;

// The unique ids in order of first appearance, and for each id its place among
// them. A record whose stamp is not this call's is out of date, so that nothing
// is cleared between calls; stamps rise from 1.
struct CompactIds {
  Ids ids;
  CompactRecord* records;  // (V), 0 before the first call
  std::uint32_t stamp;
  std::int64_t* unique;  // room for min(ids.size, V) + 1
  std::int32_t* slots;   // (ids.size)
};

// ---- embedding_bag ---------------------------------------------------------

// The ids of N bags: `width` each, or from offsets[i] to offsets[i + 1].
struct Bags {
  Ids ids;
  const std::int64_t* offsets;  // (N + 1), or null
  Index width;
  Index count;  // N
  bool mean;    // else the sum
  bool has_pad;
  Index pad;                                     // neither read nor counted
  const std::int32_t* narrow_offsets = nullptr;  // CUDA: in place of offsets
};

// out[i] = mean or sum of the rows of bag i, in four sums by place modulo 4;
// runs of one id at the ends of a bag enter as count * row. An empty bag is 0.
template <typename T>
struct EmbeddingBag {
  const T* table;  // (V, D)
  Bags bags;
  T* out;             // (N, D)
  Index rows, width;  // V, D
};

// The gradient by the table of the same: every id of bag i adds grad[i], or its
// share of the mean, to its row, in the order of the ids. `out` is set to 0
// first. CUDA has it as row_gradient.
template <typename T>
struct EmbeddingBagScatter {
  const T* grad;  // (N, D)
  Bags bags;
  T* out;             // (V, D)
  Index rows, width;  // V, D
};

#define STROP_EMBEDDING_BAG_KERNELS(X) \
  X(embedding_bag, EmbeddingBag)       \
  X(embedding_bag_scatter, EmbeddingBagScatter)

// ---- row_plan --------------------------------------------------------------

// CUDA: the ids of a batch sorted by row and bag, which is all that depends on
// the ids in the gradient by a table. How many rows there are is known on the
// device alone. A key is row << bag_bits | bag; one without a row (padding, a
// bad id) has row V and stands at the end.
struct RowPlan {
  Bags bags;
  Index rows;  // V
  int bag_bits, row_bits;
  bool wide;             // keys of 64 bits, else of 32
  std::int64_t* unique;  // (min(ids, V)): rows that rise, then kNoRow
  void* keys;            // (ids)
  std::int32_t* ranks;   // unique rows that begin before each kRowGroup ids
  std::int32_t* counts;  // (N): ids of a bag that count; null without mean
  unsigned* ticket;      // 0 but while row_gradient runs
};

// Sorted ids that one group of threads adds up, and those that make one partial
// sum: where a sum is cut depends on the order alone.
inline constexpr Index kRowGroup = 8;
inline constexpr Index kRowChunk = 256;

// Sums over the ids of each row of the gradients of their bags.
template <typename T>
struct RowGradient {
  const T* grad;  // (N, D)
  RowPlan plan;
  T* out;       // (min(ids, V), D): rows of plan.unique; or `dense`: (V, D)
  bool dense;   // `out` is set to 0 first
  Index width;  // D
  T* partials;  // (ids / kRowChunk, rounded up, D)
};

// ---- lamb ------------------------------------------------------------------

// Elements of a tensor that share one partial sum of its norms. Fixed: the
// order of a sum depends on the size alone.
inline constexpr Index kLambBlock = 1024;

// One parameter tensor of a step: four arrays of `size` elements that do not
// overlap. All but `grad` are updated.
template <typename T>
struct LambTensor {
  T* param;
  const T* grad;
  T* moment1;
  T* moment2;
  Index size;
  T lost;  // both decays: math/lamb.h
  T inside;
};

// `sums`: room for 2 numbers per block of each tensor. `steps`: room for one
// per tensor.
template <typename T>
struct LambStep {
  const LambTensor<T>* tensors;
  Index count;
  Lamb<T> coefficients;
  Gradient<T> gradient;
  double learning_rate;
  double* sums;
  double* steps;
};

#define STROP_LAMB_KERNELS(X) X(lamb_step, LambStep)

// ---- loss ------------------------------------------------------------------

enum class PointwiseLoss {
  kMeanSquaredError,
  kMeanAbsoluteError,
  kBinaryCrossEntropy,  // `pred` holds logits
};

// Elements whose terms are added to one partial sum. Fixed: the order of the
// sum depends on the size alone.
inline constexpr Index kLossChunk = 4096;

// What CUDA has before the partial sums of a loss: a ticket and a count.
inline constexpr Index kLossHeader = 2;

// Loss and gradient of N rows of D elements: the mean over a row, then
// sum(weight * row) * scale with scale = 1/N. `grad` gets the gradient of that.
template <typename T>
struct PointwiseLossArgs {
  const T* pred;      // (N, D)
  const T* target;    // (N, D)
  const T* weight;    // (N), or null
  T* grad;            // (N, D)
  T* probabilities;   // (N, D) or null: sigmoid(pred) of the cross-entropy
  double* partials;   // one per kLossChunk elements: sums of weight * term
  Index rows, width;  // N, D
  PointwiseLoss which;
  double* value = nullptr;  // CUDA: the mean
};

#define STROP_LOSS_KERNELS(X) X(pointwise_loss, PointwiseLossArgs)

// ---- matmul ----------------------------------------------------------------

// CUDA: kTf32 lets cuBLASLt, where it is, round float32 factors to 11 bits.
enum class Precision { kFloat32, kTf32 };

// out = activation(a b + bias). An element is one fmadd per k from zero over a
// block of K; the blocks are added in order, then the bias. The bounds of the
// blocks depend on K alone. Where N <= 4 and a is not transposed, an element is
// 16 lanes of float, 8 of double, over the whole of K, then a tree. So a row
// has the same bits in any batch, on every set with FMA and for any number of
// threads. K = 0 gives activation(bias).
// CUDA: one fmadd per k from zero, over all of K or over parts of it that are
// added in order; which, M, N and K settle.
template <typename T>
struct Matmul {
  const T* a;     // (M, K), with transpose_a (K, M)
  const T* b;     // (K, N), with transpose_b (N, K)
  const T* bias;  // (N) or null
  T* out;         // (M, N), overlaps none of the others
  Index m, n, k;
  bool transpose_a, transpose_b;
  Activation activation;  // kLinear, kRelu, kSigmoid or kTanh
  Precision precision = Precision::kFloat32;
  double* workspace = nullptr;  // CUDA: cuda::matmul_workspace of them
};

// The gradients of the above without transposes: with dz = grad * slope,
// grad_a = dz b^T, grad_b = a^T dz, grad_bias = the column sums of dz.
template <typename T>
struct MatmulBackward {
  const T* grad;    // (M, N)
  const T* a;       // (M, K)
  const T* b;       // (K, N); null where grad_a is
  const T* output;  // (M, N), what the forward pass gave; null if linear
  T* grad_a;        // (M, K) or null
  T* grad_b;        // (K, N)
  T* grad_bias;     // (N) or null
  Index m, n, k;
  Activation activation;
  Precision precision = Precision::kFloat32;
  double* workspace = nullptr;  // CUDA: cuda::matmul_workspace of them
};

#define STROP_MATMUL_KERNELS(X) \
  X(matmul, Matmul) X(matmul_backward, MatmulBackward)

// ---- recurrent -------------------------------------------------------------

// A whole sequence of a recurrent cell: B rows, T steps, H units, G gates. Step
// s reads position s of the inputs or, backwards, position T - 1 - s; arrays by
// position have (B, T) in the order of the inputs, `out` that of the steps. A
// masked step copies the state.
template <typename T>
struct RecurrentForward {
  T* gates;  // (B, T, G H): x W + bias; becomes the gates where `previous`
  const T* kernel;     // U: (H, G H)
  const T* bias;       // (H), kGru: inside the reset gate; or null
  const bool* mask;    // (B, T), false: masked; or null
  const T* initial_h;  // (B, H), or null: zeros
  const T* initial_c;  // the same
  const T* factor;     // (B, H): of h before it meets U; or null
  T* out;              // (B, T, H), or null
  T* final_h;          // (B, H)
  T* final_c;          // (B, H), kLstm
  T* previous;         // (B, T, H): the h that a step began with; or null
  T* carried;  // (B, T, H) or null. kLstm: c after the step; kGru: h U + bias
               // of the candidate; kGruBefore: what its product was made of
  Index batch, steps, units;
  RecurrentCell cell;
  Activation activation;  // linear, relu, sigmoid, tanh or hard_sigmoid
  Activation recurrent_activation;
  bool backwards;
  bool zeros;  // `out` of a masked step is 0
};

// Backpropagation through time: the gradients by x W + bias, from which those
// by x, W, U and bias are products over all steps.
template <typename T>
struct RecurrentBackward {
  const T* grad_out;  // (B, T, H), or null
  const T* grad_h;    // (B, H) by final_h, or null
  const T* grad_c;    // (B, H) by final_c, or null
  const T* gates;     // as forward left them
  const T* previous;
  const T* carried;
  const T* kernel;
  const bool* mask;
  const T* initial_c;
  const T* factor;
  T* grad_gates;      // (B, T, G H); of a masked step 0
  T* grad_recurrent;  // (B, T, G H), kGru: by h U + bias; else null
  T* grad_initial_h;  // (B, H)
  T* grad_initial_c;  // (B, H), kLstm
  Index batch, steps, units;
  RecurrentCell cell;
  Activation activation;
  Activation recurrent_activation;
  bool backwards;
  bool zeros;
};

#define STROP_RECURRENT_KERNELS(X)       \
  X(recurrent_forward, RecurrentForward) \
  X(recurrent_backward, RecurrentBackward)

// ---- reduction -------------------------------------------------------------

enum class Reduction { kSum, kSumOfSquares, kMax };

// x (outer, extent, inner) -> out (outer, inner), in double. A sum is formed in
// a fixed order; a NaN wins a maximum.
template <typename T>
struct Reduce {
  const T* x;
  double* out;
  Index outer, extent, inner;
  Reduction which;
  double* workspace = nullptr;  // CUDA: cuda::reduce_workspace of them
};

// Values in double to T: as they are, divided by `count`, or their roots.
enum class Finish { kCopy, kDivide, kRoot };

template <typename T>
struct FinishReduction {
  const double* values;
  T* out;
  Index size;
  double count;
  Finish which;
};

// The place of the greatest element along `extent`; the first of equals, and
// the first NaN before all.
template <typename T>
struct ArgMax {
  const T* x;
  std::int64_t* out;
  Index outer, extent, inner;
  double* workspace = nullptr;  // CUDA: cuda::argmax_workspace of them
};

#define STROP_REDUCTION_KERNELS(X) X(reduce, Reduce) X(argmax, ArgMax)

// ---- sgd -------------------------------------------------------------------

// One parameter tensor of a step. `velocity` is null without momentum.
template <typename T>
struct SgdTensor {
  T* param;
  T* velocity;
  const T* grad;
  Index size;
  T decay;  // in place of the coefficients' own
  double weight_decay = 0;
};

template <typename T>
struct SgdStep {
  const SgdTensor<T>* tensors;
  Index count;
  SgdCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<SgdRule> numbers = {};
};

// The same for the rows that have a gradient; the others stand still.
template <typename T>
struct SgdRows {
  T* param;       // (V, D), as the velocity
  T* velocity;    // or null
  const T* grad;  // (R, D)
  Ids rows;       // (R), each once
  Index width;    // D
  Index stride;   // from row to row of param and of the velocity
  SgdCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  Index table_rows = 0;  // V; CUDA holds the ids against it
  double weight_decay = 0;
  DeviceNumbers<SgdRule> numbers = {};
};

#define STROP_SGD_KERNELS(X) X(sgd_step, SgdStep) X(sgd_rows, SgdRows)

// ---- softmax ---------------------------------------------------------------

// Rows of C logits to probabilities, or to their logarithms. `out` may be `x`.
template <typename T>
struct SoftmaxForward {
  const T* x;  // (N, C)
  T* out;      // (N, C)
  Index rows, classes;
  bool log;
};

// The gradient of the same, from its output. `grad_x` may be `grad`.
template <typename T>
struct SoftmaxBackward {
  const T* grad;  // (N, C)
  const T* out;   // (N, C)
  T* grad_x;      // (N, C)
  Index rows, classes;
  bool log;
};

// Rows that share one partial sum of the loss.
inline constexpr Index kSoftmaxChunk = 64;

// loss = scale * sum_i weight_i (logsumexp(z_i) - <q_i, z_i>), with q the
// target smoothed: (1 - smoothing) target + smoothing / C. Rows with label
// `ignore_class` add nothing.
template <typename T>
struct SoftmaxCrossEntropy {
  const T* logits;   // (N, C)
  const T* target;   // (N, C), or null where `labels` are given
  Ids labels;        // (N)
  const T* weight;   // (N), or null
  T* grad;           // (N, C); CUDA: may be `logits`
  T* probabilities;  // (N, C), or null
  double* partials;  // one per kSoftmaxChunk rows; CUDA: cuda::loss_parts
  Index rows, classes;
  double scale;  // CUDA: where rows may be ignored, 1 / those that are not
  double smoothing;
  bool has_ignore;
  Index ignore_class;
  double* value = nullptr;  // CUDA: the loss
};

#define STROP_SOFTMAX_KERNELS(X)       \
  X(softmax_forward, SoftmaxForward)   \
  X(softmax_backward, SoftmaxBackward) \
  X(softmax_cross_entropy, SoftmaxCrossEntropy)

// ---- update ----------------------------------------------------------------

// One parameter tensor of a step by a rule that works element by element. The
// parameter and the states are updated; no two arrays overlap. `state` has the
// arrays in the order of the rule's header, null where it has none.
template <typename T>
struct UpdateTensor {
  T* param;
  const T* grad;
  T* state[3];
  Index size;
  T decay;  // decoupled: the share of the parameter that is lost
  double weight_decay = 0;
};

// A step on many tensors in one call. With `rows` it moves these rows (R), each
// named once, of the one tensor (V, D), whose `grad` then is (R, D).
template <typename T, template <typename> class Rule>
struct UpdateStep {
  const UpdateTensor<T>* tensors;
  Index count;
  Ids rows;     // null data: all
  Index width;  // D, of rows
  Gradient<T> gradient;
  Rule<T> rule;
  DeviceNumbers<typename Rule<T>::Settings> numbers = {};
};

// name of the kernel, its rule in math/, and a name for UpdateStep of that.
#define STROP_UPDATE_RULES(Y, X)              \
  Y(X, adadelta_step, Adadelta, AdadeltaStep) \
  Y(X, adagrad_step, Adagrad, AdagradStep)    \
  Y(X, adamax_step, Adamax, AdamaxStep)       \
  Y(X, lion_step, Lion, LionStep)             \
  Y(X, nadam_step, Nadam, NadamStep)          \
  Y(X, radam_step, Radam, RadamStep)          \
  Y(X, rmsprop_step, Rmsprop, RmspropStep)    \
  Y(X, rprop_step, Rprop, RpropStep)

#define STROP_UPDATE_ALIAS(X, name, Rule, Step) \
  template <typename T>                         \
  using Step = UpdateStep<T, Rule>;
STROP_UPDATE_RULES(STROP_UPDATE_ALIAS, )
#undef STROP_UPDATE_ALIAS

#define STROP_UPDATE_KERNEL(X, name, Rule, Step) X(name, Step)
#define STROP_UPDATE_KERNELS(X) STROP_UPDATE_RULES(STROP_UPDATE_KERNEL, X)

// ---- words -----------------------------------------------------------------

// A text: code points of 1, 2 or 4 bytes.
struct TextView {
  const void* data;
  Index size;  // code points
  int width;   // bytes of one
};

// A word is what stands between delimiters and is not empty. The code points
// below 256 are lowered by a table first; what else is lowered has been before.
struct WordRules {
  std::uint8_t lowered[256];
  bool delimits[256];         // after lowering
  const std::uint32_t* wide;  // delimiters from 256, rising
  Index wide_count;
};

// The distinct words of many texts in order of first appearance: the place of
// a word never changes. It grows as it must: std::bad_alloc, or
// std::length_error at 2^31 - 1 words. A word is the same at every width.
struct WordTable;

struct WordView {
  TextView text;  // at the least width; valid until the table changes
  Index count;
  Index documents;  // texts that hold it
};

// Counts the words of `texts`, in order, on top of what the table has.
struct CountWords {
  WordTable* table;
  const WordRules* rules;
  const TextView* texts;
  Index count;
};

// The place of each word of text i, -1 if the table has none, goes to
// places[starts[i]] and on; room for (texts[i].size + 1) / 2 of them.
struct FindWords {
  const WordTable* table;
  const WordRules* rules;
  const TextView* texts;
  const std::int64_t* starts;  // (count)
  Index count;
  std::int32_t* places;
  std::int64_t* found;  // (count): how many words text i has
};

// ---- all -------------------------------------------------------------------

#define STROP_KERNELS(X)         \
  STROP_ACTIVATION_KERNELS(X)    \
  STROP_ADAM_KERNELS(X)          \
  STROP_DEFERRED_ADAM_KERNELS(X) \
  STROP_EMBEDDING_KERNELS(X)     \
  STROP_EMBEDDING_BAG_KERNELS(X) \
  STROP_LAMB_KERNELS(X)          \
  STROP_LOSS_KERNELS(X)          \
  STROP_MATMUL_KERNELS(X)        \
  STROP_RECURRENT_KERNELS(X)     \
  STROP_REDUCTION_KERNELS(X)     \
  STROP_SGD_KERNELS(X)           \
  STROP_SOFTMAX_KERNELS(X)       \
  STROP_UPDATE_KERNELS(X)

// Kernels for float32 alone.
#define STROP_FLOAT32_KERNELS(X) STROP_COMPACT_ADAM_KERNELS(X)

#define STROP_DECLARE_FLOAT32(name, Args) void name(const Args<float>&, Stream);
#define STROP_DECLARE(name, Args)   \
  STROP_DECLARE_FLOAT32(name, Args) \
  void name(const Args<double>&, Stream);

namespace cpu {
STROP_KERNELS(STROP_DECLARE)
STROP_FLOAT32_KERNELS(STROP_DECLARE_FLOAT32)
Index compact_ids(const CompactIds&);  // returns the number of unique ids
void deferred_adam_advance(const DeferredAdamAdvance&);
// No result depends on the seed; the time of a hostile text does.
WordTable* new_word_table(std::uint64_t seed);
void delete_word_table(WordTable*);
Index word_count(const WordTable&);
WordView word_at(const WordTable&, Index place);
// Adds words until one is there already; returns how many were added.
Index add_words(WordTable&, const TextView* words, Index count);
void count_words(const CountWords&);
void find_words(const FindWords&);
}  // namespace cpu

namespace cuda {
STROP_KERNELS(STROP_DECLARE)
STROP_FLOAT32_KERNELS(STROP_DECLARE_FLOAT32)
STROP_DECLARE(finish_reduction, FinishReduction)
Index reduce_workspace(Index outer, Index extent, Index inner);
Index argmax_workspace(Index outer, Index extent, Index inner);
// Of softmax_cross_entropy.
Index loss_parts(Index rows, Index classes, bool is_double);
#define STROP_WORKSPACE(Args)                 \
  Index matmul_workspace(const Args<float>&); \
  Index matmul_workspace(const Args<double>&);
STROP_WORKSPACE(Matmul)
STROP_WORKSPACE(MatmulBackward)
#undef STROP_WORKSPACE
STROP_DECLARE(row_gradient, RowGradient)
// Fills in bag_bits, row_bits and wide; the bytes that row_plan works in.
std::size_t lay_out(RowPlan&);
void row_plan(const RowPlan&, void* workspace, Stream);
}  // namespace cuda

#undef STROP_DECLARE
#undef STROP_DECLARE_FLOAT32

}  // namespace strop
