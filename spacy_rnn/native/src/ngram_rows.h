// The windows of symbols that n-grams are counted by, packed into rows of 64-bit words that sort as the symbols do.
#pragma once

#include <cstdint>

namespace spacy_rnn {

// How the symbols of a window stand in a row: each has its number and one more, in so many bits, the first in the highest ones; 0 stands
// where the text has ended. After these words a row has another one, its count.
struct Packing {
    int order;  // symbols of a window
    int bits;   // of a symbol, at most 32

    int in_word() const { return 64 / bits; }
    int words() const { return (order + in_word() - 1) / in_word(); }
    int width() const { return words() + 1; }

    // The symbol at a place of a window, -1 if the text has ended.
    int32_t symbol(const uint64_t *row, int place) const {
        const int in = in_word();
        const uint64_t word = row[place / in] >> (64 - bits * (place % in + 1));
        return static_cast<int32_t>(static_cast<int64_t>(word & ((uint64_t(1) << bits) - 1)) - 1);
    }
};

constexpr int MAX_ORDER = 16;

// Packs the windows that begin at each symbol of a text, rows [n, width], each with count 1.
void pack_windows(const Packing &packing, const int32_t *symbols, int64_t n, uint64_t *rows);

// Sorts rows [n, words + 1], and makes one of those that differ in their counts only, with the sum. Gives the number of rows left, which
// are the first ones. If the call is ended early, the rows are worth nothing.
int64_t sort_rows(uint64_t *rows, int64_t n, int words);

}  // namespace spacy_rnn
