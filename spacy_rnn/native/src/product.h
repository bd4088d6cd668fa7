// Products of matrices, tile by tile in registers. Included inside the namespace of the instruction set.
//
// Every element of a product is summed in the same order however many rows the product has, so that a row's result does not depend
// on the rows beside it, not even in its last bit.

inline int64_t vectors(int64_t n) { return (n + V - 1) / V; }

// Of no floats the address may be null, which the functions of the standard library do not allow.
inline void copy_floats(const float *from, int64_t n, float *to) {
    if (n > 0) std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

inline void clear_floats(float *x, int64_t n) {
    if (n > 0) std::memset(x, 0, static_cast<size_t>(n) * sizeof(float));
}

// How two factors enter a sum. Bfloat16Pairs, where there are instructions for it, is the other way.
struct Float32 {
    static SPACY_RNN_INLINE Vec multiply_add(Vec x, Vec w, Vec sum) { return fma(x, w, sum); }
};

// acc[i][j] += Σ_k a[i][k] · b[j][k], with b[j] a vector column: K vectors, the vector columns b_stride floats apart.
template <class Factors, int ROWS, int COLS>
SPACY_RNN_INLINE void dot(const float *const *a, const float *b, int64_t b_stride, int64_t K, Vec (&acc)[ROWS][COLS]) {
    const float *row[ROWS];
    SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) row[i] = a[i];
    for (int64_t k = 0; k < K; k++) {
        Vec w[COLS];
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) w[j] = load(b + j * b_stride + k * V);
        SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
            const Vec x = broadcast(row[i][k]);
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) acc[i][j] = Factors::multiply_add(x, w[j], acc[i][j]);
        }
    }
}

// acc[i][j] += Σ_k a[k·a_stride + i] · b[k·b_stride + j·V ...]
template <int ROWS, int COLS>
SPACY_RNN_INLINE void outer(const float *a, int64_t a_stride, const float *b, int64_t b_stride, int64_t K, Vec (&acc)[ROWS][COLS]) {
    for (int64_t k = 0; k < K; k++, a += a_stride, b += b_stride) {
        Vec w[COLS];
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) w[j] = load(b + j * V);
        SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
            const Vec x = broadcast(a[i]);
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) acc[i][j] = fma(x, w[j], acc[i][j]);
        }
    }
}

constexpr int MAX_TILE_ROWS = 8;

// Vector columns of one row at a time: sums enough to wait for memory rather than for each other, in few streams, which are read
// faster than many.
constexpr int ROW_COLS = 4;

// Calls f.template run<rows>(first) for tiles of nearly equal height that cover n rows, at most MAX each.
template <int MAX, class F>
SPACY_RNN_INLINE void for_row_tiles(int64_t n, const F &f) {
    static_assert(MAX <= MAX_TILE_ROWS, "for_row_tiles has a case for each height");
    const int64_t tiles = (n + MAX - 1) / MAX;
    for (int64_t t = 0, first = 0; t < tiles; t++) {
        const int64_t rows = n / tiles + (t < n % tiles ? 1 : 0);
        switch (rows) {
            case 1: f.template run<1>(first); break;
            case 2: f.template run<(MAX >= 2 ? 2 : 1)>(first); break;
            case 3: f.template run<(MAX >= 3 ? 3 : 1)>(first); break;
            case 4: f.template run<(MAX >= 4 ? 4 : 1)>(first); break;
            case 5: f.template run<(MAX >= 5 ? 5 : 1)>(first); break;
            case 6: f.template run<(MAX >= 6 ? 6 : 1)>(first); break;
            case 7: f.template run<(MAX >= 7 ? 7 : 1)>(first); break;
            default: f.template run<(MAX >= 8 ? 8 : 1)>(first); break;
        }
        first += rows;
    }
}

// out[i] [width] = a[i] [K] · b + start, for n rows given by pointers.
struct RowsProduct {
    const float *const *a;
    int64_t K;
    const float *b;      // vector columns, K vectors each
    const float *bias;   // [ceil(width / V)·V] or null
    const float *scale;  // [n, ceil(width / V)·V] or null: multiplies the sums
    float *const *out;   // rows of the result
    int64_t width;
    bool accumulate;     // whether the result is added to what stands there
    int64_t column;      // the first vector column of the tile
};

template <class Factors, int COLS>
struct RowsTile {
    const RowsProduct &s;

    template <int ROWS>
    SPACY_RNN_INLINE void run(int64_t row) const {
        const int64_t columns = vectors(s.width);
        Vec acc[ROWS][COLS];
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
            const Vec start = s.bias == nullptr ? zero() : load(s.bias + (s.column + j) * V);
            SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) acc[i][j] = start;
        }
        dot<Factors, ROWS, COLS>(s.a + row, s.b + s.column * s.K * V, s.K * V, s.K, acc);
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
            const int64_t at = (s.column + j) * V;
            const int64_t n = s.width - at < V ? s.width - at : V;
            SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
                if (s.scale != nullptr) acc[i][j] = acc[i][j] * load(s.scale + (row + i) * columns * V + at);
                put(s.out[row + i] + at, acc[i][j], n);
            }
        }
    }

    SPACY_RNN_INLINE void put(float *to, Vec x, int64_t n) const {
        if (n == V) {
            store(to, s.accumulate ? load(to) + x : x);
        } else {
            store_first(to, s.accumulate ? load_first(to, n) + x : x, n);
        }
    }
};

// Multiplies a single row by some vector columns of those that are left, and gives their number: the last one is not left alone, whose
// sum would wait for itself.
template <class Factors>
SPACY_RNN_INLINE int64_t row_columns(const RowsProduct &s, int64_t left) {
    switch (left) {
        case ROW_COLS + 1: RowsTile<Factors, ROW_COLS + 1>{s}.template run<1>(0); return ROW_COLS + 1;
        case ROW_COLS + 2: RowsTile<Factors, ROW_COLS + 2>{s}.template run<1>(0); return ROW_COLS + 2;
        case ROW_COLS + 3: RowsTile<Factors, ROW_COLS + 3>{s}.template run<1>(0); return ROW_COLS + 3;
        default: RowsTile<Factors, ROW_COLS>{s}.template run<1>(0); return ROW_COLS;
    }
}

template <class Factors>
void rows_product(RowsProduct s, int64_t n) {
    const int64_t columns = vectors(s.width);
    for (s.column = 0; s.column < columns;) {
        const int64_t left = columns - s.column;
        if (n == 1 && left >= ROW_COLS) {
            s.column += row_columns<Factors>(s, left);
        } else if (TILE_COLS >= 4 && left >= 4) {
            for_row_tiles<TILE_ROWS>(n, RowsTile<Factors, (TILE_COLS >= 4 ? 4 : 1)>{s});
            s.column += 4;
        } else if (TILE_COLS >= 3 && left == 3) {
            for_row_tiles<TILE_ROWS>(n, RowsTile<Factors, (TILE_COLS >= 3 ? 3 : 1)>{s});
            s.column += 3;
        } else if (left >= 2) {
            for_row_tiles<TILE_ROWS>(n, RowsTile<Factors, 2>{s});
            s.column += 2;
        } else {
            for_row_tiles<TILE_ROWS>(n, RowsTile<Factors, 1>{s});
            s.column += 1;
        }
    }
}

// sum [m, columns·V] += Aᵀ B for n rows A [n, m] and B [n, columns·V].
struct OuterProduct {
    const float *a;
    int64_t a_stride;
    const float *b;
    int64_t b_stride;
    int64_t n;
    float *sum;
    int64_t columns;
    int64_t column;
};

template <int COLS>
struct OuterTile {
    const OuterProduct &s;

    template <int ROWS>
    SPACY_RNN_INLINE void run(int64_t row) const {
        Vec acc[ROWS][COLS];
        float *to = s.sum + row * s.columns * V + s.column * V;
        SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) acc[i][j] = load(to + i * s.columns * V + j * V);
        }
        outer<ROWS, COLS>(s.a + row, s.a_stride, s.b + s.column * V, s.b_stride, s.n, acc);
        SPACY_RNN_UNROLL for (int i = 0; i < ROWS; i++) {
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) store(to + i * s.columns * V + j * V, acc[i][j]);
        }
    }
};

inline void outer_product(OuterProduct s, int64_t m) {
    for (s.column = 0; s.column < s.columns;) {
        const int64_t left = s.columns - s.column;
        if (TILE_COLS >= 4 && left >= 4) {
            for_row_tiles<TILE_ROWS>(m, OuterTile<(TILE_COLS >= 4 ? 4 : 1)>{s});
            s.column += 4;
        } else if (TILE_COLS >= 3 && left == 3) {
            for_row_tiles<TILE_ROWS>(m, OuterTile<(TILE_COLS >= 3 ? 3 : 1)>{s});
            s.column += 3;
        } else if (left >= 2) {
            for_row_tiles<TILE_ROWS>(m, OuterTile<2>{s});
            s.column += 2;
        } else {
            for_row_tiles<TILE_ROWS>(m, OuterTile<1>{s});
            s.column += 1;
        }
    }
}
