// What strop._cuda was built for and what it finds, for strop.config.

#include "bind/backend.h"
#include "cuda/device.h"

namespace strop::bind {

void bind_config(py::module_& m) {
  m.attr("architectures") = STROP_ARCHITECTURES;
  m.def(
      "driver",
      [] {
        const cuda::Driver d = cuda::driver();
        py::dict about;
        about["runtime"] = d.runtime;
        about["driver"] = d.driver;
        about["devices"] = d.devices;
        about["current"] = d.current;
        about["reason"] = d.reason;
        return about;
      },
      "The CUDA runtime of this build, the driver and the devices; why not.");
  m.def(
      "first_bad_id",
      [](py::handle object, Index rows) {
        constexpr const char* op = "first_bad_id";
        const Array ids = borrow(op, "ids", object);
        require_ids(op, ids);
        const Queue queue(op, ids);
        const Stream stream = queue.stream();
        if (ids.size() == 0) return Index{-1};
        Unlocked unlocked;
        return cuda::first_bad_id(op, ids_of(ids), rows, stream.fault + 1,
                                  stream);
      },
      "The place of the first id outside [0, rows), or -1; waits.",
      py::arg("ids"), py::arg("rows"));
  m.def("take_bad_id", &take_bad_id,
        "The place of the first bad id since the last call, or -1; waits.");
}

}  // namespace strop::bind
