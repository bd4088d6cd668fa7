#include "ngram_rows.h"

#include <algorithm>

#include "call.h"
#include "pause.h"

namespace spacy_rnn {

namespace {

template <int WORDS>
struct Row {
    uint64_t words[WORDS];
    uint64_t count;

    bool operator<(const Row &other) const {
        for (int i = 0; i < WORDS - 1; i++)
            if (words[i] != other.words[i]) return words[i] < other.words[i];
        return words[WORDS - 1] < other.words[WORDS - 1];
    }
    bool operator==(const Row &other) const { return std::equal(words, words + WORDS, other.words); }
};

template <int WORDS>
int64_t sort_rows_of(uint64_t *memory, int64_t n) {
    Row<WORDS> *rows = reinterpret_cast<Row<WORDS> *>(memory);
    Work work;
    std::sort(rows, rows + n, [&work](const Row<WORDS> &one, const Row<WORDS> &other) {
        work.add(16);
        return one < other;
    });
    int64_t last = 0;
    for (int64_t i = 1; i < n; i++) {
        if (rows[i] == rows[last]) {
            rows[last].count += rows[i].count;
        } else {
            rows[++last] = rows[i];
        }
    }
    return n == 0 ? 0 : last + 1;
}

}  // namespace

void pack_windows(const Packing &packing, const int32_t *symbols, int64_t n, uint64_t *rows) {
    const Call call;
    Work work;
    const int in = packing.in_word(), words = packing.words(), width = packing.width();
    for (int64_t i = 0; i < n; i++) {
        work.add(packing.order);
        uint64_t *row = rows + i * width;
        std::fill(row, row + words, 0);
        const int length = static_cast<int>(std::min<int64_t>(packing.order, n - i));
        for (int place = 0; place < length; place++) {
            const uint64_t symbol = static_cast<uint64_t>(symbols[i + place]) + 1;
            row[place / in] |= symbol << (64 - packing.bits * (place % in + 1));
        }
        row[words] = 1;
    }
}

int64_t sort_rows(uint64_t *rows, int64_t n, int words) {
    const Call call;
    switch (words) {
        case 1: return sort_rows_of<1>(rows, n);
        case 2: return sort_rows_of<2>(rows, n);
        case 3: return sort_rows_of<3>(rows, n);
        case 4: return sort_rows_of<4>(rows, n);
        case 5: return sort_rows_of<5>(rows, n);
        case 6: return sort_rows_of<6>(rows, n);
        case 7: return sort_rows_of<7>(rows, n);
        default: return sort_rows_of<8>(rows, n);
    }
}

}  // namespace spacy_rnn
