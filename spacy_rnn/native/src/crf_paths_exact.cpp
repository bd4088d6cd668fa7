#include <algorithm>
#include <cmath>
#include <vector>

#include "crf_paths.h"
#include "pause.h"

namespace spacy_rnn {

namespace {

using Doubles = std::vector<double>;

// Beside 1 the exponentials of these are nothing in float64.
constexpr double NEGLIGIBLE = -45.0;

// What an exponential and a logarithm take, in multiply-adds.
constexpr int64_t EXPONENTIAL = 32;

// out[j] = the logarithm of Σ_i exp(before[i] + transitions[i, j]). transitions: [L, L].
void log_sums(const double *before, const float *transitions, int64_t L, Doubles &most, double *out) {
    std::fill(most.begin(), most.end(), static_cast<double>(FORBIDDEN));
    for (int64_t i = 0; i < L; i++) {
        for (int64_t j = 0; j < L; j++) most[j] = std::max(most[j], before[i] + transitions[i * L + j]);
    }
    std::fill(out, out + L, 0.0);
    for (int64_t i = 0; i < L; i++) {
        if (before[i] == FORBIDDEN) continue;
        for (int64_t j = 0; j < L; j++) {
            const double x = before[i] + transitions[i * L + j] - most[j];
            if (x > NEGLIGIBLE) out[j] += std::exp(x);
        }
    }
    for (int64_t j = 0; j < L; j++) out[j] = out[j] > 0 ? most[j] + std::log(out[j]) : FORBIDDEN;
}

double log_sum(const Doubles &x) {
    const double most = *std::max_element(x.begin(), x.end());
    if (most == FORBIDDEN) return FORBIDDEN;
    double sum = 0;
    for (const double each : x) sum += std::exp(each - most);
    return most + std::log(sum);
}

std::vector<float> transposed(const float *x, int64_t L) {
    std::vector<float> result(static_cast<size_t>(L * L));
    for (int64_t i = 0; i < L; i++) {
        for (int64_t j = 0; j < L; j++) result[j * L + i] = x[i * L + j];
    }
    return result;
}

double score(const LabelScores &rows, int64_t L, int64_t t, int64_t label) {
    const bool allowed = rows.allowed == nullptr || rows.allowed[t * L + label];
    return allowed ? rows.scores[t * rows.stride + label] : FORBIDDEN;
}

// The logarithms of the sums over paths up to each row [n, L].
Doubles sum_forward(const Field &field, const LabelScores &rows, Doubles &work) {
    const int64_t L = field.n_labels;
    Doubles before(static_cast<size_t>(rows.n * L));
    Work done;
    for (int64_t t = 0; t < rows.n; t++) {
        done.add(EXPONENTIAL * L * L);
        double *here = before.data() + t * L;
        if (t == 0) {
            std::copy(field.start, field.start + L, here);
        } else {
            log_sums(here - L, field.transitions, L, work, here);
        }
        for (int64_t j = 0; j < L; j++) here[j] += score(rows, L, t, j);
    }
    return before;
}

void add_pairs(const Field &field, const double *before, const Doubles &after, double log_total, double weight, double *counts) {
    const int64_t L = field.n_labels;
    for (int64_t i = 0; i < L; i++) {
        for (int64_t j = 0; j < L; j++) {
            const double x = before[i] + field.transitions[i * L + j] + after[j] - log_total;
            if (x > NEGLIGIBLE) counts[i * L + j] += weight * std::exp(x);
        }
    }
}

}  // namespace

double sum_paths_exactly(const Field &field, const LabelScores &rows, float *marginals, double weight, double *counts) {
    const int64_t L = field.n_labels;
    Doubles work(static_cast<size_t>(L)), after(static_cast<size_t>(L)), on(field.end, field.end + L);
    const Doubles before = sum_forward(field, rows, work);
    for (int64_t j = 0; j < L; j++) after[j] = before[(rows.n - 1) * L + j] + on[j];
    const double log_total = log_sum(after);
    if (log_total == FORBIDDEN) {
        if (marginals != nullptr) std::fill(marginals, marginals + rows.n * L, 0.0f);
        return FORBIDDEN;
    }
    const std::vector<float> out_of = transposed(field.transitions, L);
    Work done;
    for (int64_t t = rows.n - 1;; t--) {
        done.add(EXPONENTIAL * L * L);
        const double *here = before.data() + t * L;
        for (int64_t j = 0; j < L; j++) {
            if (marginals != nullptr) marginals[t * L + j] = static_cast<float>(std::exp(here[j] + on[j] - log_total));
            after[j] = score(rows, L, t, j) + on[j];
        }
        if (t == 0) return log_total;
        if (counts != nullptr) add_pairs(field, here - L, after, log_total, weight, counts);
        log_sums(after.data(), out_of.data(), L, work, on.data());
    }
}

}  // namespace spacy_rnn
