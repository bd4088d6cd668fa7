#include "engine.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <thread>
#include <vector>

namespace spacy_rnn {

#if defined(SPACY_RNN_X86)
namespace avx512_bf16 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}
#endif
namespace portable {
extern const Kernels kernels;
}

const Kernels *const *all_kernels() {
    static const Kernels *const all[] = {
#if defined(SPACY_RNN_X86)
        &avx512_bf16::kernels, &avx512::kernels, &avx2::kernels,
#endif
        &portable::kernels, nullptr};
    return all;
}

namespace {

template <class F>
void run(int n, bool threads, const F &f) {
    if (!threads) {
        for (int i = 0; i < n; i++) f(i);
        return;
    }
    std::vector<std::exception_ptr> errors(static_cast<size_t>(n));
    const auto guarded = [&](int i) {
        try {
            f(i);
        } catch (...) {
            errors[static_cast<size_t>(i)] = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (int i = 1; i < n; i++) others.emplace_back(guarded, i);
    if (n > 0) guarded(0);
    for (std::thread &other : others) other.join();
    for (const std::exception_ptr &error : errors) {
        if (error) std::rethrow_exception(error);
    }
}

}  // namespace

void run_forward(const Kernels &kernels, const Forward *const *sweeps, int n, bool threads) {
    run(n, threads, [&](int i) { kernels.forward(*sweeps[i]); });
}

void run_backward(const Kernels &kernels, const Backward *const *sweeps, int n, bool threads) {
    run(n, threads, [&](int i) { kernels.backward(*sweeps[i]); });
}

void order_by_length(const int32_t *length, int64_t n, int32_t *order) {
    std::iota(order, order + n, 0);
    const auto longer = [length](int32_t a, int32_t b) { return length[a] > length[b]; };
    if (!std::is_sorted(order, order + n, longer)) std::stable_sort(order, order + n, longer);
}

}  // namespace spacy_rnn
