// Arrays of CuPy's own class are read attribute by attribute; those of others
// (torch, JAX, Numba) by __cuda_array_interface__.

#include <algorithm>

#include "bind/cupy.h"

namespace strop::bind {
namespace {

constexpr DType kKnown[] = {DType::kFloat32, DType::kFloat64, DType::kInt32,
                            DType::kInt64, DType::kBool};

const char* name_of(DType dtype) {
  return dtype == DType::kFloat32   ? "float32"
         : dtype == DType::kFloat64 ? "float64"
         : dtype == DType::kInt32   ? "int32"
         : dtype == DType::kInt64   ? "int64"
                                    : "bool";
}

Cupy* looked_up(const py::object& module) {
  auto* c = new Cupy{};
  c->module = module;
  c->ndarray = module.attr("ndarray");
  c->cuda = module.attr("cuda");
  c->get_current_stream = PyUnicode_InternFromString("get_current_stream");
  const py::object make = py::module_::import("numpy").attr("dtype");
  for (int i = 0; i < 5; ++i) c->dtypes[i] = make(name_of(kKnown[i]));
  c->dtype = PyUnicode_InternFromString("dtype");
  c->shape = PyUnicode_InternFromString("shape");
  c->flags = PyUnicode_InternFromString("flags");
  c->c_contiguous = PyUnicode_InternFromString("c_contiguous");
  // What `flags` makes an object to say; 0.3 us.
  const char* const own = "_c_contiguous";
  c->own_c_contiguous =
      py::hasattr(c->ndarray, own) ? PyUnicode_InternFromString(own) : nullptr;
  c->data = PyUnicode_InternFromString("data");
  c->ptr = PyUnicode_InternFromString("ptr");
  c->device_id = PyUnicode_InternFromString("device_id");
  c->mem = PyUnicode_InternFromString("mem");
  return c;
}

// CuPy, if the program has imported it, which then stays for good.
const Cupy* loaded_cupy() {
  static const Cupy* known = nullptr;
  if (known == nullptr) {
    const py::dict modules = py::module_::import("sys").attr("modules");
    if (!modules.contains("cupy")) return nullptr;
    known = looked_up(modules["cupy"]);
  }
  return known;
}

DType dtype_of(const std::string& text) {
  if (text == "<f4") return DType::kFloat32;
  if (text == "<f8") return DType::kFloat64;
  if (text == "<i4") return DType::kInt32;
  if (text == "<i8") return DType::kInt64;
  if (text == "|b1") return DType::kBool;
  if (text == "|u1") return DType::kUint8;
  if (text == "<u2") return DType::kUint16;
  return DType::kOther;
}

void take_shape(const py::tuple& shape, Array& a) {
  a.ndim = int(shape.size());
  a.own_shape.reset(new py::ssize_t[shape.size() + 1]);
  for (int i = 0; i < a.ndim; ++i) {
    a.own_shape[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape.ptr(), i));
  }
  a.shape = a.own_shape.get();
}

void take_address(std::uintptr_t address, Array& a) {
  a.address = reinterpret_cast<void*>(address);
  const Index size = a.size();
  const Index item = size == 0 ? 1 : a.bytes() / size;
  a.contiguous = a.contiguous && address % std::uintptr_t(item) == 0;
  a.freed = size > 0 && address == 0;
}

py::object get(py::handle object, PyObject* name) {
  PyObject* value = PyObject_GetAttr(object.ptr(), name);
  if (value == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(value);
}

std::uintptr_t word(const py::object& number) {
  const std::size_t value = PyLong_AsSize_t(number.ptr());
  if (value == std::size_t(-1) && PyErr_Occurred() != nullptr) {
    throw py::error_already_set();
  }
  return value;
}

bool read_cupy(const Cupy& c, py::handle object, Array& a) {
  const py::object dtype = get(object, c.dtype);
  const auto* known =
      std::find_if(std::begin(c.dtypes), std::end(c.dtypes),
                   [&](const py::object& one) { return one.is(dtype); });
  a.dtype = known != std::end(c.dtypes)
                ? kKnown[known - std::begin(c.dtypes)]
                : dtype_of(dtype.attr("str").cast<std::string>());
  take_shape(get(object, c.shape), a);
  const py::object contiguous = c.own_c_contiguous != nullptr
                                    ? get(object, c.own_c_contiguous)
                                    : get(get(object, c.flags), c.c_contiguous);
  a.contiguous = PyObject_IsTrue(contiguous.ptr()) == 1;
  a.writable = true;  // CuPy knows no others
  const py::object data = get(object, c.data);
  take_address(word(get(data, c.ptr)), a);
  a.device = int(word(get(data, c.device_id)));
  // What the pool has taken back says so here; the pointer itself stays.
  if (word(get(get(data, c.mem), c.ptr)) == 0) a.freed = a.size() > 0;
  return true;
}

// A whole number of 0 or more; false, and no Python error, for all else.
bool natural(py::handle object, std::uintptr_t& value) {
  if (PyIndex_Check(object.ptr()) == 0) return false;
  const auto whole =
      py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (whole) value = PyLong_AsSize_t(whole.ptr());
  const bool failed = PyErr_Occurred() != nullptr;
  if (failed) PyErr_Clear();
  return !failed;
}

bool is_sequence(py::handle object) {
  return PyTuple_Check(object.ptr()) || PyList_Check(object.ptr());
}

// False where an extent is none, or the array is larger than memory can be.
bool take_extents(py::handle given, Array& a) {
  if (!is_sequence(given)) return false;
  const auto extents = py::reinterpret_borrow<py::sequence>(given);
  a.ndim = int(extents.size());
  a.own_shape.reset(new py::ssize_t[extents.size() + 1]);
  a.shape = a.own_shape.get();
  double size = 1;
  for (int i = 0; i < a.ndim; ++i) {
    std::uintptr_t extent = 0;
    if (!natural(extents[i], extent)) return false;
    a.own_shape[i] = py::ssize_t(extent);
    size *= std::max(1.0, double(extent));
  }
  return size < 0x1p59;
}

// False where there are other strides than axes. An axis of one element may
// have any.
bool take_strides(py::handle given, Array& a) {
  if (!is_sequence(given)) return false;
  const auto strides = py::reinterpret_borrow<py::sequence>(given);
  if (int(strides.size()) != a.ndim) return false;
  const Index count = a.size();
  Index want = count == 0 ? 0 : a.bytes() / count;
  for (int i = a.ndim - 1; i >= 0 && count > 0; --i) {
    std::uintptr_t stride = 0;
    const bool told = natural(strides[i], stride);  // not so below 0
    if (a.shape[i] > 1 && !(told && Index(stride) == want)) {
      a.contiguous = false;
    }
    want *= a.shape[i];
  }
  return true;
}

// Whoever made the interface may have put anything there.
bool read_interface(py::handle object, Array& a) {
  if (!py::hasattr(object, "__cuda_array_interface__")) return false;
  const py::object about = object.attr("__cuda_array_interface__");
  const auto entry = [&](const char* key) -> py::object {
    a.wrong = key;
    if (!py::isinstance<py::dict>(about)) return py::none();
    const py::dict entries = about;
    return entries.contains(key) ? py::object(entries[key]) : py::none();
  };
  if (!entry("mask").is_none()) return false;
  const py::object type = entry("typestr");
  if (!py::isinstance<py::str>(type)) return false;
  a.dtype = dtype_of(type.cast<std::string>());
  if (!take_extents(entry("shape"), a)) return false;
  a.contiguous = true;
  const py::object strides = entry("strides");
  if (!strides.is_none() && !take_strides(strides, a)) return false;
  const py::object data = entry("data");
  std::uintptr_t address = 0;
  if (!is_sequence(data) || py::len(data) != 2) return false;
  const auto pair = py::reinterpret_borrow<py::sequence>(data);
  if (!natural(pair[0], address)) return false;
  a.writable = PyObject_IsTrue(py::object(pair[1]).ptr()) == 0;
  PyErr_Clear();
  take_address(address, a);
  const py::object stream = entry("stream");
  if (!stream.is_none() && !natural(stream, a.producer)) return false;
  a.wrong = nullptr;
  return true;
}

}  // namespace

const Cupy& cupy() {
  if (loaded_cupy() == nullptr) {
    try {
      py::module_::import("cupy");
    } catch (py::error_already_set&) {
      throw py::import_error(
          "strop: results on a GPU are CuPy arrays; pip install "
          "\"strop[cuda13]\"");
    }
  }
  return *loaded_cupy();
}

std::uintptr_t current_stream(int device) {
  const Cupy& c = cupy();
  const py::int_ number(device);
  PyObject* stream = PyObject_CallOneArg(
      get(c.cuda, c.get_current_stream).ptr(), number.ptr());
  if (stream == nullptr) throw py::error_already_set();
  return word(get(py::reinterpret_steal<py::object>(stream), c.ptr));
}

std::uintptr_t address_of(const py::object& array) {
  const Cupy& c = cupy();
  return word(get(get(array, c.data), c.ptr));
}

bool read_array(py::handle object, Array& a) {
  a.object = object;
  const Cupy* known = loaded_cupy();
  const bool own =
      known != nullptr && reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())) ==
                              known->ndarray.ptr();
  return own ? read_cupy(*known, object, a) : read_interface(object, a);
}

py::object new_array(const std::vector<Index>& shape, DType dtype) {
  py::tuple extents(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) extents[i] = shape[i];
  return cupy().module.attr("empty")(extents, name_of(dtype));
}

}  // namespace strop::bind
