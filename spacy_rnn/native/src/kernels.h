// The engine for one instruction set. A file that includes this defines ISA, the name of the namespace, ISA_VECTOR, the header
// with its vectors, and ISA_SUPPORTED, an expression that says whether the processor has it. One that only adds instructions for
// bfloat16 defines ISA_BFLOAT16, the name of the set it adds them to, which does everything else. This is built with the compiler's
// switches for that set, so nothing here may come from a library header that other files share: what the linker keeps of two
// copies could be this one.

#include <math.h>

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

#include "engine.h"
#include "pause.h"

#if defined(__clang__)
#define SPACY_RNN_INLINE inline __attribute__((always_inline))
#define SPACY_RNN_NOINLINE __attribute__((noinline))
#define SPACY_RNN_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define SPACY_RNN_INLINE inline __attribute__((always_inline))
#define SPACY_RNN_NOINLINE __attribute__((noinline))
#define SPACY_RNN_UNROLL _Pragma("GCC unroll 32")
#elif defined(_MSC_VER)
#define SPACY_RNN_INLINE __forceinline
#define SPACY_RNN_NOINLINE __declspec(noinline)
#define SPACY_RNN_UNROLL
#else
#define SPACY_RNN_INLINE inline
#define SPACY_RNN_NOINLINE
#define SPACY_RNN_UNROLL
#endif

#if defined(__GNUC__)
#define SPACY_RNN_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define SPACY_RNN_PREFETCH(address) (void)(address)
#endif

namespace spacy_rnn {
namespace ISA {
namespace {

#include ISA_VECTOR

#include "product.h"

#include "bfloat16.h"

#include "pack.h"

#include "activation.h"

#include "cells.h"

#include "sweep.h"

#include "steps.h"

#include "backprop.h"

#include "matrix.h"

#include "normalize.h"

#if defined(ISA_BFLOAT16)

}  // namespace
}  // namespace ISA

namespace ISA_BFLOAT16 {
extern const Kernels kernels;
}

namespace ISA {
namespace {

void forward(const Forward &f) {
    if (f.weights->precision != BFLOAT16) return ISA_BFLOAT16::kernels.forward(f);
    ForwardSweep<Bfloat16Pairs>(f).run();
}

void run_steps(StackSteps &s) {
    if (s.layers[0]->precision != BFLOAT16) return ISA_BFLOAT16::kernels.run_steps(s);
    StackRun<Bfloat16Pairs>(s).run();
}

void pack_symbols(const float *W, const float *b, int64_t n_symbols, int64_t nH, PackedSymbols &to) {
    ISA_BFLOAT16::kernels.pack_symbols(W, b, n_symbols, nH, to);
}

void score_symbols(const PackedSymbols &w, const float *const *h, int64_t n, float *Y) {
    ISA_BFLOAT16::kernels.score_symbols(w, h, n, Y);
}

bool best_symbols(const PackedSymbols &w, const float *const *h, int64_t n, const BestSymbols &to) {
    return ISA_BFLOAT16::kernels.best_symbols(w, h, n, to);
}

void project(const Packed &w, const float *const *rows, int64_t n, float *to) {
    if (w.precision != BFLOAT16) return ISA_BFLOAT16::kernels.project(w, rows, n, to);
    project_rows<Bfloat16Pairs>(w, rows, n, to);
}

void backward(const Backward &b) { ISA_BFLOAT16::kernels.backward(b); }

void multiply(const MatrixProduct &p) { ISA_BFLOAT16::kernels.multiply(p); }

void normalize_rows(const Normalization &n) { ISA_BFLOAT16::kernels.normalize(n); }

void attend(const Attention &a, float *weights, float *C) { ISA_BFLOAT16::kernels.attend(a, weights, C); }

void attend_backward(const AttentionBackward &b) { ISA_BFLOAT16::kernels.attend_backward(b); }

void pack_scores(const Field &from, PackedField &to) { ISA_BFLOAT16::kernels.pack_scores(from, to); }

void pack_exponentials(const Field &from, PackedField &to) { ISA_BFLOAT16::kernels.pack_exponentials(from, to); }

double find_best(const PackedField &f, const LabelScores &s, float *work, int64_t *labels) {
    return ISA_BFLOAT16::kernels.find_best(f, s, work, labels);
}

bool sum_paths(const PackedField &f, const LabelScores &s, float *before, float *after, float *marginals, float *work, ScaledSum &sum) {
    return ISA_BFLOAT16::kernels.sum_paths(f, s, before, after, marginals, work, sum);
}

void add_pairs(const PackedField &f, const float *before, const float *after, int64_t n, float *sums) {
    ISA_BFLOAT16::kernels.add_pairs(f, before, after, n, sums);
}

float sum(const float *x, int64_t n) { return ISA_BFLOAT16::kernels.sum(x, n); }

double multiply_adds(int64_t rounds) { return ISA_BFLOAT16::kernels.multiply_adds(rounds); }

#else

#include "exponential.h"

#include "attention.h"

#include "crf.h"

#include "symbols.h"

#include "best_symbols.h"

void forward(const Forward &f) { ForwardSweep<Float32>(f).run(); }

void run_steps(StackSteps &s) { StackRun<Float32>(s).run(); }

void pack_symbols(const float *W, const float *b, int64_t n_symbols, int64_t nH, PackedSymbols &to) {
    pack_symbol_weights(W, b, n_symbols, nH, to);
}

void score_symbols(const PackedSymbols &w, const float *const *h, int64_t n, float *Y) { score_rows(w, h, n, Y); }

bool best_symbols(const PackedSymbols &w, const float *const *h, int64_t n, const BestSymbols &to) {
    return BestSymbolsSearch(w, to).run(h, n);
}

void project(const Packed &w, const float *const *rows, int64_t n, float *to) { project_rows<Float32>(w, rows, n, to); }

void backward(const Backward &b) { BackwardSweep(b).run(); }

void multiply(const MatrixProduct &p) {
    if (p.transpose_A) {
        multiply_transposed(p);
    } else {
        multiply_rows(p);
    }
}

void normalize_rows(const Normalization &n) { normalize(n); }

void attend(const Attention &a, float *weights, float *C) { attend_rows(a, weights, C); }

void attend_backward(const AttentionBackward &b) { backprop_attention(b); }

float sum(const float *x, int64_t n) {
    constexpr int CHAINS = 8;
    Vec sums[CHAINS];
    float rest = 0.0f;
    int64_t i = 0;
    for (int k = 0; k < CHAINS; k++) sums[k] = zero();
    for (; i + CHAINS * V <= n; i += CHAINS * V) {
        SPACY_RNN_UNROLL for (int k = 0; k < CHAINS; k++) sums[k] = sums[k] + load(x + i + k * V);
    }
    for (; i < n; i++) rest += x[i];
    for (int k = 1; k < CHAINS; k++) sums[0] = sums[0] + sums[k];
    return total(sums[0]) + rest;
}

double multiply_adds(int64_t rounds) {
    constexpr int CHAINS = 12;
    Vec sum[CHAINS];
    const Vec x = broadcast(1.0f / 3);
    for (int i = 0; i < CHAINS; i++) sum[i] = broadcast(static_cast<float>(i));
    for (int64_t r = 0; r < rounds; r++) {
        SPACY_RNN_UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = fma(sum[i], x, x);
    }
    Vec total = zero();
    for (int i = 0; i < CHAINS; i++) total = total + sum[i];
    float values[V];
    store(values, total);
    double done = static_cast<double>(rounds) * CHAINS * V;
    for (int i = 0; i < V; i++) done += values[i] > 1e30f ? 1.0 : 0.0;  // uses the result, so that it is not left out
    return done;
}

#endif

bool supported() { return ISA_SUPPORTED; }

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {ISA_NAME,      supported,    pack,            forward,     projection_width,  project,   backward,  run_steps, pack_symbols,
                         score_symbols, best_symbols, multiply,        normalize_rows, attend,         attend_backward, pack_scores,
                         pack_exponentials, find_best, sum_paths,      add_pairs,   sum,               multiply_adds};

}  // namespace ISA
}  // namespace spacy_rnn
