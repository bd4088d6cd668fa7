// How the blocks of a launch share the work, and how they wait for each other.
//
// A team of blocks runs one direction of some of the sequences, a chunk of them after the other. The hidden units are shared out
// among the blocks of the team, its slices; after a step the blocks exchange what the others need.

#pragma once

#include "device.cuh"

struct Shares {
    int n_sequences, nH, directions;
    int slices;  // blocks of a team
    int units;   // hidden units of a slice; the last one may have fewer
    int chunk;   // sequences that a team runs side by side
};

struct Place {
    int team, direction, slice;
    int group, groups;      // teams of the same direction
    int first_unit, units;  // of this block
};

SPACY_RNN_DEVICE Place find_place(const Shares &shares) {
    Place place;
    const int block = static_cast<int>(blockIdx.x), teams = static_cast<int>(gridDim.x) / shares.slices;
    place.slice = block % shares.slices;
    place.team = block / shares.slices;
    place.direction = place.team % shares.directions;
    place.group = place.team / shares.directions;
    place.groups = teams / shares.directions;
    place.first_unit = place.slice * shares.units;
    const int left = shares.nH - place.first_unit;
    place.units = left < shares.units ? left : shares.units;
    return place;
}

// The sequences of a batch by decreasing length, so that those still running come first.
struct Sequences {
    const long long *starts;  // [B], the first row of each
    const int *lengths;       // [B], its rows
    const int *order;         // [B], its place in the batch
};

// A chunk of them: n from `first` on.
struct Chunk {
    const long long *starts;
    const int *lengths, *order;
    int n;
    bool reverse;

    SPACY_RNN_MEMBER long long row(int s, int step) const { return starts[s] + (reverse ? lengths[s] - 1 - step : step); }
    SPACY_RNN_MEMBER int steps() const { return n > 0 ? lengths[0] : 0; }
    SPACY_RNN_MEMBER bool ends_at(int s, int step) const { return lengths[s] == step + 1; }
    // How many are still running at a step, given how many might be.
    SPACY_RNN_MEMBER int running(int step) const {
        int low = 0, high = n;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (lengths[middle] > step) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
};

SPACY_RNN_DEVICE Chunk find_chunk(const Sequences &all, const Shares &shares, int number, bool reverse) {
    const int first = number * shares.chunk, left = shares.n_sequences - first;
    return {all.starts + first, all.lengths + first, all.order + first, left < shares.chunk ? left : shares.chunk, reverse};
}

// Blocks of a team say that they have come so far, and wait until all have. All blocks of a launch have to run at the same time.
class Meeting {
  public:
    // count: [1], zero when the launch starts
    SPACY_RNN_MEMBER Meeting(unsigned *count, int blocks) : count_(count), blocks_(blocks), expected_(0) {}

    // What the threads of the block have written before is seen by the others after they have waited.
    SPACY_RNN_MEMBER void arrive() {
        __syncthreads();
        if (blocks_ > 1 && threadIdx.x == 0) add_to_count(count_);
        expected_ += blocks_;
    }

    SPACY_RNN_MEMBER void wait() const {
        if (blocks_ == 1) return;
        if (threadIdx.x == 0) {
            // The difference is right even where the count has gone round.
            while (static_cast<int>(read_count(count_) - expected_) < 0) {
            }
        }
        __syncthreads();
    }

  private:
    unsigned *count_;
    unsigned blocks_, expected_;
};
