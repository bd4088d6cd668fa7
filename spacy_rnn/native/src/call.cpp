#include "call.h"

#include <algorithm>

#include "pause.h"

namespace spacy_rnn {

namespace {

thread_local Call *current = nullptr;
std::atomic<Answer (*)()> question{nullptr};

// Where other threads keep the interpreter busy, asking takes long: at most one part in so many of the time.
constexpr int MOST_PARTS = 50;

}  // namespace

void ask_with(Answer (*function)()) { question.store(function); }

void pause() {
    if (current != nullptr) current->pause();
}

Call::Call() : outer_(current), caller_(std::this_thread::get_id()) { current = this; }

Call::~Call() { current = outer_; }

Call::Helper::Helper(Call &call) { current = &call; }

Call::Helper::~Helper() { current = nullptr; }

void Call::pause() {
    if (ended_.load(std::memory_order_relaxed)) throw Ended();
    if (!asks_ || std::this_thread::get_id() != caller_) return;
    const Clock::time_point now = Clock::now();
    if (!has_paused_) {
        // The first pause is early enough to count from, and calls that have none need no clock.
        has_paused_ = true;
        next_ = now + INTERVAL;
    }
    if (now < next_) return;
    Answer (*const ask)() = question.load();
    const Answer answer = ask == nullptr ? DO_NOT_ASK : ask();
    asks_ = answer != DO_NOT_ASK;
    if (answer == END) {
        end();
        throw Ended();
    }
    const Clock::time_point asked = Clock::now();
    next_ = asked + std::max<Clock::duration>(INTERVAL, MOST_PARTS * (asked - now));
}

}  // namespace spacy_rnn
