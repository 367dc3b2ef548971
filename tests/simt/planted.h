#pragma once

#include <cstdint>

namespace strop::simt_tests {

void run_neighbours(const float* x, float* out, bool barrier);  // 256 of each
void run_count(unsigned* total, bool atomic);                   // to 768
void run_total(double* parts, unsigned* ticket, double* out, bool fenced);  // 9
void run_half_a_barrier();
void run_lost_barrier();
void run_ring(unsigned* values, unsigned blocks, bool barrier);
void run_stranger(float* out);
void run_beyond(float* out);  // reads past a shared array
void run_unset(float* out);   // 32, of shared memory that nobody wrote

// 32 numbers through so many bytes of shared memory that the launch gives.
void run_given(float* out, std::uint64_t bytes);

// A row of 256: its gradient in place, which takes off the value at a label.
void run_in_place(float* row, int label, float* own, bool read_first);

// total = the sum of 768 ones, on a stream; `waits` for it in the launcher.
void run_count_anew(unsigned* total, std::uintptr_t stream, bool waits);
void wait_for_another(std::uintptr_t stream);

}  // namespace strop::simt_tests
