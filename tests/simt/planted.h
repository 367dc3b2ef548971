#pragma once

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

}  // namespace strop::simt_tests
