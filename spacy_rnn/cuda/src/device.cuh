// What the kernels take from the device beyond C++. Tests compile the kernels for the host as well: they bring their own.

#pragma once

#ifndef SPACY_RNN_ON_HOST

#define SPACY_RNN_DEVICE static __device__ __forceinline__
#define SPACY_RNN_MEMBER __device__ __forceinline__

constexpr unsigned WHOLE_WARP = 0xffffffffu;

// The memory that the threads of a block share.
SPACY_RNN_DEVICE float *block_memory() {
    extern __shared__ float4 memory[];
    return reinterpret_cast<float *>(memory);
}

// A number that another block may have written during this launch: not from a cache of this block's processor.
SPACY_RNN_DEVICE float read_shared(const float *from) { return __ldcg(from); }

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
