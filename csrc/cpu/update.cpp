// Optimizer steps of one pass over the arrays, bound by memory: with k states
// an element of T is (3 + 2 k) sizeof(T) bytes, that is 20 for float with one
// state, 28 with two, 36 with three.

#include "cpu/update_loop.h"

namespace strop::cpu::STROP_ISA {

#define STROP_UPDATE(X, name, Rule, Step)             \
  void name(const Step<float>& a) { update_step(a); } \
  void name(const Step<double>& a) { update_step(a); }
STROP_UPDATE_RULES(STROP_UPDATE, )
#undef STROP_UPDATE

}  // namespace strop::cpu::STROP_ISA
