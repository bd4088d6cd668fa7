// What CUDA kernels find where they are compiled for the host: see host.cpp.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>

#define __device__
#define __global__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define SPACY_RNN_DEVICE static inline
#define SPACY_RNN_MEMBER inline

struct alignas(16) float4 {
    float x, y, z, w;
};

// Few enough that a test can wait for them.
constexpr unsigned MOST_POLLS = 20000;

struct Dim {
    unsigned x;
};

namespace host {

constexpr int WARP = 32;

// Where threads wait until all have come.
struct Meeting {
    int arrived = 0;
    unsigned generation = 0;
};

struct Warp {
    float given[WARP];
    unsigned a[WARP][4], b[WARP][2];
    Meeting meeting;
};

extern Dim thread_index, block_index, grid_size;

// The warp of the thread that runs.
Warp &warp();
void meet(Meeting &meeting, int size);
void meet_block();
float *memory_of_block();
// Lets every other thread have a turn.
void wait();
// Ends the launch with an error.
void stop(const char *why);
void arrive_in_cluster();
void wait_in_cluster();
// Where another block of the cluster has what this block has at `own`.
float *in_cluster(const float *own, int block);
// Something has happened that threads may wait for.
void go_on();

// Who has a turn next: the next warp, the warp before, or the same block as long as it can go on.
enum Order { FORWARD, REVERSE, BLOCKS };

// Executes all threads of all blocks. Gives why the launch failed; null if it did not.
const char *run(unsigned n_blocks, unsigned of_cluster, unsigned n_threads, size_t memory, Order order, void (*kernel)(const void *),
                const void *given);

}  // namespace host

#define threadIdx host::thread_index
#define blockIdx host::block_index
#define gridDim host::grid_size

inline void __syncthreads() { host::meet_block(); }

inline void __syncwarp() { host::meet(host::warp().meeting, host::WARP); }

inline float *block_memory() { return host::memory_of_block(); }

inline float read_shared(const float *from) { return *from; }

// Misaligned, it is an error on a device.
inline float4 read_four_shared(const float *from) {
    if (reinterpret_cast<size_t>(from) % 16 != 0) host::stop("misaligned address");
    return *reinterpret_cast<const float4 *>(from);
}

inline void stop() { host::stop("trap"); }

inline void arrive_in_cluster() { host::arrive_in_cluster(); }

inline void wait_in_cluster() { host::wait_in_cluster(); }

inline float read_in_cluster(const float *own, int block) { return *host::in_cluster(own, block); }

inline void write_in_cluster(float *own, int block, float x) { *host::in_cluster(own, block) = x; }

inline void add_to_count(unsigned *count) {
    ++*count;
    host::go_on();
}

inline unsigned read_count(const unsigned *count) {
    host::wait();
    return *count;
}

inline float number_of_lane(float x, int lane_mask) {
    host::Warp &warp = host::warp();
    const int lane = host::thread_index.x % host::WARP;
    warp.given[lane] = x;
    host::meet(warp.meeting, host::WARP);
    const float found = warp.given[lane ^ lane_mask];
    host::meet(warp.meeting, host::WARP);
    return found;
}

inline unsigned bits_of(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float from_bits(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// To the nearest, of two as near the one further from zero.
inline unsigned as_tf32(float x) { return std::isfinite(x) ? (bits_of(x) + 0x1000u) & ~0x1fffu : bits_of(x); }

// To the nearest, of two as near the even one.
inline unsigned as_bfloat16(float x) {
    const unsigned bits = bits_of(x);
    return std::isfinite(x) ? (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16 : bits >> 16 | 0x40u;
}
inline unsigned as_bfloat16s(float first, float second) { return as_bfloat16(second) << 16 | as_bfloat16(first); }

// COLUMNS of a piece, 8 or 16; `number` reads one of the numbers that lie in a register.
template <int COLUMNS, class Number>
void multiply_in_warp(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2], Number number) {
    constexpr int PER_REGISTER = COLUMNS / 8;
    host::Warp &warp = host::warp();
    const int lane = host::thread_index.x % host::WARP;
    std::memcpy(warp.a[lane], a, sizeof a);
    std::memcpy(warp.b[lane], b, sizeof b);
    host::meet(warp.meeting, host::WARP);
    const int half = COLUMNS / 2;
    for (int v = 0; v < 4; ++v) {
        const int i = lane / 4 + v / 2 * 8, n = lane % 4 * 2 + v % 2;
        for (int j = 0; j < COLUMNS; ++j) {
            const int of_lane = j % half / PER_REGISTER, part = j % PER_REGISTER;
            const unsigned *row = warp.a[i % 8 * 4 + of_lane], *column = warp.b[n * 4 + of_lane];
            sums[v] += number(row[i / 8 + j / half * 2], part) * number(column[j / half], part);
        }
    }
    host::meet(warp.meeting, host::WARP);
}

inline void multiply_tf32(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    multiply_in_warp<8>(sums, a, b, [](unsigned bits, int) { return from_bits(bits); });
}

inline void multiply_bfloat16(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    multiply_in_warp<16>(sums, a, b, [](unsigned bits, int part) { return from_bits(part == 0 ? bits << 16 : bits & 0xffff0000u); });
}
