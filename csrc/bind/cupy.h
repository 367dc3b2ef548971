#pragma once

#include "bind/backend.h"

namespace strop::bind {

// What a call asks of CuPy, looked up once. Names are interned: an attribute of
// an array costs 30 ns so, and 100 where each time a string is made of its
// name.
struct Cupy {
  py::object module, ndarray, current_stream;
  py::object dtypes[5];  // NumPy's, of which there is one each
  PyObject *dtype, *shape, *flags, *c_contiguous, *data, *ptr, *device_id, *mem;
};

// ImportError, with the way out, where it is not installed.
const Cupy& cupy();

std::uintptr_t current_stream(int device);
std::uintptr_t address_of(const py::object& array);

}  // namespace strop::bind
