// Paths of labels through the sequences of a batch, on the kernels where float32 does, else in float64.
#pragma once

#include <cstdint>
#include <vector>

#include "engine.h"

namespace spacy_rnn {

// The scores of the labels of a ragged batch, sequence after sequence.
struct ScoreBatch {
    int64_t n_sequences;
    const int32_t *length;   // [B]
    const float *scores;     // [n_rows, L]
    int64_t stride;          // floats from row to row
    const uint8_t *allowed;  // [n_rows, L] or null: all labels are
};

// Finds the labels of the best path through each sequence, labels [n_rows] and their scores [B]: negative infinity where there is
// none, and the labels are then undefined.
void find_best_paths(const Kernels &kernels, const Field &field, const ScoreBatch &batch, int64_t *labels, double *scores);

// The sum over all paths through each sequence, and what is expected of them.
class PathSums {
  public:
    // Finds the logarithms of the sums [B] and the probability of each label at each row [n_rows, L]. With `keep`,
    // `count_transitions` may follow; field and batch must then stay as they are.
    void run(const Kernels &kernels, const Field &field, const ScoreBatch &batch, bool keep, double *log_sums, float *marginals);

    // Finds how often each label is expected after each other one, counts [L, L], the sequences weighted [B].
    void count_transitions(const float *weights, double *counts) const;

  private:
    // How a sequence has been summed up; EMPTY has no paths, or no rows.
    enum Kind : uint8_t { EMPTY, KNOWN, SCALED, EXACT };

    Kind run_sequence(const LabelScores &rows, int64_t row, double &log_sum, float *marginals);
    void make_room();

    const Kernels *kernels_ = nullptr;
    Field field_{};
    ScoreBatch batch_{};
    bool keep_ = false;
    bool has_room_ = false;
    PackedField packed_;
    Buffer before_, after_, work_;  // of all rows, or without `keep` of one sequence
    std::vector<Kind> kinds_;       // [B]
    std::vector<int64_t> labels_;   // [n_rows], where all labels of a sequence are known
};

// One sequence in logarithms and float64. Adds to counts [L, L], unless it is null, its expected transitions times weight; writes
// marginals [n, L], unless they are null. Gives the logarithm of the sum.
double sum_paths_exactly(const Field &field, const LabelScores &rows, float *marginals, double weight, double *counts);

}  // namespace spacy_rnn
