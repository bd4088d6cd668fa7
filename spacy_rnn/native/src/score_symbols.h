// Scoring symbols after rows, as a call of its own.
#pragma once

#include <cstdint>

#include "engine.h"

namespace spacy_rnn {

// Gives the log-probabilities [n, n_symbols] after n rows.
void run_score_symbols(const Kernels &kernels, const PackedSymbols &weights, const float *const *h, int64_t n, float *Y);

// Finds the most probable symbols after n rows. Throws std::invalid_argument if scores are not numbers.
void run_best_symbols(const Kernels &kernels, const PackedSymbols &weights, const float *const *h, int64_t n, const BestSymbols &to);

}  // namespace spacy_rnn
