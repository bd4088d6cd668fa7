#include "ngram_lines.h"

#include <algorithm>

#include "call.h"
#include "pause.h"

namespace spacy_rnn {

namespace {

constexpr int DECIMALS = 7;

// Appends a number of 10^-7, without zeros at its end.
void append_decimal(std::string &to, int64_t number) {
    char digits[24];
    char *const end = digits + sizeof(digits);
    char *at = end, *last = end;
    uint64_t left = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    for (int i = 0; i < DECIMALS; i++, left /= 10) {
        *--at = static_cast<char>('0' + left % 10);
        if (last == at + 1 && *at == '0') last = at;
    }
    if (last > at) *--at = '.';
    do {
        *--at = static_cast<char>('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) to += '-';
    to.append(at, last);
}

}  // namespace

std::string format_ngrams(const Trie &trie, int order, uint32_t begin, uint32_t end, const SymbolNames &names, const int64_t *logarithms,
                          const int64_t *weights) {
    const Call call;
    Work work;
    std::string lines;
    // The nodes of the first symbol, of the first two, and so on to the n-gram itself.
    uint32_t path[MAX_ORDER];
    path[order - 1] = begin;
    for (int k = order - 1; k > 0 && begin < end; k--) {
        // Of contexts that begin where the next one does, the last one has the children.
        const uint32_t *after = std::upper_bound(trie.first, trie.first + trie.n_contexts, path[k]);
        path[k - 1] = static_cast<uint32_t>(after - trie.first) - 1;
    }
    for (uint32_t node = begin; node < end; node++) {
        work.add(256);
        path[order - 1] = node;
        for (int k = order - 1; k > 0 && trie.first[path[k - 1] + 1] <= path[k]; k--)
            while (trie.first[path[k - 1] + 1] <= path[k]) path[k - 1]++;
        append_decimal(lines, logarithms[node - begin]);
        for (int k = 0; k < order; k++) {
            const int64_t *name = names.begin + trie.symbols[path[k]];
            lines += k == 0 ? '\t' : ' ';
            lines.append(names.text + name[0], static_cast<size_t>(name[1] - name[0]));
        }
        if (weights != nullptr) {
            lines += '\t';
            append_decimal(lines, weights[node - begin]);
        }
        lines += '\n';
    }
    return lines;
}

}  // namespace spacy_rnn
