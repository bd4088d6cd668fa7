// One sweep forward, in one launch.

#pragma once

#include "sweep.cuh"

// What a block keeps for the sequences of a chunk, behind its tables.
struct ForwardMemory {
    float *in;       // [1 or 2, chunk, in_stride], what enters the recurrent product; of a cluster two steps in turns
    float *sums;     // [chunk, n_sums, width]
    float *carried;  // [chunk, width], c, or h of a cell without one
    int in_stride, width, size;
};

// The numbers of a unit: the sums of its gates, then the gates; behind them the projection of a gate that is kept apart, then h where
// `carried` has c.
template <class Cell>
SPACY_RNN_DEVICE constexpr int n_sums() { return Cell::GATES + (Cell::APART >= 0 || Cell::HAS_C ? 1 : 0); }

template <class Cell, class Product, class Team>
SPACY_RNN_DEVICE ForwardMemory share_out_forward(const Shares &shares, float *memory) {
    const int at_once = Product::COLUMNS, width = padded_units(shares);
    // Four more, so that rows do not start in the same bank.
    const int in_stride = (shares.nH + at_once - 1) / at_once * at_once + 4;
    const int of_in = (Team::SHARES ? 2 : 1) * in_stride, of_sums = n_sums<Cell>() * width;
    float *in = memory + shares.chunk * TABLE, *sums = in + shares.chunk * of_in, *carried = sums + shares.chunk * of_sums;
    return {in, sums, carried, in_stride, width, shares.chunk * (of_in + of_sums + width)};
}

template <class Cell, class Product, bool RESIDENT, class Team>
class ForwardBlock : Block<Team> {
    using Base = Block<Team>;
    using Base::d_;
    using Base::place_;
    using Base::shares_;
    using Base::team_;

  public:
    SPACY_RNN_MEMBER explicit ForwardBlock(const Sweep &sweep)
        : Base(sweep, block_memory()), m_(share_out_forward<Cell, Product, Team>(sweep.shares, block_memory())) {}

    SPACY_RNN_MEMBER void run() {
        typename Product::Tile tile;
        fill_with_zeros(m_.in, m_.size);
        if (RESIDENT) Product::load(tile, 0, 0, weights<0>());
        __syncthreads();
        team_.enter();
        this->for_chunks([&](const Chunk &chunk) { run_chunk(tile, chunk); });
        team_.leave();
    }

  private:
    SPACY_RNN_MEMBER void run_chunk(typename Product::Tile &tile, const Chunk &chunk) {
        begin(chunk);
        const int steps = chunk.steps();
        int n = chunk.n;
        for (int step = 0; step < steps; ++step) {
            while (chunk.lengths[n - 1] <= step) --n;
            start_sums(chunk, step, n);
            if (step > 0) team_.wait();
            take_h(chunk, step, n);
            run_part<0>(tile, chunk, step, n);
            if constexpr (Cell::PARTS == 2) {
                team_.wait();
                take_extra(chunk, step, n);
                run_part<1>(tile, chunk, step, n);
            }
        }
        if (steps > 0) team_.wait();
    }

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

    SPACY_RNN_MEMBER float *in_of(int step) const { return m_.in + (Team::SHARES ? step % 2 * shares_.chunk * m_.in_stride : 0); }

    SPACY_RNN_MEMBER float *sums_of(int s, int unit) const { return m_.sums + s * n_sums<Cell>() * m_.width + unit; }

    // The states before the first step; of a sequence with no rows they are those after the last as well.
    SPACY_RNN_MEMBER void begin(const Chunk &chunk) {
        this->for_units(chunk.n, [&](int s, int unit) {
            const long long at = this->state_at(chunk, s, place_.first_unit + unit);
            const float h = number_or(d_.h_first, at, 0.0f), c = Cell::HAS_C ? number_or(d_.c_first, at, 0.0f) : 0.0f;
            m_.carried[s * m_.width + unit] = Cell::HAS_C ? c : h;
            if (chunk.lengths[s] == 0) {
                d_.h_last[at] = h;
                if (Cell::HAS_C) d_.c_last[at] = c;
            }
        });
    }

    // The projections, and of a gate apart the bias of its recurrent product: they are read while other blocks may still be at the
    // step before.
    SPACY_RNN_MEMBER void start_sums(const Chunk &chunk, int step, int n) {
        this->for_units(n, [&](int s, int unit) {
            const int column = place_.first_unit + unit, nH = shares_.nH;
            const float *Z = d_.Z + chunk.row(s, step) * Cell::GATES * nH + column;
            float *sums = sums_of(s, unit);
            for (int gate = 0; gate < Cell::GATES; ++gate) {
                const float projection = Z[gate * nH] + d_.b[gate * nH + column];
                sums[(gate == Cell::APART ? Cell::GATES : gate) * m_.width] = projection;
            }
            if (Cell::APART >= 0) sums[Cell::APART * m_.width] = d_.bR[column];
        });
    }

    // What enters the first product of a step, of all units.
    SPACY_RNN_MEMBER void take_h(const Chunk &chunk, int step, int n) {
        // It is there already where a block has all units, or reaches the memory of the others: see `give_h`.
        if (!READS_Y && step > 0) return;
        const bool begins = step == 0;
        const float *const first = begins ? d_.h_first : d_.Y;
        const long long stride = begins ? shares_.nH : d_.Y_stride;
        const auto from = [&](int s) {
            const long long row = begins ? chunk.order[s] : chunk.row(s, step - 1);
            return first == nullptr ? nullptr : first + row * stride;
        };
        const auto mask = [&](int s) { return d_.mask == nullptr ? nullptr : d_.mask + this->state_at(chunk, s, 0); };
        take_rows(n, has_fours(first, stride) && has_fours(d_.mask, shares_.nH), from, mask);
    }

    // What enters the second product of a step.
    SPACY_RNN_MEMBER void take_extra(const Chunk &chunk, int step, int n) {
        const auto from = [&](int s) { return static_cast<const float *>(d_.extra + chunk.row(s, step) * shares_.nH); };
        take_rows(n, has_fours(d_.extra, shares_.nH), from, [](int) { return static_cast<const float *>(nullptr); });
    }

    // Copies the numbers of all units at from(sequence), null for zeros, times those at mask(sequence), null for ones; a warp takes
    // a sequence.
    template <class From, class Mask>
    SPACY_RNN_MEMBER void take_rows(int n, bool fours, From from, Mask mask) {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, nH = shares_.nH;
        for (int s = warp; s < n; s += THREADS / 32) {
            const float *x = from(s), *times = mask(s);
            float *in = m_.in + s * m_.in_stride;
            if (x == nullptr) {
                for (int column = lane; column < nH; column += 32) in[column] = 0.0f;
            } else if (fours && nH % 4 == 0) {
#pragma unroll 4
                for (int column = 4 * lane; column < nH; column += 128) {
                    float4 four = read_four_shared(x + column);
                    if (times != nullptr) {
                        const float4 m = *reinterpret_cast<const float4 *>(times + column);
                        four = {four.x * m.x, four.y * m.y, four.z * m.z, four.w * m.w};
                    }
                    *reinterpret_cast<float4 *>(in + column) = four;
                }
            } else {
#pragma unroll 4
                for (int column = lane; column < nH; column += 32) in[column] = read_shared(x + column) * number_or(times, column, 1.0f);
            }
        }
    }

    template <int PART>
    SPACY_RNN_MEMBER void run_part(typename Product::Tile &tile, const Chunk &chunk, int step, int n) {
        __syncthreads();
        float *sums = m_.sums + first_gate<Cell>(PART) * m_.width;
        const int rows = n_gates<Cell>(PART) * m_.width, sums_stride = n_sums<Cell>() * m_.width;
        multiply_all<Product, RESIDENT>(tile, rows, shares_.nH, weights<PART>(), in_of(step), m_.in_stride, n,
                                      [&](int s, int row, float total, bool) { sums[s * sums_stride + row] += total; });
        __syncthreads();
        this->for_units(n, [&](int s, int unit) { finish<PART>(chunk, step, s, unit); });
        // To arrive is to wait for what has been written. So what no other block reads is written afterwards.
        team_.arrive();
        if constexpr (PART == Cell::PARTS - 1) {
            this->for_units(n, [&](int s, int unit) { keep(chunk, step, s, unit); });
        }
    }

    // Whether h enters the next step's product by way of Y.
    static constexpr bool READS_Y = !Team::SHARES && (!Team::ALONE || Cell::PARTS > 1);

    // From the sums of a part to what comes of them.
    template <int PART>
    SPACY_RNN_MEMBER void finish(const Chunk &chunk, int step, int s, int unit) {
        constexpr bool LAST_PART = PART == Cell::PARTS - 1;
        const int column = place_.first_unit + unit, nH = shares_.nH;
        const long long row = chunk.row(s, step), at = this->state_at(chunk, s, column);
        float *sums = sums_of(s, unit), *carried = m_.carried + s * m_.width + unit;
        Unit u;
        for (int gate = 0; gate < Cell::GATES; ++gate) u.gates[gate] = sums[gate * m_.width];
        if (d_.p != nullptr) {
            for (int k = 0; k < 3; ++k) u.p[k] = d_.p[k * nH + column];
        }
        if (Cell::APART >= 0) u.apart = sums[Cell::GATES * m_.width];
        u.mask = number_or(d_.mask, at, 1.0f);
        u.h_before = *carried;
        u.c_before = *carried;
        u.h_in = u.h_before * u.mask;
        Cell::template forward<PART>(u);
        if (Cell::USES_EXTRA && d_.extra != nullptr && PART == 0) d_.extra[row * nH + column] = u.extra;
        for (int gate = 0; gate < Cell::GATES; ++gate) sums[gate * m_.width] = u.gates[gate];
        if (!LAST_PART) return;
        *carried = Cell::HAS_C ? u.c : u.h;
        if (Cell::HAS_C) sums[Cell::GATES * m_.width] = u.h;
        if (READS_Y) d_.Y[row * d_.Y_stride + column] = u.h;
        if (!chunk.ends_at(s, step)) give_h(step, s * m_.in_stride + column, u.h * u.mask);
    }

    // Writes what the caller and the way back read of a step.
    SPACY_RNN_MEMBER void keep(const Chunk &chunk, int step, int s, int unit) const {
        const int column = place_.first_unit + unit, nH = shares_.nH;
        const long long row = chunk.row(s, step), at = this->state_at(chunk, s, column);
        const float *sums = sums_of(s, unit), carried = m_.carried[s * m_.width + unit];
        const float h = Cell::HAS_C ? sums[Cell::GATES * m_.width] : carried;
        const bool ends = chunk.ends_at(s, step);
        if (!READS_Y) d_.Y[row * d_.Y_stride + column] = h;
        if (ends) {
            d_.h_last[at] = h;
            if (Cell::HAS_C) d_.c_last[at] = carried;
        }
        if (d_.H_in == nullptr) return;
        const float mask = number_or(d_.mask, at, 1.0f);
        for (int gate = 0; gate < Cell::GATES; ++gate) d_.Z[(row * Cell::GATES + gate) * nH + column] = sums[gate * m_.width];
        if (Cell::HAS_C) d_.C[row * nH + column] = carried;
        if (step == 0) d_.H_in[row * nH + column] = number_or(d_.h_first, at, 0.0f) * mask;
        if (!ends) d_.H_in[chunk.row(s, step + 1) * nH + column] = h * mask;
    }

    // Puts what enters the next step's product where it is read, unless it is read from Y.
    SPACY_RNN_MEMBER void give_h(int step, int at, float h_in) {
        if constexpr (Team::SHARES) {
#pragma unroll
            for (int block = 0; block < Team::SIZE; ++block) write_in_cluster(in_of(step + 1) + at, block, h_in);
        } else if (!READS_Y) {
            m_.in[at] = h_in;
        }
    }

    const ForwardMemory m_;
};

template <class Cell, class Product, bool RESIDENT, class Team>
SPACY_RNN_DEVICE void forward(const Sweep &sweep) {
    ForwardBlock<Cell, Product, RESIDENT, Team>(sweep).run();
}
