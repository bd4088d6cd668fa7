// How the blocks of a launch share the work, and how they wait for each other.
//
// A team of blocks runs one direction of some of the sequences, a chunk of them after the other. The hidden units are shared out
// among the blocks of the team, its slices; after a step the blocks exchange what the others need.
//
// A kind of team is a class with
//   ALONE        whether it is one block, which has all units
//   SHARES       whether its blocks reach each other's shared memory: they are a thread block cluster
//   enter        before the first exchange
//   arrive       says that the block has come so far; every `arrive` is followed by one `wait`
//   wait         waits until all have; what their threads had written before is seen by this block's threads then
//   leave        after the last exchange, before the block ends
// All of them are called by all threads of the block.

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

// A chunk of them: n, in the memory that the threads of the block share.
struct Chunk {
    const long long *rows;  // the row that is read first
    const int *lengths, *order;
    int n, direction;  // direction: from a row to the one that is read next, 1 or -1

    SPACY_RNN_MEMBER long long row(int s, int step) const { return rows[s] + static_cast<long long>(direction) * step; }
    SPACY_RNN_MEMBER int steps() const { return n > 0 ? lengths[0] : 0; }
    SPACY_RNN_MEMBER bool ends_at(int s, int step) const { return lengths[s] == step + 1; }
};

// The floats that the tables of a chunk take, for each sequence.
constexpr int TABLE = 4;

// Fills the tables of a chunk, which begins with the sequence `first`; its threads have to meet before they read them.
SPACY_RNN_DEVICE Chunk take_chunk(const Sequences &all, const Shares &shares, int first, bool reverse, float *memory) {
    long long *rows = reinterpret_cast<long long *>(memory);
    int *lengths = reinterpret_cast<int *>(rows + shares.chunk), *order = lengths + shares.chunk;
    const int left = shares.n_sequences - first, n = left < shares.chunk ? left : shares.chunk;
    for (int s = threadIdx.x; s < n; s += THREADS) {
        lengths[s] = all.lengths[first + s];
        rows[s] = all.starts[first + s] + (reverse ? lengths[s] - 1 : 0);
        order[s] = all.order[first + s];
    }
    return {rows, lengths, order, n, reverse ? -1 : 1};
}

class Alone {
  public:
    static constexpr bool ALONE = true, SHARES = false;

    SPACY_RNN_MEMBER Alone(unsigned *, int) {}
    SPACY_RNN_MEMBER void enter() const {}
    SPACY_RNN_MEMBER void arrive() const {}
    SPACY_RNN_MEMBER void wait() const { __syncthreads(); }
    SPACY_RNN_MEMBER void leave() const {}
};

// Blocks that meet by a count in the device's memory. All blocks of the launch have to run at the same time.
class Grid {
  public:
    static constexpr bool ALONE = false, SHARES = false;

    // count: [1], zero when the launch starts
    SPACY_RNN_MEMBER Grid(unsigned *count, int blocks) : count_(count), blocks_(blocks), expected_(0) {}

    SPACY_RNN_MEMBER void enter() const {}
    SPACY_RNN_MEMBER void leave() const {}

    SPACY_RNN_MEMBER void arrive() {
        __syncthreads();
        if (threadIdx.x == 0) add_to_count(count_);
        expected_ += blocks_;
    }

    SPACY_RNN_MEMBER void wait() const {
        if (threadIdx.x == 0) {
            unsigned polls = 0;
            // The difference is right even where the count has gone round.
            while (static_cast<int>(read_count(count_) - expected_) < 0) {
                if (++polls == MOST_POLLS) stop();
            }
        }
        __syncthreads();
    }

  private:
    unsigned *count_;
    unsigned blocks_, expected_;
};

// A thread block cluster of BLOCKS blocks, from compute capability 9.0 on. Clusters need not run at the same time.
template <int BLOCKS>
class Cluster {
  public:
    static constexpr bool ALONE = false, SHARES = true;
    static constexpr int SIZE = BLOCKS;

    SPACY_RNN_MEMBER Cluster(unsigned *, int) {}

    // No block writes into the memory of another before that is there, and has been filled with zeros.
    SPACY_RNN_MEMBER void enter() const {
        arrive();
        wait();
    }
    SPACY_RNN_MEMBER void arrive() const { arrive_in_cluster(); }
    SPACY_RNN_MEMBER void wait() const { wait_in_cluster(); }
    // The memory of a block stays as long as others may read it.
    SPACY_RNN_MEMBER void leave() const {
        arrive();
        wait();
    }
};
