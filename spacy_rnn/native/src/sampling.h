// Drawing the next symbol from log-probabilities, in float64: the arithmetic of spacy_rnn/generation/sampling.py, in its order.
#pragma once

#include <cstdint>
#include <vector>

namespace spacy_rnn {

struct Sampling {
    double temperature = 1, top_p = 1, min_p = 0, repetition_penalty = 1;
    int64_t top_k = 0;
    bool greedy = false;
};

class Sampler {
  public:
    // forbidden: [n_symbols], those that never come.
    Sampler(const Sampling &how, const uint8_t *forbidden, int64_t n_symbols);

    // Chooses a symbol, -1 if none may come. seen: [n_symbols], those that a repetition penalty discourages, or null; uniform: in
    // [0, 1). Throws std::invalid_argument if what is given is not log-probabilities.
    int64_t choose(const float *log_probabilities, const uint8_t *seen, double uniform);

  private:
    int64_t most_probable() const;
    void weigh();
    void keep_top_k();
    void keep_top_p();
    // Puts more of the largest numbers of sorted_, of which n_sorted are, in their order.
    void sort_more(int64_t &n_sorted);
    void keep_min_p();
    // Keeps `count` of the largest weights, the smallest of which is `threshold`; of equal ones the first.
    void keep_largest(double threshold, int64_t count);
    int64_t draw(double uniform);

    const Sampling how_;
    const uint8_t *forbidden_;
    const int64_t n_;
    // Scores, and then weights.
    std::vector<double> values_, sorted_;
};

}  // namespace spacy_rnn
