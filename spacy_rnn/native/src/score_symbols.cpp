#include "score_symbols.h"

#include <stdexcept>

#include "call.h"

namespace spacy_rnn {

void run_score_symbols(const Kernels &kernels, const PackedSymbols &weights, const float *const *h, int64_t n, float *Y) {
    const Call call;
    kernels.score_symbols(weights, h, n, Y);
}

void run_best_symbols(const Kernels &kernels, const PackedSymbols &weights, const float *const *h, int64_t n, const BestSymbols &to) {
    const Call call;
    if (kernels.best_symbols(weights, h, n, to)) return;
    throw std::invalid_argument("log-probabilities of a model: expected numbers, or -inf for what cannot come, got NaN or +inf");
}

}  // namespace spacy_rnn
