#include "fibre.h"

#include <cstdint>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// A switch of our own on x86-64: swapcontext asks the kernel for the signal
// mask each time, and under the address sanitizer clears a whole stack, 25 us
// in all. A million threads take 0.1 s so.
#if defined(__x86_64__)
extern "C" void simt_switch(void** from, void* to);
asm(R"(
  .text
  .globl simt_switch
  .type simt_switch, @function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size simt_switch, .-simt_switch
)");
#else
#include <ucontext.h>
#endif

namespace simt {
namespace {

constexpr std::size_t kStack = 64 << 10;  // only what is used takes memory

// One thread of the host runs everything.
auto& free_stacks = *new std::vector<char*>;
void* outside = nullptr;
void (*entry_of_fibre)() = nullptr;

#if defined(__SANITIZE_ADDRESS__)
const void* outside_bottom = nullptr;
std::size_t outside_size = 0;
#endif

void enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &outside_bottom, &outside_size);
#endif
  entry_of_fibre();
}

#if defined(__x86_64__)
// Six registers, where to return, and no place to return to from there.
void* place_on(char* stack) {
  auto* top = reinterpret_cast<std::uintptr_t*>(stack + kStack);
  top[-2] = reinterpret_cast<std::uintptr_t>(enter);
  top[-1] = 0;
  for (int i = 3; i <= 8; ++i) top[-i] = 0;
  return top - 8;
}
void change(void*& from, void* to) { simt_switch(&from, to); }
#else
ucontext_t main_context;
void* place_on(char* stack) {
  auto* context = new ucontext_t;  // for as long as the tests run
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = kStack;
  context->uc_link = nullptr;
  makecontext(context, enter, 0);
  return context;
}
void change(void*& from, void* to) {
  if (from == nullptr) from = &main_context;
  swapcontext(static_cast<ucontext_t*>(from), static_cast<ucontext_t*>(to));
}
#endif

}  // namespace

Fibre::~Fibre() {
  if (stack_ == nullptr) return;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kStack);  // frames that never returned
#endif
  free_stacks.push_back(stack_);
}

void Fibre::start(void (*entry)()) {
  if (free_stacks.empty()) {
    stack_ = new char[kStack];
  } else {
    stack_ = free_stacks.back();
    free_stacks.pop_back();
  }
  entry_of_fibre = entry;
  place_ = place_on(stack_);
}

void Fibre::resume() {
#if defined(__SANITIZE_ADDRESS__)
  void* own = nullptr;
  __sanitizer_start_switch_fiber(&own, stack_, kStack);
  change(outside, place_);
  __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#else
  change(outside, place_);
#endif
}

void Fibre::stop(bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  void* own = nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &own, outside_bottom,
                                 outside_size);
  change(place_, outside);
  __sanitizer_finish_switch_fiber(own, &outside_bottom, &outside_size);
#else
  (void)for_good;
  change(place_, outside);
#endif
}

bool Fibre::has(const void* address) const {
  const char* at = static_cast<const char*>(address);
  return at >= stack_ && at < stack_ + kStack;
}

}  // namespace simt
