#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace spacy_rnn {

namespace {

constexpr int64_t MIN_SORTED = 64;
constexpr double INFINITE = std::numeric_limits<double>::infinity();

void require_number(double value) {
    if (value < INFINITE) return;
    throw std::invalid_argument("log-probabilities of a model: expected numbers, or -inf for what cannot come, got NaN or +inf");
}

}  // namespace

Sampler::Sampler(const Sampling &how, const uint8_t *forbidden, int64_t n_symbols)
    : how_(how), forbidden_(forbidden), n_(n_symbols), values_(static_cast<size_t>(n_symbols)), sorted_(values_.size()) {}

int64_t Sampler::choose(const float *log_probabilities, const uint8_t *seen, double uniform) {
    const bool discourages = seen != nullptr && how_.repetition_penalty != 1;
    for (int64_t k = 0; k < n_; k++) {
        double score = log_probabilities[k];
        if (discourages && seen[k]) score *= how_.repetition_penalty;
        if (forbidden_[k]) score = -INFINITE;
        require_number(score);
        values_[k] = score;
    }
    if (how_.greedy) return most_probable();
    weigh();
    if (0 < how_.top_k && how_.top_k < n_) keep_top_k();
    if (how_.top_p < 1) keep_top_p();
    if (how_.min_p > 0) keep_min_p();
    return draw(uniform);
}

int64_t Sampler::most_probable() const {
    const auto best = std::max_element(values_.begin(), values_.end());
    return *best == -INFINITE ? -1 : best - values_.begin();
}

void Sampler::weigh() {
    // The bound is for where nothing is left: the difference of two infinities is not a number.
    const double most = std::max(*std::max_element(values_.begin(), values_.end()), std::numeric_limits<double>::lowest());
    for (double &value : values_) value = std::exp(how_.temperature == 1 ? value - most : (value - most) / how_.temperature);
}

void Sampler::keep_top_k() {
    sorted_ = values_;
    std::nth_element(sorted_.begin(), sorted_.begin() + (how_.top_k - 1), sorted_.end(), std::greater<double>());
    keep_largest(sorted_[how_.top_k - 1], how_.top_k);
}

void Sampler::keep_top_p() {
    const double target = how_.top_p * std::accumulate(values_.begin(), values_.end(), 0.0);
    sorted_ = values_;
    // Of many symbols few are needed, as a rule: they are sorted some at a time.
    int64_t count = 0, n_sorted = 0;
    double sum = 0;
    do {
        if (count == n_sorted) sort_more(n_sorted);
        sum += sorted_[count++];
    } while (count < n_ && sum < target);
    keep_largest(sorted_[count - 1], count);
}

void Sampler::sort_more(int64_t &n_sorted) {
    const auto begin = sorted_.begin() + n_sorted;
    n_sorted = std::min(n_, std::max(MIN_SORTED, 2 * n_sorted));
    const auto end = sorted_.begin() + n_sorted;
    if (end != sorted_.end()) std::nth_element(begin, end, sorted_.end(), std::greater<double>());
    std::sort(begin, end, std::greater<double>());
}

void Sampler::keep_min_p() {
    const double least = how_.min_p * *std::max_element(values_.begin(), values_.end());
    for (double &value : values_) {
        if (!(value >= least)) value = 0;
    }
}

void Sampler::keep_largest(double threshold, int64_t count) {
    for (double value : values_) count -= value > threshold;
    for (double &value : values_) {
        if (value < threshold || (value == threshold && count-- <= 0)) value = 0;
    }
}

int64_t Sampler::draw(double uniform) {
    const double total = std::accumulate(values_.begin(), values_.end(), 0.0);
    if (total == 0) return -1;
    const double limit = std::min(uniform * total, std::nextafter(total, 0.0));
    double sum = 0;
    for (int64_t k = 0; k < n_; k++) {
        sum += values_[k];
        if (sum > limit) return k;
    }
    return -1;
}

}  // namespace spacy_rnn
