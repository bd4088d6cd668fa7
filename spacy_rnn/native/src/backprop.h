// Backpropagation through one direction of one recurrent layer. Included inside the namespace of the instruction set.
//
// It goes through the groups and time steps of the forward sweep, a piece of steps at a time from the last to the first: first what
// has to be sequential, then the products over all rows of the piece.

constexpr int64_t BACK_PIECE_ROWS = 192;

inline void copy_rows_padded(const float *const *from, int64_t n, int64_t width, int64_t padded, float *to) {
    for (int64_t i = 0; i < n; i++) copy_padded(from[i], width, to + i * padded);
}

class BackwardSweep {
  public:
    explicit BackwardSweep(const Backward &b)
        : b_(b),
          cell_(b.parameters.cell),
          nG_(n_gates(cell_)),
          nI_(b.parameters.nI),
          nH_(b.parameters.nH),
          nHv_(vectors(nH_)),
          width_(nHv_ * V),
          z_width_(width_ * nG_),
          u_width_(cell_ == GRU_RESET_BEFORE ? 2 * width_ : z_width_),
          x_width_(vectors(nI_) * V),
          rows_(b.batch.n_rows < BACK_PIECE_ROWS ? b.batch.n_rows : BACK_PIECE_ROWS),
          side_(b.batch.n_sequences < GROUP_SEQUENCES ? b.batch.n_sequences : GROUP_SEQUENCES),
          first_h_(side_ * width_),
          first_c_(side_ * width_),
          d_h_(side_ * width_),
          d_c_(side_ * width_),
          x_(rows_),
          h_prev_(rows_),
          y_(side_),
          dy_(side_),
          dx_(rows_),
          dz_rows_(rows_),
          d_rows_(side_),
          to_rows_(side_),
          dz_(rows_ * z_width_),
          x_piece_(rows_ * x_width_),
          h_piece_(rows_ * width_),
          sum_W_(z_width_ * x_width_),
          sum_R_(u_width_ * width_),
          sum_b_(z_width_) {
        const Parameters &p = b.parameters;
        const bool reset_before = cell_ == GRU_RESET_BEFORE;
        pack_transposed(p.W, 0, nG_, nH_, nI_, W_);
        pack_transposed(p.R, 0, reset_before ? 2 : nG_, nH_, nH_, R_);
        clear(sum_W_, z_width_ * x_width_);
        clear(sum_R_, u_width_ * width_);
        clear(sum_b_, z_width_);
        if (reads_table()) {
            dz_taken_.resize(b.n_taken * z_width_);
            clear(dz_taken_, b.n_taken * z_width_);
        }
        if (b.mask != nullptr) mask_.resize(side_ * width_);
        if (cell_ == GRU || reset_before) du_.resize(rows_ * u_width_);
        if (cell_ == GRU) {
            sum_bR_.resize(z_width_);
            clear(sum_bR_, z_width_);
        }
        if (reset_before) {
            pack_transposed(p.R, 2, 1, nH_, nH_, R_n_);
            sum_R_n_.resize(width_ * width_);
            clear(sum_R_n_, width_ * width_);
            d_n_.resize(rows_ * width_);
            reset_h_.resize(rows_ * width_);
            d_reset_h_.resize(side_ * width_);
        }
        if (cell_ == LSTM_PEEPHOLE) {
            pack_units(p.p, 3, nH_, p_);
            sum_p_.resize(3 * width_);
            clear(sum_p_, 3 * width_);
        }
    }

    void run() {
        for (int64_t first = 0; first < b_.batch.n_sequences; first += side_) {
            const int64_t left = b_.batch.n_sequences - first;
            run_group(Group{b_.batch, first, left < side_ ? left : side_});
        }
        if (reads_table()) add_table_products();
        unpack();
    }

  private:
    static void clear(Buffer &buffer, int64_t n) { clear_floats(buffer.data(), n); }

    void run_group(const Group &group) {
        take_units(group, b_.h0, b_.h0_stride, nH_, first_h_.data());
        take_units(group, b_.d_hN, nH_, nH_, d_h_.data());
        if (has_cell_state()) {
            take_units(group, b_.c0, b_.c0_stride, nH_, first_c_.data());
            take_units(group, b_.d_cN, nH_, nH_, d_c_.data());
        }
        if (b_.mask != nullptr) take_units(group, b_.mask, nH_, nH_, mask_.data());
        int64_t n_rows = 0;
        for (int64_t i = 0; i < group.size; i++) n_rows += group.length(i);
        int64_t n = 0;
        for (int64_t t = group.steps(); t > 0;) {
            // The piece ends before time step t, and begins where its rows are enough.
            int64_t begin = t, rows = 0, running = n;
            while (begin > 0) {
                int64_t more = running;
                while (more < group.size && group.length(more) > begin - 1) more++;
                if (rows > 0 && rows + more > rows_) break;
                rows += more;
                running = more;
                begin--;
            }
            run_piece(group, begin, t, rows, visited_ + n_rows - rows);
            n_rows -= rows;
            n = running;
            t = begin;
        }
        for (int64_t i = 0; i < group.size; i++) {
            const int64_t s = group.sequence(i);
            visited_ += group.length(i);
            put_units(d_h_.data() + i * width_, nH_, b_.d_h0 + s * nH_);
            if (has_cell_state()) put_units(d_c_.data() + i * width_, nH_, b_.d_c0 + s * nH_);
        }
    }

    // Goes back through the time steps begin .. end - 1, whose rows stand at `first` of the tape.
    void run_piece(const Group &group, int64_t begin, int64_t end, int64_t rows, int64_t first) {
        int64_t before = rows;
        for (int64_t t = end; t-- > begin;) {
            const int64_t n = group.running(t, group.size);
            before -= n;
            run_step_at(group, t, n, before, first + before);
        }
        int64_t row = 0;
        for (int64_t t = begin; t < end; t++) {
            const int64_t n = group.running(t, group.size);
            for (int64_t i = 0; i < n; i++, row++) {
                if (reads_table()) {
                    add_rows(dz_.data() + row * z_width_, 1, z_width_, dz_taken_.data() + b_.which[group.place(i, t)] * z_width_);
                } else {
                    read_row(row, group.row(i, t));
                }
            }
        }
        if (!reads_table()) add_input_products(dz_.data(), rows, b_.add_to_dX);
        add_recurrent_products(rows);
    }

    // Lets row i of what the products read be one of X.
    void read_row(int64_t i, int64_t row) {
        x_[i] = b_.X + row * b_.x_stride;
        dx_[i] = b_.dX + row * b_.dx_stride;
    }

    // `at` is the place of the step's rows in the piece, `on_tape` that on the tape.
    void run_step_at(const Group &group, int64_t t, int64_t n, int64_t at, int64_t on_tape) {
        work_.add(n * nH_ * z_width_);
        for (int64_t i = 0; i < n; i++) {
            const int64_t row = group.row(i, t);
            y_[i] = b_.Y + row * b_.y_stride;
            dy_[i] = b_.dY + row * b_.dy_stride;
            h_prev_[at + i] = t == 0 ? first_h_.data() + i * width_ : b_.Y + group.row(i, t - 1) * b_.y_stride;
        }
        copy_h_in(n, at);
        const float *extra = b_.tape->extra.data(), *extra_prev = first_c_.data();
        if (t > 0) extra_prev = at_or_null(extra, (on_tape - group.running(t - 1, group.size)) * width_);
        BackStep s{};
        s.nH = nH_;
        s.nHv = nHv_;
        s.gates = at_or_null(b_.tape->gates.data(), on_tape * z_width_);
        s.extra = at_or_null(extra, on_tape * width_);
        s.extra_prev = extra_prev;
        s.h_prev = h_prev_.data() + at;
        s.y = y_.data();
        s.dY = dy_.data();
        s.p = p_.data();
        s.dp = sum_p_.data();
        s.dz = dz_.data() + at * z_width_;
        s.du = at_or_null(du_.data(), at * u_width_);
        s.d_n = at_or_null(d_n_.data(), at * width_);
        s.d_h = d_h_.data();
        s.d_c = d_c_.data();
        s.h_in = h_piece_.data() + at * width_;
        s.reset_h = at_or_null(reset_h_.data(), at * width_);
        s.d_reset_h = d_reset_h_.data();
        s.mask = b_.mask == nullptr ? nullptr : mask_.data();
        run_rows(s, n);
        const float *du = cell_ == GRU || cell_ == GRU_RESET_BEFORE ? s.du : s.dz;
        d_rows_.fill(du, u_width_, n);
        to_rows_.fill(d_h_.data(), width_, n);
        if (t > 0) prefetch_step(group, t - 1, on_tape);
        const bool adds = cell_ == GRU || cell_ == GRU_RESET_BEFORE;
        rows_product<Float32>({d_rows_.data(), u_width_, R_.data(), nullptr, s.mask, to_rows_.data(), width_, adds, 0}, n);
    }

    void run_rows(BackStep &s, int64_t n) {
        switch (cell_) {
            case ELMAN_TANH: return back_rows<ElmanBack<false>>(s, n);
            case ELMAN_RELU: return back_rows<ElmanBack<true>>(s, n);
            case GRU: return back_rows<GruBack>(s, n);
            case LSTM: return back_rows<LstmBack<false>>(s, n);
            case LSTM_PEEPHOLE: return back_rows<LstmBack<true>>(s, n);
            default: break;
        }
        back_rows<GruCandidateBack>(s, n);
        d_rows_.fill(s.d_n, width_, n);
        to_rows_.fill(s.d_reset_h, width_, n);
        rows_product<Float32>({d_rows_.data(), width_, R_n_.data(), nullptr, nullptr, to_rows_.data(), width_, false, 0}, n);
        back_rows<GruGatesBack>(s, n);
    }

    // Asks for what the step before reads, while this one's product is computed: of the tape, which is more than a cache holds, and
    // of the rows, which stand far from each other.
    void prefetch_step(const Group &group, int64_t t, int64_t tape_end) const {
        const int64_t n = group.running(t, group.size), first = tape_end - n;
        if (nG_ > 1) {
            prefetch(b_.tape->gates.data() + first * z_width_, n * z_width_);
            prefetch(b_.tape->extra.data() + first * width_, n * width_);
        }
        for (int64_t i = 0; i < n; i++) {
            prefetch(b_.dY + group.row(i, t) * b_.dy_stride, nH_);
            if (t > 0) prefetch(b_.Y + group.row(i, t - 1) * b_.y_stride, nH_);
        }
    }

    // Puts what entered the recurrent product of the step where the rows of the piece are gathered.
    void copy_h_in(int64_t n, int64_t at) {
        float *to = h_piece_.data() + at * width_;
        copy_rows_padded(h_prev_.data() + at, n, nH_, width_, to);
        if (b_.mask != nullptr) multiply(to, mask_.data(), n * width_, to);
    }

    void add_recurrent_products(int64_t rows) {
        const float *du = cell_ == GRU || cell_ == GRU_RESET_BEFORE ? du_.data() : dz_.data();
        work_.add(rows * nH_ * z_width_);
        outer_product({du, u_width_, h_piece_.data(), width_, rows, sum_R_.data(), nHv_, 0}, u_width_);
        if (cell_ == GRU) add_rows(du, rows, u_width_, sum_bR_.data());
        if (cell_ == GRU_RESET_BEFORE) {
            outer_product({d_n_.data(), width_, reset_h_.data(), width_, rows, sum_R_n_.data(), nHv_, 0}, width_);
        }
    }

    // The gradients of W and b, and of the rows at x_, from those of the rows' projections.
    void add_input_products(const float *dz, int64_t rows, bool add_to_dX) {
        copy_rows_padded(x_.data(), rows, nI_, x_width_, x_piece_.data());
        work_.add(rows * nI_ * z_width_);
        outer_product({dz, z_width_, x_piece_.data(), x_width_, rows, sum_W_.data(), x_width_ / V, 0}, z_width_);
        add_rows(dz, rows, z_width_, sum_b_.data());
        work_.add(rows * nI_ * z_width_);
        dz_rows_.fill(dz, z_width_, rows);
        rows_product<Float32>({dz_rows_.data(), z_width_, W_.data(), nullptr, nullptr, dx_.data(), nI_, add_to_dX, 0}, rows);
    }

    bool reads_table() const { return b_.which != nullptr; }

    // The same for the rows that were taken from a table, once each: the gradients of their projections have been summed.
    void add_table_products() {
        for (int64_t first = 0; first < b_.n_taken; first += rows_) {
            const int64_t rows = b_.n_taken - first < rows_ ? b_.n_taken - first : rows_;
            for (int64_t i = 0; i < rows; i++) read_row(i, b_.taken[first + i]);
            add_input_products(dz_taken_.data() + first * z_width_, rows, true);
        }
    }

    static void add_rows(const float *rows, int64_t n, int64_t width, float *sum) {
        for (int64_t j = 0; j < width; j += V) {
            Vec total = load(sum + j);
            for (int64_t i = 0; i < n; i++) total = total + load(rows + i * width + j);
            store(sum + j, total);
        }
    }

    void unpack() {
        const bool reset_before = cell_ == GRU_RESET_BEFORE;
        unpack_gradient(sum_W_.data(), nG_, nH_, nI_, x_width_, b_.dW);
        unpack_gradient(sum_R_.data(), reset_before ? 2 : nG_, nH_, nH_, width_, b_.dR);
        if (reset_before) unpack_gradient(sum_R_n_.data(), 1, nH_, nH_, width_, b_.dR + 2 * nH_ * nH_);
        unpack_gradient(sum_b_.data(), nG_, nH_, 1, 1, b_.db);
        if (cell_ == GRU) {
            for (int64_t unit = 0; unit < nH_; unit++) b_.dbR[unit] = sum_bR_.data()[((unit / V) * 3 + 2) * V + unit % V];
        }
        if (cell_ == LSTM_PEEPHOLE) {
            for (int64_t i = 0; i < 3; i++) put_units(sum_p_.data() + i * width_, nH_, b_.dp + i * nH_);
        }
    }

    bool has_cell_state() const { return cell_ == LSTM || cell_ == LSTM_PEEPHOLE; }

    const Backward &b_;
    const int cell_, nG_;
    const int64_t nI_, nH_, nHv_, width_, z_width_, u_width_, x_width_, rows_, side_;
    Buffer first_h_, first_c_, d_h_, d_c_;
    Rows<const float> x_, h_prev_, y_, dy_;
    Rows<float> dx_;
    Rows<const float> dz_rows_, d_rows_;
    Rows<float> to_rows_;
    Buffer dz_, x_piece_, h_piece_, sum_W_, sum_R_, sum_b_;
    Buffer W_, R_, R_n_, p_, mask_, du_, sum_bR_, sum_R_n_, d_n_, reset_h_, d_reset_h_, sum_p_, dz_taken_;
    int64_t visited_ = 0;
    Work work_;
};
