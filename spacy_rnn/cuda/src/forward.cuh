// One sweep forward, in one launch.

#pragma once

#include "sweep.cuh"

// What a block keeps for the sequences of a chunk.
struct ForwardMemory {
    float *in;       // [chunk, in_stride], what enters the recurrent product
    float *sums;     // [chunk, GATES, width]
    float *carried;  // [chunk, width], c, or h of a cell without one
    int in_stride, width, size;
};

template <class Cell, class Product>
SPACY_RNN_DEVICE ForwardMemory share_out_forward(const Shares &shares, float *memory) {
    const int at_once = Product::COLUMNS, width = padded_units(shares);
    // Four more, so that rows do not start in the same bank.
    const int in_stride = (shares.nH + at_once - 1) / at_once * at_once + 4;
    float *sums = memory + shares.chunk * in_stride;
    float *carried = sums + shares.chunk * Cell::GATES * width;
    return {memory, sums, carried, in_stride, width, shares.chunk * (in_stride + (Cell::GATES + 1) * width)};
}

template <class Cell, class Product, bool RESIDENT>
class ForwardBlock : Block {
  public:
    SPACY_RNN_MEMBER explicit ForwardBlock(const Sweep &sweep)
        : Block(sweep), m_(share_out_forward<Cell, Product>(sweep.shares, block_memory())) {}

    SPACY_RNN_MEMBER void run() {
        typename Product::Tile tile;
        fill_with_zeros(m_.in, m_.size);
        if (RESIDENT) Product::load(tile, 0, 0, weights<0>());
        __syncthreads();
        for_chunks([&](const Chunk &chunk) {
            begin(chunk);
            for (int step = 0; step < chunk.steps(); ++step) {
                const int n = chunk.running(step);
                start_sums(chunk, step, n);
                if (step > 0) meeting_.wait();
                take_h(chunk, step, n);
                run_part<0>(tile, chunk, step, n);
                if constexpr (Cell::PARTS == 2) {
                    meeting_.wait();
                    take_extra(chunk, step, n);
                    run_part<1>(tile, chunk, step, n);
                }
            }
            __syncthreads();
        });
    }

  private:
    // The rows of a slice's matrix are its units, gate after gate.
    template <int PART>
    struct Weights {
        const float *R;
        int nH, first_unit, units, width;

        SPACY_RNN_MEMBER float operator()(int row, int column) const {
            const int gate = row / width, unit = row % width;
            if (gate >= n_gates<Cell>(PART) || unit >= units || column >= nH) return 0.0f;
            const long long at = (first_gate<Cell>(PART) + gate) * nH + first_unit + unit;
            return R[at * nH + column];
        }
    };

    template <int PART>
    SPACY_RNN_MEMBER Weights<PART> weights() const {
        return {d_.R, shares_.nH, place_.first_unit, place_.units, m_.width};
    }

    // The states before the first step; of a sequence with no rows they are those after the last as well.
    SPACY_RNN_MEMBER void begin(const Chunk &chunk) {
        for_units(chunk.n, [&](int s, int unit) {
            const long long at = state_at(chunk, s, place_.first_unit + unit);
            const float h = number_or(d_.h_first, at, 0.0f), c = Cell::HAS_C ? number_or(d_.c_first, at, 0.0f) : 0.0f;
            m_.carried[s * m_.width + unit] = Cell::HAS_C ? c : h;
            if (chunk.lengths[s] == 0) {
                d_.h_last[at] = h;
                if (Cell::HAS_C) d_.c_last[at] = c;
            }
        });
        __syncthreads();
    }

    // The projections, and of a gate apart the bias of its recurrent product: they are read while other blocks may still be at the
    // step before.
    SPACY_RNN_MEMBER void start_sums(const Chunk &chunk, int step, int n) {
        for_units(n * Cell::GATES, [&](int item, int unit) {
            const int s = item / Cell::GATES, gate = item % Cell::GATES, column = place_.first_unit + unit;
            float start;
            if (gate == Cell::APART) {
                start = d_.bR[column];
            } else {
                start = d_.Z[(chunk.row(s, step) * Cell::GATES + gate) * shares_.nH + column] + d_.b[gate * shares_.nH + column];
            }
            m_.sums[item * m_.width + unit] = start;
        });
    }

    // What enters the first product of a step, of all units.
    SPACY_RNN_MEMBER void take_h(const Chunk &chunk, int step, int n) {
        // A block that has all units has put them there itself.
        if (shares_.slices == 1 && Cell::PARTS == 1 && step > 0) return;
        for (int item = threadIdx.x; item < n * shares_.nH; item += THREADS) {
            const int s = item / shares_.nH, column = item % shares_.nH;
            const long long at = state_at(chunk, s, column);
            const float h = step == 0 ? number_or(d_.h_first, at, 0.0f) : read_shared(d_.Y + chunk.row(s, step - 1) * d_.Y_stride + column);
            m_.in[s * m_.in_stride + column] = h * number_or(d_.mask, at, 1.0f);
        }
    }

    // What enters the second product of a step.
    SPACY_RNN_MEMBER void take_extra(const Chunk &chunk, int step, int n) {
        for (int item = threadIdx.x; item < n * shares_.nH; item += THREADS) {
            const int s = item / shares_.nH, column = item % shares_.nH;
            m_.in[s * m_.in_stride + column] = read_shared(d_.extra + chunk.row(s, step) * shares_.nH + column);
        }
    }

    template <int PART>
    SPACY_RNN_MEMBER void run_part(typename Product::Tile &tile, const Chunk &chunk, int step, int n) {
        __syncthreads();
        float *sums = m_.sums + first_gate<Cell>(PART) * m_.width;
        const int rows = n_gates<Cell>(PART) * m_.width, sums_stride = Cell::GATES * m_.width;
        multiply_all<Product, RESIDENT>(tile, rows, shares_.nH, weights<PART>(), m_.in, m_.in_stride, n,
                                      [&](int s, int row, float total, bool) { sums[s * sums_stride + row] += total; });
        __syncthreads();
        for_units(n, [&](int s, int unit) { finish<PART>(chunk, step, s, unit); });
        meeting_.arrive();
    }

    template <int PART>
    SPACY_RNN_MEMBER void finish(const Chunk &chunk, int step, int s, int unit) {
        constexpr bool LAST_PART = PART == Cell::PARTS - 1;
        const int column = place_.first_unit + unit, nH = shares_.nH;
        const long long row = chunk.row(s, step), at = state_at(chunk, s, column);
        float *sums = m_.sums + s * Cell::GATES * m_.width + unit, *carried = m_.carried + s * m_.width + unit;
        Unit u;
        for (int gate = 0; gate < Cell::GATES; ++gate) u.gates[gate] = sums[gate * m_.width];
        if (d_.p != nullptr) {
            for (int k = 0; k < 3; ++k) u.p[k] = d_.p[k * nH + column];
        }
        if (Cell::APART >= 0) u.apart = d_.Z[(row * Cell::GATES + Cell::APART) * nH + column] + d_.b[Cell::APART * nH + column];
        u.mask = number_or(d_.mask, at, 1.0f);
        u.h_before = *carried;
        u.c_before = *carried;
        u.h_in = u.h_before * u.mask;
        Cell::template forward<PART>(u);
        if (Cell::USES_EXTRA && d_.extra != nullptr && PART == 0) d_.extra[row * nH + column] = u.extra;
        if (!LAST_PART) {
            for (int gate = 0; gate < Cell::GATES; ++gate) sums[gate * m_.width] = u.gates[gate];
            return;
        }
        *carried = Cell::HAS_C ? u.c : u.h;
        d_.Y[row * d_.Y_stride + column] = u.h;
        const bool ends = chunk.ends_at(s, step);
        if (ends) {
            d_.h_last[at] = u.h;
            if (Cell::HAS_C) d_.c_last[at] = u.c;
        }
        const float h_in = u.h * u.mask;
        if (shares_.slices == 1 && Cell::PARTS == 1) m_.in[s * m_.in_stride + column] = h_in;
        if (d_.H_in == nullptr) return;
        for (int gate = 0; gate < Cell::GATES; ++gate) d_.Z[(row * Cell::GATES + gate) * nH + column] = u.gates[gate];
        if (Cell::HAS_C) d_.C[row * nH + column] = u.c;
        if (step == 0) d_.H_in[row * nH + column] = number_or(d_.h_first, at, 0.0f) * u.mask;
        if (!ends) d_.H_in[chunk.row(s, step + 1) * nH + column] = h_in;
    }

    const ForwardMemory m_;
};

template <class Cell, class Product, bool RESIDENT>
SPACY_RNN_DEVICE void forward(const Sweep &sweep) {
    ForwardBlock<Cell, Product, RESIDENT>(sweep).run();
}
