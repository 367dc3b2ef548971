#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "kernels/words.h"

// An open-addressing table from words to their places. Most words have at most
// 8 bytes: those are told apart inside the 16-byte entry, so that a look-up
// touches one cache line.

namespace strop {

namespace cpu {

// Bytes that must be readable from the start of a key's data on, and that
// buffers of keys therefore have behind their end.
inline constexpr Index kKeyPadding = 16;

inline std::uint64_t load8(const std::uint8_t* p) {
  std::uint64_t value;
  std::memcpy(&value, p, 8);
  return value;
}

// Both halves of a 128-bit product: one multiplication mixes 16 bytes.
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^
         static_cast<std::uint64_t>(product >> 64);
}

// A word's code points at the least width that holds them all.
struct Key {
  const std::uint8_t* data;  // kKeyPadding more bytes are readable
  Index bytes;
  int width;
  std::uint64_t prefix;  // the first 8 bytes, zeros behind the end
  std::uint64_t hash;

  bool small() const { return bytes <= 8 && width == 1; }
};

inline Key make_key(const std::uint8_t* data, Index bytes, int width,
                    std::uint64_t seed) {
  Key key{data, bytes, width, load8(data), 0};
  // Odd constants without structure: digits of pi.
  constexpr std::uint64_t kA = 0x243f6a8885a308d3, kB = 0x13198a2e03707345;
  const std::uint64_t salt = static_cast<std::uint64_t>(8 * bytes + width) ^ kA;
  if (bytes <= 8) {
    key.prefix &= bytes == 0 ? 0 : ~std::uint64_t{0} >> (64 - 8 * bytes);
    key.hash = fold(key.prefix ^ seed, salt ^ (seed >> 32));
    return key;
  }
  std::uint64_t hash = seed ^ salt;
  const std::uint8_t* last = data + bytes - 8;
  for (; data < last; data += 8) hash = fold(load8(data) ^ hash, hash ^ kB);
  key.hash = fold(load8(last) ^ hash, hash ^ kA);
  return key;
}

}  // namespace cpu

struct WordTable {
  explicit WordTable(std::uint64_t table_seed)
      : seed(table_seed), entries(1024) {}

  Index size() const { return static_cast<Index>(words.size()); }

  // The place of a word, or -1.
  std::int32_t find(const cpu::Key& key) const {
    const std::uint64_t mask = entries.size() - 1;
    const std::uint32_t tag = tag_of(key);
    for (std::uint64_t i = key.hash & mask;; i = (i + 1) & mask) {
      const Entry& entry = entries[i];
      if (entry.place < 0) return -1;
      if (entry.prefix == key.prefix && entry.tag == tag &&
          (key.small() || same(words[entry.place], key))) {
        return entry.place;
      }
    }
  }

  std::int32_t insert(const cpu::Key& key) {
    const std::int32_t place = find(key);
    return place >= 0 ? place : append(key);
  }

  // Adds a word that is not there.
  std::int32_t append(const cpu::Key& key);

  struct Word {
    Index start;  // in `bytes`
    Index bytes;
    std::uint64_t hash;
    int width;
  };
  struct Counts {
    Index count;
    Index documents;
    Index last_document;
  };

  std::vector<Word> words;
  std::vector<Counts> counts;         // of each word
  std::vector<std::uint8_t> storage;  // `used` bytes, and kKeyPadding more
  std::size_t used = 0;
  std::uint64_t seed;
  Index documents = 0;

 private:
  struct Entry {
    std::uint64_t prefix = 0;
    std::uint32_t tag = 0;
    std::int32_t place = -1;
  };

  // 24 bits of the hash beside the length of a small word: an equal prefix and
  // tag then mean an equal word.
  static std::uint32_t tag_of(const cpu::Key& key) {
    const auto hash = static_cast<std::uint32_t>(key.hash >> 40) << 8;
    return hash | (key.small() ? static_cast<std::uint32_t>(key.bytes) : 0xff);
  }

  bool same(const Word& word, const cpu::Key& key) const {
    return word.bytes == key.bytes && word.width == key.width &&
           std::memcmp(storage.data() + word.start, key.data, key.bytes) == 0;
  }

  void place_entry(const Entry& entry, std::uint64_t hash);
  void grow();

  std::vector<Entry> entries;  // a power of two, at most half full
};

}  // namespace strop
