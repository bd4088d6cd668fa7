// tanh and the logistic function as rational functions. Included inside the namespace of the instruction set.
//
// tanh(x) = x P(x²) / Q(x²) for |x| <= 8.14 with P and Q of degree 4, the minimax fit of scripts/fit_tanh.py: 7.7e-9 in relative
// error, 3.3e-7 in float arithmetic, never above 1. σ(x) = (1 + tanh(x / 2)) / 2 is right to 2e-7 in absolute terms.

constexpr float TANH_LIMIT = 8.14f;
constexpr float TANH_P[5] = {0.9999999923398696f, 0.1343586189361446f, 0.003561186844711485f, 2.1714677703053742e-05f,
                             1.4956999788505392e-08f};
constexpr float TANH_Q[5] = {1.0f, 0.4676918814402503f, 0.026125256655857333f, 0.00033939307827229046f, 8.416129494852297e-07f};

// The fraction p / q, not yet divided: fractions that are multiplied share a division.
struct Fraction {
    Vec p, q;
};

SPACY_RNN_INLINE Fraction tanh_fraction(Vec x) {
    x = maximum(broadcast(-TANH_LIMIT), minimum(broadcast(TANH_LIMIT), x));
    const Vec y = x * x;
    Vec p = fma(y, broadcast(TANH_P[4]), broadcast(TANH_P[3]));
    Vec q = fma(y, broadcast(TANH_Q[4]), broadcast(TANH_Q[3]));
    p = fma(y, p, broadcast(TANH_P[2]));
    q = fma(y, q, broadcast(TANH_Q[2]));
    p = fma(y, p, broadcast(TANH_P[1]));
    q = fma(y, q, broadcast(TANH_Q[1]));
    p = fma(y, p, broadcast(TANH_P[0]));
    q = fma(y, q, broadcast(TANH_Q[0]));
    return {x * p, q};
}

// The fraction (Q + x P) / 2 Q at x / 2, halved, with the powers of two inside the coefficients.
SPACY_RNN_INLINE Fraction sigmoid_fraction(Vec x) {
    x = maximum(broadcast(-2 * TANH_LIMIT), minimum(broadcast(2 * TANH_LIMIT), x));
    const Vec y = x * x;
    Vec p = fma(y, broadcast(TANH_P[4] / 1024), broadcast(TANH_P[3] / 256));
    Vec q = fma(y, broadcast(TANH_Q[4] / 512), broadcast(TANH_Q[3] / 128));
    p = fma(y, p, broadcast(TANH_P[2] / 64));
    q = fma(y, q, broadcast(TANH_Q[2] / 32));
    p = fma(y, p, broadcast(TANH_P[1] / 16));
    q = fma(y, q, broadcast(TANH_Q[1] / 8));
    p = fma(y, p, broadcast(TANH_P[0] / 4));
    q = fma(y, q, broadcast(TANH_Q[0] / 2));
    return {fma(x, p, q), q + q};
}

SPACY_RNN_INLINE Vec divided(Fraction f) { return f.p * reciprocal(f.q); }
SPACY_RNN_INLINE Vec tanh(Vec x) { return divided(tanh_fraction(x)); }
SPACY_RNN_INLINE Vec sigmoid(Vec x) { return divided(sigmoid_fraction(x)); }
