// Matrix product, bias and activation in one pass, and its gradients. Bound by
// FMA where M, N and K are all large, by memory where one of them is small.
// matmul_tile.h holds the arithmetic, matmul_blocks.h the order of the work,
// matmul_thin.h the shapes that memory bounds; this file chooses among them.
//
// Threads share out rows or columns of out, never K, and each packs what it
// needs: a few per cent of work done twice, and no thread waits for another.

#include "cpu/matmul_blocks.h"
#include "cpu/matmul_thin.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace strop::cpu::STROP_ISA {
namespace {

// Below these products packing costs more than it saves (cubes of 160, 128).
#if defined(__AVX512F__)
constexpr Index kDirectVolume = 160 * 160 * 160;
constexpr Index kDirectRows = 16;
constexpr Index kDirectColumns = 64;
#else
constexpr Index kDirectVolume = 128 * 128 * 128;
constexpr Index kDirectRows = 12;
constexpr Index kDirectColumns = 32;
#endif

// Up to this many rows an element of B is used so few times that its packed
// block must not take the way to L3 and back.
constexpr Index kFewUses = 64;
constexpr Index kHalfOfL2 = Index{512} << 10;

template <typename T>
Plan plan_of(const Product<T>& p) {
  constexpr Index kScale = sizeof(T) / 4;
  const Index block = block_of<T>(p.k);
  const bool direct = p.m * p.n * p.k <= kDirectVolume || p.m <= kDirectRows ||
                      p.n <= kDirectColumns;
  Plan plan;
  // Rows of B a multiple of 512 bytes apart share an eighth of L1's sets or
  // less.
  const bool aliased = p.b.row * Index{sizeof(T)} % 512 == 0 && p.m > 32;
  plan.pack_b = p.b.col != 1 || !direct || aliased;
  plan.pack_a = p.m > kFewUses && (!direct || (p.a.col != 1 && p.k > kFewUses));
  plan.rows = 192 / kScale;
  plan.columns = plan.pack_b ? 3072 / kScale : p.n;
  if (plan.pack_b && p.m <= kFewUses) {
    constexpr Index kW = kColumnsOfTile<T>;
    plan.columns = kHalfOfL2 / (block * Index{sizeof(T)}) / kW * kW;
  }
  plan.depth = block;
  if (!plan.pack_a) {
    // Several blocks at a time, as long as their part of B stays in L2: rows
    // of A are then read in longer runs.
    const Index row = least(plan.columns, p.n) * block * Index{sizeof(T)};
    plan.depth = block * most(1, (Index{256} << 10) / most(row, 1));
  }
  plan.depth = least(plan.depth, round_up(p.k, block));
  plan.rows = least(plan.rows, round_up(p.m, kRowsOfTile));
  plan.columns = least(plan.columns, p.n);
  return plan;
}

// Cuts `whole` into `parts` of a multiple of `unit`, as equal as can be.
STROP_HD Range part(Index whole, Index unit, Index parts, Index index) {
  const Index units = (whole + unit - 1) / unit;
  const Index begin = units * index / parts * unit;
  const Index end = units * (index + 1) / parts * unit;
  return {least(begin, whole), least(end, whole)};
}

// About what a product takes on one thread: 100 GFLOP/s of float32; 60 GB/s
// from L2, 20 GB/s from memory.
template <typename T>
STROP_HD Index nanoseconds(const Product<T>& p) {
  constexpr Index kL2 = Index{1} << 20;
  const Index arithmetic = 2 * p.m * p.n * p.k * Index{sizeof(T)} / 400;
  const Index bytes = (p.m * p.k + p.k * p.n + p.m * p.n) * Index{sizeof(T)};
  return most(arithmetic, bytes <= kL2 ? bytes / 60 : (bytes - kL2) / 20);
}

// Several parts per thread, so that one that comes late takes fewer, but each
// of them long beside the microsecond that sharing costs.
STROP_HD Index parts_of(Index threads, Index time, Index shortest, Index most) {
  if (threads == 1) return 1;
  Index each = time / shortest / threads;
  each = each < 1 ? 1 : each > 4 ? 4 : each;
  return least(threads * each, most);
}

template <typename T>
void by_columns_of_b(const Product<T>& p) {
  T* columns = nullptr;
  const T* b = p.b.data;
  if (p.n > 1 || p.k % Lanes<T>::kVirtual != 0) {
    const Index bytes = few_columns_scratch(p) * Index{sizeof(T)};
    columns = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
    transpose_columns(p, columns);
    b = columns;
  }
  const Index time = nanoseconds(p);
  const Index parts = parts_of(helpful_threads(time), time, 3000, p.m / 4 + 1);
  for_parts(parts, time, [=](Index index, int) {
    few_columns(p, part(p.m, 4, parts, index), b);
  });
}

template <typename T>
void by_rows_of_a(const Product<T>& p) {
  const Index time = nanoseconds(p);
  const Index threads = helpful_threads(time);
  // As many parts for each thread, and runs of two pages: shorter ones would
  // cost more than a late thread.
  const Index runs = p.n * Index{sizeof(T)} / (8192 * threads);
  const Index parts = least(parts_of(threads, time, 3000, p.n / 64 + 1),
                            threads * most(runs, 1));
  for_parts(parts, time, [=](Index index, int) {
    few_rows(p, part(p.n, 64, parts, index));
  });
}

// Many rows: B is packed once by all threads, then each takes blocks of rows.
template <typename T>
void by_shared_columns(const Product<T>& p, Plan plan, Index threads) {
  constexpr Index kW = kColumnsOfTile<T>;
  const Index count = round_up((p.m + plan.rows - 1) / plan.rows, 2 * threads);
  plan.rows = round_up((p.m + count - 1) / count, kRowsOfTile);
  const Index each = packed_a<T>(plan);
  const Index bytes = (packed_b<T>(plan) + threads * each) * Index{sizeof(T)};
  T* b_memory = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  T* a_memory = b_memory + packed_b<T>(plan);
  for (Index jc = 0; jc < p.n; jc += plan.columns) {
    const Range columns{jc, least(jc + plan.columns, p.n)};
    const Index width = columns.end - jc;
    const Index panels = (width + kW - 1) / kW;
    const Index some = most(1, least(8, panels / (2 * threads)));
    for (Index kc = 0; kc < p.k; kc += plan.depth) {
      const Range depth{kc, least(kc + plan.depth, p.k)};
      const Index length = depth.end - kc;
      for_parts((panels + some - 1) / some,
                width * length * Index{sizeof(T)} / 5, [=](Index index, int) {
                  const Index from = index * some;
                  const Index end = least(jc + (from + some) * kW, columns.end);
                  pack_columns(p, {jc + from * kW, end}, depth,
                               b_memory + from * panel_stride<T>(kW) * length);
                });
      for_parts((p.m + plan.rows - 1) / plan.rows,
                2 * p.m * width * length * Index{sizeof(T)} / 400, threads,
                [=](Index index, int slot) {
                  const Index from = index * plan.rows;
                  row_block(p, plan, {from, least(from + plan.rows, p.m)},
                            columns, depth, a_memory + slot * each, b_memory);
                });
    }
  }
}

template <typename T>
void by_tiles(const Product<T>& p) {
  const Plan plan = plan_of(p);
  const Index time = nanoseconds(p);
  const Index threads = helpful_threads(time);
  if (threads > 1 && plan.pack_a && plan.pack_b &&
      (p.m >= 48 * threads || p.m >= p.n)) {
    return by_shared_columns(p, plan, threads);
  }
  const Index each = packed_a<T>(plan) + packed_b<T>(plan);
  const bool cut_rows = p.m >= p.n;
  const Index unit = cut_rows ? kRowsOfTile : Wide<T>::kLanes;
  const Index longer = cut_rows ? p.m : p.n;
  Index parts = parts_of(threads, time, each > 0 ? 400'000 : 4'000,
                         (longer + unit - 1) / unit);
  if (cut_rows && p.a.col != 1) {
    // A is read in runs of this length.
    const Index runs = p.m * Index{sizeof(T)} / (1024 * threads);
    parts = least(parts, threads * most(runs, 1));
  }
  T* memory = nullptr;
  if (each > 0) {
    const Index bytes = each * threads * Index{sizeof(T)};
    memory = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  }
  const Range all_rows{0, p.m};
  const Range all_columns{0, p.n};
  if (parts == 1) return blocks(p, plan, all_rows, all_columns, memory);
  for_parts(parts, time, threads, [=](Index index, int slot) {
    const Range share = part(longer, unit, parts, index);
    blocks(p, plan, cut_rows ? share : all_rows, cut_rows ? all_columns : share,
           memory + slot * each);
  });
}

template <typename T>
void multiply(Product<T> p, bool transpose_a) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    for (Index i = 0; i < p.m; ++i) {
      T* row = p.c + i * p.c_stride;
      for (Index j = 0; j < p.n; ++j) row[j] = 0;
      finish_row(p, row, 0, p.n);
    }
    return;
  }
  // A single row or column lies the same either way.
  if (p.m == 1) p.a = {p.a.data, p.k, 1};
  if (p.k == 1) p.a = {p.a.data, 1, 1};
  if (p.n == 1) p.b = {p.b.data, 1, 1};
  if (p.k == 1) p.b = {p.b.data, p.n, 1};
  if (p.n <= kFewColumns && !transpose_a) return by_columns_of_b(p);
  if (p.n == 1) {
    // A transposed matrix times a vector is a vector times the matrix.
    p.bias_stride = 0;
    return by_rows_of_a(Product<T>{{p.b.data, 1, 1},
                                   {p.a.data, p.a.col, 1},
                                   p.c,
                                   1,
                                   p.bias,
                                   0,
                                   1,
                                   p.m,
                                   p.k,
                                   p.activation});
  }
  // For one or two rows beyond L2, for more where B comes from memory.
  const Index size_of_b = p.k * p.n * Index{sizeof(T)};
  const Index worth = p.m <= 2 ? Index{2} << 20 : Index{10} << 20;
  if (p.m <= kFewRows && p.b.col == 1 && size_of_b > worth) {
    return by_rows_of_a(p);
  }
  by_tiles(p);
}

template <typename T>
void forward(const Matmul<T>& a) {
  multiply(
      Product<T>{
          a.transpose_a ? Operand<T>{a.a, 1, a.m} : Operand<T>{a.a, a.k, 1},
          a.transpose_b ? Operand<T>{a.b, 1, a.k} : Operand<T>{a.b, a.n, 1},
          a.out, a.n, a.bias, 1, a.m, a.n, a.k, a.activation},
      a.transpose_a);
}

}  // namespace

void matmul(const Matmul<float>& a) { forward(a); }
void matmul(const Matmul<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/matmul_backward.h"
#include "kernels/matmul.h"
