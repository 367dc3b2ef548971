// The words of texts: cut, lowered, hashed and looked up in one pass. Bound by
// the look-ups, 5 to 10 ns each (a review has 5.6 bytes per word); the cutting
// takes 0.5 ns per byte. No instruction set helps, so this is compiled once.

#include "kernels/words.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <new>

#include "cpu/parallel.h"
#include "cpu/word_table.h"

namespace strop::cpu {
namespace {

constexpr Index kNanosecondsPerByte = 3;

// The rules with what one thread needs to apply them.
class Cutter {
 public:
  Cutter(const WordRules& rules, std::uint64_t seed)
      : rules_(rules), seed_(seed) {
    for (int c = 0; c < 256; ++c) {
      const std::uint8_t lowered = rules.lowered[c];
      table_[c] = static_cast<std::uint16_t>(
          lowered | (rules.delimits[lowered] ? 0x100 : 0));
    }
  }

  // Calls visit(key) for each word in order.
  template <typename Visit>
  void cut(const TextView& text, Visit&& visit) {
    switch (text.width) {
      case 1:
        return narrow(static_cast<const std::uint8_t*>(text.data), text.size,
                      visit);
      case 2:
        return wide(static_cast<const std::uint16_t*>(text.data), text.size,
                    visit);
      default:
        return wide(static_cast<const std::uint32_t*>(text.data), text.size,
                    visit);
    }
  }

 private:
  // 64 bytes at a time: first all are lowered and the delimiters noted as
  // bits, then the words between those bits are visited. A branch per byte
  // would be mispredicted at the end of every word.
  template <typename Visit>
  void narrow(const std::uint8_t* text, Index size, Visit& visit) {
    std::uint8_t* lowered = room(size);
    Index start = 0;
    for (Index base = 0; base < size; base += 64) {
      const Index count = std::min<Index>(64, size - base);
      std::uint64_t delimiters = 0;
      for (Index i = 0; i < count; ++i) {
        const std::uint16_t code = table_[text[base + i]];
        lowered[base + i] = static_cast<std::uint8_t>(code);
        delimiters |= static_cast<std::uint64_t>(code >> 8) << i;
      }
      for (; delimiters != 0; delimiters &= delimiters - 1) {
        const Index end = base + __builtin_ctzll(delimiters);
        if (end > start)
          visit(make_key(lowered + start, end - start, 1, seed_));
        start = end + 1;
      }
    }
    if (size > start) visit(make_key(lowered + start, size - start, 1, seed_));
  }

  template <typename Char, typename Visit>
  void wide(const Char* text, Index size, Visit& visit) {
    Index start = 0;
    std::uint32_t all = 0;  // the bits of the word's code points
    for (Index i = 0; i < size; ++i) {
      const std::uint32_t code = text[i];
      if (!delimits(code)) {
        all |= code < 256 ? rules_.lowered[code] : code;
        continue;
      }
      if (i > start) visit(narrowed(text + start, i - start, all));
      start = i + 1;
      all = 0;
    }
    if (size > start) visit(narrowed(text + start, size - start, all));
  }

  bool delimits(std::uint32_t code) const {
    if (code < 256) return table_[code] >= 0x100;
    return std::binary_search(rules_.wide, rules_.wide + rules_.wide_count,
                              code);
  }

  template <typename Char>
  Key narrowed(const Char* word, Index size, std::uint32_t all) {
    if (all < 0x100) return copied<std::uint8_t>(word, size);
    if (all < 0x10000) return copied<std::uint16_t>(word, size);
    return copied<std::uint32_t>(word, size);
  }

  template <typename To, typename Char>
  Key copied(const Char* word, Index size) {
    constexpr int width = sizeof(To);
    auto* out = reinterpret_cast<To*>(room(size * width));
    for (Index i = 0; i < size; ++i) {
      const std::uint32_t code = word[i];
      out[i] = static_cast<To>(code < 256 ? rules_.lowered[code] : code);
    }
    return make_key(reinterpret_cast<std::uint8_t*>(out), size * width, width,
                    seed_);
  }

  std::uint8_t* room(Index bytes) {
    const Index needed = bytes + kKeyPadding;
    if (needed > capacity_) {
      const Index capacity = std::max(needed, 2 * capacity_);
      memory_.reset(new std::uint8_t[capacity]);
      capacity_ = capacity;
    }
    return memory_.get();
  }

  const WordRules& rules_;
  std::uint64_t seed_;
  std::uint16_t table_[256];  // the lowered byte, and 0x100 if it delimits
  std::unique_ptr<std::uint8_t[]> memory_;
  Index capacity_ = 0;
};

void count_texts(WordTable& table, const WordRules& rules,
                 const TextView* texts, Index count) {
  Cutter cutter(rules, table.seed);
  for (Index i = 0; i < count; ++i) {
    const Index document = table.documents++;
    cutter.cut(texts[i], [&](const Key& key) {
      WordTable::Counts& counts = table.counts[table.insert(key)];
      ++counts.count;
      counts.documents += counts.last_document != document;
      counts.last_document = document;
    });
  }
}

// The words of `more` come after those of `table`.
void merge(WordTable& table, const WordTable& more) {
  for (Index i = 0; i < more.size(); ++i) {
    const WordTable::Word& word = more.words[i];
    const Key key = make_key(more.storage.data() + word.start, word.bytes,
                             word.width, table.seed);
    WordTable::Counts& counts = table.counts[table.insert(key)];
    counts.count += more.counts[i].count;
    counts.documents += more.counts[i].documents;
  }
  table.documents += more.documents;
}

Index bytes_of(const TextView* texts, Index count) {
  Index bytes = 0;
  for (Index i = 0; i < count; ++i) bytes += texts[i].size;
  return bytes;
}

// Where the run of texts ends that begins at `begin` and has about `bytes`.
Index run_end(const TextView* texts, Index begin, Index count, Index bytes) {
  while (begin < count && bytes > 0) bytes -= texts[begin++].size + 1;
  return begin;
}

}  // namespace

Index add_words(WordTable& table, const TextView* words, Index count) {
  std::vector<std::uint8_t> copy;  // since bytes behind the end are read
  for (Index i = 0; i < count; ++i) {
    const Index bytes = words[i].size * words[i].width;
    if (bytes + kKeyPadding > static_cast<Index>(copy.size())) {
      copy.resize(2 * (bytes + kKeyPadding));
    }
    std::memcpy(copy.data(), words[i].data, bytes);
    const Key key = make_key(copy.data(), bytes, words[i].width, table.seed);
    if (table.find(key) >= 0) return i;
    table.append(key);
  }
  return count;
}

void count_words(const CountWords& a) {
  // Each thread counts a run of texts in a table of its own. Merged in the
  // order of the texts they are what one thread would have counted.
  const Index bytes = bytes_of(a.texts, a.count);
  const Index nanoseconds = bytes * kNanosecondsPerByte;
  const Index parts = std::max(1, helpful_threads(nanoseconds));
  if (parts == 1) return count_texts(*a.table, *a.rules, a.texts, a.count);
  std::vector<WordTable> tables(parts, WordTable(a.table->seed));
  std::vector<Index> bounds{0};
  for (Index i = 0; i < parts; ++i) {
    bounds.push_back(
        i + 1 < parts ? run_end(a.texts, bounds.back(), a.count, bytes / parts)
                      : a.count);
  }
  std::vector<std::exception_ptr> errors(parts);
  for_parts(parts, nanoseconds, [&](Index part, int) {
    try {
      count_texts(tables[part], *a.rules, a.texts + bounds[part],
                  bounds[part + 1] - bounds[part]);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (const WordTable& table : tables) merge(*a.table, table);
}

void find_words(const FindWords& a) {
  constexpr Index kPartBytes = Index{1} << 18;
  const Index bytes = bytes_of(a.texts, a.count);
  std::vector<Index> bounds{0};
  while (bounds.back() < a.count) {
    bounds.push_back(run_end(a.texts, bounds.back(), a.count, kPartBytes));
  }
  const auto parts = static_cast<Index>(bounds.size()) - 1;
  std::vector<std::exception_ptr> errors(parts);
  for_parts(parts, bytes * kNanosecondsPerByte, [&](Index part, int) {
    try {
      Cutter cutter(*a.rules, a.table->seed);
      for (Index i = bounds[part]; i < bounds[part + 1]; ++i) {
        std::int32_t* place = a.places + a.starts[i];
        cutter.cut(a.texts[i],
                   [&](const Key& key) { *place++ = a.table->find(key); });
        a.found[i] = place - (a.places + a.starts[i]);
      }
    } catch (...) {
      errors[part] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace strop::cpu
