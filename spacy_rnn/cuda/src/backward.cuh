// One sweep back, in one launch, over what the sweep forward has kept. The gradients of the weights are products over all rows,
// which the caller makes of Z and H_in.

#pragma once

#include "sweep.cuh"

// What a block keeps for the sequences of a chunk, behind its tables.
struct BackwardMemory {
    float *d_sums;    // [chunk, d_stride], gradients of the recurrent sums, gate after gate: what enters the products
    float *dh, *dc;   // [chunk, width], gradients of the state before the step, without what goes through products
    float *own;       // what the product gave: of a block that has all units [chunk, nH], of a cluster [2, chunk, nH]
    int d_stride, width, size;
};

// How many products a block keeps in its own memory; the blocks of a grid put theirs where all can read them.
template <class Team>
SPACY_RNN_DEVICE constexpr int n_own() { return Team::SHARES ? 2 : Team::ALONE ? 1 : 0; }

template <class Cell, class Product, class Team>
SPACY_RNN_DEVICE BackwardMemory share_out_backward(const Shares &shares, float *memory) {
    const int at_once = Product::COLUMNS, width = padded_units(shares);
    int d_stride = Cell::GATES * width;
    for (int part = 0; part < Cell::PARTS; ++part) {
        const int columns = (n_gates<Cell>(part) * width + at_once - 1) / at_once * at_once;
        const int needed = first_gate<Cell>(part) * width + columns;
        d_stride = needed > d_stride ? needed : d_stride;
    }
    d_stride += 4;
    const int of_own = n_own<Team>() * shares.nH;
    float *d_sums = memory + shares.chunk * TABLE, *dh = d_sums + shares.chunk * d_stride, *dc = dh + shares.chunk * width;
    return {d_sums, dh, dc, dc + shares.chunk * width, d_stride, width, shares.chunk * (d_stride + 2 * width + of_own)};
}

template <class Cell, class Product, bool RESIDENT, class Team>
class BackwardBlock : Block<Team> {
    using Base = Block<Team>;
    using Base::d_;
    using Base::place_;
    using Base::shares_;
    using Base::team_;

  public:
    SPACY_RNN_MEMBER explicit BackwardBlock(const Sweep &sweep)
        : Base(sweep, block_memory()),
          partial_(sweep.partial),
          m_(share_out_backward<Cell, Product, Team>(sweep.shares, block_memory())),
          products_(0) {}

    SPACY_RNN_MEMBER void run() {
        typename Product::Tile tile;
        fill_with_zeros(m_.d_sums, m_.size);
        if (RESIDENT) Product::load(tile, 0, 0, weights<0>());
        __syncthreads();
        team_.enter();
        this->for_chunks([&](const Chunk &chunk) { run_chunk(tile, chunk); });
        team_.leave();
    }

  private:
    // The parts of a step in the order of the way back.
    static constexpr int LAST_PART = Cell::PARTS - 1;

    template <int PART>
    SPACY_RNN_DEVICE constexpr int forward_part() { return LAST_PART - PART; }

    SPACY_RNN_MEMBER void run_chunk(typename Product::Tile &tile, const Chunk &chunk) {
        const int steps = chunk.steps();
        int n = 0;
        for (int step = steps - 1; step >= 0; --step) {
            while (n < chunk.n && chunk.lengths[n] > step) ++n;
            if (step < steps - 1) team_.wait();
            run_part<0>(tile, chunk, step, n);
            if constexpr (Cell::PARTS == 2) {
                team_.wait();
                run_part<1>(tile, chunk, step, n);
            }
        }
        if (steps > 0) team_.wait();
        end(chunk);
    }

    // The columns of a slice's matrix are its units, gate after gate; its rows are all units of the step before.
    template <int PART>
    struct Weights {
        const float *R;
        int nH, first_unit, units, width;

        SPACY_RNN_MEMBER float operator()(int row, int column) const {
            const int gate = column / width, unit = column % width;
            if (gate >= n_gates<Cell>(forward_part<PART>()) || unit >= units || row >= nH) return 0.0f;
            const long long at = (first_gate<Cell>(forward_part<PART>()) + gate) * nH + first_unit + unit;
            return R[at * nH + row];
        }
    };

    template <int PART>
    SPACY_RNN_MEMBER Weights<PART> weights() const {
        return {d_.R, shares_.nH, place_.first_unit, place_.units, m_.width};
    }

    // Where a slice of a grid puts its part of a product, and where a block keeps it in its own memory; two products in turns where
    // others read them: what one of the team still reads, none writes over.
    SPACY_RNN_MEMBER float *partial_of(int product, int slice) const {
        const long long teams = static_cast<long long>(place_.groups) * shares_.directions;
        return partial_ + (((product % 2) * teams + place_.team) * shares_.slices + slice) * shares_.chunk * shares_.nH;
    }
    SPACY_RNN_MEMBER float *own_of(int product) const {
        return m_.own + (Team::SHARES ? product % 2 * shares_.chunk * shares_.nH : 0);
    }

    // What the product before gave for a unit: the sum over the slices, in their order.
    SPACY_RNN_MEMBER float product_at(int s, int column) const {
        const int at = s * shares_.nH + column;
        if constexpr (Team::ALONE) {
            return m_.own[at];
        } else if constexpr (Team::SHARES) {
            const float *own = own_of(products_ - 1) + at;
            float parts[Team::SIZE];
#pragma unroll
            for (int slice = 0; slice < Team::SIZE; ++slice) parts[slice] = read_in_cluster(own, slice);
            float total = 0.0f;
#pragma unroll
            for (int slice = 0; slice < Team::SIZE; ++slice) total += parts[slice];
            return total;
        } else {
            // Eight are on their way at the same time.
            constexpr int AT_ONCE = 8;
            const float *from = partial_of(products_ - 1, 0) + at;
            const long long apart = static_cast<long long>(shares_.chunk) * shares_.nH;
            float total = 0.0f;
            int left = shares_.slices;
#pragma unroll 1
            for (; left >= AT_ONCE; left -= AT_ONCE) {
                float parts[AT_ONCE];
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i, from += apart) parts[i] = read_shared(from);
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) total += parts[i];
            }
#pragma unroll 1
            for (; left > 0; --left, from += apart) total += read_shared(from);
            return total;
        }
    }

    template <int PART>
    SPACY_RNN_MEMBER void run_part(typename Product::Tile &tile, const Chunk &chunk, int step, int n) {
        this->for_units(n, [&](int s, int unit) { take_back<PART>(chunk, step, s, unit); });
        __syncthreads();
        const int nH = shares_.nH, columns = n_gates<Cell>(forward_part<PART>()) * m_.width;
        const float *in = m_.d_sums + first_gate<Cell>(forward_part<PART>()) * m_.width;
        float *out = Team::ALONE || Team::SHARES ? own_of(products_) : partial_of(products_, place_.slice);
        multiply_all<Product, RESIDENT>(tile, nH, columns, weights<PART>(), in, m_.d_stride, n,
                                      [&](int s, int row, float total, bool first) {
                                          out[s * nH + row] = first ? total : out[s * nH + row] + total;
                                      });
        ++products_;
        team_.arrive();
    }

    template <int PART>
    SPACY_RNN_MEMBER void take_back(const Chunk &chunk, int step, int s, int unit) {
        const int column = place_.first_unit + unit, nH = shares_.nH;
        const long long row = chunk.row(s, step), at = this->state_at(chunk, s, column), saved = row * nH + column;
        float *d_sums = m_.d_sums + s * m_.d_stride + unit;
        float *dh = m_.dh + s * m_.width + unit, *dc = m_.dc + s * m_.width + unit;
        const bool ends = chunk.ends_at(s, step);
        Unit u;
        for (int gate = 0; gate < Cell::GATES; ++gate) u.gates[gate] = d_.Z[(row * Cell::GATES + gate) * nH + column];
        if (d_.p != nullptr) {
            for (int k = 0; k < 3; ++k) u.p[k] = d_.p[k * nH + column];
        }
        u.mask = number_or(d_.mask, at, 1.0f);
        u.h_in = d_.H_in[saved];
        u.h_before = step > 0 ? d_.Y[chunk.row(s, step - 1) * d_.Y_stride + column] : number_or(d_.h_first, at, 0.0f);
        if (Cell::HAS_C) {
            u.c = d_.C[saved];
            u.c_before = step > 0 ? d_.C[chunk.row(s, step - 1) * nH + column] : number_or(d_.c_first, at, 0.0f);
        }
        u.extra = Cell::USES_EXTRA ? d_.extra[saved] : 0.0f;
        // Read before what others have made, which no load moves past.
        const float dY = PART == 0 ? d_.dY[row * d_.dY_stride + column] : 0.0f;
        if (PART == 0) {
            const float through = ends ? number_or(d_.dh_last, at, 0.0f) : *dh + u.mask * product_at(s, column);
            u.dh = dY + through;
            u.dc = !Cell::HAS_C ? 0.0f : ends ? number_or(d_.dc_last, at, 0.0f) : *dc;
            u.dh_before = u.dc_before = 0.0f;
        } else {
            for (int gate = 0; gate < Cell::GATES; ++gate) u.d_sums[gate] = d_sums[gate * m_.width];
            u.d_in = product_at(s, column);
            u.dh_before = *dh;
            u.dc_before = *dc;
        }
        Cell::template backward<PART>(u);
        for (int gate = 0; gate < Cell::GATES; ++gate) d_sums[gate * m_.width] = u.d_sums[gate];
        *dh = u.dh_before;
        *dc = u.dc_before;
        if (PART < LAST_PART) return;
        for (int gate = 0; gate < Cell::GATES; ++gate) d_.dZ[(row * Cell::GATES + gate) * nH + column] = u.d_gates[gate];
        if (Cell::APART >= 0) d_.d_extra[saved] = u.d_extra;
    }

    // The gradients of the states before the first step; of a sequence with no rows they are those of the states after the last.
    SPACY_RNN_MEMBER void end(const Chunk &chunk) {
        this->for_units(chunk.n, [&](int s, int unit) {
            const int column = place_.first_unit + unit;
            const long long at = this->state_at(chunk, s, column);
            const bool empty = chunk.lengths[s] == 0;
            if (empty) {
                d_.dh_first[at] = number_or(d_.dh_last, at, 0.0f);
            } else {
                d_.dh_first[at] = m_.dh[s * m_.width + unit] + number_or(d_.mask, at, 1.0f) * product_at(s, column);
            }
            if (Cell::HAS_C) d_.dc_first[at] = empty ? number_or(d_.dc_last, at, 0.0f) : m_.dc[s * m_.width + unit];
        });
    }

    float *const partial_;
    const BackwardMemory m_;
    int products_;  // how many this block has taken part in
};

template <class Cell, class Product, bool RESIDENT, class Team>
SPACY_RNN_DEVICE void backward(const Sweep &sweep) {
    BackwardBlock<Cell, Product, RESIDENT, Team>(sweep).run();
}
