// Attention over ragged rows: dot products (Luong et al. 2015, section 3.1) or a layer of tanh (Bahdanau et al. 2015, appendix A.1.2),
// and its gradients. Included inside the namespace of the instruction set.
//
// Queries that follow each other and look at the same rows go through in tiles of a few, which share what they read. Every sum has
// the same order in any tile, so a query's result does not depend on the queries beside it, not even in its last bit; gradients of
// rows are summed in the order of the queries.

constexpr int TILE_QUERIES = 4;

SPACY_RNN_INLINE const float *row_of(FloatRows x, int64_t i) { return x.first + i * x.stride; }

SPACY_RNN_INLINE FloatRows rows_from(FloatRows x, int64_t i) { return {row_of(x, i), x.stride}; }

SPACY_RNN_INLINE FloatRows columns_from(FloatRows x, int64_t k) { return {x.first + k, x.stride}; }

// n floats of a vector, n <= V.
SPACY_RNN_INLINE Vec load_up_to(const float *x, int64_t n) { return n == V ? load(x) : load_first(x, n); }

SPACY_RNN_INLINE void store_up_to(float *x, Vec a, int64_t n) {
    if (n == V) {
        store(x, a);
    } else {
        store_first(x, a, n);
    }
}

// Calls f.run(k, n) for the vectors of a row, each with its first column and its n floats; only the last may have n < V.
template <class F>
SPACY_RNN_INLINE void for_vectors(int64_t width, const F &f) {
    int64_t k = 0;
    for (; k + V <= width; k += V) f.run(k, V);
    if (k < width) f.run(k, width - k);
}

template <int QUERIES, int ROWS>
struct DotProducts {
    FloatRows x, y;
    Vec (&sums)[QUERIES][ROWS];

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        Vec rows[ROWS];
        SPACY_RNN_UNROLL for (int r = 0; r < ROWS; r++) rows[r] = load_up_to(row_of(y, r) + k, n);
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
            const Vec query = load_up_to(row_of(x, q) + k, n);
            SPACY_RNN_UNROLL for (int r = 0; r < ROWS; r++) sums[q][r] = fma(query, rows[r], sums[q][r]);
        }
    }
};

// Rows that are multiplied at once: sums enough not to wait for each other, and few enough for the registers.
constexpr int rows_at_once(int queries) { return queries == 1 ? 8 : queries == 2 ? 4 : TILE_COLS; }

// to[q·n + i] = x_q · y_i for n rows y, from row i on.
template <int QUERIES, int ROWS = rows_at_once(QUERIES)>
SPACY_RNN_INLINE void dot_products(FloatRows x, FloatRows y, int64_t width, int64_t n, float *to, int64_t i = 0) {
    for (; i + ROWS <= n; i += ROWS) {
        Vec sums[QUERIES][ROWS];
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
            SPACY_RNN_UNROLL for (int r = 0; r < ROWS; r++) sums[q][r] = zero();
        }
        for_vectors(width, DotProducts<QUERIES, ROWS>{x, rows_from(y, i), sums});
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
            SPACY_RNN_UNROLL for (int r = 0; r < ROWS; r++) to[q * n + i + r] = total(sums[q][r]);
        }
    }
    if constexpr (ROWS > 1) dot_products<QUERIES, ROWS / 2>(x, y, width, n, to, i);
}

struct TanhScore {
    const float *query, *key, *u;
    Vec &sum;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        sum = fma(load_up_to(u + k, n), tanh(load_up_to(query + k, n) + load_up_to(key + k, n)), sum);
    }
};

// to [n] = u · tanh(query + key_i)
inline void tanh_scores(const float *query, FloatRows keys, const float *u, int64_t width, int64_t n, float *to) {
    for (int64_t i = 0; i < n; i++) {
        Vec sum = zero();
        for_vectors(width, TanhScore{query, row_of(keys, i), u, sum});
        to[i] = total(sum);
    }
}

struct ExponentialSum {
    float *x;
    Vec most;
    Vec &sum;

    // What fills the last vector up must not count.
    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        store_up_to(x + k, exp_of_negative(load_up_to(x + k, n) - most), n);
        sum = sum + load_up_to(x + k, n);
    }
};

struct Scaling {
    float *x;
    Vec factor;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const { store_up_to(x + k, load_up_to(x + k, n) * factor, n); }
};

// Of n > 0 scores. If one of them is not a number, no weight is.
inline void softmax(float *x, int64_t n) {
    float most = x[0];
    for (int64_t i = 1; i < n; i++) most = x[i] > most || x[i] != x[i] ? x[i] : most;
    Vec sum = zero();
    for_vectors(n, ExponentialSum{x, broadcast(most), sum});
    for_vectors(n, Scaling{x, broadcast(1.0f / total(sum))});
}

// The rows to[q] = Σ_i a[q·n + i] y_i of all queries of a tile, COLS vectors from a column on.
template <int QUERIES, int COLS>
SPACY_RNN_INLINE void sum_columns(const float *a, int64_t n, FloatRows y, float *to, int64_t to_stride, int64_t last) {
    Vec sums[QUERIES][COLS];
    SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) sums[q][j] = zero();
    }
    for (int64_t i = 0; i < n; i++) {
        Vec row[COLS];
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) row[j] = load_up_to(row_of(y, i) + j * V, j + 1 < COLS ? V : last);
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
            const Vec factor = broadcast(a[q * n + i]);
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) sums[q][j] = fma(factor, row[j], sums[q][j]);
        }
    }
    SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) {
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
            store_up_to(to + q * to_stride + j * V, sums[q][j], j + 1 < COLS ? V : last);
        }
    }
}

// Rows of sums: to[q] [width] = Σ_i a[q·n + i] y_i.
template <int QUERIES>
inline void weighted_sums(const float *a, int64_t n, FloatRows y, int64_t width, float *to) {
    constexpr int COLS = QUERIES == 1 ? 4 : TILE_COLS;
    int64_t k = 0;
    for (; k + COLS * V <= width; k += COLS * V) sum_columns<QUERIES, COLS>(a, n, columns_from(y, k), to + k, width, V);
    for (; k + V <= width; k += V) sum_columns<QUERIES, 1>(a, n, columns_from(y, k), to + k, width, V);
    if (k < width) sum_columns<QUERIES, 1>(a, n, columns_from(y, k), to + k, width, width - k);
}

template <int QUERIES>
struct AddedRows {
    FloatRows x;
    const Vec (&factors)[QUERIES];
    float *to;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        Vec sum = load_up_to(to + k, n);
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) sum = fma(factors[q], load_up_to(row_of(x, q) + k, n), sum);
        store_up_to(to + k, sum, n);
    }
};

// The n rows to[i] [width] += Σ_q a[q·n + i] x_q.
template <int QUERIES>
inline void add_outer_product(const float *a, int64_t n, FloatRows x, int64_t width, float *to) {
    for (int64_t i = 0; i < n; i++) {
        Vec factors[QUERIES];
        SPACY_RNN_UNROLL for (int q = 0; q < QUERIES; q++) factors[q] = broadcast(a[q * n + i]);
        for_vectors(width, AddedRows<QUERIES>{x, factors, to + i * width});
    }
}

struct AddedFloats {
    const float *x;
    float *to;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const { store_up_to(to + k, load_up_to(to + k, n) + load_up_to(x + k, n), n); }
};

// to [n] += x
inline void add_floats(const float *x, int64_t n, float *to) { for_vectors(n, AddedFloats{x, to}); }

struct WeightedSum {
    const float *weights, *x;
    Vec &sum;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const { sum = fma(load_up_to(weights + k, n), load_up_to(x + k, n), sum); }
};

struct SoftmaxGradient {
    const float *weights;
    float *x;
    Vec mean;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        store_up_to(x + k, load_up_to(weights + k, n) * (load_up_to(x + k, n) - mean), n);
    }
};

// Replaces gradients of n weights by those of their scores.
inline void backprop_softmax(const float *weights, int64_t n, float *x) {
    Vec sum = zero();
    for_vectors(n, WeightedSum{weights, x, sum});
    for_vectors(n, SoftmaxGradient{weights, x, broadcast(total(sum))});
}

// What d_scores [n] of u · tanh(query + key_i) give: dQ is written, the other gradients are added to.
struct TanhGradients {
    const float *d_scores;
    int64_t rows, width;
    const float *query;
    FloatRows keys;
    const float *u;
    float *dQ, *d_keys, *du;

    SPACY_RNN_INLINE void run(int64_t k, int64_t n) const {
        const Vec q = load_up_to(query + k, n), v = load_up_to(u + k, n);
        Vec query_sum = zero(), u_sum = zero();
        for (int64_t i = 0; i < rows; i++) {
            float *to = d_keys + i * width + k;
            const Vec d = broadcast(d_scores[i]), t = tanh(q + load_up_to(row_of(keys, i) + k, n));
            const Vec gradient = d * v * (broadcast(1.0f) - t * t);
            u_sum = fma(d, t, u_sum);
            query_sum = query_sum + gradient;
            store_up_to(to, load_up_to(to, n) + gradient, n);
        }
        store_up_to(dQ + k, query_sum, n);
        store_up_to(du + k, load_up_to(du + k, n) + u_sum, n);
    }
};

// Queries of one owner that follow each other.
struct QueryRun {
    int64_t query;   // the first of them
    int64_t row, n;  // the first of the rows they look at, and the number of these
    int64_t weight;  // the first of their weights
};

// Calls tile.run<QUERIES>(first) for tiles of all queries, `first` counted from the first of tile.queries.
template <class Tile>
inline void for_query_tiles(const Attention &s, Tile tile) {
    int64_t weight = 0;
    for (int64_t m = 0, end; m < s.n_queries; m = end) {
        const int64_t row = s.starts[s.owners[m]], n = s.starts[s.owners[m] + 1] - row;
        for (end = m + 1; end < s.n_queries && s.owners[end] == s.owners[m];) end++;
        tile.queries = {m, row, n, weight};
        for_row_tiles<TILE_QUERIES>(end - m, tile);
        weight += (end - m) * n;
    }
}

struct AttentionTile {
    const Attention &s;
    float *weights, *contexts;
    Work &work;
    QueryRun queries;

    template <int QUERIES>
    SPACY_RNN_NOINLINE void run(int64_t first) const {
        const int64_t query = queries.query + first, n = queries.n;
        const FloatRows Q = rows_from(s.Q, query), keys = rows_from(s.keys, queries.row);
        float *const scores = weights + queries.weight + first * n;
        work.add(QUERIES * n * (s.width + s.value_width));
        if (s.u == nullptr) {
            dot_products<QUERIES>(Q, keys, s.width, n, scores);
        } else {
            for (int q = 0; q < QUERIES; q++) tanh_scores(row_of(Q, q), keys, s.u, s.width, n, scores + q * n);
        }
        for (int q = 0; n > 0 && q < QUERIES; q++) softmax(scores + q * n, n);
        weighted_sums<QUERIES>(scores, n, rows_from(s.values, queries.row), s.value_width, contexts + query * s.value_width);
    }
};

inline void attend_rows(const Attention &s, float *weights, float *contexts) {
    Work work;
    for_query_tiles(s, AttentionTile{s, weights, contexts, work, {}});
}

struct AttentionGradientTile {
    const AttentionBackward &b;
    float *d_scores;  // [TILE_QUERIES, the most rows of an owner]
    Work &work;
    QueryRun queries;

    template <int QUERIES>
    SPACY_RNN_NOINLINE void run(int64_t first) const {
        const Attention &s = b.attention;
        const int64_t query = queries.query + first, row = queries.row, n = queries.n, weight = queries.weight + first * n;
        const FloatRows Q = rows_from(s.Q, query), keys = rows_from(s.keys, row), dC = rows_from(b.dC, query);
        const float *const weights = b.weights + weight;
        float *const dQ = b.dQ + query * s.width, *const d_keys = b.d_keys + row * s.width;
        work.add(2 * QUERIES * n * (s.width + s.value_width));
        dot_products<QUERIES>(dC, rows_from(s.values, row), s.value_width, n, d_scores);
        if (b.d_weights != nullptr) add_floats(b.d_weights + weight, QUERIES * n, d_scores);
        for (int q = 0; q < QUERIES; q++) backprop_softmax(weights + q * n, n, d_scores + q * n);
        add_outer_product<QUERIES>(weights, n, dC, s.value_width, b.d_values + row * s.value_width);
        if (s.u == nullptr) {
            weighted_sums<QUERIES>(d_scores, n, keys, s.width, dQ);
            add_outer_product<QUERIES>(d_scores, n, Q, s.width, d_keys);
        } else {
            for (int q = 0; q < QUERIES; q++) {
                for_vectors(s.width, TanhGradients{d_scores + q * n, n, s.width, row_of(Q, q), keys, s.u, dQ + q * s.width, d_keys, b.du});
            }
        }
    }
};

inline void backprop_attention(const AttentionBackward &b) {
    const Attention &s = b.attention;
    int64_t most = 0;
    for (int64_t i = 0; i < s.n_owners; i++) most = s.starts[i + 1] - s.starts[i] > most ? s.starts[i + 1] - s.starts[i] : most;
    Buffer d_scores(TILE_QUERIES * most);
    Work work;
    clear_floats(b.d_keys, s.starts[s.n_owners] * s.width);
    clear_floats(b.d_values, s.starts[s.n_owners] * s.value_width);
    if (s.u != nullptr) clear_floats(b.du, s.width);
    for_query_tiles(s, AttentionGradientTile{b, d_scores.data(), work, {}});
}
