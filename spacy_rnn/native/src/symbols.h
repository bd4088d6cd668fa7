// The log-probabilities of symbols. Included inside the namespace of the instruction set.

inline void pack_symbol_weights(const float *W, const float *b, int64_t n_symbols, int64_t nH, PackedSymbols &to) {
    const Preparation none{false, nullptr};
    to.n_symbols = n_symbols;
    to.nH = nH;
    pack_gates(W, 1, n_symbols, nH, none, to.W);
    pack_gates(b, 1, n_symbols, 1, none, to.b);
}

// x less the logarithm of the sum of exp(x), by which exp(x) sums to 1.
inline void log_softmax(float *x, int64_t n) {
    const int64_t whole = n - n % V, rest = n - whole;
    float most = x[n - 1];
    for (int64_t k = whole; k < n; k++) most = x[k] > most ? x[k] : most;
    if (whole) {
        Vec largest = load(x);
        for (int64_t k = V; k < whole; k += V) largest = maximum(largest, load(x + k));
        most = highest(largest) > most ? highest(largest) : most;
    }
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
    const Vec log_sum = broadcast(logf(total(sums) + last));
    for (int64_t k = 0; k < whole; k += V) store(x + k, load(x + k) - shift - log_sum);
    if (rest) store_first(x + whole, load_first(x + whole, rest) - shift - log_sum, rest);
}

inline void score_rows(const PackedSymbols &w, const float *const *h, int64_t n, float *Y) {
    const int64_t piece = n < PIECE_ROWS ? n : PIECE_ROWS;
    Rows<float> out(piece);
    Work work;
    for (int64_t first = 0; first < n; first += piece) {
        const int64_t rows = n - first < piece ? n - first : piece;
        work.add(rows * w.nH * w.n_symbols);
        out.fill(Y + first * w.n_symbols, w.n_symbols, rows);
        rows_product<Float32>({h + first, w.nH, w.W.data(), w.b.data(), nullptr, out.data(), w.n_symbols, false, 0}, rows);
        for (int64_t i = 0; i < rows; i++) log_softmax(out[i], w.n_symbols);
    }
}
