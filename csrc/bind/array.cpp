#include "bind/array.h"

#include "bind/backend.h"

namespace strop::bind {
namespace {

std::string dtype_text(const Array& a) {
  switch (a.dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kUint8:
      return "uint8";
    case DType::kUint16:
      return "uint16";
    case DType::kBool:
      return "bool";
    default:
      break;
  }
#if STROP_CUDA
  if (!py::hasattr(a.object, "dtype")) {
    return py::str(a.object.attr("__cuda_array_interface__")["typestr"]);
  }
#endif
  return py::str(a.object.attr("dtype"));
}

std::string must(const Array& a, const std::string& rest) {
  return label(a) + " must " + rest;
}

std::string index_text(Index place, const Array& a) {
  std::string text;
  for (int axis = a.ndim - 1; axis >= 0; --axis) {
    const Index extent = a.shape[axis];
    text = std::to_string(place % extent) + (text.empty() ? "" : ", ") + text;
    place /= extent;
  }
  return "(" + text + (a.ndim == 1 ? ",)" : ")");
}

}  // namespace

std::string label(const Array& a) {
  return a.place < 0
             ? a.name
             : std::string(a.name) + "[" + std::to_string(a.place) + "]";
}

Index Array::size() const {
  Index n = 1;
  for (int i = 0; i < ndim; ++i) n *= shape[i];
  return n;
}

Index Array::bytes() const {
  switch (dtype) {
    case DType::kFloat64:
    case DType::kInt64:
      return size() * 8;
    case DType::kUint16:
      return size() * 2;
    case DType::kUint8:
    case DType::kBool:
      return size();
    default:
      return size() * 4;
  }
}

void raise_type(const char* op, const std::string& text) {
  throw py::type_error(std::string(op) + ": " + text);
}

void raise_value(const char* op, const std::string& text) {
  throw py::value_error(std::string(op) + ": " + text);
}

std::string shape_text(const py::ssize_t* shape, int ndim) {
  std::string text = "(";
  for (int i = 0; i < ndim; ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (ndim == 1 ? ",)" : ")");
}

std::string describe(const Array& a) {
  return dtype_text(a) + " array of shape " + shape_text(a.shape, a.ndim);
}

Array borrow(const char* op, const char* name, py::handle object, int place) {
  Array a{};
  a.name = name;
  a.place = place;
  if (!read_array(object, a)) {
    const std::string type =
        py::str(py::type::handle_of(object).attr("__name__"));
    const std::string reason = why_not(op, a, object);
    if (!reason.empty()) raise_type(op, must(a, reason));
    raise_type(
        op, must(a, "be a " + std::string(kLibrary) + " array; got " + type));
  }
  if (!a.contiguous) {
    raise_value(op, must(a, "be C-contiguous; got a strided " + describe(a) +
                                "; use " + kLibrary + ".ascontiguousarray"));
  }
#if STROP_CUDA
  require_memory(op, a);
#endif
  borrowed(op, a);
  return a;
}

Array borrow_optional(const char* op, const char* name, py::handle object) {
  if (!object.is_none()) return borrow(op, name, object);
  Array a{};
  a.name = name;
  return a;
}

std::vector<Array> borrow_many(const char* op, const char* name,
                               py::handle object) {
  std::vector<Array> arrays;
  if (py::isinstance<py::list>(object) || py::isinstance<py::tuple>(object)) {
    arrays.reserve(py::len(object));
    for (py::handle item : object) {
      arrays.push_back(borrow(op, name, item, int(arrays.size())));
    }
  } else {
    arrays.push_back(borrow(op, name, object));
  }
  return arrays;
}

#if STROP_CUDA
void require_memory(const char* op, const Array& a) {
  if (a.freed) {
    raise_value(op, must(a, "hold memory; got a freed " + describe(a)));
  }
}
#endif

void require_float(const char* op, const Array& a) {
  if (a.dtype != DType::kFloat32 && a.dtype != DType::kFloat64) {
    raise_type(op, must(a, "be float32 or float64; got a " + describe(a)));
  }
}

void require_dtype(const char* op, const Array& a, DType dtype) {
  if (a.dtype != dtype) {
    Array like{};
    like.dtype = dtype;
    raise_type(op,
               must(a, "be " + dtype_text(like) + "; got a " + describe(a)));
  }
}

void require_float32(const char* op, const Array& a) {
  require_dtype(op, a, DType::kFloat32);
}

void require_ids(const char* op, const Array& a) {
  if (a.dtype != DType::kInt32 && a.dtype != DType::kInt64) {
    raise_type(op, must(a, "be int32 or int64; got a " + describe(a)));
  }
}

void require_dtype_like(const char* op, const Array& a, const Array& like) {
  if (a.dtype != like.dtype) {
    raise_type(op, must(a, "be " + dtype_text(like) + " like " + label(like) +
                               "; got a " + describe(a)));
  }
}

void require_writable(const char* op, const Array& a) {
  if (!a.writable) {
    raise_value(op, must(a, "be writable; got a read-only " + describe(a)));
  }
}

void require_ndim(const char* op, const Array& a, int ndim) {
  if (a.ndim != ndim) {
    raise_value(op, must(a, "have " + std::to_string(ndim) +
                                (ndim == 1 ? " axis" : " axes") +
                                "; got shape " + shape_text(a.shape, a.ndim)));
  }
}

void require_same_shape(const char* op, const Array& a, const Array& like) {
  bool same = a.ndim == like.ndim;
  for (int i = 0; same && i < a.ndim; ++i) same = a.shape[i] == like.shape[i];
  if (!same) {
    raise_value(op, must(a, "have the shape of " + label(like) + " " +
                                shape_text(like.shape, like.ndim) + "; got " +
                                shape_text(a.shape, a.ndim)));
  }
}

void require_shape(const char* op, const Array& a,
                   const std::vector<Index>& shape) {
  bool same = a.ndim == static_cast<int>(shape.size());
  for (int i = 0; same && i < a.ndim; ++i) same = a.shape[i] == shape[i];
  if (!same) {
    const std::vector<py::ssize_t> want(shape.begin(), shape.end());
    raise_value(
        op, must(a, "have shape " + shape_text(want.data(), int(want.size())) +
                        "; got " + shape_text(a.shape, a.ndim)));
  }
}

void require_disjoint(const char* op, const Array& a, const Array& b) {
  const auto* a_begin = static_cast<const char*>(a.address);
  const auto* b_begin = static_cast<const char*>(b.address);
  if (a_begin == nullptr || b_begin == nullptr) return;
  if (a_begin < b_begin + b.bytes() && b_begin < a_begin + a.bytes()) {
    raise_value(op, must(a, "not overlap " + label(b) +
                                "; got two views of one buffer"));
  }
}

void require_ids_in(const char* op, const Array& a, Index rows) {
  const Ids ids = ids_of(a);
  const Index place = first_bad_id(ids, rows);
  if (place < 0) return;
  throw py::index_error(std::string(op) + ": " +
                        must(a, "lie in [0, " + std::to_string(rows) +
                                    "); got " +
                                    std::to_string(id_at(ids, place)) + " at " +
                                    index_text(place, a)));
}

py::object output(const char* op, py::handle out, const Array& like,
                  const std::vector<Index>& shape) {
  if (out.is_none()) return new_array(shape, like.dtype);
  const Array a = borrow(op, "out", out);
  require_dtype_like(op, a, like);
  require_shape(op, a, shape);
  require_writable(op, a);
  return py::reinterpret_borrow<py::object>(out);
}

}  // namespace strop::bind
