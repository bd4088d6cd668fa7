// What the kernels of a sweep are given, and what a cell knows of one unit at one step.
//
// A cell is a class with
//   GATES          its gates, in the order of their blocks in W, R and b
//   PARTS          recurrent products of a step that follow each other: 1, or 2 for the GRU with the reset gate before the product
//   HAS_C          whether it carries a cell state beside h
//   APART          the gate whose recurrent sum, with the bias bR, is kept apart from its projection; -1 if none
//   USES_EXTRA     whether a number more for each unit and row is kept for the way back
//   forward<PART>  from the sums of a part to activated gates, h and c
//   backward<PART> from the gradients of h and c to those of the sums
// N rows, B sequences, nH units of a direction.

#pragma once

#include "product.cuh"
#include "team.cuh"

struct Direction {
    const float *R;                  // [GATES · nH, nH]
    const float *b;                  // [GATES · nH]
    const float *bR;                 // [nH], of a cell with a gate apart
    const float *p;                  // [3 · nH], of a cell with peepholes
    const float *mask;               // [B, nH]; null: ones
    const float *h_first, *c_first;  // [B, nH]; null: zeros
    float *Z;                        // [N, GATES · nH], input projections; a sweep forward in training leaves the activated gates
    float *H_in;                     // [N, nH], what entered the recurrent products; null in inference
    float *C;                        // [N, nH], cell states; null in inference and for a cell without one
    float *extra;                    // [N, nH]; null where it is not used
    float *Y;                        // [N, nH], rows Y_stride apart
    float *h_last, *c_last;          // [B, nH]
    const float *dY;                 // [N, nH], rows dY_stride apart
    const float *dh_last, *dc_last;  // [B, nH]; null: zeros
    float *dZ;                       // [N, GATES · nH]
    float *d_extra;                  // [N, nH], gradient of the recurrent sum of a gate apart
    float *dh_first, *dc_first;      // [B, nH]
    long long Y_stride, dY_stride;   // numbers from row to row
    long long reverse;               // whether sequences are read from their last row to their first
};

struct Sweep {
    Direction directions[2];
    Sequences sequences;
    unsigned *counts;  // [teams, 32], zeros; the first of each row is used
    float *partial;    // [2, teams, slices, chunk, nH], backward
    Shares shares;
};

// One unit of one sequence at one step.
struct Unit {
    float gates[4];  // forward: the sums, then the activated gates; backward: the activated gates
    float apart;     // the projection of the gate that is kept apart
    float p[3];
    float mask;
    float h_before, h_in, c_before;  // the state before the step, h_in with the mask
    float h, c;
    float extra, d_extra;
    float dh, dc;      // gradients of the state after the step
    float d_gates[4];  // of the projections
    float d_sums[4];   // of what the recurrent product gave
    float d_in;        // of what entered the recurrent product of the part before, backward
    float dh_before, dc_before;  // of the state before the step, without what goes through recurrent products
};

SPACY_RNN_DEVICE float number_or(const float *from, long long at, float otherwise) { return from == nullptr ? otherwise : from[at]; }

// The first gate and the number of gates of a part of a step: of one part, all; of two, all but the last, and the last.
template <class Cell>
SPACY_RNN_DEVICE constexpr int first_gate(int part) { return part == 0 ? 0 : Cell::GATES - 1; }

template <class Cell>
SPACY_RNN_DEVICE constexpr int n_gates(int part) { return Cell::PARTS == 1 ? Cell::GATES : part == 0 ? Cell::GATES - 1 : 1; }

// The units of a slice, rounded up so that four can be read at once.
SPACY_RNN_DEVICE int padded_units(const Shares &shares) { return (shares.units + 3) / 4 * 4; }

SPACY_RNN_DEVICE void fill_with_zeros(float *memory, int n) {
    for (int i = threadIdx.x; i < n; i += THREADS) memory[i] = 0.0f;
}

// Whether rows of numbers can be read four at once.
SPACY_RNN_DEVICE bool has_fours(const float *rows, long long stride) {
    return reinterpret_cast<unsigned long long>(rows) % 16 == 0 && stride % 4 == 0;
}

// What blocks have in common, whichever way a sweep goes. The tables of the chunk come first in `memory`.
template <class Team>
class Block {
  public:
    SPACY_RNN_MEMBER Block(const Sweep &sweep, float *memory)
        : shares_(sweep.shares),
          place_(find_place(sweep.shares)),
          d_(place_.direction == 0 ? sweep.directions[0] : sweep.directions[1]),
          sequences_(sweep.sequences),
          tables_(memory),
          per_unit_(1.0f / static_cast<float>(place_.units)),
          team_(sweep.counts + 32 * place_.team, sweep.shares.slices) {}

  protected:
    // Calls body(chunk) for each chunk of the team.
    template <class Body>
    SPACY_RNN_MEMBER void for_chunks(Body body) {
        for (int number = place_.group; number * shares_.chunk < shares_.n_sequences; number += place_.groups) {
            const Chunk chunk = take_chunk(sequences_, shares_, number * shares_.chunk, d_.reverse != 0, tables_);
            __syncthreads();
            body(chunk);
            // The next one has the same place.
            __syncthreads();
        }
    }

    // Calls body(sequence, unit of the slice) for each of n sequences. A thread always has the same ones, whatever n is.
    template <class Body>
    SPACY_RNN_MEMBER void for_units(int n, Body body) const {
        for (int item = threadIdx.x; item < n * place_.units; item += THREADS) {
            // The quotient, exact below 2^21.
            const int s = static_cast<int>((static_cast<float>(item) + 0.5f) * per_unit_);
            body(s, item - s * place_.units);
        }
    }

    SPACY_RNN_MEMBER long long state_at(const Chunk &chunk, int s, int column) const {
        return static_cast<long long>(chunk.order[s]) * shares_.nH + column;
    }

    const Shares shares_;
    const Place place_;
    const Direction d_;
    const Sequences sequences_;
    float *const tables_;
    const float per_unit_;
    Team team_;
};
