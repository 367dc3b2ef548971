#include "kernels/words.h"

#include <map>
#include <string>

#include "native.h"

namespace strop::native {
namespace {

// Texts of one width, each word drawn from a few hundred; counted and found
// again, and compared with a map.
template <typename Unit>
void texts(Index count, Index words_each) {
  WordRules rules{};
  for (int c = 0; c < 256; ++c) rules.lowered[c] = std::uint8_t(c);
  for (int c = 'A'; c <= 'Z'; ++c) rules.lowered[c] = std::uint8_t(c + 32);
  rules.delimits[int(' ')] = true;
  rules.delimits[int(',')] = true;
  rules.wide = nullptr;
  std::vector<std::string> plain(std::size_t(count) + 1);
  std::map<std::string, Index> seen;
  std::vector<std::string> order;
  Index room = 0;
  for (Index i = 0; i < count; ++i) {
    for (Index k = 0; k < words_each * (i % 3); ++k) {
      const Index draw = Index((random_number() + 1) * 200);
      const std::string word = "w" + std::to_string(draw * draw);
      plain[i] += (k % 2 ? "W" : "w") + word.substr(1) + (k % 5 ? " " : ", ");
      if (seen[word]++ == 0) order.push_back(word);
    }
    room += Index(plain[i].size() + 1) / 2;
  }
  Index total = 0;
  for (const auto& text : plain) total += Index(text.size());
  Guarded<Unit> letters(total);
  Guarded<TextView> views(count);
  Guarded<std::int64_t> starts(count), found(count);
  Guarded<std::int32_t> places(room);
  Index at = 0, place = 0;
  for (Index i = 0; i < count; ++i) {
    views[i] = {letters.data() + at, Index(plain[i].size()), sizeof(Unit)};
    for (const char c : plain[i]) letters[at++] = Unit(c);
    starts[i] = place;
    place += Index(plain[i].size() + 1) / 2;
  }
  WordTable* table = cpu::new_word_table(7);
  cpu::count_words({table, &rules, views.data(), count});
  STROP_CHECK(cpu::word_count(*table) == Index(order.size()), "the words");
  for (Index i = 0; i < Index(order.size()); ++i) {
    const WordView word = cpu::word_at(*table, i);
    const auto* text = static_cast<const char*>(word.text.data);
    STROP_CHECK(word.text.width == 1, "width %d", word.text.width);
    STROP_CHECK(std::string(text, std::size_t(word.text.size)) == order[i],
                "another word");
    STROP_CHECK(word.count == seen[order[i]], "another count");
  }
  cpu::find_words({table, &rules, views.data(), starts.data(), count,
                   places.data(), found.data()});
  for (Index i = 0; i < count; ++i) {
    STROP_CHECK(found[i] == words_each * (i % 3), "%d words", int(found[i]));
    record(places.data() + starts[i], std::size_t(found[i]) * 4);
  }
  cpu::delete_word_table(table);
}

}  // namespace

void test_words() {
  texts<std::uint8_t>(0, 0);
  for (const Index words : {1, 7, 60}) {
    texts<std::uint8_t>(20, words);
    texts<std::uint16_t>(20, words);
    texts<std::uint32_t>(20, words);
  }
  texts<std::uint8_t>(6000, 40);
}

}  // namespace strop::native
