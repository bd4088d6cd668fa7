// Log-probabilities of a back-off model.
#pragma once

#include <cstdint>

#include "ngram_trie.h"

namespace spacy_rnn {

struct BackoffModel {
    int order;
    Trie trie;
    const float *log_probabilities;  // [n_nodes], of the last symbol after those before it
    const float *backoffs;           // [n_contexts], log-weights
    const uint32_t *links;           // [n_nodes]: see find_links
};

// Scores a ragged batch: log_probabilities [n_rows]. states [n_sequences, order - 1], the last symbols before, -1 where there are none, become
// those after. All symbols must be ones.
void score_sequences(const BackoffModel &model, const int32_t *inputs, const int32_t *targets, const int32_t *lengths, int64_t n_sequences,
                     int32_t *states, float *log_probabilities);

// The log-probabilities of all symbols [n, n_symbols] after each state [n, order - 1].
void predict_next(const BackoffModel &model, const int32_t *states, int64_t n, float *log_probabilities);

}  // namespace spacy_rnn
