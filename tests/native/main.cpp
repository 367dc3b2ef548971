// Runs the tests of every stem in all settings and compares the bits of their
// results: between one thread and three, and between the sets with FMA.

#include <map>
#include <string>

#include "cpu/isa.h"
#include "cpu/parallel.h"
#include "native.h"
#include "stems.h"

namespace strop::native {

#define STROP_DECLARE_TEST(stem) void test_##stem();
STROP_STEMS_TO_TEST(STROP_DECLARE_TEST)

namespace {

std::string isa_name;
int thread_count = 1;
bool at_end = false;
std::uint64_t state = 1;
std::uint64_t hash = 0;

struct Test {
  const char* stem;
  void (*run)();
};

#define STROP_ENTRY(stem) {#stem, test_##stem},
constexpr Test tests[] = {STROP_STEMS_TO_TEST(STROP_ENTRY)};

std::uint64_t bits_of(const Test& test) {
  state = 0x9e3779b97f4a7c15;
  hash = 0xcbf29ce484222325;
  test.run();
  return hash;
}

}  // namespace

std::string setting() {
  return isa_name + ", " + std::to_string(thread_count) + " threads, arrays " +
         (at_end ? "before" : "after") + " a guard page";
}

bool arrays_at_end() { return at_end; }

void record(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  for (std::size_t i = 0; i < bytes; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, bytes - i < 8 ? bytes - i : 8);
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 29;
  }
}

double random_number() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return double(state >> 11) * 0x1p-52 - 1;
}

}  // namespace strop::native

int main(int count, char** values) {
  using namespace strop::native;
  int sets = 0;
  const strop::cpu::Isa* isas = strop::cpu::built_isas(&sets);
  for (const Test& test : tests) {
    if (count > 1 && std::string(values[1]) != test.stem) continue;
    std::map<std::string, std::uint64_t> bits;  // by set, FMA sets as one
    for (int i = 0; i < sets; ++i) {
      if (!isas[i].supported) continue;
      strop::cpu::set_isa(isas[i].name);
      isa_name = isas[i].name;
      const std::string kind = isa_name == "baseline" ? isa_name : "fma";
      for (const int threads : {1, 3}) {
        for (const bool end : {false, true}) {
          thread_count = threads;
          at_end = end;
          strop::cpu::set_num_threads(threads);
          const std::uint64_t got = bits_of(test);
          const std::uint64_t want = bits.emplace(kind, got).first->second;
          STROP_CHECK(got == want, "%s: the bits differ", test.stem);
        }
      }
    }
    std::printf("%s: passed\n", test.stem);
    std::fflush(stdout);
  }
}
