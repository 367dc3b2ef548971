#include "cpu/parallel.h"

#include <atomic>

namespace strop::cpu {
namespace {

std::atomic<int> threads{1};  // the package sets its default at import

}  // namespace

int num_threads() { return threads.load(std::memory_order_relaxed); }

void set_num_threads(int count) { threads = count; }

}  // namespace strop::cpu
