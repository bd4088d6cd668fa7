// Where a long call stops for a moment to ask whether it is to go on: see call.h.
#pragma once

#include <cstdint>

namespace spacy_rnn {

// Throws if the call that this thread works on is to end. Costs a reading of the clock.
void pause();

// Unnamed, because the linker must not choose between the copies of several instruction sets.
namespace {

// Pauses after so many multiply-adds that the pauses cost nothing, and that those who wait notice nothing.
class Work {
  public:
    void add(int64_t multiply_adds) {
        done_ += multiply_adds;
        if (done_ < BETWEEN_PAUSES) return;
        done_ = 0;
        pause();
    }

  private:
    static constexpr int64_t BETWEEN_PAUSES = int64_t(1) << 22;

    int64_t done_ = 0;
};

}  // namespace

}  // namespace spacy_rnn
