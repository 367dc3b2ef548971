// The CuPy side of backend.h. Arrays of CuPy's own class are read attribute by
// attribute; those of others (torch, JAX, Numba) by __cuda_array_interface__.

#include <cstdlib>
#include <cstring>
#include <map>

#include "bind/backend.h"
#include "cuda/device.h"

namespace strop::bind {
namespace {

struct Cupy {
  py::object module, ndarray;
};

// CuPy, if the program has imported it, which then stays for good.
const Cupy* loaded_cupy() {
  static const Cupy* known = nullptr;
  if (known == nullptr) {
    const py::dict modules = py::module_::import("sys").attr("modules");
    if (!modules.contains("cupy")) return nullptr;
    const py::object module = modules["cupy"];
    known = new Cupy{module, module.attr("ndarray")};
  }
  return known;
}

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
  for (int i = 0; i < a.ndim; ++i) a.own_shape[i] = shape[i].cast<Index>();
  a.shape = a.own_shape.get();
}

void take_address(std::uintptr_t address, Array& a) {
  a.address = reinterpret_cast<void*>(address);
  const Index size = a.size();
  const Index item = size == 0 ? 1 : a.bytes() / size;
  a.contiguous = a.contiguous && address % std::uintptr_t(item) == 0;
  a.freed = size > 0 && address == 0;
}

bool read_cupy(py::handle object, Array& a) {
  a.dtype = dtype_of(object.attr("dtype").attr("str").cast<std::string>());
  take_shape(object.attr("shape"), a);
  a.contiguous = object.attr("flags").attr("c_contiguous").cast<bool>();
  a.writable = true;  // CuPy knows no others
  const py::object data = object.attr("data");
  take_address(data.attr("ptr").cast<std::uintptr_t>(), a);
  a.device = data.attr("device_id").cast<int>();
  // What the pool has taken back says so here; the pointer itself stays.
  if (data.attr("mem").attr("ptr").cast<std::uintptr_t>() == 0) {
    a.freed = a.size() > 0;
  }
  return true;
}

bool read_interface(py::handle object, Array& a) {
  if (!py::hasattr(object, "__cuda_array_interface__")) return false;
  const py::dict about = object.attr("__cuda_array_interface__");
  const auto given = [&](const char* key) {
    return about.contains(key) && !py::object(about[key]).is_none();
  };
  if (given("mask")) return false;
  a.dtype = dtype_of(about["typestr"].cast<std::string>());
  take_shape(about["shape"], a);
  const py::tuple data = about["data"];
  a.writable = !data[1].cast<bool>();
  a.contiguous = true;
  if (given("strides")) {
    const Index count = a.size();
    const py::tuple strides = about["strides"];
    Index want = count == 0 ? 0 : a.bytes() / count;
    for (int i = a.ndim - 1; i >= 0 && count > 0; --i) {
      if (a.shape[i] > 1 && strides[i].cast<Index>() != want) {
        a.contiguous = false;
      }
      want *= a.shape[i];
    }
  }
  take_address(data[0].cast<std::uintptr_t>(), a);
  if (given("stream")) a.producer = about["stream"].cast<std::uintptr_t>();
  return true;
}

// Two words of a device: the fault of stream.fault, and one to work in.
std::uint64_t* words_of(int device) {
  static auto& known = *new std::map<int, py::object>;
  py::object& words = known[device];
  if (!words) words = cupy().module.attr("zeros")(py::make_tuple(2), "uint64");
  return reinterpret_cast<std::uint64_t*>(
      words.attr("data").attr("ptr").cast<std::uintptr_t>());
}

thread_local Queue* current = nullptr;

// What the call under way borrowed first: the array that others are like. An
// op borrows its arguments in one order, so its name is that of the last time.
thread_local struct {
  const char* op;
  const char* name;
} first_borrowed;

}  // namespace

bool checks_ids() {
  static const char* text = std::getenv("STROP_CHECK");
  return text != nullptr && std::strcmp(text, "1") == 0;
}

const char* const kLibrary = "cupy";

bool read_array(py::handle object, Array& a) {
  a.object = object;
  const Cupy* known = loaded_cupy();
  const bool own =
      known != nullptr && reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())) ==
                              known->ndarray.ptr();
  return own ? read_cupy(object, a) : read_interface(object, a);
}

void borrowed(const char* op, const Array& a) {
  if (first_borrowed.op != op) first_borrowed = {op, a.name};
}

std::string why_not(const char* op, const Array& a, py::handle object) {
  const py::handle type = py::type::handle_of(object);
  const std::string module = py::str(type.attr("__module__"));
  if (module.rfind("numpy", 0) != 0 || !py::hasattr(object, "shape")) return "";
  std::string like;
  if (first_borrowed.op == op &&
      std::strcmp(first_borrowed.name, a.name) != 0) {
    like = std::string(" like ") + first_borrowed.name;
  }
  return "be a cupy array" + like + "; got a numpy array of shape " +
         std::string(py::str(object.attr("shape"))) +
         "; move it with cupy.asarray";
}

py::object new_array(const std::vector<Index>& shape, DType dtype) {
  const char* name = dtype == DType::kFloat32   ? "float32"
                     : dtype == DType::kFloat64 ? "float64"
                     : dtype == DType::kInt32   ? "int32"
                                                : "int64";
  py::tuple extents(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) extents[i] = shape[i];
  return cupy().module.attr("empty")(extents, name);
}

Queue::Queue(const char* op) : op_(op), outer_(current) {}

Queue::~Queue() {
  if (device_ < 0) return;
  current = outer_;
  if (before_ != device_) {
    try {
      cuda::set_device(op_, before_);
    } catch (const std::exception&) {  // the call itself has failed then
    }
  }
}

void Queue::add(const Array& a) {
  // Only CuPy says where an array without elements is.
  if (!a.object || (a.device < 0 && a.size() == 0)) return;
  const int device = a.device < 0 ? cuda::device_of(op_, a.address) : a.device;
  if (device < 0) {
    raise_value(op_, label(a) + " must hold memory of a device; got a " +
                         describe(a) + " at an address of none");
  }
  if (device_ < 0) {
    before_ = cuda::current_device(op_);
    if (before_ != device) cuda::set_device(op_, device);
    device_ = device;
    first_ = label(a);
    current = this;
    stream_.handle = cupy()
                         .module.attr("cuda")
                         .attr("get_current_stream")(device)
                         .attr("ptr")
                         .cast<std::uintptr_t>();
    stream_.fault = words_of(device);
  } else if (device != device_) {
    const std::string own = std::to_string(device_);
    raise_type(op_, label(a) + " must be on device " + own + " like " + first_ +
                        "; got a " + describe(a) + " on device " +
                        std::to_string(device) +
                        "; move it with cupy.asarray under cupy.cuda.Device(" +
                        own + ")");
  }
  if (a.producer != 0 && a.producer != stream_.handle) {
    cuda::wait_for(op_, stream_, a.producer);
  }
}

Doubles::Doubles(Index count) {
  if (count == 0) return;
  array_ = new_array({count}, DType::kFloat64);
  data_ = reinterpret_cast<double*>(
      array_.attr("data").attr("ptr").cast<std::uintptr_t>());
}

py::object new_bytes(std::size_t count, void*& data) {
  data = nullptr;
  if (count == 0) return py::none();
  py::object array = new_array({Index((count + 7) / 8)}, DType::kInt64);
  data = reinterpret_cast<void*>(
      array.attr("data").attr("ptr").cast<std::uintptr_t>());
  return array;
}

LossSum::LossSum(Index parts)
    : parts_(parts + kLossHeader),
      value_(new_array({}, DType::kFloat64)),
      value_address_(reinterpret_cast<double*>(
          value_.attr("data").attr("ptr").cast<std::uintptr_t>())) {}

Index first_bad_id(const Ids& ids, Index rows) {
  if (!checks_ids() || current == nullptr) return -1;
  const Stream stream = current->stream();
  return cuda::first_bad_id("ids", ids, rows, stream.fault + 1, stream);
}

Index id_at(const Ids& ids, Index place) {
  return cuda::id_at("ids", ids, place, current->stream());
}

// The place of the first bad id that a kernel met on this device since the last
// time, or -1. Waits for the current stream.
Index take_bad_id() {
  const int device = cuda::current_device("take_bad_id");
  const auto handle = cupy()
                          .module.attr("cuda")
                          .attr("get_current_stream")(device)
                          .attr("ptr")
                          .cast<std::uintptr_t>();
  const std::uint64_t fault =
      cuda::take_word("take_bad_id", words_of(device), Stream{handle});
  return fault == 0 ? -1 : Index(~fault);
}

}  // namespace strop::bind
