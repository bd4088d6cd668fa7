// Calls that can be ended early, e.g. because the user interrupts them.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

namespace spacy_rnn {

enum Answer { GO_ON, END, DO_NOT_ASK };

// Says how a call finds out from whoever called whether it is to go on: a function that is called in the thread that called, at most
// every INTERVAL. Until then nothing is asked.
void ask_with(Answer (*question)());

// What `pause` throws.
struct Ended : std::exception {
    const char *what() const noexcept override { return "the call was ended early"; }
};

// A call, from its begin to its end in the thread that called. Calls may stand inside each other.
class Call {
  public:
    static constexpr std::chrono::milliseconds INTERVAL{50};

    Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    ~Call();

    // Throws if the call has been ended; in the thread that called, asks first if it is time.
    void pause();
    void end() { ended_.store(true, std::memory_order_relaxed); }

    // Lets another thread work on a call, which must outlive this.
    class Helper {
      public:
        explicit Helper(Call &call);
        Helper(const Helper &) = delete;
        Helper &operator=(const Helper &) = delete;
        ~Helper();
    };

  private:
    using Clock = std::chrono::steady_clock;

    Call *outer_;
    const std::thread::id caller_;
    std::atomic<bool> ended_{false};
    bool has_paused_ = false, asks_ = true;
    Clock::time_point next_;
};

}  // namespace spacy_rnn
