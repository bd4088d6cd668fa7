#include "buffer.h"

#include <cstdlib>
#include <new>

#if defined(_MSC_VER)
#include <malloc.h>
#endif

namespace spacy_rnn {

namespace {

constexpr size_t ALIGNMENT = 64;

void *allocate(size_t bytes) {
#if defined(_MSC_VER)
    void *memory = _aligned_malloc(bytes, ALIGNMENT);
#else
    void *memory = nullptr;
    if (posix_memalign(&memory, ALIGNMENT, bytes) != 0) memory = nullptr;
#endif
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void release(void *memory) {
#if defined(_MSC_VER)
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

// Large blocks that a thread has given back, to be used again: from the system they would come page by page, each cleared first,
// which takes a tenth of a training step.
class Kept {
  public:
    ~Kept() {
        for (int i = 0; i < n_; i++) release(blocks_[i].memory);
    }

    // Gives a block of at least so many bytes, and of not many more, or null.
    void *take(size_t bytes, size_t &size) {
        for (int i = 0; i < n_; i++) {
            if (blocks_[i].size < bytes || blocks_[i].size > 2 * bytes) continue;
            void *memory = blocks_[i].memory;
            size = blocks_[i].size;
            total_ -= size;
            blocks_[i] = blocks_[--n_];
            return memory;
        }
        return nullptr;
    }

    bool keep(void *memory, size_t size) {
        if (size < SMALLEST || n_ == MAX_BLOCKS || total_ + size > MOST) return false;
        blocks_[n_++] = {memory, size};
        total_ += size;
        return true;
    }

  private:
    static constexpr size_t SMALLEST = size_t(1) << 17, MOST = size_t(1) << 25;
    static constexpr int MAX_BLOCKS = 16;
    struct Block {
        void *memory;
        size_t size;
    };
    Block blocks_[MAX_BLOCKS];
    int n_ = 0;
    size_t total_ = 0;
};

thread_local Kept kept;

}  // namespace

Buffer::Buffer() : data_(nullptr), bytes_(0) {}

Buffer::Buffer(int64_t n) : Buffer() { resize(n); }

Buffer::~Buffer() { clear(); }

void Buffer::resize(int64_t n) {
    const size_t bytes = (static_cast<size_t>(n) * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes <= bytes_) return;
    clear();
    size_t size = bytes;
    void *memory = kept.take(bytes, size);
    data_ = static_cast<float *>(memory != nullptr ? memory : allocate(bytes));
    bytes_ = size;
}

void Buffer::clear() {
    if (data_ != nullptr && !kept.keep(data_, bytes_)) release(data_);
    data_ = nullptr;
    bytes_ = 0;
}

}  // namespace spacy_rnn
