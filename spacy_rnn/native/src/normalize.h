// Layer normalization of rows (Ba et al. 2016, equation 4). Included inside the namespace of the instruction set.

// The last vector of a row may hold fewer floats than V: the others are zero, and stay out of the sums.
inline void normalize_row(const Normalization &s, const float *x, float *y) {
    const int64_t whole = s.width - s.width % V, rest = s.width - whole;
    const float size = static_cast<float>(s.width);
    Vec sum = rest ? load_first(x + whole, rest) : zero();
    for (int64_t k = 0; k < whole; k += V) sum = sum + load(x + k);
    const float mean = total(sum) / size;
    const Vec means = broadcast(mean);
    Vec squares = zero();
    for (int64_t k = 0; k < whole; k += V) {
        const Vec d = load(x + k) - means;
        squares = fma(d, d, squares);
    }
    float variance = total(squares);
    for (int64_t k = whole; k < s.width; k++) variance += (x[k] - mean) * (x[k] - mean);
    const float scale = 1.0f / sqrtf(variance / size + s.epsilon);
    const Vec scales = broadcast(scale);
    for (int64_t k = 0; k < whole; k += V) {
        store(y + k, fma((load(x + k) - means) * scales, load(s.G + k), load(s.b + k)));
    }
    if (rest) {
        const Vec normal = (load_first(x + whole, rest) - means) * scales;
        store_first(y + whole, fma(normal, load_first(s.G + whole, rest), load_first(s.b + whole, rest)), rest);
    }
}

inline void normalize(const Normalization &s) {
    Work work;
    for (int64_t i = 0; i < s.n; i++) {
        normalize_row(s, s.X + i * s.x_stride, s.Y + i * s.width);
        work.add(4 * s.width);
    }
}
