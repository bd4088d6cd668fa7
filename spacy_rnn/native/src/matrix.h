// Products of whole matrices, for the layers around the recurrent ones. Included inside the namespace of the instruction set.

// Puts the columns of B [K, m] into vector columns.
inline void pack_columns(const float *B, int64_t K, int64_t m, Buffer &to) {
    const int64_t columns = vectors(m);
    to.resize(columns * K * V);
    for (int64_t column = 0; column < columns; column++) {
        const int64_t n = m - column * V < V ? m - column * V : V;
        const float *from = B + column * V;
        float *out = to.data() + column * K * V;
        for (int64_t k = 0; k < K; k++, from += m, out += V) store(out, n == V ? load(from) : load_first(from, n));
    }
}

inline void multiply_rows(const MatrixProduct &p) {
    Buffer packed;
    if (p.transpose_B) {
        pack_gates(p.B, 1, p.m, p.K, Preparation{false, nullptr}, packed);
    } else {
        pack_columns(p.B, p.K, p.m, packed);
    }
    const int64_t piece = p.n < PIECE_ROWS ? p.n : PIECE_ROWS;
    Rows<const float> a(piece);
    Rows<float> c(piece);
    Work work;
    for (int64_t first = 0; first < p.n; first += piece) {
        const int64_t rows = p.n - first < piece ? p.n - first : piece;
        work.add(rows * p.K * p.m);
        a.fill(p.A + first * p.K, p.K, rows);
        c.fill(p.C + first * p.m, p.m, rows);
        rows_product<Float32>({a.data(), p.K, packed.data(), nullptr, nullptr, c.data(), p.m, false, 0}, rows);
    }
}

inline void multiply_transposed(const MatrixProduct &p) {
    const int64_t width = vectors(p.m) * V, piece = p.K < BACK_PIECE_ROWS ? p.K : BACK_PIECE_ROWS;
    Buffer sum(p.n * width), padded(piece * width);
    Rows<const float> b(piece);
    Work work;
    clear_floats(sum.data(), p.n * width);
    for (int64_t first = 0; first < p.K; first += piece) {
        const int64_t rows = p.K - first < piece ? p.K - first : piece;
        work.add(rows * p.n * p.m);
        b.fill(p.B + first * p.m, p.m, rows);
        copy_rows_padded(b.data(), rows, p.m, width, padded.data());
        outer_product({p.A + first * p.n, p.n, padded.data(), width, rows, sum.data(), width / V, 0}, p.n);
    }
    for (int64_t i = 0; i < p.n; i++) put_units(sum.data() + i * width, p.m, p.C + i * p.m);
}
