// Generation by a stack of layers over symbols and the softmax over the symbol that follows: time steps, drawing, and what stops a
// sequence, in one call.
#pragma once

#include <cstdint>
#include <vector>

#include "engine.h"
#include "sampling.h"

namespace spacy_rnn {

struct SymbolStack {
    const Kernels *kernels = nullptr;
    std::vector<const Packed *> layers;
    const float *projections = nullptr;  // [symbols that may be read, projection width of the first layer]
    PackedSymbols symbols;
};

// The state [depth, B, nH] of B sequences; c is null where the cell has no cell state.
struct StackState {
    const float *h = nullptr, *c = nullptr;
    float *h_after = nullptr, *c_after = nullptr;
};

// Reads a symbol [B] of each sequence, and gives the log-probabilities [B, n_symbols] of the next. first_step: steps made before.
void step_stack(const SymbolStack &stack, int64_t n, const int64_t *symbols, const StackState &state, int64_t first_step, float *Y);

struct Generation {
    int64_t n = 0, n_steps = 0;        // B sequences, T symbols of each at most
    const int64_t *symbols = nullptr;  // [B], what is read first
    const double *uniforms = nullptr;  // [B, T]
    const uint8_t *forbidden = nullptr, *stops = nullptr;  // [n_symbols]
    std::vector<std::vector<int64_t>> stop_sequences;
    int64_t n_before = 0;
    const int64_t *before = nullptr;  // [B, n_before], symbols that were generated before these, for stop sequences; -1: none
    uint8_t *seen = nullptr;          // [B, n_symbols], symbols that the sequences have, kept up to date; or null
    int64_t *chosen = nullptr;        // [B, T]
    float *log_probabilities = nullptr;  // [B, T]
    int64_t *lengths = nullptr;          // [B], symbols that were chosen
    int64_t *counts = nullptr;  // [B], how many of the last symbols have stopped a sequence, 0 if it may go on, -1 if nothing may come
};

void generate(const SymbolStack &stack, const Sampling &how, const Generation &to, const StackState &state, int64_t first_step);

}  // namespace spacy_rnn
