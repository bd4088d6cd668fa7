#include "processor.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <cstdint>

#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace spacy_rnn {

namespace {

struct Registers {
    uint32_t a, b, c, d;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
    Registers r{0, 0, 0, 0};
#if defined(_MSC_VER)
    int out[4];
    __cpuid(out, 0);
    if (static_cast<uint32_t>(out[0]) < leaf) return r;
    __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
    r = {static_cast<uint32_t>(out[0]), static_cast<uint32_t>(out[1]), static_cast<uint32_t>(out[2]), static_cast<uint32_t>(out[3])};
#else
    __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
#endif
    return r;
}

// Which registers the operating system saves (XCR0).
uint64_t saved_registers() {
    constexpr uint32_t OSXSAVE = 1u << 27;
    if (!(cpuid(1, 0).c & OSXSAVE)) return 0;
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<uint64_t>(high) << 32) | low;
#endif
}

bool all(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

}  // namespace

bool has_avx2() {
    constexpr uint32_t FMA = 1u << 12, AVX2 = 1u << 5;
    return all(saved_registers(), 0x06) && all(cpuid(1, 0).c, FMA) && all(cpuid(7, 0).b, AVX2);
}

bool has_avx512() {
    constexpr uint32_t F = 1u << 16, DQ = 1u << 17, BW = 1u << 30, VL = 1u << 31;
    return has_avx2() && all(saved_registers(), 0xe6) && all(cpuid(7, 0).b, F | DQ | BW | VL);
}

bool has_avx512_bf16() {
    constexpr uint32_t BF16 = 1u << 5;
    return has_avx512() && all(cpuid(7, 1).a, BF16);
}

}  // namespace spacy_rnn

#else

namespace spacy_rnn {

bool has_avx2() { return false; }
bool has_avx512() { return false; }
bool has_avx512_bf16() { return false; }

}  // namespace spacy_rnn

#endif
