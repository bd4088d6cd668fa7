// The arithmetic of the six cells at one row and V units: after a step's product, and back. The equations are those of
// spacy_rnn/recurrence/cells.py. Included inside the namespace of the instruction set.
//
// Rows of hidden units are padded to nHv·V floats; what is computed for the padding comes out as zero.

// One time step of the sequences that are still running.
struct Step {
    int64_t nH, nHv;
    const float *R;          // packed
    int64_t K;               // numbers of a row that enters the recurrent product
    const float *const *in;  // those rows
    float *z;                // [n, nHv·nG·V] projections; the activated gates take their place where they are needed
    const float *h_in;       // [n, nHv·V], h_prev with the mask, if there is one
    const float *h_prev;     // [n, nHv·V]
    float *h_next;           // [n, nHv·V]
    float *c;                // [n, nHv·V]
    float *extra;            // [n, nHv·V], in training
    float *reset_h;          // [n, nHv·V], gru_reset_before
    const float *bR, *p;     // padded
    float *const *y;         // rows [nH]
    float *sums;             // [nHv·nG·V], for the products of one row
    bool from_end;           // whether one row reads the weights from their end
};

SPACY_RNN_INLINE void put_h(const Step &s, int64_t row, int64_t at, Vec h) {
    store(s.h_next + row * s.nHv * V + at, h);
    if (at + V <= s.nH) {
        store(s.y[row] + at, h);
    } else {
        store_first(s.y[row] + at, h, s.nH - at);
    }
}

// A cell says how many vector columns of a block of V units enter one product (COLS, the columns FIRST .. of GATES), where their
// sums start, and what becomes of them.

template <bool RELU>
struct Elman {
    static constexpr int GATES = 1, FIRST = 0, COLS = 1;

    static SPACY_RNN_INLINE Vec start(const Step &s, int64_t row, int64_t block, int) { return load(s.z + (row * s.nHv + block) * V); }
    static SPACY_RNN_INLINE void finish(const Step &s, int64_t row, int64_t block, const Vec *z) {
        put_h(s, row, block * V, RELU ? maximum(zero(), z[0]) : tanh(z[0]));
    }
};

template <bool TRAIN>
struct Gru {
    static constexpr int GATES = 3, FIRST = 0, COLS = 3;

    static SPACY_RNN_INLINE Vec start(const Step &s, int64_t row, int64_t block, int gate) {
        return gate == 2 ? load(s.bR + block * V) : load(s.z + ((row * s.nHv + block) * GATES + gate) * V);
    }
    static SPACY_RNN_INLINE void finish(const Step &s, int64_t row, int64_t block, const Vec *z) {
        const int64_t at = row * s.nHv * V + block * V;
        float *gates = s.z + at * GATES;
        const Vec h_prev = load(s.h_prev + at);
        const Vec reset = sigmoid(z[0]), update = sigmoid(z[1]);
        const Vec candidate = tanh(fma(reset, z[2], load(gates + 2 * V)));
        if (TRAIN) {
            store(gates, reset);
            store(gates + V, update);
            store(gates + 2 * V, candidate);
            store(s.extra + at, z[2]);
        }
        put_h(s, row, block * V, fma(update, h_prev - candidate, candidate));
    }
};

// The reset gate before the recurrent product takes two of them: the gates first, then the candidate.
struct GruGates {
    static constexpr int GATES = 3, FIRST = 0, COLS = 2;

    static SPACY_RNN_INLINE Vec start(const Step &s, int64_t row, int64_t block, int gate) {
        return load(s.z + ((row * s.nHv + block) * GATES + gate) * V);
    }
    static SPACY_RNN_INLINE void finish(const Step &s, int64_t row, int64_t block, const Vec *z) {
        const int64_t at = row * s.nHv * V + block * V;
        const Vec reset = sigmoid(z[0]);
        store(s.z + at * GATES, reset);
        store(s.z + at * GATES + V, sigmoid(z[1]));
        store(s.reset_h + at, reset * load(s.h_in + at));
    }
};

struct GruCandidate {
    static constexpr int GATES = 3, FIRST = 2, COLS = 1;

    static SPACY_RNN_INLINE Vec start(const Step &s, int64_t row, int64_t block, int) {
        return load(s.z + ((row * s.nHv + block) * GATES + 2) * V);
    }
    static SPACY_RNN_INLINE void finish(const Step &s, int64_t row, int64_t block, const Vec *z) {
        const int64_t at = row * s.nHv * V + block * V;
        const Vec candidate = tanh(z[0]);
        store(s.z + at * GATES + 2 * V, candidate);
        put_h(s, row, block * V, fma(load(s.z + at * GATES + V), load(s.h_prev + at) - candidate, candidate));
    }
};

template <bool TRAIN, bool PEEPHOLES>
struct Lstm {
    static constexpr int GATES = 4, FIRST = 0, COLS = 4;

    static SPACY_RNN_INLINE Vec start(const Step &s, int64_t row, int64_t block, int gate) {
        return load(s.z + ((row * s.nHv + block) * GATES + gate) * V);
    }
    static SPACY_RNN_INLINE void finish(const Step &s, int64_t row, int64_t block, const Vec *z) {
        const int64_t at = row * s.nHv * V + block * V;
        const float *p = PEEPHOLES ? s.p + block * V : nullptr;
        const Vec c_prev = load(s.c + at);
        const Vec z_i = PEEPHOLES ? fma(load(p), c_prev, z[0]) : z[0];
        const Vec z_f = PEEPHOLES ? fma(load(p + s.nHv * V), c_prev, z[1]) : z[1];
        const Fraction i = sigmoid_fraction(z_i), f = sigmoid_fraction(z_f), g = tanh_fraction(z[2]);
        // One division for the three gates.
        const Vec ig = i.q * g.q;
        const Vec shared = reciprocal(ig * f.q);
        const Vec c = fma(f.p * c_prev, ig, i.p * g.p * f.q) * shared;
        const Vec z_o = PEEPHOLES ? fma(load(p + 2 * s.nHv * V), c, z[3]) : z[3];
        const Fraction o = sigmoid_fraction(z_o), t = tanh_fraction(c);
        store(s.c + at, c);
        if (TRAIN) {
            float *gates = s.z + at * GATES;
            const Vec output = divided(o);
            store(gates, i.p * g.q * f.q * shared);
            store(gates + V, f.p * ig * shared);
            store(gates + 2 * V, g.p * i.q * f.q * shared);
            store(gates + 3 * V, output);
            store(s.extra + at, c);
        }
        put_h(s, row, block * V, o.p * t.p * reciprocal(o.q * t.q));
    }
};

// One time step of backpropagation.
struct BackStep {
    int64_t nH, nHv;
    const float *gates;              // [n, nHv·nG·V]
    const float *extra, *extra_prev;  // [n, nHv·V], of this step and the one before
    const float *const *h_prev;      // rows [nH]
    const float *const *y;           // rows [nH]
    const float *const *dY;          // rows [nH]
    const float *p;                  // padded
    float *dp;                       // [3, nHv·V]
    float *dz;                       // [n, nHv·nG·V], gradient of the projections
    float *du;                       // the same of the recurrent products, where it differs: [n, nHv·3·V] gru, [n, nHv·2·V] reset before
    float *d_n;                      // [n, nHv·V], gru_reset_before: the candidate's part of dz
    float *d_h, *d_c;                // [n, nHv·V], of the state after the step; then what goes past the product to the one before
    const float *h_in;               // [n, nHv·V], gru_reset_before: h_prev, masked
    float *reset_h, *d_reset_h;      // [n, nHv·V], gru_reset_before
    const float *mask;               // [n, nHv·V] or null
};

SPACY_RNN_INLINE Vec load_unit(const BackStep &s, const float *row, int64_t at) {
    return at + V <= s.nH ? load(row + at) : load_first(row + at, s.nH - at);
}

SPACY_RNN_INLINE Vec one_minus(Vec x) { return broadcast(1.0f) - x; }

// The gradient of a logistic gate's argument from that of its value.
SPACY_RNN_INLINE Vec through_sigmoid(Vec d, Vec gate) { return d * gate * one_minus(gate); }
SPACY_RNN_INLINE Vec through_tanh(Vec d, Vec value) { return d - d * value * value; }

template <bool RELU>
struct ElmanBack {
    static SPACY_RNN_INLINE void run(const BackStep &s, int64_t row, int64_t block) {
        const int64_t unit = block * V, at = row * s.nHv * V + unit;
        const Vec dh = load(s.d_h + at) + load_unit(s, s.dY[row], unit);
        const Vec h = load_unit(s, s.y[row], unit);
        store(s.dz + at, RELU ? where_positive(h, dh) : through_tanh(dh, h));
    }
};

struct GruBack {
    static SPACY_RNN_INLINE void run(const BackStep &s, int64_t row, int64_t block) {
        const int64_t unit = block * V, at = row * s.nHv * V + unit;
        const float *gates = s.gates + at * 3;
        const Vec reset = load(gates), update = load(gates + V), candidate = load(gates + 2 * V);
        const Vec dh = load(s.d_h + at) + load_unit(s, s.dY[row], unit);
        const Vec h_prev = load_unit(s, s.h_prev[row], unit);
        const Vec dz_n = through_tanh(dh * one_minus(update), candidate);
        const Vec dz_z = through_sigmoid(dh * (h_prev - candidate), update);
        const Vec dz_r = through_sigmoid(dz_n * load(s.extra + at), reset);
        float *dz = s.dz + at * 3, *du = s.du + at * 3;
        store(dz, dz_r);
        store(dz + V, dz_z);
        store(dz + 2 * V, dz_n);
        store(du, dz_r);
        store(du + V, dz_z);
        store(du + 2 * V, dz_n * reset);
        store(s.d_h + at, dh * update);
    }
};

struct GruCandidateBack {
    static SPACY_RNN_INLINE void run(const BackStep &s, int64_t row, int64_t block) {
        const int64_t unit = block * V, at = row * s.nHv * V + unit;
        const float *gates = s.gates + at * 3;
        const Vec update = load(gates + V), candidate = load(gates + 2 * V);
        const Vec dh = load(s.d_h + at) + load_unit(s, s.dY[row], unit);
        const Vec h_prev = load_unit(s, s.h_prev[row], unit);
        const Vec dz_z = through_sigmoid(dh * (h_prev - candidate), update);
        const Vec dz_n = through_tanh(dh * one_minus(update), candidate);
        store(s.dz + at * 3 + V, dz_z);
        store(s.dz + at * 3 + 2 * V, dz_n);
        store(s.du + at * 2 + V, dz_z);
        store(s.d_n + at, dz_n);
        store(s.d_h + at, dh * update);
    }
};

struct GruGatesBack {
    static SPACY_RNN_INLINE void run(const BackStep &s, int64_t row, int64_t block) {
        const int64_t unit = block * V, at = row * s.nHv * V + unit;
        const Vec reset = load(s.gates + at * 3), h_in = load(s.h_in + at), d_reset_h = load(s.d_reset_h + at);
        const Vec dz_r = through_sigmoid(d_reset_h * h_in, reset);
        const Vec d_h_in = d_reset_h * reset;
        store(s.dz + at * 3, dz_r);
        store(s.du + at * 2, dz_r);
        store(s.reset_h + at, reset * h_in);
        store(s.d_h + at, load(s.d_h + at) + (s.mask == nullptr ? d_h_in : d_h_in * load(s.mask + at)));
    }
};

template <bool PEEPHOLES>
struct LstmBack {
    static SPACY_RNN_INLINE void run(const BackStep &s, int64_t row, int64_t block) {
        const int64_t unit = block * V, width = s.nHv * V, at = row * width + unit;
        const float *gates = s.gates + at * 4;
        const Vec i = load(gates), f = load(gates + V), g = load(gates + 2 * V), o = load(gates + 3 * V);
        const Vec c = load(s.extra + at), c_prev = load(s.extra_prev + at), t = tanh(c);
        const Vec dh = load(s.d_h + at) + load_unit(s, s.dY[row], unit);
        const Vec dz_o = through_sigmoid(dh * t, o);
        Vec dc = load(s.d_c + at) + through_tanh(dh * o, t);
        if (PEEPHOLES) dc = fma(dz_o, load(s.p + 2 * width + unit), dc);
        const Vec dz_i = through_sigmoid(dc * g, i), dz_f = through_sigmoid(dc * c_prev, f), dz_g = through_tanh(dc * i, g);
        Vec dc_prev = dc * f;
        if (PEEPHOLES) {
            dc_prev = fma(dz_i, load(s.p + unit), fma(dz_f, load(s.p + width + unit), dc_prev));
            store(s.dp + unit, fma(dz_i, c_prev, load(s.dp + unit)));
            store(s.dp + width + unit, fma(dz_f, c_prev, load(s.dp + width + unit)));
            store(s.dp + 2 * width + unit, fma(dz_o, c, load(s.dp + 2 * width + unit)));
        }
        float *dz = s.dz + at * 4;
        store(dz, dz_i);
        store(dz + V, dz_f);
        store(dz + 2 * V, dz_g);
        store(dz + 3 * V, dz_o);
        store(s.d_c + at, dc_prev);
    }
};

template <class Cell>
inline void back_rows(const BackStep &s, int64_t n) {
    for (int64_t row = 0; row < n; row++) {
        for (int64_t block = 0; block < s.nHv; block++) Cell::run(s, row, block);
    }
}
