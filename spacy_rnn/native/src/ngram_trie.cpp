#include "ngram_trie.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "call.h"
#include "pause.h"

namespace spacy_rnn {

TrieFiller::TrieFiller(const Packing &packing, int64_t n_symbols) : packing_(packing), n_symbols_(n_symbols) {
    std::fill(sizes_, sizes_ + MAX_ORDER, 0);
    std::fill(now_, now_ + MAX_ORDER, -1);
    sizes_[0] = n_symbols;
}

int64_t TrieFiller::n_nodes() const {
    int64_t n = 1;
    for (int k = 0; k < packing_.order; k++) n += sizes_[k];
    return n;
}

// Reads a row; gives how many of its first symbols are those of the row before.
int TrieFiller::next(const uint64_t *row, int &length) {
    int same = 0;
    bool differs = false;
    for (length = 0; length < packing_.order; length++) {
        const int32_t symbol = packing_.symbol(row, length);
        if (symbol < 0) break;
        differs = differs || symbol != now_[length];
        same += !differs;
        now_[length] = symbol;
    }
    std::fill(now_ + length, now_ + packing_.order, -1);
    return same;
}

void TrieFiller::count(const uint64_t *rows, int64_t n) {
    const Call call;
    Work work;
    for (int64_t i = 0; i < n; i++) {
        work.add(packing_.order);
        int length = 0;
        for (int k = std::max(next(rows + i * packing_.width(), length), 1); k < length; k++) sizes_[k]++;
    }
}

void TrieFiller::begin(int32_t *symbols, uint32_t *counts, uint32_t *first) {
    symbols_ = symbols;
    counts_ = counts;
    first_ = first;
    std::fill(now_, now_ + MAX_ORDER, -1);
    next_[0] = 1;
    for (int k = 0; k < packing_.order; k++) next_[k + 1] = next_[k] + sizes_[k];
    symbols_[0] = -1;
    counts_[0] = 0;
    first_[0] = 1;
    for (int64_t s = 0; s < n_symbols_; s++) {
        symbols_[1 + s] = static_cast<int32_t>(s);
        counts_[1 + s] = 0;
    }
}

void TrieFiller::fill(const uint64_t *rows, int64_t n) {
    const Call call;
    Work work;
    const int highest = packing_.order - 1;
    for (int64_t i = 0; i < n; i++) {
        work.add(packing_.order);
        const uint64_t *row = rows + i * packing_.width();
        int length = 0;
        const int same = next(row, length);
        for (int k = same; k < length; k++) {
            if (k == 0) {
                if (highest > 0)
                    for (; unigrams_ <= now_[0]; unigrams_++) first_[1 + unigrams_] = static_cast<uint32_t>(next_[1]);
                last_[0] = 1 + static_cast<int64_t>(now_[0]);
                continue;
            }
            last_[k] = next_[k]++;
            symbols_[last_[k]] = now_[k];
            counts_[last_[k]] = 0;
            if (k < highest) first_[last_[k]] = static_cast<uint32_t>(next_[k + 1]);
        }
        const uint64_t count = row[packing_.words()];
        for (int k = 0; k < length; k++) {
            const uint64_t sum = counts_[last_[k]] + count;
            if (sum > std::numeric_limits<uint32_t>::max()) throw std::overflow_error("an n-gram occurs more than 4294967295 times");
            counts_[last_[k]] = static_cast<uint32_t>(sum);
        }
    }
}

void TrieFiller::end() {
    if (packing_.order > 1)
        for (; unigrams_ < n_symbols_; unigrams_++) first_[1 + unigrams_] = static_cast<uint32_t>(next_[1]);
    first_[n_contexts()] = static_cast<uint32_t>(n_nodes());
}

void find_links(const Trie &trie, uint32_t *links, uint32_t *extensions) {
    const Call call;
    Work work;
    std::fill(extensions, extensions + trie.n_contexts, 0);
    links[0] = 0;
    for (int64_t s = 1; s <= trie.n_symbols; s++) links[s] = 0;
    for (uint32_t context = 1; context < trie.n_contexts; context++) {
        const uint32_t end = trie.first[context + 1];
        for (uint32_t node = trie.first[context]; node < end; node++) {
            work.add(256);
            uint32_t shorter = links[context], found;
            while ((found = find_child(trie, shorter, trie.symbols[node])) == 0) shorter = links[shorter];
            links[node] = found;
            extensions[found]++;
        }
    }
}

}  // namespace spacy_rnn
