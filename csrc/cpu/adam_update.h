#pragma once

#include "kernels/base.h"

// One Adam step on a run of elements, and on a row: what the dense kernel, the
// row kernel and the deferred one share, so that their bits agree.

namespace strop::cpu {

// Elements of a row that are worked on at once: one zmm, two ymm, four q.
inline constexpr Index kRowBlock = 16;

template <typename T>
STROP_HD void adam_update(T* __restrict param, T* __restrict moment1,
                          T* __restrict moment2, T* __restrict max_moment2,
                          const T* __restrict grad, Index n,
                          const AdamCoefficients<T>& c,
                          GradientForm form = GradientForm::kPlain,
                          const Gradient<T>& g = {}) {
  if (max_moment2 == nullptr) {
#pragma GCC ivdep
    for (Index i = 0; i < n; ++i) {
      adam_moments(moment1[i], moment2[i],
                   seen_gradient(form, grad[i], param[i], g), c);
      param[i] = adam_param(param[i], moment1[i], moment2[i], c);
    }
  } else {
#pragma GCC ivdep
    for (Index i = 0; i < n; ++i) {
      adam_moments(moment1[i], moment2[i],
                   seen_gradient(form, grad[i], param[i], g), c);
      // False for NaN on the right, so that a NaN moment is taken over.
      max_moment2[i] =
          max_moment2[i] >= moment2[i] ? max_moment2[i] : moment2[i];
      param[i] = adam_param(param[i], moment1[i], max_moment2[i], c);
    }
  }
}

// The same for one row. Blocks of a known length spare the short loop its
// checks: 16 features take half the time.
template <typename T>
STROP_HD void adam_update_row(T* param, T* moment1, T* moment2, T* max_moment2,
                              const T* grad, Index width,
                              const AdamCoefficients<T>& c,
                              GradientForm form = GradientForm::kPlain,
                              const Gradient<T>& g = {}) {
  Index d = 0;
  for (; d + kRowBlock <= width; d += kRowBlock) {
    adam_update(param + d, moment1 + d, moment2 + d,
                max_moment2 ? max_moment2 + d : nullptr, grad + d, kRowBlock, c,
                form, g);
  }
  if (d < width) {
    adam_update(param + d, moment1 + d, moment2 + d,
                max_moment2 ? max_moment2 + d : nullptr, grad + d, width - d, c,
                form, g);
  }
}

}  // namespace strop::cpu
