// The n-grams of all orders as a tree: the children of a context are the symbols that follow it.
#pragma once

#include <cstdint>

#include "ngram_rows.h"

namespace spacy_rnn {

// Nodes are numbered from the root, 0, order by order, within an order by their symbols. So the children of a node follow each other, and
// those of the next node follow them. The children of the root are all symbols: symbol s is node s + 1.
struct Trie {
    int64_t n_symbols;
    uint32_t n_contexts;    // nodes of lower than the highest order, the root included
    uint32_t n_nodes;
    const int32_t *symbols;  // [n_nodes], the last symbol of each
    const uint32_t *first;   // [n_contexts + 1], the first child of each; those of the last end at n_nodes
};

// The child of a context, or 0. The symbol must be one.
inline uint32_t find_child(const Trie &trie, uint32_t context, int32_t symbol) {
    if (context == 0) return static_cast<uint32_t>(symbol) + 1;
    const int32_t *first = trie.symbols + trie.first[context];
    uint32_t n = trie.first[context + 1] - trie.first[context];
    if (n == 0) return 0;
    while (n > 1) {
        const uint32_t half = n / 2;
        first += first[half] <= symbol ? half : 0;
        n -= half;
    }
    return *first == symbol ? static_cast<uint32_t>(first - trie.symbols) : 0;
}

// Makes a tree of sorted rows, in pieces that follow each other: all are counted, then all are filled in.
class TrieFiller {
  public:
    explicit TrieFiller(const Packing &packing, int64_t n_symbols);

    // Counts the nodes of orders 2 and higher.
    void count(const uint64_t *rows, int64_t n);
    // sizes [order], from order 1.
    const int64_t *sizes() const { return sizes_; }
    int64_t n_nodes() const;
    int64_t n_contexts() const { return n_nodes() - (packing_.order > 1 ? sizes_[packing_.order - 1] : n_symbols_); }

    // Where the nodes go: symbols and counts [n_nodes], first [n_contexts + 1].
    void begin(int32_t *symbols, uint32_t *counts, uint32_t *first);
    // Throws if a count does not fit.
    void fill(const uint64_t *rows, int64_t n);
    void end();

  private:
    int next(const uint64_t *row, int &length);

    const Packing packing_;
    const int64_t n_symbols_;
    int64_t sizes_[MAX_ORDER];
    int64_t next_[MAX_ORDER + 1];
    int64_t last_[MAX_ORDER];
    int32_t now_[MAX_ORDER];
    int64_t unigrams_ = 0;  // of which `first` is known
    int32_t *symbols_ = nullptr;
    uint32_t *counts_ = nullptr;
    uint32_t *first_ = nullptr;
};

// Finds of each node the longest suffix of its symbols, except all of them, that is a node: links [n_nodes], 0 of the root. Counts how many
// nodes each context is that of: extensions [n_contexts].
void find_links(const Trie &trie, uint32_t *links, uint32_t *extensions);

}  // namespace spacy_rnn
