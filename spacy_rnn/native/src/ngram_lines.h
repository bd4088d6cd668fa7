// N-grams as lines of an ARPA file.
#pragma once

#include <cstdint>
#include <string>

#include "ngram_trie.h"

namespace spacy_rnn {

// How symbols are written.
struct SymbolNames {
    const char *text;      // all names, one after the other
    const int64_t *begin;  // [n_symbols + 1], where each begins; then the end of the last one
};

// Writes n-grams of an order that follow each other, lines of a logarithm, the symbols, and if there are weights the logarithm of one.
// Logarithms [n] are numbers of 10^-7.
std::string format_ngrams(const Trie &trie, int order, uint32_t begin, uint32_t end, const SymbolNames &names, const int64_t *logarithms,
                          const int64_t *weights);

}  // namespace spacy_rnn
