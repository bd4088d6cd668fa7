// The product of a matrix with the vectors of some sequences, by the threads of a block, in a way that suits a matrix that stays the
// same over all time steps: a thread keeps a tile of it in registers.
//
// A way to multiply is a class with
//   ROWS, COLUMNS  what the tiles of all threads cover together
//   Tile           what a thread keeps
//   load           fills the tile through at(row, column), which gives zero outside of the matrix
//   multiply       calls put(sequence, row, total, whether it is the first for them); what is put for the same sequence and row
//                  is put in an order that is always the same, and has to be added up

#pragma once

#include "device.cuh"

// In float32. LANES threads share four rows of the matrix, each with 16 other columns.
template <int LANES>
struct Exact {
    static constexpr int TILE_ROWS = 4, TILE_COLUMNS = 16;
    static constexpr int ROWS = THREADS / LANES * TILE_ROWS, COLUMNS = TILE_COLUMNS * LANES;

    struct Tile {
        float weights[TILE_ROWS][TILE_COLUMNS];
    };

    template <class At>
    SPACY_RNN_DEVICE void load(Tile &tile, int first_row, int first_column, At at) {
#pragma unroll
        for (int i = 0; i < TILE_ROWS; ++i) {
#pragma unroll
            for (int j = 0; j < TILE_COLUMNS; ++j) tile.weights[i][j] = at(first_row + row(i), first_column + column(j));
        }
    }

    // in: [n, stride], of which COLUMNS numbers are read.
    template <class Put>
    SPACY_RNN_DEVICE void multiply(const Tile &tile, const float *in, int stride, int n, Put put) {
        for (int s = 0; s < n; s += 4) {
            const int left = n - s;
            if (left > 2) {
                multiply_some<4>(tile, in, stride, s, left, put);
            } else if (left == 2) {
                multiply_some<2>(tile, in, stride, s, left, put);
            } else {
                multiply_some<1>(tile, in, stride, s, left, put);
            }
        }
    }

  private:
    SPACY_RNN_DEVICE int lane() { return static_cast<int>(threadIdx.x) % LANES; }

    // Where few lanes share a row, threads that write side by side have rows side by side.
    SPACY_RNN_DEVICE int row(int i) {
        const int place = static_cast<int>(threadIdx.x) / LANES;
        return LANES < 8 ? THREADS / LANES * i + place : TILE_ROWS * place + i;
    }

    // Four columns side by side, so that LANES threads read 16 · LANES bytes side by side.
    SPACY_RNN_DEVICE int column(int j) { return 4 * (lane() + LANES * (j / 4)) + j % 4; }

    template <int N, class Put>
    SPACY_RNN_DEVICE void multiply_some(const Tile &tile, const float *in, int stride, int first, int left, Put put) {
        constexpr int TOTALS = N * TILE_ROWS;
        float sums[TOTALS] = {};
#pragma unroll
        for (int j = 0; j < TILE_COLUMNS; j += 4) {
#pragma unroll
            for (int s = 0; s < N; ++s) {
                const float *from = in + (first + (s < left ? s : 0)) * stride + column(j);
                const float4 x = *reinterpret_cast<const float4 *>(from);
#pragma unroll
                for (int i = 0; i < TILE_ROWS; ++i) {
                    float sum = sums[s * TILE_ROWS + i];
                    sum = fmaf(tile.weights[i][j], x.x, sum);
                    sum = fmaf(tile.weights[i][j + 1], x.y, sum);
                    sum = fmaf(tile.weights[i][j + 2], x.z, sum);
                    sums[s * TILE_ROWS + i] = fmaf(tile.weights[i][j + 3], x.w, sum);
                }
            }
        }
        const int first_total = add_over_lanes<TOTALS>(sums);
        // Of threads with the same total one gives it.
        if (LANES > TOTALS && lane() % (LANES > TOTALS ? LANES / TOTALS : 1) != 0) return;
#pragma unroll
        for (int v = 0; v < (TOTALS > LANES ? TOTALS / LANES : 1); ++v) {
            const int s = (first_total + v) / TILE_ROWS, i = (first_total + v) % TILE_ROWS;
            if (s < left) put(first + s, row(i), sums[v], true);
        }
    }

    // Adds up N sums over the threads that share rows, so that each ends with max(1, N / LANES) of the totals, the first of which is
    // returned; where there are more threads than sums, some end with the same one.
    template <int N>
    SPACY_RNN_DEVICE int add_over_lanes(float (&sums)[N]) {
        int first = 0, n = N;
#pragma unroll
        for (int bit = LANES / 2; bit > 0; bit /= 2) {
            if (n > 1) {
                n /= 2;
                const bool upper = lane() & bit;
#pragma unroll
                for (int i = 0; i < N / 2; ++i) {
                    if (i < n) {
                        const float kept = upper ? sums[i + n] : sums[i], given = upper ? sums[i] : sums[i + n];
                        sums[i] = kept + number_of_lane(given, bit);
                    }
                }
                first += upper ? n : 0;
            } else {
                sums[0] += number_of_lane(sums[0], bit);
            }
        }
        return first;
    }
};

// With factors rounded to a shorter format, by tensor cores; sums are float32. Covers what Exact<LANES> does. A warp keeps FRAGMENTS
// pieces of the matrix, 16 rows and Format::COLUMNS columns each.
template <class Format, int LANES>
struct Rounded {
    static constexpr int ROWS = Exact<LANES>::ROWS, COLUMNS = Exact<LANES>::COLUMNS;
    // Of one band of 16 rows a warp has up to 128 columns, and from 256 columns on several warps share a band.
    static constexpr int WARP_COLUMNS = COLUMNS < 128 ? COLUMNS : 128, WARPS_OF_BAND = COLUMNS / WARP_COLUMNS;
    static constexpr int BANDS_OF_WARP = 128 / WARP_COLUMNS, PER_BAND = WARP_COLUMNS / Format::COLUMNS;

    struct Tile {
        unsigned weights[BANDS_OF_WARP * PER_BAND][4];
    };

    template <class At>
    SPACY_RNN_DEVICE void load(Tile &tile, int first_row, int first_column, At at) {
#pragma unroll
        for (int f = 0; f < BANDS_OF_WARP * PER_BAND; ++f) {
            const int row = first_row + band(f / PER_BAND) * 16, column = first_column + piece_column(f % PER_BAND);
            Format::load(tile.weights[f], lane(), [&](int i, int j) { return at(row + i, column + j); });
        }
    }

    // in: [n, stride], of which COLUMNS numbers are read.
    template <class Put>
    SPACY_RNN_DEVICE void multiply(const Tile &tile, const float *in, int stride, int n, Put put) {
        for (int first = 0; first < n; first += 8) {
            // Tensor cores take a whole warp, which may have parted where it put what it had.
            __syncwarp();
            float sums[BANDS_OF_WARP][4] = {};
            // Sequences are columns of the product; those that are not there repeat the last one.
            const int s = first + lane() / 4 < n ? first + lane() / 4 : n - 1;
#pragma unroll
            for (int k = 0; k < PER_BAND; ++k) {
                unsigned x[2];
                Format::load_vector(x, lane(), in + s * stride + piece_column(k));
#pragma unroll
                for (int b = 0; b < BANDS_OF_WARP; ++b) Format::multiply(sums[b], tile.weights[b * PER_BAND + k], x);
            }
            for (int part = 0; part < WARPS_OF_BAND; ++part) {
                if (part > 0) __syncthreads();
                if (part != warp() % WARPS_OF_BAND) continue;
#pragma unroll
                for (int b = 0; b < BANDS_OF_WARP; ++b) {
#pragma unroll
                    for (int v = 0; v < 4; ++v) {
                        const int sequence = first + lane() % 4 * 2 + v % 2, row = band(b) * 16 + lane() / 4 + v / 2 * 8;
                        if (sequence < n) put(sequence, row, sums[b][v], part == 0);
                    }
                }
            }
        }
    }

  private:
    SPACY_RNN_DEVICE int lane() { return static_cast<int>(threadIdx.x) % 32; }
    SPACY_RNN_DEVICE int warp() { return static_cast<int>(threadIdx.x) / 32; }
    SPACY_RNN_DEVICE int band(int b) { return warp() / WARPS_OF_BAND * BANDS_OF_WARP + b; }
    SPACY_RNN_DEVICE int piece_column(int k) { return warp() % WARPS_OF_BAND * WARP_COLUMNS + k * Format::COLUMNS; }
};

// The format of eight exponent and ten mantissa bits. PTX ISA, "mma.m16n8k8".
struct Tf32 {
    static constexpr int COLUMNS = 8;

    template <class At>
    SPACY_RNN_DEVICE void load(unsigned (&piece)[4], int lane, At at) {
#pragma unroll
        for (int v = 0; v < 4; ++v) piece[v] = as_tf32(at(lane / 4 + v % 2 * 8, lane % 4 + v / 2 * 4));
    }
    SPACY_RNN_DEVICE void load_vector(unsigned (&x)[2], int lane, const float *in) {
        x[0] = as_tf32(in[lane % 4]);
        x[1] = as_tf32(in[lane % 4 + 4]);
    }
    SPACY_RNN_DEVICE void multiply(float (&sums)[4], const unsigned (&piece)[4], const unsigned (&x)[2]) {
        multiply_tf32(sums, piece, x);
    }
};

// Eight exponent and seven mantissa bits. PTX ISA, "mma.m16n8k16".
struct Bfloat16 {
    static constexpr int COLUMNS = 16;

    template <class At>
    SPACY_RNN_DEVICE void load(unsigned (&piece)[4], int lane, At at) {
#pragma unroll
        for (int v = 0; v < 4; ++v) {
            const int i = lane / 4 + v % 2 * 8, j = lane % 4 * 2 + v / 2 * 8;
            piece[v] = as_bfloat16s(at(i, j), at(i, j + 1));
        }
    }
    SPACY_RNN_DEVICE void load_vector(unsigned (&x)[2], int lane, const float *in) {
        const int j = lane % 4 * 2;
        x[0] = as_bfloat16s(in[j], in[j + 1]);
        x[1] = as_bfloat16s(in[j + 8], in[j + 9]);
    }
    SPACY_RNN_DEVICE void multiply(float (&sums)[4], const unsigned (&piece)[4], const unsigned (&x)[2]) {
        multiply_bfloat16(sums, piece, x);
    }
};

// Multiplies a whole matrix, rows x columns, with the vectors of n sequences: in [n, stride], zero from `columns` to the next multiple
// of Product::COLUMNS. `put` as in a way to multiply. RESIDENT: the tile holds the matrix already; otherwise a piece of it after the
// other is read through `at`.
template <class Product, bool RESIDENT, class At, class Put>
SPACY_RNN_DEVICE void multiply_all(typename Product::Tile &tile, int rows, int columns, At at, const float *in, int stride, int n,
                                   Put put) {
    if constexpr (RESIDENT) {
        Product::multiply(tile, in, stride, n, [&](int s, int row, float total, bool first) {
            if (row < rows) put(s, row, total, first);
        });
    } else {
        for (int first_row = 0; first_row < rows; first_row += Product::ROWS) {
            for (int first_column = 0; first_column < columns; first_column += Product::COLUMNS) {
                Product::load(tile, first_row, first_column, at);
                // Warps may add to the same numbers for one tile after the other.
                if (first_column > 0) __syncthreads();
                Product::multiply(tile, in + first_column, stride, n, [&](int s, int row, float total, bool first) {
                    if (first_row + row < rows) put(s, first_row + row, total, first && first_column == 0);
                });
            }
        }
    }
}
