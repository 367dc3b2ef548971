// The CuPy side of backend.h but for the reading of arrays: devices, streams,
// memory to work in, ids that the device has found bad.

#include "bind/cupy.h"

#include <cstdlib>
#include <cstring>
#include <map>

#include "cuda/device.h"
#include "kernels/loss.h"

namespace strop::bind {
namespace {

// Two words of a device: the fault of stream.fault, and one to work in.
std::uint64_t* words_of(int device) {
  static auto& known = *new std::map<int, std::uint64_t*>;
  std::uint64_t*& words = known[device];
  if (words == nullptr) {
    py::object made = cupy().module.attr("zeros")(py::make_tuple(2), "uint64");
    if (words != nullptr) return words;  // of a thread that came meanwhile
    words = reinterpret_cast<std::uint64_t*>(address_of(made));
    made.release();  // for good
  }
  return words;
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

void borrowed(const char* op, const Array& a) {
  if (first_borrowed.op != op) first_borrowed = {op, a.name};
}

std::string why_not(const char* op, const Array& a, py::handle object) {
  const py::handle type = py::type::handle_of(object);
  if (a.wrong != nullptr) {
    return "give its memory by __cuda_array_interface__; got a " +
           std::string(py::str(type.attr("__name__"))) + " with a wrong '" +
           a.wrong + "'";
  }
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

Queue::Queue(const char* op) : op_(op), outer_(current) {}

Queue::Queue(const char* op, int device)
    : op_(op), first_("param"), outer_(current) {
  use(device);
}

void Queue::use(int device) {
  before_ = cuda::current_device(op_);
  if (before_ != device) cuda::set_device(op_, device);
  device_ = device;
  current = this;
  stream_.handle = current_stream(device);
  stream_.fault = words_of(device);
}

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
    use(device);
    first_ = label(a);
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
  data_ = reinterpret_cast<double*>(address_of(array_));
}

py::object new_bytes(std::size_t count, void*& data) {
  data = nullptr;
  if (count == 0) return py::none();
  py::object array = new_array({Index((count + 7) / 8)}, DType::kInt64);
  data = reinterpret_cast<void*>(address_of(array));
  return array;
}

LossSum::LossSum(Index parts)
    : parts_(parts + kLossHeader),
      value_(new_array({}, DType::kFloat64)),
      value_address_(reinterpret_cast<double*>(address_of(value_))) {}

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
  const std::uintptr_t handle = current_stream(device);
  const std::uint64_t fault =
      cuda::take_word("take_bad_id", words_of(device), Stream{handle});
  return fault == 0 ? -1 : Index(~fault);
}

}  // namespace strop::bind
