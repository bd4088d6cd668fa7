// What the compiled engine offers, in plain C++ types: one table of functions for each instruction set.
//
// Widths: nI input width, nH hidden units, nG gates of the cell, V floats of a vector. A *vector column* is V columns of a matrix
// of weights that are used together. nHv = ceil(nH / V) is the number of vector columns the units of one gate fill, so what is
// computed for units is padded to nHv·V, with zeros. The gates of the V units of a vector column stand side by side: the
// projection of a row has the vector columns (units 0..V-1: gate 0, gate 1, ...), (units V..2V-1: gate 0, gate 1, ...), ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "buffer.h"

namespace spacy_rnn {

enum CellKind { ELMAN_TANH, ELMAN_RELU, GRU, GRU_RESET_BEFORE, LSTM, LSTM_PEEPHOLE };

enum Precision { FLOAT32, BFLOAT16 };

// The parameters of one direction as the layer keeps them: gate-major, rows without gaps.
struct Parameters {
    int cell;         // a CellKind
    int64_t nI, nH;
    const float *W;   // [nG·nH, nI]
    const float *R;   // [nG·nH, nH]
    const float *b;   // [nG·nH]
    const float *bR;  // [nH], gru only
    const float *p;   // [3·nH], lstm_peephole only
};

// The parameters in the order in which the kernels read them, made by Kernels::pack.
struct Packed {
    int cell = 0;
    int precision = FLOAT32;
    int64_t nI = 0, nH = 0;
    Buffer W;   // [nHv·nG vector columns, nI, V]
    Buffer R;   // [nHv·nG vector columns, nH, V]
    Buffer b;   // [nHv·nG·V]
    Buffer bR;  // [nHv·V]
    Buffer p;   // [3, nHv·V]
};

// A ragged batch. The rows of sequence s are start[s] .. start[s] + length[s] - 1.
struct Batch {
    int64_t n_sequences, n_rows;
    const int64_t *start;   // [B]
    const int32_t *length;  // [B]
    const int32_t *order;   // [B], sequences by decreasing length
    bool reverse;
    const int64_t *before = nullptr;  // [B], rows of the sequences before each; null: these follow each other, as `start` says
};

// What backpropagation needs besides X and Y, in the order in which the sweep visits the rows.
struct Tape {
    Buffer gates;  // [n_rows, nHv·nG·V], activated
    Buffer extra;  // [n_rows, nHv·V]: the cell state of an LSTM, R_n h + bR of a GRU
};

struct Forward {
    const Packed *weights;
    Batch batch;
    const float *X;       // [n_rows, nI]
    int64_t x_stride;     // floats from row to row
    float *Y;             // [n_rows, nH]
    int64_t y_stride;
    const float *h0, *c0;  // [B, nH] or null: zeros
    int64_t h0_stride, c0_stride;
    float *hN, *cN;       // [B, nH] or null: not wanted
    const float *mask;    // [B, nH] or null
    Tape *tape;           // null in inference
    // [n_rows], the projection of each row, sequence after sequence, made by Kernels::project; null: X is projected.
    const float *const *projections = nullptr;
    int64_t first_step = 0;                     // time steps before this sweep with the same weights
};

struct Backward {
    Parameters parameters;
    Batch batch;
    const float *X, *Y;
    int64_t x_stride, y_stride;
    // If the rows are those of a table, which then stands in X, and its gradient in dX: the n_taken different ones among them, and
    // [n_rows] which of these each row is, sequence after sequence.
    const int64_t *taken = nullptr;
    int64_t n_taken = 0;
    const int32_t *which = nullptr;
    const float *h0, *c0;
    int64_t h0_stride, c0_stride;
    const float *mask;
    const Tape *tape;
    const float *dY;      // [n_rows, nH]
    int64_t dy_stride;
    const float *d_hN, *d_cN;  // [B, nH] or null: zeros
    float *dX;            // [n_rows, nI]
    int64_t dx_stride;
    bool add_to_dX;
    float *dW, *dR, *db, *dbR, *dp;  // like the parameters
    float *d_h0, *d_c0;   // [B, nH]
};

// Time steps of a stack of layers of equally many units, each of which reads the outputs of the one below.
struct StackSteps {
    const Packed *const *layers;  // [depth]
    int64_t depth;
    Batch batch;  // of sequences of one row; there may be fewer after a step, but not more
    const float *const *projections;  // [B], what the first layer reads instead of an input
    float *const *h, *const *c;       // [depth], matrices [B, nH]: the state before a step, and after it; no c: null
    int64_t first_step;               // time steps before these
    bool (*after)(StackSteps &);      // called after each step; says whether there is another
    void *context;                    // its own
};

// The weights of symbols in the order in which the kernels read them, made by Kernels::pack_symbols.
struct PackedSymbols {
    int64_t n_symbols = 0, nH = 0;
    Buffer W;  // [ceil(n_symbols / V) vector columns, nH, V]
    Buffer b;  // [ceil(n_symbols / V)·V]
};

// The k most probable symbols after each of n rows that are not forbidden, the most probable first, of equally probable ones the
// smaller first.
struct BestSymbols {
    int64_t k;
    const uint8_t *forbidden;  // [n_symbols]
    int64_t *symbols;          // [n, k], -1 where there are no more
    float *log_probabilities;  // [n, k], as Kernels::score_symbols gives them, minus infinity there
};

// C [n, m] = A B, or with transposed factors. Rows without gaps.
struct MatrixProduct {
    const float *A;  // [n, K]; [K, n] if it is transposed
    const float *B;  // [K, m]; [m, K] if it is transposed, which A then is not
    float *C;
    int64_t n, m, K;
    bool transpose_A, transpose_B;
};

// Y [n, width] = (X - mean) / sqrt(variance + epsilon) · G + b, with the mean and the variance of each row.
struct Normalization {
    const float *X;    // [n, width]
    int64_t x_stride;  // floats from row to row
    const float *G, *b;  // [width]
    float *Y;            // rows without gaps
    int64_t n, width;
    float epsilon;
};

// Rows of floats.
struct FloatRows {
    const float *first;
    int64_t stride;  // floats from row to row
};

// M queries, each of which looks at the rows of its owner: C = Σ_i weights_i · values_i with weights = softmax(scores), and the scores
// query · keys_i, or u · tanh(query + keys_i).
struct Attention {
    int64_t n_queries, n_owners;
    const int64_t *owners;  // [M]
    const int64_t *starts;  // [B + 1], the first row of each owner; the last is N
    FloatRows Q;            // [M, width]
    FloatRows keys;         // [N, width]
    FloatRows values;       // [N, value_width]
    const float *u;         // [width] or null: dot products
    int64_t width, value_width;
};

struct AttentionBackward {
    Attention attention;
    const float *weights;    // query after query, as many as its owner has rows
    FloatRows dC;            // [M, value_width]
    const float *d_weights;  // like the weights, or null: zeros
    float *dQ, *d_keys, *d_values, *du;  // without gaps; d_keys, d_values and du are cleared first
};

// The parameters of a linear-chain conditional random field over L labels.
struct Field {
    int64_t n_labels;
    const float *start;        // [L]
    const float *transitions;  // [L, L], from row to column
    const float *end;          // [L]
};

// The score of what is forbidden.
constexpr float FORBIDDEN = -std::numeric_limits<float>::infinity();

// A field in the order in which the kernels read it, padded with what is forbidden: its scores, or their exponentials divided by the
// largest. There are n_columns = ceil(L / V) vector columns.
struct PackedField {
    int64_t n_labels = 0, n_columns = 0, width = 0;  // width = n_columns·V
    Buffer into;    // [n_columns, L, V]: from each label to the V of a vector column
    Buffer out_of;  // [n_columns, L, V]: from the V of a vector column to each label
    Buffer start, end;  // [n_columns·V]
    float most_start = 0, most_transition = 0, most_end = 0;  // the logarithms of what the exponentials were divided by
};

// A sequence of rows with a score for each label.
struct LabelScores {
    const float *scores;     // [n, L]
    int64_t stride;          // floats from row to row
    const uint8_t *allowed;  // [n, L] or null: all labels are
    int64_t n;
};

// The sum over paths exp(scores)·2^exponent·last.
struct ScaledSum {
    double scores;
    int64_t exponent;
    double last;
};

struct Kernels {
    const char *name;
    bool (*supported)();
    void (*pack)(const Parameters &, int precision, Packed &);
    void (*forward)(const Forward &);
    // How many floats the projection of a row has.
    int64_t (*projection_width)(const Packed &);
    // Projects n rows, given by pointers.
    void (*project)(const Packed &, const float *const *rows, int64_t n, float *to);
    void (*backward)(const Backward &);
    void (*run_steps)(StackSteps &);
    // From W [n_symbols, nH] and b [n_symbols].
    void (*pack_symbols)(const float *W, const float *b, int64_t n_symbols, int64_t nH, PackedSymbols &);
    // Gives the log-probabilities [n, n_symbols] of the symbols after n rows [nH]: log softmax(W h + b).
    void (*score_symbols)(const PackedSymbols &, const float *const *h, int64_t n, float *Y);
    // Finds the best of them; false if a score is not a number, and what was written does not count.
    bool (*best_symbols)(const PackedSymbols &, const float *const *h, int64_t n, const BestSymbols &);
    void (*multiply)(const MatrixProduct &);
    void (*normalize)(const Normalization &);
    // Writes the weights, query after query, and the contexts C [M, value_width].
    void (*attend)(const Attention &, float *weights, float *C);
    void (*attend_backward)(const AttentionBackward &);
    void (*pack_scores)(const Field &, PackedField &);
    void (*pack_exponentials)(const Field &, PackedField &);
    // Finds the labels [n] of the best path and gives its score. work: [n + 1, width].
    double (*find_best)(const PackedField &scores, const LabelScores &, float *work, int64_t *labels);
    // Sums over paths; false if float32 does not do for it, and nothing that was written counts. marginals: [n, L]. before, after:
    // [n, width], whose products `add_pairs` sums. work: [width].
    bool (*sum_paths)(const PackedField &exponentials, const LabelScores &, float *before, float *after, float *marginals, float *work,
                      ScaledSum &);
    // sums [L, width] += the probabilities of pairs of labels in rows that follow each other, divided by the exponential of their
    // transition.
    void (*add_pairs)(const PackedField &exponentials, const float *before, const float *after, int64_t n, float *sums);
    float (*sum)(const float *x, int64_t n);  // the sum of n floats, read as fast as it goes
    double (*multiply_adds)(int64_t rounds);  // does rounds times a fixed number of independent fused multiply-adds; returns that number
};

// The instruction sets this was built with, best first, ended by null; `supported` says whether the processor has one.
const Kernels *const *all_kernels();

// What follows can be ended early where the caller has asked for it (call.h); it then throws Ended, and what was written is undefined.

// Executes sweeps that do not depend on each other, one after the other, or all but the first on threads of their own.
void run_forward(const Kernels &kernels, const Forward *const *sweeps, int n, bool threads);
void run_backward(const Kernels &kernels, const Backward *const *sweeps, int n, bool threads);

void run_project(const Kernels &kernels, const Packed &weights, const float *const *rows, int64_t n, float *to);
void run_multiply(const Kernels &kernels, const MatrixProduct &product);
void run_normalize(const Kernels &kernels, const Normalization &normalization);
void run_attend(const Kernels &kernels, const Attention &attention, float *weights, float *C);
void run_attend_backward(const Kernels &kernels, const AttentionBackward &backward);

// Orders sequences by decreasing length; equal lengths keep their order.
void order_by_length(const int32_t *length, int64_t n, int32_t *order);

}  // namespace spacy_rnn
