#pragma once

#include "cpu/parallel.h"
#include "kernels/base.h"
#include "math/gradient.h"

// What the optimizer kernels share: many tensors as one range of work.

namespace strop::cpu {

STROP_HD Index id_of(const Ids& ids, Index i) {
  return ids.wide ? static_cast<const std::int64_t*>(ids.data)[i]
                  : static_cast<const std::int32_t*>(ids.data)[i];
}

// Elements of a tensor before the first that stands at a cache line. Arrays of
// NumPy begin 16 bytes into one: there every load and store of 64 bytes touches
// two lines, and beyond the caches a step takes 1.25 times as long. State that
// stands in its line as the parameter does is then aligned with it. A small
// tensor is left in one piece.
template <typename Tensor>
STROP_HD Index before_line(const Tensor& t) {
  constexpr Index kLine = 64;
  if (t.size < 4096) return 0;
  const auto place = reinterpret_cast<std::uintptr_t>(t.param) % kLine;
  return place == 0 ? 0 : Index(kLine - place) / Index{sizeof(*t.param)};
}

// Calls body(tensor, begin, end) so that every element of every tensor is
// covered once. All tensors together are cut into chunks of equal length, so
// that a hundred small ones are shared out like one large one; the cuts within
// a tensor move up to the next cache line. `sixteenths`: what an element takes,
// in 1/16 ns.
template <typename Tensor, typename Body>
static inline __attribute__((always_inline)) void for_each_piece(
    const Tensor* tensors, Index count, Index sixteenths, const Body& body) {
  constexpr Index kChunk = 1 << 14;
  Index total = 0;
  for (Index k = 0; k < count; ++k) total += tensors[k].size;
  parallel_for(
      total, kChunk, total * sixteenths / 16, [=](Index begin, Index end) {
        Index which = 0;
        Index start = 0;  // of the tensor, among all elements
        while (start + tensors[which].size <= begin) {
          start += tensors[which++].size;
        }
        while (begin < end) {
          const Tensor& t = tensors[which];
          const Index stop = start + t.size;
          const Index until = stop < end ? stop : end;
          const Index shift = before_line(t);
          const auto aligned = [&](Index cut) __attribute__((always_inline)) {
            const Index moved = cut == 0 ? 0 : cut + shift;
            return moved < t.size ? moved : t.size;
          };
          Index first = aligned(begin - start);
          const Index last = aligned(until - start);
          if (first == 0 && shift < last) {
            if (shift > 0) body(which, first, shift);
            first = shift;
          }
          if (first < last) body(which, first, last);
          begin = until;
          if (begin == stop) start += tensors[which++].size;
        }
      });
}

// Calls body(form) with the form as a constant: body has to be always_inline.
template <typename T, typename Body>
STROP_HD void for_form(const Gradient<T>& g, const Body& body) {
  switch (form_of(g)) {
    case GradientForm::kPlain:
      return body(GradientForm::kPlain);
    case GradientForm::kScaled:
      return body(GradientForm::kScaled);
    case GradientForm::kDecayed:
      return body(GradientForm::kDecayed);
  }
}

}  // namespace strop::cpu
