// What the kernels take from the device beyond C++. Tests compile the kernels for the host as well: they bring their own.

#pragma once

// Of a block.
constexpr int THREADS = 512;

#ifndef SPACY_RNN_ON_HOST

#define SPACY_RNN_DEVICE static __device__ __forceinline__
#define SPACY_RNN_MEMBER __device__ __forceinline__

constexpr unsigned WHOLE_WARP = 0xffffffffu;

// The memory that the threads of a block share.
SPACY_RNN_DEVICE float *block_memory() {
    extern __shared__ float4 memory[];
    return reinterpret_cast<float *>(memory);
}

// Numbers that another block may have written during this launch: not from a cache of this block's processor.
SPACY_RNN_DEVICE float read_shared(const float *from) { return __ldcg(from); }
SPACY_RNN_DEVICE float4 read_four_shared(const float *from) { return __ldcg(reinterpret_cast<const float4 *>(from)); }

// The number that a thread of the same warp gives in exchange.
SPACY_RNN_DEVICE float number_of_lane(float x, int lane_mask) { return __shfl_xor_sync(WHOLE_WARP, x, lane_mask); }

// What this block has written before is seen by whoever reads the new count with `read_count`.
SPACY_RNN_DEVICE void add_to_count(unsigned *count) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(count) : "memory");
}

SPACY_RNN_DEVICE unsigned read_count(const unsigned *count) {
    unsigned found;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(found) : "l"(count) : "memory");
    return found;
}

// How often a block looks whether the others have come, some seconds, before it takes the launch for lost.
constexpr unsigned MOST_POLLS = 1u << 24;

// Ends the launch with an error.
SPACY_RNN_DEVICE void stop() { __trap(); }

// Blocks of a cluster (PTX ISA, "barrier.cluster"): what a thread has written before it arrives is seen by those that have waited.
SPACY_RNN_DEVICE void arrive_in_cluster() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
SPACY_RNN_DEVICE void wait_in_cluster() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

// Where a block of the cluster has what this block has at `own`, in the memory that its threads share.
SPACY_RNN_DEVICE unsigned address_in_cluster(const float *own, int block) {
    unsigned found;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(found) : "r"(static_cast<unsigned>(__cvta_generic_to_shared(own))), "r"(block));
    return found;
}

SPACY_RNN_DEVICE float read_in_cluster(const float *own, int block) {
    float found;
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(found) : "r"(address_in_cluster(own, block)) : "memory");
    return found;
}

SPACY_RNN_DEVICE void write_in_cluster(float *own, int block, float x) {
    asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(address_in_cluster(own, block)), "f"(x) : "memory");
}

SPACY_RNN_DEVICE unsigned as_tf32(float x) {
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
    return rounded;
}

// Two numbers, the first in the lower half.
SPACY_RNN_DEVICE unsigned as_bfloat16s(float first, float second) {
    unsigned rounded;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(rounded) : "f"(second), "f"(first));
    return rounded;
}

SPACY_RNN_DEVICE void multiply_tf32(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

SPACY_RNN_DEVICE void multiply_bfloat16(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
