#include "math/compact_adam.h"

#include "kernels/compact_adam.h"
#include "native.h"

namespace strop::native {
namespace {

using Bytes = std::uint8_t;

constexpr AdamCoefficients<float> kStep{0.9f,  0.1f, 0.999f, 0.001f,
                                        0.01f, 2,    1e-7f,  0.001f};

// Every code stands for a number that gets the same code, in rising order.
void codes() {
  for (int code = 0; code < 256; ++code) {
    const float plus = positive_value(code);
    const float any = signed_value(code);
    STROP_CHECK(positive_code(plus) == code, "positive %d", code);
    STROP_CHECK(signed_code(any) == code, "signed %d", code);
    if (code == 0) continue;
    STROP_CHECK(plus > positive_value(code - 1), "positive %d", code);
    STROP_CHECK(any > signed_value(code - 1), "signed %d", code);
  }
  STROP_CHECK(positive_code(1e-30f) == 1, "a small number became 0");
  STROP_CHECK(signed_code(0) == 127 && positive_code(0) == 0, "0 moved");
  STROP_CHECK(signed_code(-1) == 0 && signed_code(1) == 255, "1 moved");
}

void bfloat16() {
  const float infinity = float_of(0x7f800000u);
  for (const std::uint32_t chance : {0u, 0x8000u, 0xffffu}) {
    for (const float x : {0.0f, 1.0f, -3.0f, infinity, -infinity}) {
      STROP_CHECK(from_bfloat16(to_bfloat16(x, chance)) == x, "%g moved", x);
    }
    const float nan = from_bfloat16(to_bfloat16(float_of(0x7fffffffu), chance));
    STROP_CHECK(nan != nan, "NaN became %g", nan);
  }
}

struct Tensor {
  Index rows, width;
  Guarded<float> param, grad;
  Guarded<Bytes> first, second;  // of either format

  Tensor(Index rows, Index width, Index grads, MomentFormat format)
      : rows(rows),
        width(width),
        param(rows * width),
        grad(grads * width),
        first(bytes(format)),
        second(bytes(format)) {
    param.random();
    grad.random();
    first.fill(0);
    second.fill(0);
  }
  Index bytes(MomentFormat format) const {
    return rows *
           (format == MomentFormat::kBlocks8 ? packed_width(width) : 2 * width);
  }
  CompactAdamTensor view() const {
    return {param.data(), first.data(), second.data(), grad.data(),
            rows * width, rows,         width,         kStep.decay};
  }
  void recorded() const {
    param.recorded();
    first.recorded();
    second.recorded();
  }
};

// From moments of 0 the first step is exact, however they are kept.
void first_step(const Tensor& t, Index row, Index from,
                const std::vector<double>& before) {
  for (Index d = 0; d < t.width; ++d) {
    const Index at = row * t.width + d;
    const double g = t.grad[from * t.width + d];
    const double root =
        std::sqrt(double(kStep.one_minus_beta2) * g * g) * kStep.inv_root_c2 +
        kStep.eps;
    const double move =
        double(kStep.step_size) * double(kStep.one_minus_beta1) * g / root;
    near("param", at, t.param[at],
         before[at] - double(kStep.decay) * before[at] - move, 2);
  }
}

void tensors(Index rows, Index width, MomentFormat format) {
  const Tensor a(rows, width, rows, format), b(1, 300, 1, format);
  const auto before = a.param.copy();
  const CompactAdamTensor list[] = {a.view(), b.view()};
  for (std::uint32_t step = 1; step < 4; ++step) {
    backend::compact_adam_step({list, 2, format, mixed(step), kStep}, {});
    if (step > 1) continue;
    for (Index row = 0; row < rows; ++row) first_step(a, row, row, before);
  }
  a.recorded();
  b.recorded();
}

template <typename Id>
void rows(Index count, Index width, MomentFormat format) {
  const Tensor a(2 * count + 1, width, count, format);
  const auto before = a.param.copy();
  Guarded<Id> ids(count);
  for (Index i = 0; i < count; ++i) ids[i] = Id(2 * i + i % 2);
  backend::compact_adam_rows({a.view(), ids_of(ids), format, mixed(1), kStep},
                             {});
  for (Index i = 0; i < count; ++i) first_step(a, Index(ids[i]), i, before);
  a.recorded();
}

// The same numbers in device memory: the same bits, rounding by chance
// included, on all and on rows.
void numbers(MomentFormat format) {
  const AdamRule rule{0.9, 0.999, 1e-7, true, true};
  const double rate = 0.01, decay = 0.1, l2 = 0.01;
  const Tensor host(5, 300, 5, format), other(5, 300, 5, format);
  for (Index i = 0; i < host.param.size(); ++i) {
    other.param[i] = host.param[i];
    other.grad[i] = host.grad[i];
  }
  Guarded<double> room(kNumbersRoom), given(2);
  Guarded<std::int64_t> step(1), ids(5);
  for (Index i = 0; i < 5; ++i) ids[i] = i;
  given[0] = rate, given[1] = 0.5;
  const DeviceNumbers<AdamRule> device{
      rule, {0, given.data()}, {0, step.data()}, {0, given.data() + 1},
      l2,   room.data()};
  const Gradient<float> g{0.5f, float(l2)}, form{0, float(l2)};
  CompactAdamTensor own = host.view(), given_none = other.view();
  given_none.decay = 0;
  given_none.weight_decay = decay;
  for (step[0] = 1; step[0] < 4; ++step[0]) {
    const auto known = coefficients_of<float>(rule, step[0], rate, decay);
    own.decay = known.decay;
    const std::uint32_t key = key_of(step[0]);
    backend::compact_adam_step({&own, 1, format, key, known, g}, {});
    backend::compact_adam_step({&given_none, 1, format, 0, {}, form, device},
                               {});
    backend::compact_adam_rows({own, ids_of(ids), format, key, known, g}, {});
    backend::compact_adam_rows(
        {given_none, ids_of(ids), format, 0, {}, form, device}, {});
  }
  for (Index i = 0; i < host.param.size(); ++i) {
    STROP_CHECK(host.param[i] == other.param[i], "element %d", int(i));
  }
  for (Index i = 0; i < host.first.size(); ++i) {
    STROP_CHECK(host.first[i] == other.first[i], "moment1 %d", int(i));
    STROP_CHECK(host.second[i] == other.second[i], "moment2 %d", int(i));
  }
}

}  // namespace

void test_compact_adam() {
  codes();
  if (STROP_SIMT) {
    numbers(MomentFormat::kBfloat16);
    numbers(MomentFormat::kBlocks8);
  }
  bfloat16();
  for (const auto format : {MomentFormat::kBfloat16, MomentFormat::kBlocks8}) {
    for (const Index width : {1, 3, 15, 16, 17, 255, 256, 257, 530}) {
      tensors(5, width, format);
      rows<std::int32_t>(5, width, format);
    }
    tensors(0, 16, format);
    tensors(1, limited(300'001, 20'001), format);
    tensors(limited(20'001, 301), 16, format);
    rows<std::int64_t>(limited(9'001, 301), 16, format);
  }
}

}  // namespace strop::native
