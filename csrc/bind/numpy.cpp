// The NumPy side of backend.h.

#include <pybind11/numpy.h>

#include "bind/backend.h"
#include "step/samples.h"

namespace strop::bind {
namespace {

// NumPy's type numbers are fixed by its ABI; int64 has two names on Linux.
DType dtype_of(int type_num, char byteorder) {
  if (byteorder == '>') return DType::kOther;
  switch (type_num) {
    case py::detail::npy_api::NPY_FLOAT_:
      return DType::kFloat32;
    case py::detail::npy_api::NPY_DOUBLE_:
      return DType::kFloat64;
    case py::detail::npy_api::NPY_INT_:
      return DType::kInt32;
    case py::detail::npy_api::NPY_LONG_:
    case py::detail::npy_api::NPY_LONGLONG_:
      return DType::kInt64;
    case py::detail::npy_api::NPY_UBYTE_:
      return DType::kUint8;
    case py::detail::npy_api::NPY_USHORT_:
      return DType::kUint16;
    case py::detail::npy_api::NPY_BOOL_:
      return DType::kBool;
    default:
      return DType::kOther;
  }
}

// numpy.matrix and masked arrays mean something else by their memory.
bool plain_array(py::handle object) {
  auto& api = py::detail::npy_api::get();
  const auto* type = Py_TYPE(object.ptr());
  if (reinterpret_cast<PyObject*>(const_cast<PyTypeObject*>(type)) ==
      reinterpret_cast<PyObject*>(api.PyArray_Type_)) {
    return true;
  }
  if (!api.PyArray_Check_(object.ptr())) return false;
  return py::str(py::type::handle_of(object).attr("__name__"))
      .equal(py::str("memmap"));
}

template <typename T>
Index scan(const T* ids, Index size, Index rows) {
  constexpr Index kBlock = 1024;  // is looked at again only if it has one
  for (Index begin = 0; begin < size; begin += kBlock) {
    const Index end = begin + kBlock < size ? begin + kBlock : size;
    if (step::all_in(ids + begin, end - begin, rows)) continue;
    for (Index i = begin; i < end; ++i) {
      if (ids[i] < 0 || Index{ids[i]} >= rows) return i;
    }
  }
  return -1;
}

}  // namespace

const char* const kLibrary = "numpy";

bool read_array(py::handle object, Array& a) {
  if (!plain_array(object)) return false;
  const auto* proxy = py::detail::array_proxy(object.ptr());
  const auto* descr = py::detail::array_descriptor_proxy(proxy->descr);
  constexpr int kContiguous = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_;
  constexpr int kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  constexpr int kWritable = py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  a.object = object;
  a.dtype = dtype_of(descr->type_num, descr->byteorder);
  a.ndim = proxy->nd;
  a.shape = proxy->dimensions;
  a.address = proxy->data;
  a.contiguous = (proxy->flags & kContiguous) && (proxy->flags & kAligned);
  a.writable = (proxy->flags & kWritable) != 0;
  return true;
}

std::string why_not(const char*, const Array&, py::handle object) {
  const std::string module =
      py::str(py::type::handle_of(object).attr("__module__"));
  if (module.rfind("cupy", 0) != 0) return "";
  return "be a numpy array; got a cupy array; move it with .get()";
}

py::object new_array(const std::vector<Index>& shape, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return py::array_t<float>(shape);
    case DType::kFloat64:
      return py::array_t<double>(shape);
    case DType::kInt32:
      return py::array_t<std::int32_t>(shape);
    default:
      return py::array_t<std::int64_t>(shape);
  }
}

Index first_bad_id(const Ids& ids, Index rows) {
  return ids.wide
             ? scan(static_cast<const std::int64_t*>(ids.data), ids.size, rows)
             : scan(static_cast<const std::int32_t*>(ids.data), ids.size, rows);
}

Index id_at(const Ids& ids, Index place) {
  return ids.wide ? static_cast<const std::int64_t*>(ids.data)[place]
                  : static_cast<const std::int32_t*>(ids.data)[place];
}

}  // namespace strop::bind
