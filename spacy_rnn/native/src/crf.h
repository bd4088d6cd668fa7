// Linear-chain conditional random fields, a sequence at a time. Included inside the namespace of the instruction set.
//
// The best path is found by Viterbi's algorithm (1967), which needs no back pointers: the step that led to a label is looked for when
// the path is known from there on. Of each row its highest score is taken out, and after each row the best path's score so far, so
// that numbers stay small however long a sequence is.
//
// Paths are summed by the forward-backward algorithm (Rabiner 1989, section III) in probabilities, which takes a product with the
// exponentials of the transitions for each row where logarithms would take L² exponential functions. All factors are divided by
// their largest value, and each row's by a power of two, so what is lost because float32 has no room for it is below 1e-37, of sums
// that are required to be above SMALLEST_SUM: if one is not, the sequence is left to who can do better.

constexpr float SMALLEST_SUM = 1e-24f;

// How what leads to a label from those before is put together.
struct SumOfProducts {
    static SPACY_RNN_INLINE Vec none() { return zero(); }
    static SPACY_RNN_INLINE Vec step(Vec x, Vec w, Vec sum) { return fma(x, w, sum); }
    static SPACY_RNN_INLINE Vec join(Vec a, Vec b) { return a + b; }
};

struct MaximumOfSums {
    static SPACY_RNN_INLINE Vec none() { return broadcast(FORBIDDEN); }
    static SPACY_RNN_INLINE Vec step(Vec x, Vec w, Vec most) { return maximum(x + w, most); }
    static SPACY_RNN_INLINE Vec join(Vec a, Vec b) { return maximum(a, b); }
};

// out [COLS·V] from x [L] and COLS vector columns of L vectors each, in chains that do not wait for each other.
template <class Op, int COLS, int CHAINS>
SPACY_RNN_INLINE void combine_columns(const float *x, const float *columns, int64_t L, float *out) {
    Vec acc[CHAINS][COLS];
    SPACY_RNN_UNROLL for (int c = 0; c < CHAINS; c++) {
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) acc[c][j] = Op::none();
    }
    int64_t k = 0;
    for (; k + CHAINS <= L; k += CHAINS) {
        SPACY_RNN_UNROLL for (int c = 0; c < CHAINS; c++) {
            const Vec from = broadcast(x[k + c]);
            SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
                acc[c][j] = Op::step(from, load(columns + (j * L + k + c) * V), acc[c][j]);
            }
        }
    }
    for (; k < L; k++) {
        const Vec from = broadcast(x[k]);
        SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) acc[0][j] = Op::step(from, load(columns + (j * L + k) * V), acc[0][j]);
    }
    SPACY_RNN_UNROLL for (int j = 0; j < COLS; j++) {
        SPACY_RNN_UNROLL for (int c = 1; c < CHAINS; c++) acc[0][j] = Op::join(acc[0][j], acc[c][j]);
        store(out + j * V, acc[0][j]);
    }
}

template <class Op>
void combine(const float *x, const float *columns, int64_t L, int64_t n_columns, float *out) {
    int64_t column = 0;
    for (; column + 4 <= n_columns; column += 4) combine_columns<Op, 4, 2>(x, columns + column * L * V, L, out + column * V);
    columns += column * L * V;
    out += column * V;
    switch (n_columns - column) {
        case 3: combine_columns<Op, 3, 2>(x, columns, L, out); break;
        case 2: combine_columns<Op, 2, 4>(x, columns, L, out); break;
        case 1: combine_columns<Op, 1, 8>(x, columns, L, out); break;
        default: break;
    }
}

inline float highest(const float *x, int64_t n_columns) {
    Vec most = load(x);
    for (int64_t column = 1; column < n_columns; column++) most = maximum(most, load(x + column * V));
    return highest(most);
}

inline float dot_product(const float *a, const float *b, int64_t n_columns) {
    Vec sum = zero();
    for (int64_t column = 0; column < n_columns; column++) sum = fma(load(a + column * V), load(b + column * V), sum);
    return total(sum);
}

inline void fill(float *x, int64_t from, int64_t to, float value) {
    for (int64_t i = from; i < to; i++) x[i] = value;
}

// Copies the scores of a row, padded, what is not allowed as forbidden; gives the highest.
inline float read_row(const PackedField &f, const LabelScores &s, int64_t t, float *to) {
    copy_floats(s.scores + t * s.stride, f.n_labels, to);
    fill(to, f.n_labels, f.width, FORBIDDEN);
    if (s.allowed != nullptr) {
        const uint8_t *allowed = s.allowed + t * f.n_labels;
        for (int64_t i = 0; i < f.n_labels; i++) to[i] = allowed[i] ? to[i] : FORBIDDEN;
    }
    return highest(to, f.n_columns);
}

inline void pack_scores(const Field &from, PackedField &to) {
    const int64_t L = from.n_labels;
    to.n_labels = L;
    to.n_columns = vectors(L);
    to.width = to.n_columns * V;
    to.into.resize(L * to.width);
    to.out_of.resize(L * to.width);
    for (int64_t at = 0; at < to.width; at++) {
        const int64_t column = at / V * L * V + at % V;
        for (int64_t k = 0; k < L; k++) {
            to.into.data()[column + k * V] = at < L ? from.transitions[k * L + at] : FORBIDDEN;
            to.out_of.data()[column + k * V] = at < L ? from.transitions[at * L + k] : FORBIDDEN;
        }
    }
    to.start.resize(to.width);
    to.end.resize(to.width);
    copy_floats(from.start, L, to.start.data());
    copy_floats(from.end, L, to.end.data());
    fill(to.start.data(), L, to.width, FORBIDDEN);
    fill(to.end.data(), L, to.width, FORBIDDEN);
}

// Replaces scores by their exponentials, the highest of which is 1; gives what was the highest, or 0 where all are forbidden.
inline float take_exponentials(float *x, int64_t n_vectors) {
    float most = highest(x, n_vectors);
    if (most == FORBIDDEN) most = 0.0f;
    for (int64_t i = 0; i < n_vectors; i++) store(x + i * V, exp_of_negative(load(x + i * V) - broadcast(most)));
    return most;
}

inline void pack_exponentials(const Field &from, PackedField &to) {
    pack_scores(from, to);
    to.most_start = take_exponentials(to.start.data(), to.n_columns);
    to.most_end = take_exponentials(to.end.data(), to.n_columns);
    to.most_transition = take_exponentials(to.into.data(), to.n_columns * to.n_labels);
    take_exponentials(to.out_of.data(), to.n_columns * to.n_labels);
}

// The smallest of the labels for which best + scores, in vectors `step` apart, is the highest, and that; work: [width].
inline int64_t best_label(const PackedField &f, const float *best, const float *scores, int64_t step, float *work, float &most) {
    for (int64_t column = 0; column < f.n_columns; column++) {
        store(work + column * V, load(best + column * V) + load(scores + column * step));
    }
    most = highest(work, f.n_columns);
    int64_t label = 0;
    while (label < f.n_labels - 1 && work[label] != most) label++;
    return label;
}

inline double find_best(const PackedField &f, const LabelScores &s, float *work, int64_t *labels) {
    const int64_t L = f.n_labels, columns = f.n_columns;
    float *row = work + s.n * f.width;
    double score = 0;
    Work done;
    for (int64_t t = 0; t < s.n; t++) {
        done.add(L * f.width);
        float *best = work + t * f.width;
        const float most = read_row(f, s, t, row);
        if (t == 0) {
            copy_floats(f.start.data(), f.width, best);
        } else {
            combine<MaximumOfSums>(best - f.width, f.into.data(), L, columns, best);
        }
        if (most == FORBIDDEN) return FORBIDDEN;
        for (int64_t i = 0; i < f.width; i += V) store(best + i, load(best + i) + (load(row + i) - broadcast(most)));
        const float so_far = highest(best, columns);
        if (so_far == FORBIDDEN) return FORBIDDEN;
        for (int64_t i = 0; i < f.width; i += V) store(best + i, load(best + i) - broadcast(so_far));
        score += static_cast<double>(most) + static_cast<double>(so_far);
    }
    float last;
    labels[s.n - 1] = best_label(f, work + (s.n - 1) * f.width, f.end.data(), V, row, last);
    for (int64_t t = s.n - 1; t > 0; t--) {
        done.add(f.width);
        float unused;
        labels[t - 1] = best_label(f, work + (t - 1) * f.width, f.out_of.data() + labels[t] * V, L * V, row, unused);
    }
    return score + static_cast<double>(last);
}

// The exponent of a positive number that is neither tiny nor huge.
inline int exponent_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<int>(bits >> 23) - 127;
}

inline float power_of_two(int exponent) {
    const uint32_t bits = static_cast<uint32_t>(exponent + 127) << 23;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline void scale(float *x, int64_t width, float factor) {
    for (int64_t i = 0; i < width; i += V) store(x + i, load(x + i) * broadcast(factor));
}

// Probabilities of the labels of a row from what leads to it and what goes on from it.
inline void put_marginals(const PackedField &f, const float *before, const float *after, float factor, float *to) {
    for (int64_t i = 0; i < f.n_labels; i += V) {
        const Vec p = load(before + i) * load(after + i) * broadcast(factor);
        const int64_t n = f.n_labels - i;
        if (n >= V) {
            store(to + i, p);
        } else {
            store_first(to + i, p, n);
        }
    }
}

// The forward recursion: into `before` the sums over paths up to each row, into `after` the exponentials of the row's scores.
inline bool sum_forward(const PackedField &f, const LabelScores &s, float *before, float *after, ScaledSum &sum) {
    sum = {static_cast<double>(f.most_start) + f.most_end + static_cast<double>(f.most_transition) * static_cast<double>(s.n - 1), 0, 0};
    Work done;
    for (int64_t t = 0; t < s.n; t++, before += f.width, after += f.width) {
        done.add(f.n_labels * f.width);
        const float most = read_row(f, s, t, after);
        if (most == FORBIDDEN) return false;
        sum.scores += most;
        if (t == 0) {
            copy_floats(f.start.data(), f.width, before);
        } else {
            combine<SumOfProducts>(before - f.width, f.into.data(), f.n_labels, f.n_columns, before);
        }
        for (int64_t i = 0; i < f.width; i += V) {
            const Vec here = exp_of_negative(load(after + i) - broadcast(most));
            store(after + i, here);
            store(before + i, load(before + i) * here);
        }
        const float largest = highest(before, f.n_columns);
        if (!(largest >= SMALLEST_SUM)) return false;
        const int exponent = exponent_of(largest);
        scale(before, f.width, power_of_two(-exponent));
        sum.exponent += exponent;
    }
    sum.last = dot_product(before - f.width, f.end.data(), f.n_columns);
    return sum.last >= SMALLEST_SUM;
}

// The backward recursion: multiplies the sums over the ways in which paths go on from each row to what stands in `after`, divided
// by the sum over all that go through the row and the one before.
inline bool sum_backward(const PackedField &f, const LabelScores &s, const float *before, float *after, float *marginals, float *on,
                         float last) {
    const int64_t width = f.width;
    Work done;
    copy_floats(f.end.data(), width, on);
    put_marginals(f, before + (s.n - 1) * width, on, 1.0f / last, marginals + (s.n - 1) * f.n_labels);
    for (int64_t t = s.n - 1;; t--) {
        done.add(f.n_labels * width);
        float *here = after + t * width;
        for (int64_t i = 0; i < width; i += V) store(here + i, load(here + i) * load(on + i));
        if (t == 0) return dot_product(here, f.start.data(), f.n_columns) >= SMALLEST_SUM;
        combine<SumOfProducts>(here, f.out_of.data(), f.n_labels, f.n_columns, on);
        const float through = dot_product(before + (t - 1) * width, on, f.n_columns);
        if (!(through >= SMALLEST_SUM)) return false;
        scale(here, width, 1.0f / through);
        put_marginals(f, before + (t - 1) * width, on, 1.0f / through, marginals + (t - 1) * f.n_labels);
        scale(on, width, power_of_two(-exponent_of(highest(on, f.n_columns))));
    }
}

inline bool sum_paths(const PackedField &f, const LabelScores &s, float *before, float *after, float *marginals, float *work,
                      ScaledSum &sum) {
    if (!sum_forward(f, s, before, after, sum)) return false;
    return sum_backward(f, s, before, after, marginals, work, static_cast<float>(sum.last));
}

inline void add_pairs(const PackedField &f, const float *before, const float *after, int64_t n, float *sums) {
    outer_product({before, f.width, after, f.width, n, sums, f.n_columns, 0}, f.n_labels);
}
