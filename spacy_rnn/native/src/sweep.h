// One direction of one recurrent layer over a ragged batch, forward and back. Included inside the namespace of the instruction set.
//
// Sequences are visited by decreasing length, some at a time (a group), so that those that are still running come first. The
// input is projected for some time steps at a time (a piece), just before the steps that use it.

constexpr int64_t GROUP_SEQUENCES = 96;  // sequences side by side: their states stay in the cache
constexpr int64_t PIECE_ROWS = 192;      // rows projected at a time, if one time step has no more

// What some cells do not keep has no place.
template <class T>
SPACY_RNN_INLINE T *at_or_null(T *from, int64_t n) {
    return from == nullptr ? nullptr : from + n;
}

// Sequences that are visited together, and the number of those still running at each of their time steps.
struct Group {
    const Batch &batch;
    int64_t first, size;

    int64_t sequence(int64_t i) const { return batch.order[first + i]; }
    int64_t length(int64_t i) const { return batch.length[sequence(i)]; }
    int64_t steps() const { return size == 0 ? 0 : length(0); }
    // How many of the first n sequences have more than t rows.
    int64_t running(int64_t t, int64_t n) const {
        while (n > 0 && length(n - 1) <= t) n--;
        return n;
    }
    // The row of the batch that sequence i reads at time step t.
    int64_t row(int64_t i, int64_t t) const {
        const int64_t s = sequence(i);
        return batch.start[s] + position(s, t);
    }
    // The place of that row among the rows of all sequences, one sequence after the other.
    int64_t place(int64_t i, int64_t t) const {
        const int64_t s = sequence(i);
        return (batch.before == nullptr ? batch.start : batch.before)[s] + position(s, t);
    }

  private:
    int64_t position(int64_t s, int64_t t) const { return batch.reverse ? batch.length[s] - 1 - t : t; }
};

// Pointers to the rows of a matrix.
template <class T>
class Rows {
  public:
    explicit Rows(int64_t n) { resize(n); }
    void resize(int64_t n) { buffer_.resize((n * static_cast<int64_t>(sizeof(T *)) + 3) / 4); }
    T **data() { return reinterpret_cast<T **>(buffer_.data()); }
    T *&operator[](int64_t i) { return data()[i]; }
    void fill(T *first, int64_t stride, int64_t n) {
        for (int64_t i = 0; i < n; i++) data()[i] = first + i * stride;
    }

  private:
    Buffer buffer_;
};

// Makes rows ready to enter a product, and lets the pointers point there.
inline void prepare_rows(const Preparation &how, Rows<const float> &rows, int64_t n, int64_t width, float *to) {
    if (how.prepare == nullptr) return;
    for (int64_t i = 0; i < n; i++, to += how.width(width)) {
        how.prepare(rows[i], width, to);
        rows[i] = to;
    }
}

constexpr int64_t CACHE_LINE = 16;  // floats

SPACY_RNN_INLINE void prefetch(const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i += CACHE_LINE) SPACY_RNN_PREFETCH(from + i);
}

// Copies a row of n floats, and zeros behind it.
SPACY_RNN_INLINE void copy_padded(const float *from, int64_t n, float *to) {
    int64_t i = 0;
    for (; i + V <= n; i += V) store(to + i, load(from + i));
    if (i < n) store(to + i, load_first(from + i, n - i));
}

// Copies the vectors [nH] of a group out of the batch, padded; zeros if there are none.
inline void take_units(const Group &group, const float *from, int64_t stride, int64_t nH, float *to) {
    const int64_t width = vectors(nH) * V;
    for (int64_t i = 0; i < group.size; i++, to += width) {
        if (from == nullptr) {
            clear_floats(to, width);
        } else {
            copy_padded(from + group.sequence(i) * stride, nH, to);
        }
    }
}

inline void put_units(const float *from, int64_t nH, float *to) { copy_floats(from, nH, to); }

inline void multiply(const float *a, const float *b, int64_t n, float *to) {
    for (int64_t i = 0; i < n; i += V) store(to + i, load(a + i) * load(b + i));
}

// Blocks of units that one tile of a cell with COLS vector columns takes.
constexpr int tile_blocks(int cols) { return cols >= TILE_COLS ? 1 : TILE_COLS / cols; }
// Vector columns in registers at a time, and the rows beside them.
constexpr int tile_cols(int cols) { return cols == 3 ? 3 : (cols < TILE_COLS ? cols : TILE_COLS); }
constexpr int tile_rows(int cols) {
    return TILE_ROWS * TILE_COLS / tile_cols(cols) < MAX_TILE_ROWS ? TILE_ROWS * TILE_COLS / tile_cols(cols) : MAX_TILE_ROWS;
}

// Apart from the product, whose sums need all registers: inside one function the constants of the activations would take some.
template <class Cell, int BLOCKS>
SPACY_RNN_NOINLINE void finish_tile(const Step &s, int64_t row, int64_t rows, int64_t block, const float *z) {
    constexpr int ALL = BLOCKS * Cell::COLS;
    for (int64_t i = 0; i < rows; i++, z += ALL * V) {
        SPACY_RNN_UNROLL for (int j = 0; j < BLOCKS; j++) {
            Vec sums[Cell::COLS];
            SPACY_RNN_UNROLL for (int k = 0; k < Cell::COLS; k++) sums[k] = load(z + (j * Cell::COLS + k) * V);
            Cell::finish(s, row + i, block + j, sums);
        }
    }
}

template <class Cell, class Factors, int BLOCKS>
struct StepTile {
    const Step &s;
    int64_t block;

    template <int ROWS>
    SPACY_RNN_INLINE void run(int64_t row) const {
        alignas(64) float z[ROWS * BLOCKS * Cell::COLS * V];
        multiply<ROWS>(row, z);
        finish_tile<Cell, BLOCKS>(s, row, ROWS, block, z);
    }

    template <int ROWS>
    SPACY_RNN_INLINE void multiply(int64_t row, float *z) const {
        // A product of more vector columns than registers hold is done in parts.
        constexpr int ALL = BLOCKS * Cell::COLS, COLS = tile_cols(ALL);
        SPACY_RNN_UNROLL for (int part = 0; part < ALL; part += COLS) {
            Vec acc[ROWS][COLS];
            SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
                SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
                    acc[i][j] = Cell::start(s, row + i, block + (part + j) / Cell::COLS, (part + j) % Cell::COLS);
                }
            }
            const int64_t stride = (BLOCKS > 1 ? Cell::GATES : 1) * s.K * V;
            const float *columns = s.R + (block * Cell::GATES + Cell::FIRST + part) * s.K * V;
            dot<Factors, ROWS, COLS>(s.in + row, columns, stride, s.K, acc);
            SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
                SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) store(z + (i * ALL + part + j) * V, acc[i][j]);
            }
        }
    }
};

template <class Cell, class Factors, int BLOCKS>
SPACY_RNN_INLINE void step_blocks(const Step &s, int64_t n, int64_t block) {
    for_row_tiles<tile_rows(BLOCKS * Cell::COLS)>(n, StepTile<Cell, Factors, BLOCKS>{s, block});
}

template <class Cell, class Factors, int COLS>
SPACY_RNN_INLINE void multiply_columns(const Step &s, int64_t first) {
    Vec acc[1][COLS];
    SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
        acc[0][j] = Cell::start(s, 0, (first + j) / Cell::COLS, static_cast<int>((first + j) % Cell::COLS));
    }
    dot<Factors, 1, COLS>(s.in, s.R + first * s.K * V, s.K * V, s.K, acc);
    SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) store(s.sums + (first + j) * V, acc[0][j]);
}

// One row alone. The weights are read once for it, and they may be more than the cache next to the processor holds: every other
// step reads them from the end, where the step before has left off. All products come before all activations, each a long chain of
// operations, so that those overlap.
template <class Cell, class Factors>
void step_row(const Step &s) {
    const int64_t columns = s.nHv * Cell::COLS, rest = columns % ROW_COLS;
    for (int64_t done = 0; done + ROW_COLS <= columns; done += ROW_COLS) {
        multiply_columns<Cell, Factors, ROW_COLS>(s, s.from_end ? columns - rest - ROW_COLS - done : done);
    }
    for (int64_t column = columns - rest; column < columns; column++) multiply_columns<Cell, Factors, 1>(s, column);
    for (int64_t block = 0; block < s.nHv; block++) finish_tile<Cell, 1>(s, 0, 1, block, s.sums + block * Cell::COLS * V);
}

template <class Cell, class Factors>
void step(const Step &s, int64_t n) {
    // Blocks of several vector columns would not stand at even distances.
    constexpr int BLOCKS = Cell::COLS == 1 ? tile_blocks(1) : 1;
    if (Cell::COLS == Cell::GATES && n == 1) return step_row<Cell, Factors>(s);
    int64_t block = 0;
    for (; block + BLOCKS <= s.nHv; block += BLOCKS) step_blocks<Cell, Factors, BLOCKS>(s, n, block);
    for (; block < s.nHv; block++) step_blocks<Cell, Factors, 1>(s, n, block);
}

template <class Factors>
void run_step(int cell, bool train, const Step &s, int64_t n) {
    switch (cell) {
        case ELMAN_TANH: return step<Elman<false>, Factors>(s, n);
        case ELMAN_RELU: return step<Elman<true>, Factors>(s, n);
        case GRU: return train ? step<Gru<true>, Factors>(s, n) : step<Gru<false>, Factors>(s, n);
        case LSTM: return train ? step<Lstm<true, false>, Factors>(s, n) : step<Lstm<false, false>, Factors>(s, n);
        case LSTM_PEEPHOLE: return train ? step<Lstm<true, true>, Factors>(s, n) : step<Lstm<false, true>, Factors>(s, n);
        default: break;
    }
}

template <class Factors>
class ForwardSweep {
  public:
    explicit ForwardSweep(const Forward &f)
        : f_(f),
          w_(*f.weights),
          nG_(n_gates(w_.cell)),
          nHv_(vectors(w_.nH)),
          width_(nHv_ * V),
          z_width_(width_ * nG_),
          how_(preparation(w_.precision)),
          x_width_(how_.width(w_.nI)),
          h_width_(how_.width(w_.nH)),
          rows_(f.batch.n_rows < PIECE_ROWS ? f.batch.n_rows : PIECE_ROWS),
          side_(f.batch.n_sequences < GROUP_SEQUENCES ? f.batch.n_sequences : GROUP_SEQUENCES),
          x_(rows_),
          z_rows_(rows_),
          in_(side_),
          y_(side_),
          h_(2 * side_ * width_),
          c_(side_ * width_),
          sums_(z_width_) {
        if (!keeps_gates()) z_.resize(rows_ * z_width_);
        if (keeps_gates()) {
            f.tape->gates.resize(f.batch.n_rows * z_width_);
            f.tape->extra.resize(f.batch.n_rows * width_);
        }
        if (f.mask != nullptr) {
            mask_.resize(side_ * width_);
            masked_.resize(side_ * width_);
        }
        if (w_.cell == GRU_RESET_BEFORE) reset_h_.resize(side_ * width_);
        if (how_.prepare != nullptr) {
            prepared_x_.resize(rows_ * x_width_);
            prepared_h_.resize(side_ * h_width_);
        }
    }

    void run() {
        for (int64_t first = 0; first < f_.batch.n_sequences; first += side_) {
            const int64_t left = f_.batch.n_sequences - first;
            run_group(Group{f_.batch, first, left < side_ ? left : side_});
        }
    }

  private:
    void run_group(const Group &group) {
        h_now_ = h_.data();
        h_next_ = h_.data() + side_ * width_;
        take_units(group, f_.h0, f_.h0_stride, w_.nH, h_now_);
        if (has_cell_state()) take_units(group, f_.c0, f_.c0_stride, w_.nH, c_.data());
        if (f_.mask != nullptr) take_units(group, f_.mask, w_.nH, w_.nH, mask_.data());
        int64_t n = group.running(0, group.size);
        put_final(group, n, group.size);
        for (int64_t t = 0; t < group.steps();) {
            int64_t end = t, rows = 0, running = n;
            while (end < group.steps() && (end == t || rows + running <= rows_)) {
                for (int64_t i = 0; i < running; i++) x_[rows + i] = input(group, i, end);
                rows += running;
                running = group.running(++end, running);
            }
            float *z = project(rows);
            const int64_t piece = end - t;
            for (; t < end; t++) {
                prefetch_inputs(group, t + piece, n);
                run_step_at(group, t, z, n);
                z += n * z_width_;
                const int64_t left = group.running(t + 1, n);
                put_final(group, left, n);
                n = left;
            }
        }
    }

    // What sequence i reads at time step t.
    const float *input(const Group &group, int64_t i, int64_t t) const {
        return f_.projections == nullptr ? f_.X + group.row(i, t) * f_.x_stride : f_.projections[group.place(i, t)];
    }

    // Projects the rows at x_, and gives the place of the result.
    float *project(int64_t rows) {
        float *z = keeps_gates() ? f_.tape->gates.data() + visited_ * z_width_ : z_.data();
        if (f_.projections != nullptr) {
            for (int64_t i = 0; i < rows; i++) copy_floats(x_[i], z_width_, z + i * z_width_);
            return z;
        }
        work_.add(rows * w_.nI * z_width_);
        prepare(x_, rows, w_.nI, prepared_x_.data());
        z_rows_.fill(z, z_width_, rows);
        rows_product<Factors>({x_.data(), x_width_, w_.W.data(), w_.b.data(), nullptr, z_rows_.data(), z_width_, false, 0}, rows);
        return z;
    }

    // Asks for the rows of a time step of the next piece: they stand far from each other, where no processor expects them.
    void prefetch_inputs(const Group &group, int64_t t, int64_t n) const {
        if (f_.batch.n_sequences == 1) return;
        for (int64_t i = 0; i < n && group.length(i) > t; i++) prefetch(input(group, i, t), f_.projections == nullptr ? w_.nI : z_width_);
    }

    void run_step_at(const Group &group, int64_t t, float *z, int64_t n) {
        work_.add(n * w_.nH * z_width_);
        const float *h_in = h_now_;
        if (f_.mask != nullptr) {
            multiply(h_now_, mask_.data(), n * width_, masked_.data());
            h_in = masked_.data();
        }
        in_.fill(h_in, width_, n);
        prepare(in_, n, w_.nH, prepared_h_.data());
        for (int64_t i = 0; i < n; i++) {
            y_[i] = f_.Y + group.row(i, t) * f_.y_stride;
            prefetch(y_[i], w_.nH);
        }
        float *extra = f_.tape == nullptr ? nullptr : at_or_null(f_.tape->extra.data(), visited_ * width_);
        const Step s{w_.nH, nHv_, w_.R.data(), h_width_, in_.data(), z, h_in, h_now_, h_next_, c_.data(), extra, reset_h_.data(),
                     w_.bR.data(), w_.p.data(), y_.data(), sums_.data(), (f_.first_step + t) % 2 == 1};
        if (w_.cell == GRU_RESET_BEFORE) {
            step<GruGates, Factors>(s, n);
            in_.fill(reset_h_.data(), width_, n);
            prepare(in_, n, w_.nH, prepared_h_.data());
            step<GruCandidate, Factors>(s, n);
        } else {
            run_step<Factors>(w_.cell, f_.tape != nullptr, s, n);
        }
        visited_ += n;
        float *swap = h_now_;
        h_now_ = h_next_;
        h_next_ = swap;
    }

    void prepare(Rows<const float> &rows, int64_t n, int64_t width, float *to) const { prepare_rows(how_, rows, n, width, to); }

    // Sequences first .. last - 1 of the group have ended.
    void put_final(const Group &group, int64_t first, int64_t last) {
        if (f_.hN == nullptr) return;
        for (int64_t i = first; i < last; i++) {
            const int64_t s = group.sequence(i);
            put_units(h_now_ + i * width_, w_.nH, f_.hN + s * w_.nH);
            if (has_cell_state()) put_units(c_.data() + i * width_, w_.nH, f_.cN + s * w_.nH);
        }
    }

    // The gradient of a cell without gates follows from its output.
    bool keeps_gates() const { return f_.tape != nullptr && nG_ > 1; }
    bool has_cell_state() const { return w_.cell == LSTM || w_.cell == LSTM_PEEPHOLE; }

    const Forward &f_;
    const Packed &w_;
    const int nG_;
    const int64_t nHv_, width_, z_width_;
    const Preparation how_;
    const int64_t x_width_, h_width_, rows_, side_;
    Rows<const float> x_;
    Rows<float> z_rows_;
    Rows<const float> in_;
    Rows<float> y_;
    Buffer h_, c_, sums_, z_, mask_, masked_, reset_h_, prepared_x_, prepared_h_;
    float *h_now_ = nullptr, *h_next_ = nullptr;
    int64_t visited_ = 0;
    Work work_;
};

inline int64_t projection_width(const Packed &w) { return vectors(w.nH) * n_gates(w.cell) * V; }

// The projections of rows, as a sweep reads them in place of inputs.
template <class Factors>
void project_rows(const Packed &w, const float *const *from, int64_t n, float *to) {
    const Preparation how = preparation(w.precision);
    const int64_t width = projection_width(w), piece = n < PIECE_ROWS ? n : PIECE_ROWS, K = how.width(w.nI);
    Work work;
    Rows<const float> x(piece);
    Rows<float> z(piece);
    Buffer prepared(how.prepare == nullptr ? 0 : piece * K);
    for (int64_t first = 0; first < n; first += piece) {
        const int64_t rows = n - first < piece ? n - first : piece;
        work.add(rows * w.nI * width);
        for (int64_t i = 0; i < rows; i++) x[i] = from[first + i];
        prepare_rows(how, x, rows, w.nI, prepared.data());
        z.fill(to + first * width, width, rows);
        rows_product<Factors>({x.data(), K, w.W.data(), w.b.data(), nullptr, z.data(), width, false, 0}, rows);
    }
}
