#pragma once

#include "bind/backend.h"

namespace strop::bind {

// What a call asks of CuPy, looked up once. Names are interned, so that reading
// an attribute makes no string of it.
struct Cupy {
  py::object module, ndarray, cuda;
  py::object dtypes[5];  // NumPy's, of which there is one each
  PyObject *dtype, *shape, *flags, *c_contiguous, *data, *ptr, *device_id, *mem,
      *get_current_stream;
  PyObject* own_c_contiguous;  // null where CuPy has no such attribute
};

// ImportError, with the way out, where it is not installed.
const Cupy& cupy();

std::uintptr_t current_stream(int device);
std::uintptr_t address_of(const py::object& array);

}  // namespace strop::bind
