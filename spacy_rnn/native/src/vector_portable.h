// Four floats, on any processor. gcc and clang make SSE or NEON instructions of their vector type; any other compiler gets an
// array, which it may vectorise. Included inside the namespace of the instruction set.

constexpr int V = 4;           // floats of a vector
#if defined(__aarch64__) || defined(_M_ARM64)
constexpr int TILE_ROWS = 6;   // rows and
constexpr int TILE_COLS = 4;   // vector columns of a product that are kept in registers: 24 of 32
#else
constexpr int TILE_ROWS = 6;
constexpr int TILE_COLS = 2;   // 12 of 16
#endif

#if defined(__GNUC__)
struct Vec {
    typedef float Floats __attribute__((vector_size(16)));
    Floats v;
};
inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
#else
struct Vec {
    float v[4];
};
inline Vec operator+(Vec a, Vec b) { return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}}; }
inline Vec operator-(Vec a, Vec b) { return {{a.v[0] - b.v[0], a.v[1] - b.v[1], a.v[2] - b.v[2], a.v[3] - b.v[3]}}; }
inline Vec operator*(Vec a, Vec b) { return {{a.v[0] * b.v[0], a.v[1] * b.v[1], a.v[2] * b.v[2], a.v[3] * b.v[3]}}; }
inline Vec operator/(Vec a, Vec b) { return {{a.v[0] / b.v[0], a.v[1] / b.v[1], a.v[2] / b.v[2], a.v[3] / b.v[3]}}; }
#endif

inline Vec load(const float *x) {
    Vec a;
    std::memcpy(&a, x, sizeof a);
    return a;
}
inline void store(float *x, Vec a) { std::memcpy(x, &a, sizeof a); }
inline Vec broadcast(float x) {
    const float all[V] = {x, x, x, x};
    return load(all);
}
inline Vec zero() { return broadcast(0.0f); }
inline Vec reciprocal(Vec a) { return broadcast(1.0f) / a; }
inline Vec load_first(const float *x, int64_t n) {
    Vec a = zero();
    std::memcpy(&a, x, static_cast<size_t>(n) * sizeof(float));
    return a;
}
inline void store_first(float *x, Vec a, int64_t n) { std::memcpy(x, &a, static_cast<size_t>(n) * sizeof(float)); }
// Fused where the processor can: compilers contract this by themselves.
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
// Of two numbers one of which is not a number, the second: so clamping keeps it.
// where_positive: a where x > 0, zero elsewhere.
#if defined(__GNUC__)
inline Vec minimum(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
inline Vec maximum(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
inline Vec where_positive(Vec x, Vec a) { return {x.v > zero().v ? a.v : zero().v}; }
#else
inline Vec minimum(Vec a, Vec b) {
    for (int i = 0; i < V; i++) b.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    return b;
}
inline Vec maximum(Vec a, Vec b) {
    for (int i = 0; i < V; i++) b.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return b;
}
inline Vec where_positive(Vec x, Vec a) {
    for (int i = 0; i < V; i++) a.v[i] = x.v[i] > 0.0f ? a.v[i] : 0.0f;
    return a;
}
#endif
inline float highest(Vec a) {
    float x[V];
    store(x, a);
    const float low = x[0] > x[1] ? x[0] : x[1], high = x[2] > x[3] ? x[2] : x[3];
    return low > high ? low : high;
}
inline float total(Vec a) {
    float x[V];
    store(x, a);
    return (x[0] + x[1]) + (x[2] + x[3]);
}
// The float whose exponent is the last bits of a.
inline Vec last_bits_as_exponent(Vec a) {
    uint32_t bits[V];
    std::memcpy(bits, &a, sizeof a);
    for (int i = 0; i < V; i++) bits[i] <<= 23;
    std::memcpy(&a, bits, sizeof a);
    return a;
}
