#include "buffer.h"

#include <cstdlib>
#include <new>

#if defined(_MSC_VER)
#include <malloc.h>
#endif

namespace spacy_rnn {

namespace {

constexpr size_t ALIGNMENT = 64;

float *allocate(int64_t n) {
    const size_t bytes = (static_cast<size_t>(n) * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
#if defined(_MSC_VER)
    void *memory = _aligned_malloc(bytes, ALIGNMENT);
#else
    void *memory = nullptr;
    if (posix_memalign(&memory, ALIGNMENT, bytes) != 0) memory = nullptr;
#endif
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<float *>(memory);
}

void release(float *memory) {
#if defined(_MSC_VER)
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

}  // namespace

Buffer::Buffer() : data_(nullptr), size_(0) {}

Buffer::Buffer(int64_t n) : Buffer() { resize(n); }

Buffer::~Buffer() { release(data_); }

void Buffer::resize(int64_t n) {
    if (n <= size_) return;
    release(data_);
    data_ = nullptr;
    size_ = 0;
    data_ = allocate(n);
    size_ = n;
}

}  // namespace spacy_rnn
