// One sweep back, in one launch, over what the sweep forward has kept. The gradients of the weights are products over all rows,
// which the caller makes of Z and H_in.

#pragma once

#include "sweep.cuh"

// What a block keeps for the sequences of a chunk.
struct BackwardMemory {
    float *d_sums;    // [chunk, d_stride], gradients of the recurrent sums, gate after gate: what enters the products
    float *dh, *dc;   // [chunk, width], gradients of the state before the step, without what goes through products
    float *own;       // [chunk, nH], what the product gave, of a block that has all units
    int d_stride, width, size;
};

template <class Cell, class Product>
SPACY_RNN_DEVICE BackwardMemory share_out_backward(const Shares &shares, float *memory) {
    const int at_once = Product::COLUMNS, width = padded_units(shares);
    int d_stride = Cell::GATES * width;
    for (int part = 0; part < Cell::PARTS; ++part) {
        const int columns = (n_gates<Cell>(part) * width + at_once - 1) / at_once * at_once;
        const int needed = first_gate<Cell>(part) * width + columns;
        d_stride = needed > d_stride ? needed : d_stride;
    }
    d_stride += 4;
    float *dh = memory + shares.chunk * d_stride, *dc = dh + shares.chunk * width, *own = dc + shares.chunk * width;
    const int own_width = shares.slices == 1 ? shares.nH : 0;
    return {memory, dh, dc, own, d_stride, width, shares.chunk * (d_stride + 2 * width + own_width)};
}

template <class Cell, class Product, bool RESIDENT>
class BackwardBlock : Block {
  public:
    SPACY_RNN_MEMBER explicit BackwardBlock(const Sweep &sweep)
        : Block(sweep),
          partial_(sweep.partial),
          m_(share_out_backward<Cell, Product>(sweep.shares, block_memory())),
          products_(0) {}

    SPACY_RNN_MEMBER void run() {
        typename Product::Tile tile;
        fill_with_zeros(m_.d_sums, m_.size);
        if (RESIDENT) Product::load(tile, 0, 0, weights<0>());
        __syncthreads();
        for_chunks([&](const Chunk &chunk) {
            for (int step = chunk.steps() - 1; step >= 0; --step) {
                const int n = chunk.running(step);
                if (step < chunk.steps() - 1) meeting_.wait();
                run_part<0>(tile, chunk, step, n);
                if constexpr (Cell::PARTS == 2) {
                    meeting_.wait();
                    run_part<1>(tile, chunk, step, n);
                }
            }
            if (chunk.steps() > 0) meeting_.wait();
            end(chunk);
            __syncthreads();
        });
    }

  private:
    // The parts of a step in the order of the way back.
    static constexpr int LAST_PART = Cell::PARTS - 1;

    template <int PART>
    SPACY_RNN_DEVICE constexpr int forward_part() { return LAST_PART - PART; }

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

    // Where a slice puts its part of a product, two products in turns: what one of the team still reads, none writes over.
    SPACY_RNN_MEMBER float *partial_of(int product, int slice) const {
        const long long teams = static_cast<long long>(place_.groups) * shares_.directions;
        return partial_ + (((product % 2) * teams + place_.team) * shares_.slices + slice) * shares_.chunk * shares_.nH;
    }

    // What the product before gave for a unit, slice after slice.
    SPACY_RNN_MEMBER float product_at(int s, int column) const {
        if (shares_.slices == 1) return m_.own[s * shares_.nH + column];
        float total = 0.0f;
        for (int slice = 0; slice < shares_.slices; ++slice) {
            total += read_shared(partial_of(products_ - 1, slice) + s * shares_.nH + column);
        }
        return total;
    }

    template <int PART>
    SPACY_RNN_MEMBER void run_part(typename Product::Tile &tile, const Chunk &chunk, int step, int n) {
        for_units(n, [&](int s, int unit) { take_back<PART>(chunk, step, s, unit); });
        __syncthreads();
        const int nH = shares_.nH, columns = n_gates<Cell>(forward_part<PART>()) * m_.width;
        const float *in = m_.d_sums + first_gate<Cell>(forward_part<PART>()) * m_.width;
        float *out = shares_.slices == 1 ? m_.own : partial_of(products_, place_.slice);
        multiply_all<Product, RESIDENT>(tile, nH, columns, weights<PART>(), in, m_.d_stride, n,
                                      [&](int s, int row, float total, bool first) {
                                          out[s * nH + row] = first ? total : out[s * nH + row] + total;
                                      });
        ++products_;
        meeting_.arrive();
    }

    template <int PART>
    SPACY_RNN_MEMBER void take_back(const Chunk &chunk, int step, int s, int unit) {
        const int column = place_.first_unit + unit, nH = shares_.nH;
        const long long row = chunk.row(s, step), at = state_at(chunk, s, column), saved = row * nH + column;
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
        if (PART == 0) {
            const float through = ends ? number_or(d_.dh_last, at, 0.0f) : *dh + u.mask * product_at(s, column);
            u.dh = d_.dY[row * d_.dY_stride + column] + through;
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
        for_units(chunk.n, [&](int s, int unit) {
            const int column = place_.first_unit + unit;
            const long long at = state_at(chunk, s, column);
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

template <class Cell, class Product, bool RESIDENT>
SPACY_RNN_DEVICE void backward(const Sweep &sweep) {
    BackwardBlock<Cell, Product, RESIDENT>(sweep).run();
}
