// Steps in which signs decide, so that no denormal number is taken as zero.

#include "cuda/update_step.cuh"
#include "kernels/update.h"

namespace strop::cuda {

STROP_UPDATE(lion_step, LionStep)
STROP_UPDATE(rprop_step, RpropStep)

}  // namespace strop::cuda
