#pragma once

#include "kernels/base.h"

namespace strop {

// A text: code points of 1, 2 or 4 bytes.
struct TextView {
  const void* data;
  Index size;  // code points
  int width;   // bytes of one
};

// A word is what stands between delimiters and is not empty. The code points
// below 256 are lowered by a table first; what else is lowered has been before.
struct WordRules {
  std::uint8_t lowered[256];
  bool delimits[256];         // after lowering
  const std::uint32_t* wide;  // delimiters from 256, rising
  Index wide_count;
};

// The distinct words of many texts in order of first appearance: the place of
// a word never changes. It grows as it must: std::bad_alloc, or
// std::length_error at 2^31 - 1 words. A word is the same at every width.
struct WordTable;

struct WordView {
  TextView text;  // at the least width; valid until the table changes
  Index count;
  Index documents;  // texts that hold it
};

// Counts the words of `texts`, in order, on top of what the table has.
struct CountWords {
  WordTable* table;
  const WordRules* rules;
  const TextView* texts;
  Index count;
};

// The place of each word of text i, -1 if the table has none, goes to
// places[starts[i]] and on; room for (texts[i].size + 1) / 2 of them.
struct FindWords {
  const WordTable* table;
  const WordRules* rules;
  const TextView* texts;
  const std::int64_t* starts;  // (count)
  Index count;
  std::int32_t* places;
  std::int64_t* found;  // (count): how many words text i has
};

namespace cpu {
// No result depends on the seed; the time of a hostile text does.
WordTable* new_word_table(std::uint64_t seed);
void delete_word_table(WordTable*);
Index word_count(const WordTable&);
WordView word_at(const WordTable&, Index place);
// Adds words until one is there already; returns how many were added.
Index add_words(WordTable&, const TextView* words, Index count);
void count_words(const CountWords&);
void find_words(const FindWords&);
}  // namespace cpu

}  // namespace strop
