#include "crf_paths.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "call.h"
#include "pause.h"

namespace spacy_rnn {

namespace {

// Rows whose pairs are summed in float32.
constexpr int64_t PIECE_ROWS = 256;

constexpr double LN2 = 0.69314718055994530942;

LabelScores rows_of(const ScoreBatch &batch, int64_t n_labels, int64_t row, int64_t n) {
    return {batch.scores + row * batch.stride, batch.stride, batch.allowed == nullptr ? nullptr : batch.allowed + row * n_labels, n};
}

// Calls f(sequence, its first row, its rows) for all sequences.
template <class F>
void for_each_sequence(const ScoreBatch &batch, int64_t n_labels, const F &f) {
    Work work;
    for (int64_t i = 0, row = 0; i < batch.n_sequences; row += batch.length[i], i++) {
        work.add(batch.length[i] * n_labels * n_labels);
        f(i, row, rows_of(batch, n_labels, row, batch.length[i]));
    }
}

int64_t longest(const ScoreBatch &batch) {
    return batch.n_sequences == 0 ? 0 : *std::max_element(batch.length, batch.length + batch.n_sequences);
}

// Tells whether a row allows one label only, and which.
bool is_known(const uint8_t *allowed, int64_t n_labels, int64_t &label) {
    int64_t n = 0, sum = 0;
    for (int64_t i = 0; i < n_labels; i++) {
        const int64_t one = allowed[i] != 0;
        n += one;
        sum += one * i;
    }
    label = sum;
    return n == 1;
}

double score_path(const Field &field, const LabelScores &rows, const int64_t *labels) {
    double score = static_cast<double>(field.start[labels[0]]) + field.end[labels[rows.n - 1]];
    for (int64_t t = 0; t < rows.n; t++) score += rows.scores[t * rows.stride + labels[t]];
    for (int64_t t = 1; t < rows.n; t++) score += field.transitions[labels[t - 1] * field.n_labels + labels[t]];
    return score;
}

// Sums pairs of labels of rows that follow each other, in float32 as long as there are few.
class PairSum {
  public:
    PairSum(const Kernels &kernels, const PackedField &packed, double *counts) : kernels_(kernels), packed_(packed), counts_(counts) {}

    void add(const float *before, const float *after, int64_t n, double weight) {
        while (n > 0) {
            if (rows_ == PIECE_ROWS || weight != weight_) flush();
            if (rows_ == 0) clear();
            const int64_t piece = std::min(n, PIECE_ROWS - rows_);
            work_.add(piece * packed_.n_labels * packed_.width);
            kernels_.add_pairs(packed_, before, after, piece, sums_.data());
            weight_ = weight;
            rows_ += piece;
            n -= piece;
            before += piece * packed_.width;
            after += piece * packed_.width;
        }
    }

    void flush() {
        if (rows_ == 0) return;
        const int64_t L = packed_.n_labels, V = packed_.width / packed_.n_columns;
        for (int64_t i = 0; i < L; i++) {
            const float *sums = sums_.data() + i * packed_.width, *into = packed_.into.data() + i * V;
            for (int64_t j = 0; j < L; j++) counts_[i * L + j] += weight_ * sums[j] * into[j / V * L * V + j % V];
        }
        rows_ = 0;
    }

  private:
    void clear() {
        sums_.resize(packed_.n_labels * packed_.width);
        std::memset(sums_.data(), 0, static_cast<size_t>(packed_.n_labels * packed_.width) * sizeof(float));
    }

    const Kernels &kernels_;
    const PackedField &packed_;
    double *counts_;
    Buffer sums_;
    double weight_ = 0;
    int64_t rows_ = 0;
    Work work_;
};

}  // namespace

void find_best_paths(const Kernels &kernels, const Field &field, const ScoreBatch &batch, int64_t *labels, double *scores) {
    const Call call;
    PackedField packed;
    kernels.pack_scores(field, packed);
    Buffer work((longest(batch) + 1) * packed.width);
    for_each_sequence(batch, field.n_labels, [&](int64_t i, int64_t row, const LabelScores &rows) {
        scores[i] = rows.n == 0 ? 0.0 : kernels.find_best(packed, rows, work.data(), labels + row);
    });
}

void PathSums::run(const Kernels &kernels, const Field &field, const ScoreBatch &batch, bool keep, double *log_sums, float *marginals) {
    const Call call;
    kernels_ = &kernels;
    field_ = field;
    batch_ = batch;
    keep_ = keep;
    int64_t n_rows = 0;
    for (int64_t i = 0; i < batch.n_sequences; i++) n_rows += batch.length[i];
    kinds_.assign(static_cast<size_t>(batch.n_sequences), EMPTY);
    labels_.resize(static_cast<size_t>(batch.allowed == nullptr ? 0 : n_rows));
    for_each_sequence(batch, field.n_labels, [&](int64_t i, int64_t row, const LabelScores &rows) {
        log_sums[i] = 0;
        if (rows.n > 0) kinds_[static_cast<size_t>(i)] = run_sequence(rows, row, log_sums[i], marginals + row * field.n_labels);
    });
}

PathSums::Kind PathSums::run_sequence(const LabelScores &rows, int64_t row, double &log_sum, float *marginals) {
    const int64_t L = field_.n_labels;
    if (rows.allowed != nullptr) {
        int64_t *labels = labels_.data() + row;
        int64_t t = 0;
        while (t < rows.n && is_known(rows.allowed + t * L, L, labels[t])) t++;
        if (t == rows.n) {
            std::memset(marginals, 0, static_cast<size_t>(rows.n * L) * sizeof(float));
            log_sum = score_path(field_, rows, labels);
            if (log_sum == FORBIDDEN) return EMPTY;
            for (t = 0; t < rows.n; t++) marginals[t * L + labels[t]] = 1;
            return KNOWN;
        }
    }
    make_room();
    const int64_t at = keep_ ? row * packed_.width : 0;
    ScaledSum sum;
    if (kernels_->sum_paths(packed_, rows, before_.data() + at, after_.data() + at, marginals, work_.data(), sum)) {
        log_sum = sum.scores + static_cast<double>(sum.exponent) * LN2 + std::log(sum.last);
        return SCALED;
    }
    log_sum = sum_paths_exactly(field_, rows, marginals, 0, nullptr);
    return EXACT;
}

void PathSums::make_room() {
    if (has_room_) return;
    kernels_->pack_exponentials(field_, packed_);
    int64_t n_rows = 0;
    for (int64_t i = 0; i < batch_.n_sequences; i++) n_rows += batch_.length[i];
    const int64_t n = keep_ ? n_rows : longest(batch_);
    before_.resize(n * packed_.width);
    after_.resize(n * packed_.width);
    work_.resize(packed_.width);
    has_room_ = true;
}

void PathSums::count_transitions(const float *weights, double *counts) const {
    const Call call;
    const int64_t L = field_.n_labels;
    std::fill(counts, counts + L * L, 0.0);
    PairSum pairs(*kernels_, packed_, counts);
    for_each_sequence(batch_, L, [&](int64_t i, int64_t row, const LabelScores &rows) {
        const double weight = weights[i];
        switch (kinds_[static_cast<size_t>(i)]) {
            case EMPTY: break;
            case KNOWN:
                for (int64_t t = row + 1; t < row + rows.n; t++) counts[labels_[t - 1] * L + labels_[t]] += weight;
                break;
            case SCALED: {
                const int64_t at = row * packed_.width;
                pairs.add(before_.data() + at, after_.data() + at + packed_.width, rows.n - 1, weight);
                break;
            }
            case EXACT: sum_paths_exactly(field_, rows, nullptr, weight, counts); break;
        }
    });
    pairs.flush();
}

}  // namespace spacy_rnn
