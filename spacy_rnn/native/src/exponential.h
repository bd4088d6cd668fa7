// The exponential function of numbers that are not above 0. Included inside the namespace of the instruction set.
//
// exp(x) = 2^k exp(r) with k = round(x / ln 2) and |r| <= ln 2 / 2, where the Taylor polynomial of degree 7 is right to 6e-9.

// From here on down the result is 0: what is left is about to be no normal number.
constexpr float EXP_LIMIT = -87.0f;
// Adding this to a small number rounds it to a whole one, which then stands in its last bits, with the bias of an exponent.
constexpr float EXP_SHIFT = 12582912.0f + 127.0f;
// ln 2, the first part with so few bits that its product with k is exact.
constexpr float LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;

SPACY_RNN_INLINE Vec exp_of_negative(Vec x) {
    const Vec limited = maximum(x, broadcast(EXP_LIMIT));
    const Vec shifted = fma(limited, broadcast(1.44269504f), broadcast(EXP_SHIFT));
    const Vec k = shifted - broadcast(EXP_SHIFT);
    Vec r = fma(k, broadcast(-LN2_HIGH), limited);
    r = fma(k, broadcast(-LN2_LOW), r);
    Vec p = fma(r, broadcast(1.0f / 5040), broadcast(1.0f / 720));
    p = fma(r, p, broadcast(1.0f / 120));
    p = fma(r, p, broadcast(1.0f / 24));
    p = fma(r, p, broadcast(1.0f / 6));
    p = fma(r, p, broadcast(1.0f / 2));
    p = fma(r, p, broadcast(1.0f));
    p = fma(r, p, broadcast(1.0f));
    return where_positive(x - broadcast(EXP_LIMIT), p * last_bits_as_exponent(shifted));
}
