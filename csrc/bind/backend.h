#pragma once

#include "bind/array.h"

// The binding sources are compiled twice: into `strop._cpu`, and, with
// STROP_CUDA defined to 1, into `strop._cuda`. Everything that differs between
// the two modules is on this page; numpy.cpp implements the functions.

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

extern const char* const kLibrary;       // "numpy" or "cupy"
extern const char* const kOtherLibrary;  // for the hint in a device message

// False if the object is no array of this backend's library.
bool read_array(py::handle object, Array& a);

py::object new_array(const std::vector<Index>& shape, DType dtype);

// The place of the first id outside [0, rows), or -1.
Index first_bad_id(const Ids& ids, Index rows);
Index id_at(const Ids& ids, Index place);

}  // namespace bind
}  // namespace strop
