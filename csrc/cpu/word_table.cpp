// What a table of words does seldom: growing, and being read by its owner.

#include "cpu/word_table.h"

#include <limits>

#include "kernels/words.h"

namespace strop {

void WordTable::place_entry(const Entry& entry, std::uint64_t hash) {
  const std::uint64_t mask = entries.size() - 1;
  std::uint64_t i = hash & mask;
  while (entries[i].place >= 0) i = (i + 1) & mask;
  entries[i] = entry;
}

void WordTable::grow() {
  std::vector<Entry> old(2 * entries.size());
  old.swap(entries);
  for (const Entry& entry : old) {
    if (entry.place >= 0) place_entry(entry, words[entry.place].hash);
  }
}

std::int32_t WordTable::append(const cpu::Key& key) {
  if (size() == std::numeric_limits<std::int32_t>::max()) {
    throw std::length_error(
        "words: texts must hold less than 2147483647 distinct words; got more");
  }
  // Whatever can fail comes before the first change that is seen: a table that
  // ran out of memory holds what it held.
  if (2 * words.size() >= entries.size()) grow();
  if (words.size() == counts.capacity()) counts.reserve(2 * words.size() + 16);
  storage.resize(used + key.bytes + cpu::kKeyPadding);
  const auto start = static_cast<Index>(used);
  const auto place = static_cast<std::int32_t>(words.size());
  words.push_back({start, key.bytes, key.hash, key.width});
  counts.push_back({0, 0, -1});
  std::memcpy(storage.data() + used, key.data, key.bytes);
  used += key.bytes;
  place_entry({key.prefix, tag_of(key), place}, key.hash);
  return place;
}

namespace cpu {

WordTable* new_word_table(std::uint64_t seed) { return new WordTable(seed); }
void delete_word_table(WordTable* table) { delete table; }
Index word_count(const WordTable& table) { return table.size(); }

WordView word_at(const WordTable& table, Index place) {
  const WordTable::Word& word = table.words[place];
  const WordTable::Counts& counts = table.counts[place];
  const TextView text{table.storage.data() + word.start,
                      word.bytes / word.width, word.width};
  return {text, counts.count, counts.documents};
}

}  // namespace cpu
}  // namespace strop
