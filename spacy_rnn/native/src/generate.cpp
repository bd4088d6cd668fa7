#include "generate.h"

#include <algorithm>
#include <numeric>

#include "call.h"

namespace spacy_rnn {

namespace {

// The sequences that go on, side by side, whatever their place in the batch.
class Run {
  public:
    Run(const SymbolStack &stack, int64_t n, const int64_t *symbols, const StackState &state, int64_t first_step)
        : stack_(stack),
          state_(state),
          n_(n),
          running_(n),
          nH_(stack.layers[0]->nH),
          width_(stack.kernels->projection_width(*stack.layers[0])),
          rows_(n),
          projections_(n),
          outputs_(n),
          scores_(static_cast<size_t>(n * stack.symbols.n_symbols)),
          length_(n, 1),
          order_(n),
          start_(n) {
        std::iota(rows_.begin(), rows_.end(), 0);
        std::iota(order_.begin(), order_.end(), 0);
        std::iota(start_.begin(), start_.end(), 0);
        const int64_t depth = stack.layers.size(), size = n * nH_;
        h_ = std::vector<float>(state.h, state.h + depth * size);
        if (state.c != nullptr) c_ = std::vector<float>(state.c, state.c + depth * size);
        for (int64_t k = 0; k < depth; k++) {
            h_layers_.push_back(h_.data() + k * size);
            c_layers_.push_back(state.c == nullptr ? nullptr : c_.data() + k * size);
        }
        for (int64_t i = 0; i < n; i++) {
            read(i, symbols[i]);
            outputs_[i] = h_layers_.back() + i * nH_;
        }
        steps_.layers = stack.layers.data();
        steps_.depth = depth;
        steps_.batch = {n, n, start_.data(), length_.data(), order_.data(), false};
        steps_.projections = projections_.data();
        steps_.h = h_layers_.data();
        steps_.c = c_layers_.data();
        steps_.first_step = first_step;
        steps_.context = this;
    }
    Run(const Run &) = delete;
    Run &operator=(const Run &) = delete;
    virtual ~Run() = default;

    void run() {
        const Call call;
        steps_.after = [](StackSteps &steps) { return static_cast<Run *>(steps.context)->after_step(); };
        stack_.kernels->run_steps(steps_);
        for (int64_t i = 0; i < running_; i++) put_state(i);
    }

  protected:
    // Says whether another step is to follow.
    virtual bool after_step() = 0;

    void score(float *Y) { stack_.kernels->score_symbols(stack_.symbols, outputs_.data(), running_, Y); }
    void read(int64_t i, int64_t symbol) { projections_[i] = stack_.projections + symbol * width_; }

    // Lets sequence i leave: the last one takes its place.
    void leave(int64_t i) {
        put_state(i);
        const int64_t last = --running_;
        steps_.batch.n_sequences = steps_.batch.n_rows = last;
        if (i == last) return;
        for (float *h : h_layers_) std::copy_n(h + last * nH_, nH_, h + i * nH_);
        if (!c_.empty()) {
            for (float *c : c_layers_) std::copy_n(c + last * nH_, nH_, c + i * nH_);
        }
        rows_[i] = rows_[last];
        projections_[i] = projections_[last];
    }

    const SymbolStack &stack_;
    const StackState &state_;
    const int64_t n_;
    int64_t running_;
    const int64_t nH_, width_;
    std::vector<int64_t> rows_;  // of the batch
    std::vector<const float *> projections_, outputs_;
    std::vector<float> scores_;

  private:
    void put_state(int64_t i) const {
        const int64_t size = n_ * nH_, to = rows_[i] * nH_;
        for (size_t k = 0; k < h_layers_.size(); k++) {
            std::copy_n(h_layers_[k] + i * nH_, nH_, state_.h_after + k * size + to);
            if (!c_.empty()) std::copy_n(c_layers_[k] + i * nH_, nH_, state_.c_after + k * size + to);
        }
    }

    std::vector<int32_t> length_, order_;
    std::vector<int64_t> start_;
    std::vector<float> h_, c_;
    std::vector<float *> h_layers_, c_layers_;
    StackSteps steps_{};
};

class OneStep : public Run {
  public:
    OneStep(const SymbolStack &stack, int64_t n, const int64_t *symbols, const StackState &state, int64_t first_step, float *Y)
        : Run(stack, n, symbols, state, first_step), Y_(Y) {}

  protected:
    bool after_step() override {
        score(Y_);
        return false;
    }

  private:
    float *Y_;
};

class ManySteps : public Run {
  public:
    ManySteps(const SymbolStack &stack, const Sampling &how, const Generation &to, const StackState &state, int64_t first_step)
        : Run(stack, to.n, to.symbols, state, first_step), to_(to), sampler_(how, to.forbidden, stack.symbols.n_symbols) {}

  protected:
    bool after_step() override {
        score(scores_.data());
        // From the last to the first: the one that takes the place of one that leaves has been seen.
        for (int64_t i = running_ - 1; i >= 0; i--) {
            if (!choose(i)) leave(i);
        }
        return ++t_ < to_.n_steps && running_ > 0;
    }

  private:
    // Chooses the next symbol of sequence i, and says whether it goes on.
    bool choose(int64_t i) {
        const int64_t V = stack_.symbols.n_symbols, row = rows_[i], at = row * to_.n_steps + t_;
        const float *scores = scores_.data() + i * V;
        uint8_t *seen = to_.seen == nullptr ? nullptr : to_.seen + row * V;
        const int64_t symbol = sampler_.choose(scores, seen, to_.uniforms[at]);
        if (symbol < 0) {
            to_.counts[row] = -1;
            return false;
        }
        to_.chosen[at] = symbol;
        to_.log_probabilities[at] = scores[symbol];
        to_.lengths[row] = t_ + 1;
        if (seen != nullptr) seen[symbol] = 1;
        to_.counts[row] = count_stop(row, symbol);
        read(i, symbol);
        return to_.counts[row] == 0;
    }

    // How many of the last symbols of a sequence, the newest of which is given, make it stop: those of the longest stop sequence.
    int64_t count_stop(int64_t row, int64_t symbol) const {
        size_t count = to_.stops[symbol] ? 1 : 0;
        for (const std::vector<int64_t> &sequence : to_.stop_sequences) {
            if (sequence.size() > count && ends_in(row, sequence)) count = sequence.size();
        }
        return static_cast<int64_t>(count);
    }

    bool ends_in(int64_t row, const std::vector<int64_t> &sequence) const {
        int64_t place = t_;
        for (size_t k = sequence.size(); k-- > 0; place--) {
            if (symbol_at(row, place) != sequence[k]) return false;
        }
        return true;
    }

    // The symbol of a sequence at a step, which may be one before these.
    int64_t symbol_at(int64_t row, int64_t t) const {
        if (t >= 0) return to_.chosen[row * to_.n_steps + t];
        return t + to_.n_before < 0 ? -1 : to_.before[row * to_.n_before + to_.n_before + t];
    }

    const Generation &to_;
    Sampler sampler_;
    int64_t t_ = 0;
};

}  // namespace

void step_stack(const SymbolStack &stack, int64_t n, const int64_t *symbols, const StackState &state, int64_t first_step, float *Y) {
    OneStep(stack, n, symbols, state, first_step, Y).run();
}

void generate(const SymbolStack &stack, const Sampling &how, const Generation &to, const StackState &state, int64_t first_step) {
    ManySteps(stack, how, to, state, first_step).run();
}

}  // namespace spacy_rnn
