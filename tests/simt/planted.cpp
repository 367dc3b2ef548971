// Tests of the checks: what was planted is found, and what is right passes.

#include "planted.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "capture.h"
#include "native.h"
#include "simt.h"

namespace strop::native {
namespace {

using namespace simt_tests;

// What a launch was found guilty of; "" if of nothing.
template <typename F>
std::string found(const F& run) {
  std::string text;
  simt::on_fault([&](const char* what) { text = what; });
  run();
  simt::on_fault(nullptr);
  return text;
}

void require(const std::string& text, const char* beginning) {
  STROP_CHECK(text.rfind(beginning, 0) == 0, "'%s' for '%s'", text.c_str(),
              beginning);
}

// Without the barrier: the checker of races says so in every order; the values
// alone are wrong in some.
void missing_barrier() {
  std::vector<float> x(256, 1), out(256);
  require(found([&] { run_neighbours(x.data(), out.data(), true); }), "");
  for (const float v : out) STROP_CHECK(v == 2, "%g", double(v));
  int wrong = 0;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    simt::set_schedule(simt::Order::kRandom, seed);
    const std::string text =
        found([&] { run_neighbours(x.data(), out.data(), false); });
    if (STROP_SIMT_RACES) {
      require(text, "a race: ");
    } else {
      for (const float v : out) wrong += v != 2;
    }
  }
  STROP_CHECK(STROP_SIMT_RACES || wrong > 0, "no schedule showed it");
}

void plain_counter() {
  auto total = std::make_unique<unsigned>(0u);
  STROP_CHECK(found([&] { run_count(total.get(), true); }).empty(), "atomics");
  STROP_CHECK(*total == 768, "%u", *total);
  if (!STROP_SIMT_RACES) return;
  require(found([&] { run_count(total.get(), false); }), "a race: ");
}

void missing_fence() {
  std::vector<double> parts(9);
  for (const bool fenced : {true, false}) {
    auto ticket = std::make_unique<unsigned>(0u);
    double out = 0;
    const std::string text =
        found([&] { run_total(parts.data(), ticket.get(), &out, fenced); });
    if (fenced || !STROP_SIMT_RACES) {
      STROP_CHECK(text.empty() && out == 9, "%s, %g", text.c_str(), out);
    } else {
      require(text, "a race: ");
    }
  }
}

void misused_barriers() {
  require(found([] { run_half_a_barrier(); }), "lane ");
  require(found([] { run_lost_barrier(); }),
          "48 threads wait for others that never come");
  std::vector<float> out(32);
  require(found([&] { run_stranger(out.data()); }),
          "a shuffle reads lane 20, which mask 0000ffff leaves out");
}

void poisoned_memory() {
  std::vector<float> out(32);
  run_unset(out.data());
  for (const float v : out) STROP_CHECK(std::isnan(v), "%g", double(v));
}

// What a launch gives is full of NaN, too; a device has no more than it has.
void given_memory() {
  std::vector<float> out(32);
  run_given(out.data(), 128);
  for (const float v : out) STROP_CHECK(std::isnan(v), "%g", double(v));
  run_given(out.data(), 200 * 1024);
  require(found([&] { run_given(out.data(), 0); }),
          "the launch gives no shared memory");
  std::string text;
  try {
    run_given(out.data(), 228 * 1024);
  } catch (const std::exception& error) {
    text = error.what();
  }
  require(text, "given: CUDA says invalid argument");
}

void overwritten_label() {
  for (const bool read_first : {true, false}) {
    std::vector<float> row(256, 3);
    float own = 0;
    const std::string text =
        found([&] { run_in_place(row.data(), 200, &own, read_first); });
    if (read_first || !STROP_SIMT_RACES) {
      require(text, "");
      STROP_CHECK(!read_first || own == 3, "%g", double(own));
    } else {
      require(text, "a race: ");
    }
  }
}

// All blocks of a cooperative grid are alive, each with shared memory of its
// own.
void grid_barriers() {
  std::vector<unsigned> values(12, 0);
  STROP_CHECK(found([&] { run_ring(values.data(), 12, true); }).empty(),
              "a barrier");
  for (unsigned i = 0; i < 12; ++i) {
    STROP_CHECK(values[i] == (i + 11) % 12, "%u at %u", values[i], i);
  }
  if (!STROP_SIMT_RACES) return;
  require(found([&] { run_ring(values.data(), 12, false); }), "a race: ");
}

// ---- capture ---------------------------------------------------------------

constexpr std::uintptr_t kStream = 0x40;
void* const stream = reinterpret_cast<void*>(kStream);

// What is raised between begin and end of a capture, "" if nothing, and how the
// capture ends.
template <typename F>
std::string captured(const F& run, int want, void** graph) {
  std::string text;
  STROP_CHECK(simt_begin_capture(stream) == 0, "no capture");
  try {
    run();
  } catch (const std::exception& error) {
    text = error.what();
  }
  const int got = simt_end_capture(stream, graph);
  STROP_CHECK(got == want, "%d for %d", got, want);
  return text;
}

void replayed() {
  auto total = std::make_unique<unsigned>(7u);
  void* graph = nullptr;
  const auto run = [&] { run_count_anew(total.get(), kStream, false); };
  require(captured(run, 0, &graph), "");
  STROP_CHECK(*total == 7, "%u: it ran while it was captured", *total);
  for (unsigned time = 0; time < 3; ++time) {
    *total = time;
    STROP_CHECK(simt_launch_graph(graph, nullptr) == 0, "no launch");
    STROP_CHECK(*total == 768, "%u at %u", *total, time);
  }
  require(simt_describe_graph(graph),
          "memset of 4 bytes\nkernel of 3 x 256 threads [with P = {unsigned");
  simt_destroy_graph(graph);
}

void not_to_be_captured() {
  auto total = std::make_unique<unsigned>(7u);
  void* graph = nullptr;
  const auto anew = [&](std::uintptr_t where, bool waits) {
    return [=, &total] { run_count_anew(total.get(), where, waits); };
  };
  require(captured(anew(kStream, true), 901, &graph),
          "count: CUDA says operation not permitted when stream is capturing");
  require(captured(anew(0, false), 901, &graph),
          "count: CUDA says operation would make the legacy stream depend");
  require(captured([] { wait_for_another(kStream); }, 901, &graph),
          "wait: CUDA says dependency created on uncaptured work in another");
  STROP_CHECK(graph == nullptr && *total == 7, "%u", *total);
  run_count_anew(total.get(), kStream, true);  // as if nothing had been
  STROP_CHECK(*total == 768, "%u", *total);
}

}  // namespace

void read_beyond() {
  std::vector<float> out(32);
  run_beyond(out.data());
}

void test_planted() {
  missing_barrier();
  plain_counter();
  missing_fence();
  misused_barriers();
  poisoned_memory();
  given_memory();
  overwritten_label();
  grid_barriers();
  replayed();
  not_to_be_captured();
}

}  // namespace strop::native
