// Products whose factors are rounded to bfloat16 and whose sums are in float32. Included inside the namespace of the instruction set.

// What is done to rows, and to those of the weights, before they meet in a product; nothing if `prepare` is null.
struct Preparation {
    bool pairs;  // whether two numbers come to stand in one float's place
    void (*prepare)(const float *from, int64_t n, float *to);

    // Floats of a row of n numbers.
    int64_t width(int64_t n) const { return pairs ? (n + 1) / 2 : n; }
};

// The nearest bfloat16, ties to even, as the upper half of a float; not-a-number stays not-a-number.
inline uint32_t round_to_bfloat16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40u;
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

#if defined(ISA_BFLOAT16)
// Two factors in a float's place, which the processor multiplies and adds as one.
struct Bfloat16Pairs {
    static SPACY_RNN_INLINE Vec multiply_add(Vec x, Vec w, Vec sum) {
        return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_castps_si512(x.v), (__m512bh)_mm512_castps_si512(w.v))};
    }
};

inline void prepare_bfloat16(const float *from, int64_t n, float *to) {
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + V), _mm512_loadu_ps(from + i));
        _mm512_storeu_ps(to + i / 2, _mm512_castsi512_ps((__m512i)pairs));
    }
    for (; i < n; i += 2) {
        const uint32_t low = round_to_bfloat16(from[i]), high = i + 1 < n ? round_to_bfloat16(from[i + 1]) : 0u;
        const uint32_t pair = low | (high << 16);
        std::memcpy(to + i / 2, &pair, sizeof pair);
    }
}
#else
// Without such instructions: rounded factors in floats.
inline void prepare_bfloat16(const float *from, int64_t n, float *to) {
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = round_to_bfloat16(from[i]) << 16;
        std::memcpy(to + i, &bits, sizeof bits);
    }
}
#endif

inline Preparation preparation(int precision) {
#if defined(ISA_BFLOAT16)
    constexpr bool PAIRS = true;
#else
    constexpr bool PAIRS = false;
#endif
    return precision == BFLOAT16 ? Preparation{PAIRS, prepare_bfloat16} : Preparation{false, nullptr};
}
