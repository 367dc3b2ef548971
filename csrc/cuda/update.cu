// Optimizer steps of one pass over the arrays, bound by memory: with k states
// an element of T is (3 + 2 k) sizeof(T) bytes. These take denormals as zero,
// those of update_signs.cu do not, as on the CPU.

#include "cuda/update_step.cuh"
#include "kernels/update.h"

namespace strop::cuda {

STROP_UPDATE(adadelta_step, AdadeltaStep)
STROP_UPDATE(adagrad_step, AdagradStep)
STROP_UPDATE(adamax_step, AdamaxStep)
STROP_UPDATE(nadam_step, NadamStep)
STROP_UPDATE(radam_step, RadamStep)
STROP_UPDATE(rmsprop_step, RmspropStep)

}  // namespace strop::cuda
