#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bind/unlocked.h"
#include "kernels/base.h"

// Borrowed arrays and every check on them. The texts of all messages stand in
// array.cpp; what differs between NumPy and CuPy stands in backend.h.

namespace strop::bind {

namespace py = pybind11;

enum class DType {
  kFloat32,
  kFloat64,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kBool,
  kOther
};

// The memory of one array, borrowed for the length of a call. Reading one of
// NumPy's allocates nothing: `shape` points into the array object.
struct Array {
  const char* name;  // the argument's name, for messages
  py::handle object;
  DType dtype;
  int ndim;
  const py::ssize_t* shape;
  void* address;
  bool contiguous;
  bool writable;
  int place = -1;  // in a list of arrays; messages then say name[place]
#if STROP_CUDA
  std::shared_ptr<py::ssize_t[]> own_shape;  // CuPy keeps none in its arrays
  int device = -1;
  bool freed = false;
  std::uintptr_t producer = 0;  // the stream that its values come from, or 0
  const char* wrong = nullptr;  // entry of a __cuda_array_interface__
#endif

  Index size() const;
  // Bytes from `address` to the end of a contiguous array.
  Index bytes() const;
};

template <typename T>
T* data(const Array& a) {
  return static_cast<T*>(a.address);
}

// "float32 array of shape (3, 4)"
std::string describe(const Array& a);
std::string label(const Array& a);  // its name, and its place in a list
std::string shape_text(const py::ssize_t* shape, int ndim);

// Reads the array behind `object`; TypeError if it is not one of this backend's
// or not C-contiguous and aligned (ValueError).
Array borrow(const char* op, const char* name, py::handle object,
             int place = -1);

// The same where None is allowed; then `address` is null.
Array borrow_optional(const char* op, const char* name, py::handle object);

// Each of these raises before a kernel has written anything.
void require_float(const char* op, const Array& a);
void require_float32(const char* op, const Array& a);
void require_dtype(const char* op, const Array& a, DType dtype);
#if STROP_CUDA
void require_memory(const char* op, const Array& a);
#endif
void require_ids(const char* op, const Array& a);
void require_dtype_like(const char* op, const Array& a, const Array& like);
void require_writable(const char* op, const Array& a);
void require_ndim(const char* op, const Array& a, int ndim);
void require_same_shape(const char* op, const Array& a, const Array& like);
void require_shape(const char* op, const Array& a,
                   const std::vector<Index>& shape);
void require_disjoint(const char* op, const Array& a, const Array& b);

// IndexError naming the first id outside [0, rows), its place and the length.
void require_ids_in(const char* op, const Array& ids, Index rows);
inline Ids ids_of(const Array& a) {
  return Ids{a.address, a.size(), a.dtype == DType::kInt64};
}

// `out` where the user gave one (checked: shape, dtype, writable), else a new
// array of that shape with the dtype of `like`.
py::object output(const char* op, py::handle out, const Array& like,
                  const std::vector<Index>& shape);

// One array, or a list or tuple of arrays: what the optimizer steps take.
std::vector<Array> borrow_many(const char* op, const char* name,
                               py::handle object);

// Calls f with a float or a double, as the dtype says.
template <typename F>
auto visit_float(const Array& a, F&& f) {
  return a.dtype == DType::kFloat32 ? f(float{}) : f(double{});
}

// Lets other Python threads run while a kernel works on so many elements. For
// less than about 10 us it keeps the lock: a thread that takes it meanwhile
// holds it for up to 5 ms.
class Release {
 public:
  explicit Release(Index elements) {
    if (elements >= 1 << 14) unlocked_.emplace();
  }

 private:
  std::optional<Unlocked> unlocked_;
};

[[noreturn]] void raise_type(const char* op, const std::string& text);
[[noreturn]] void raise_value(const char* op, const std::string& text);

}  // namespace strop::bind
