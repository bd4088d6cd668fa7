// The log-probabilities of symbols. Included inside the namespace of the instruction set.

inline void pack_symbol_weights(const float *W, const float *b, int64_t n_symbols, int64_t nH, PackedSymbols &to) {
    const Preparation none{false, nullptr};
    to.n_symbols = n_symbols;
    to.nH = nH;
    pack_gates(W, 1, n_symbols, nH, none, to.W);
    pack_gates(b, 1, n_symbols, 1, none, to.b);
}

// Symbols whose scores are worked on while they are in the cache. A multiple of the vector columns of a tile for every V; a row's sums
// are cut here whatever the number of rows.
constexpr int64_t SYMBOL_BLOCK = 256;

// The sum of exp(x - most) over the blocks of a row so far, the largest of which is `most`.
struct SoftmaxSum {
    float most = FORBIDDEN, sum = 0.0f;

    float log_sum() const { return logf(sum); }
};

inline float largest_of(const float *x, int64_t n) {
    const int64_t whole = n - n % V;
    float most = x[n - 1];
    for (int64_t k = whole; k < n; k++) most = x[k] > most ? x[k] : most;
    if (whole) {
        Vec largest = load(x);
        for (int64_t k = V; k < whole; k += V) largest = maximum(largest, load(x + k));
        most = highest(largest) > most ? highest(largest) : most;
    }
    return most;
}

// Adds a block of n scores, and gives the largest of them.
inline float add_to_softmax(const float *x, int64_t n, SoftmaxSum &to) {
    const int64_t whole = n - n % V, rest = n - whole;
    const float largest = largest_of(x, n), most = largest > to.most ? largest : to.most;
    const Vec shift = broadcast(most);
    Vec sums = zero();
    float last = 0.0f;
    for (int64_t k = 0; k < whole; k += V) sums = sums + exp_of_negative(load(x + k) - shift);
    if (rest) {
        // What fills the vector up must not count.
        alignas(64) float values[V];
        store(values, exp_of_negative(load_first(x + whole, rest) - shift));
        for (int64_t k = 0; k < rest; k++) last += values[k];
    }
    if (most > to.most) to.sum *= expf(to.most - most);
    to.sum += total(sums) + last;
    to.most = most;
    return largest;
}

// Calls f(first symbol, how many) for each block.
template <class F>
inline void for_symbol_blocks(int64_t n_symbols, const F &f) {
    for (int64_t first = 0; first < n_symbols; first += SYMBOL_BLOCK) {
        f(first, n_symbols - first < SYMBOL_BLOCK ? n_symbols - first : SYMBOL_BLOCK);
    }
}

// Scores a block of symbols after some rows.
inline void score_block(const PackedSymbols &w, const float *const *h, int64_t rows, int64_t first, int64_t n, float *const *out) {
    rows_product<Float32>({h, w.nH, w.W.data() + first * w.nH, w.b.data() + first, nullptr, out, n, false, 0}, rows);
}

inline void subtract_from(float *x, int64_t n, float most, float log_sum) {
    const int64_t whole = n - n % V, rest = n - whole;
    const Vec shift = broadcast(most), sum = broadcast(log_sum);
    for (int64_t k = 0; k < whole; k += V) store(x + k, load(x + k) - shift - sum);
    if (rest) store_first(x + whole, load_first(x + whole, rest) - shift - sum, rest);
}

inline void score_rows(const PackedSymbols &w, const float *const *h, int64_t n, float *Y) {
    const int64_t piece = n < PIECE_ROWS ? n : PIECE_ROWS;
    Rows<float> out(piece);
    SoftmaxSum sums[PIECE_ROWS];
    Work work;
    for (int64_t first = 0; first < n; first += piece) {
        const int64_t rows = n - first < piece ? n - first : piece;
        float *y = Y + first * w.n_symbols;
        for (int64_t i = 0; i < rows; i++) sums[i] = SoftmaxSum();
        for_symbol_blocks(w.n_symbols, [&](int64_t symbol, int64_t n_block) {
            work.add(rows * w.nH * n_block);
            out.fill(y + symbol, w.n_symbols, rows);
            score_block(w, h + first, rows, symbol, n_block, out.data());
            for (int64_t i = 0; i < rows; i++) add_to_softmax(out[i], n_block, sums[i]);
        });
        for (int64_t i = 0; i < rows; i++) subtract_from(y + i * w.n_symbols, w.n_symbols, sums[i].most, sums[i].log_sum());
    }
}
