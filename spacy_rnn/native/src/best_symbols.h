// The most probable symbols after rows. Included inside the namespace of the instruction set.

// Whether none is NaN or above all numbers.
inline bool are_numbers(const float *x, int64_t n) {
    const int64_t whole = n - n % V, rest = n - whole;
    // Zero times what is not finite is not a number.
    Vec zeros = rest ? load_first(x + whole, rest) * zero() : zero();
    for (int64_t k = 0; k < whole; k += V) zeros = fma(load(x + k), zero(), zeros);
    if (total(zeros) == 0.0f) return true;
    for (int64_t k = 0; k < n; k++) {
        if (!(x[k] < -FORBIDDEN)) return false;
    }
    return true;
}

// The largest scores of a row, the largest first, of equal ones that of the smaller symbol.
struct Largest {
    int64_t size;  // how many are kept at most
    int64_t n;
    float *scores;     // [size]
    int32_t *symbols;  // [size]

    float least() const { return n == size ? scores[size - 1] : FORBIDDEN; }

    // Takes from n_block scores, whose symbols follow those before.
    void add(const float *x, int64_t n_block, int64_t first, const uint8_t *forbidden) {
        float limit = least();
        for (int64_t k = 0; k < n_block; k++) {
            if (!(x[k] > limit) || forbidden[first + k]) continue;
            if (n < size) n++;
            int64_t at = n - 1;
            for (; at > 0 && scores[at - 1] < x[k]; at--) {
                scores[at] = scores[at - 1];
                symbols[at] = symbols[at - 1];
            }
            scores[at] = x[k];
            symbols[at] = static_cast<int32_t>(first + k);
            limit = least();
        }
    }

    // Orders what has become equal by its symbols.
    void order_equal() {
        for (int64_t i = 1; i < n; i++) {
            const int32_t symbol = symbols[i];
            int64_t at = i;
            for (; at > 0 && scores[at - 1] == scores[i] && symbols[at - 1] > symbol; at--) symbols[at] = symbols[at - 1];
            symbols[at] = symbol;
        }
    }
};

// Finds the best symbols of rows, a piece of the rows and a block of the symbols at a time.
//
// Scores are compared as they come. What makes log-probabilities of them is known in the end, and then different scores may have
// become equal, of which the smaller symbol comes first. So one more than is wanted is kept: if the last log-probability is its, too,
// there may be others, and the row is scored again.
class BestSymbolsSearch {
  public:
    BestSymbolsSearch(const PackedSymbols &w, const BestSymbols &to)
        : w_(w), to_(to), k_(to.k < w.n_symbols ? to.k : w.n_symbols), kept_(k_ + 1) {}

    // Says whether all scores are numbers.
    bool run(const float *const *h, int64_t n) {
        const int64_t piece = n < PIECE_ROWS ? n : PIECE_ROWS;
        Buffer block(piece * SYMBOL_BLOCK);
        out_.resize(piece);
        scores_.resize(piece * kept_);
        symbols_.resize(piece * kept_);
        out_.fill(block.data(), SYMBOL_BLOCK, piece);
        for (int64_t first = 0; first < n; first += piece) {
            const int64_t rows = n - first < piece ? n - first : piece;
            if (!find(h + first, rows)) return false;
            for (int64_t i = 0; i < rows; i++) put(first + i, h[first + i], sums_[i], largest_[i]);
        }
        return true;
    }

  private:
    bool find(const float *const *h, int64_t rows) {
        for (int64_t i = 0; i < rows; i++) {
            sums_[i] = SoftmaxSum();
            largest_[i] = {kept_, 0, scores_.data() + i * kept_, reinterpret_cast<int32_t *>(symbols_.data()) + i * kept_};
        }
        bool are_all_numbers = true;
        for_symbol_blocks(w_.n_symbols, [&](int64_t first, int64_t n) {
            work_.add(rows * w_.nH * n);
            score_block(w_, h, rows, first, n, out_.data());
            for (int64_t i = 0; i < rows; i++) {
                const float *x = out_[i];
                are_all_numbers = are_all_numbers && are_numbers(x, n);
                if (add_to_softmax(x, n, sums_[i]) > largest_[i].least()) largest_[i].add(x, n, first, to_.forbidden);
            }
        });
        return are_all_numbers;
    }

    // Writes the best of a row.
    void put(int64_t row, const float *h, const SoftmaxSum &sum, Largest &best) {
        const float log_sum = sum.log_sum();
        for (int64_t i = 0; i < best.n; i++) best.scores[i] = best.scores[i] - sum.most - log_sum;
        if (best.n > k_ && best.scores[k_] == best.scores[k_ - 1]) search_again(h, sum.most, log_sum, best);
        best.order_equal();
        int64_t *symbols = to_.symbols + row * to_.k;
        float *log_probabilities = to_.log_probabilities + row * to_.k;
        for (int64_t i = 0; i < to_.k; i++) {
            const bool is_found = i < k_ && i < best.n && best.scores[i] > FORBIDDEN;
            symbols[i] = is_found ? best.symbols[i] : -1;
            log_probabilities[i] = is_found ? best.scores[i] : FORBIDDEN;
        }
    }

    // Finds the largest of all log-probabilities of a row.
    void search_again(const float *h, float most, float log_sum, Largest &best) {
        best.n = 0;
        for_symbol_blocks(w_.n_symbols, [&](int64_t first, int64_t n) {
            work_.add(w_.nH * n);
            score_block(w_, &h, 1, first, n, out_.data());
            subtract_from(out_[0], n, most, log_sum);
            best.add(out_[0], n, first, to_.forbidden);
        });
    }

    const PackedSymbols &w_;
    const BestSymbols &to_;
    const int64_t k_, kept_;
    Rows<float> out_{0};
    Buffer scores_, symbols_;
    SoftmaxSum sums_[PIECE_ROWS];
    Largest largest_[PIECE_ROWS];
    Work work_;
};
