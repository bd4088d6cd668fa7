#include "engine.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "call.h"

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

// Counts threads down to none.
class Countdown {
  public:
    explicit Countdown(int n) : n_(n) {}

    void down() {
        const std::lock_guard<std::mutex> lock(mutex_);
        n_--;
        none_.notify_one();
    }

    // Waits for the last one, as a part of the call.
    void wait(Call &call) {
        std::unique_lock<std::mutex> lock(mutex_);
        while (n_ > 0) {
            if (none_.wait_for(lock, Call::INTERVAL) == std::cv_status::no_timeout) continue;
            lock.unlock();
            call.pause();
            lock.lock();
        }
    }

  private:
    std::mutex mutex_;
    std::condition_variable none_;
    int n_;
};

template <class F>
void run(int n, bool threads, const F &f) {
    Call call;
    if (!threads) {
        for (int i = 0; i < n; i++) f(i);
        return;
    }
    std::exception_ptr error;  // the first: others follow from it
    std::mutex mutex;
    const auto guarded = [&](const auto &part) {
        try {
            part();
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            if (!error) error = std::current_exception();
            call.end();
        }
    };
    Countdown others_left(n - 1);
    std::vector<std::thread> others;
    for (int i = 1; i < n; i++) {
        others.emplace_back([&, i] {
            const Call::Helper helper(call);
            guarded([&] { f(i); });
            others_left.down();
        });
    }
    guarded([&] { f(0); });
    guarded([&] { others_left.wait(call); });
    for (std::thread &other : others) other.join();
    if (error) std::rethrow_exception(error);
}

}  // namespace

void run_forward(const Kernels &kernels, const Forward *const *sweeps, int n, bool threads) {
    run(n, threads, [&](int i) { kernels.forward(*sweeps[i]); });
}

void run_backward(const Kernels &kernels, const Backward *const *sweeps, int n, bool threads) {
    run(n, threads, [&](int i) { kernels.backward(*sweeps[i]); });
}

void run_project(const Kernels &kernels, const Packed &weights, const float *const *rows, int64_t n, float *to) {
    const Call call;
    kernels.project(weights, rows, n, to);
}

void run_multiply(const Kernels &kernels, const MatrixProduct &product) {
    const Call call;
    kernels.multiply(product);
}

void run_normalize(const Kernels &kernels, const Normalization &normalization) {
    const Call call;
    kernels.normalize(normalization);
}

void run_attend(const Kernels &kernels, const Attention &attention, float *weights, float *C) {
    const Call call;
    kernels.attend(attention, weights, C);
}

void run_attend_backward(const Kernels &kernels, const AttentionBackward &backward) {
    const Call call;
    kernels.attend_backward(backward);
}

void order_by_length(const int32_t *length, int64_t n, int32_t *order) {
    std::iota(order, order + n, 0);
    const auto longer = [length](int32_t a, int32_t b) { return length[a] > length[b]; };
    if (!std::is_sorted(order, order + n, longer)) std::stable_sort(order, order + n, longer);
}

}  // namespace spacy_rnn
