#pragma once

#include <cmath>

#include "bind/array.h"
#include "kernels/matmul.h"
#include "kernels/reduction.h"
#include "kernels/softmax.h"
#include "step/loss.h"

// The binding sources are compiled twice: into `strop._cpu`, and, with
// STROP_CUDA defined to 1, into `strop._cuda`. Everything that differs between
// the two modules is on this page; numpy.cpp and cupy.cpp implement the
// functions.

namespace strop {

namespace cpu {}
namespace cuda {}

#if STROP_CUDA
namespace backend = cuda;
#define STROP_MODULE _cuda
#else
namespace backend = cpu;
#define STROP_MODULE _cpu
#endif

namespace bind {

extern const char* const kLibrary;  // "numpy" or "cupy"

// False if the object is no array of this backend's library.
bool read_array(py::handle object, Array& a);

// What is wrong with an object that is none; "" if nothing particular.
std::string why_not(const char* op, const Array& a, py::handle object);

#if STROP_CUDA
void borrowed(const char* op, const Array& a);  // the first names the others
#else
inline void borrowed(const char*, const Array&) {}
#endif

py::object new_array(const std::vector<Index>& shape, DType dtype);

#if STROP_CUDA

// Where a call runs: the device of its arrays, which is the current one while
// this stands, and CuPy's stream there. TypeError if they are on several.
class Queue {
 public:
  template <typename... A>
  explicit Queue(const char* op, const A&... arrays) : Queue(op) {
    (add(arrays), ...);
  }
  explicit Queue(const char* op);
  Queue(const char* op,
        int device);  // of the arrays, which are known to be there
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void add(const Array& a);
  Stream stream() const { return stream_; }
  int device() const { return device_; }

 private:
  void use(int device);

  const char* op_;
  std::string first_;  // of the arrays
  int device_ = -1;
  int before_ = -1;
  Stream stream_;
  Queue* outer_;  // of this thread, when this one came
};

// Doubles for a kernel to work in, from CuPy's pool.
class Doubles {
 public:
  Doubles() = default;
  explicit Doubles(Index count);
  double* data() const { return data_; }

 private:
  py::object array_;
  double* data_ = nullptr;
};

// The sums of a loss over chunks. The kernel itself forms the value, an array
// without axes that nobody waits for.
class LossSum {
 public:
  explicit LossSum(Index parts);
  double* parts() const { return parts_.data(); }
  double* value() const { return value_address_; }
  py::object over(double) { return std::move(value_); }

 private:
  Doubles parts_;
  py::object value_;
  double* value_address_;
};

inline Index cross_entropy_parts(Index rows, Index classes, bool is_double) {
  return cuda::loss_parts(rows, classes, is_double);
}

inline constexpr bool kOnDevice = true;  // arrays are out of the host's reach

Index take_bad_id();

// Whether ids are looked at before a kernel runs: STROP_CHECK=1.
bool checks_ids();

// Bytes for a kernel to work in, from CuPy's pool.
py::object new_bytes(std::size_t count, void*& data);

#else

struct Queue {
  template <typename... A>
  explicit Queue(const char*, const A&...) {}
  void add(const Array&) {}
  Stream stream() const { return {}; }
};

class Doubles {
 public:
  Doubles() = default;
  explicit Doubles(Index count) : values_(count) {}
  double* data() { return values_.data(); }
  Index size() const { return Index(values_.size()); }

 private:
  std::vector<double> values_;
};

class LossSum {
 public:
  explicit LossSum(Index parts) : parts_(parts) {}
  double* parts() { return parts_.data(); }
  double* value() const { return nullptr; }
  py::object over(double count) {
    const double sum = step::add_pairwise(parts_.data(), parts_.size());
    return py::float_(count == 0 ? 0.0 : sum / count);
  }

 private:
  Doubles parts_;
};

inline Index cross_entropy_parts(Index rows, Index, bool) {
  return (rows + kSoftmaxChunk - 1) / kSoftmaxChunk;
}

inline constexpr bool kOnDevice = false;

inline bool checks_ids() { return true; }

#endif

// Doubles of a kernel to the type of the result.
template <typename T>
void finish_reduction(const FinishReduction<T>& a, const Queue& queue) {
#if STROP_CUDA
  cuda::finish_reduction(a, queue.stream());
#else
  (void)queue;
  for (Index i = 0; i < a.size; ++i) {
    const double v = a.values[i];
    a.out[i] = T(a.which == Finish::kDivide ? v / a.count
                 : a.which == Finish::kRoot ? std::sqrt(v)
                                            : v);
  }
#endif
}

inline Index reduce_workspace(Index outer, Index extent, Index inner) {
#if STROP_CUDA
  return cuda::reduce_workspace(outer, extent, inner);
#else
  (void)outer, (void)extent, (void)inner;
  return 0;
#endif
}

inline Index argmax_workspace(Index outer, Index extent, Index inner) {
#if STROP_CUDA
  return cuda::argmax_workspace(outer, extent, inner);
#else
  (void)outer, (void)extent, (void)inner;
  return 0;
#endif
}

template <typename Args>
Index matmul_workspace(const Args& a) {
#if STROP_CUDA
  return cuda::matmul_workspace(a);
#else
  (void)a;
  return 0;
#endif
}

// The place of the first id outside [0, rows), or -1. On CUDA it looks only
// under STROP_CHECK=1, since it has to wait for the device: the kernels read
// nothing at a bad id and note its place.
Index first_bad_id(const Ids& ids, Index rows);
Index id_at(const Ids& ids, Index place);

}  // namespace bind
}  // namespace strop
