// Sixteen floats: AVX-512. Included inside the namespace of the instruction set.

struct Vec {
    __m512 v;
};

constexpr int V = 16;          // floats of a vector
constexpr int TILE_ROWS = 6;   // rows and
constexpr int TILE_COLS = 4;   // vector columns of a product that are kept in registers: 24 of 32

inline Vec load(const float *x) { return {_mm512_loadu_ps(x)}; }
inline void store(float *x, Vec a) { _mm512_storeu_ps(x, a.v); }
inline __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline Vec load_first(const float *x, int64_t n) { return {_mm512_maskz_loadu_ps(first(n), x)}; }
inline void store_first(float *x, Vec a, int64_t n) { _mm512_mask_storeu_ps(x, first(n), a.v); }
inline Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Vec zero() { return {_mm512_setzero_ps()}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
// 1 / a to within two units in the last place, for finite a: quicker than a division.
inline Vec reciprocal(Vec a) {
    const __m512 r = _mm512_rcp14_ps(a.v);
    return {_mm512_fmadd_ps(_mm512_fnmadd_ps(a.v, r, _mm512_set1_ps(1.0f)), r, r)};
}
// Of two numbers one of which is not a number, the second: so clamping keeps it.
inline Vec minimum(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec maximum(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
// a where x > 0, zero elsewhere
inline Vec where_positive(Vec x, Vec a) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_GT_OQ), a.v)};
}
inline float highest(Vec a) { return _mm512_reduce_max_ps(a.v); }
inline float total(Vec a) { return _mm512_reduce_add_ps(a.v); }
// The float whose exponent is the last bits of a.
inline Vec last_bits_as_exponent(Vec a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))}; }
