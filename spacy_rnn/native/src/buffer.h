// Memory for vectors: aligned to cache lines, not initialized, given back when its owner goes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spacy_rnn {

// Defined in buffer.cpp as a whole: what several instruction sets share must not be built for one of them.
class Buffer {
  public:
    Buffer();
    explicit Buffer(int64_t n);
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer();

    // Makes room for n floats, whose values are then undefined. Throws std::bad_alloc.
    void resize(int64_t n);
    float *data() { return data_; }
    const float *data() const { return data_; }

  private:
    void clear();

    float *data_;
    size_t bytes_;
};

}  // namespace spacy_rnn
