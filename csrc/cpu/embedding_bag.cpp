#include "kernels.h"

namespace strop::cpu::STROP_ISA {}
