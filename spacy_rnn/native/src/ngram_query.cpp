#include "ngram_query.h"

#include <algorithm>

#include "call.h"
#include "pause.h"

namespace spacy_rnn {

namespace {

struct Found {
    double log_probability;
    uint32_t context;  // what comes next is to be looked up in
};

// Looks a symbol up after a context, in ever shorter ones.
Found look_up(const BackoffModel &model, uint32_t context, int32_t symbol) {
    double weight = 0;
    uint32_t node;
    while ((node = find_child(model.trie, context, symbol)) == 0) {
        weight += model.backoffs[context];
        context = model.links[context];
    }
    return {weight + model.log_probabilities[node], node < model.trie.n_contexts ? node : model.links[node]};
}

// The longest context that the last symbols are.
uint32_t find_context(const BackoffModel &model, const int32_t *state) {
    uint32_t context = 0;
    for (int i = 0; i < model.order - 1; i++) context = state[i] < 0 ? 0 : look_up(model, context, state[i]).context;
    return context;
}

// The last symbols, after some more.
void extend(int32_t *state, int64_t width, const int32_t *symbols, int64_t n) {
    const int64_t taken = std::min(n, width);
    std::copy(state + taken, state + width, state);
    std::copy(symbols + n - taken, symbols + n, state + width - taken);
}

}  // namespace

void score_sequences(const BackoffModel &model, const int32_t *inputs, const int32_t *targets, const int32_t *lengths, int64_t n_sequences,
                     int32_t *states, float *log_probabilities) {
    const Call call;
    Work work;
    for (int64_t i = 0; i < n_sequences; i++) {
        const int64_t n = lengths[i];
        int32_t *state = states + i * (model.order - 1);
        uint32_t context = find_context(model, state);
        Found found{0, 0};
        for (int64_t t = 0; t < n; t++) {
            work.add(1024);
            const bool is_found = t > 0 && inputs[t] == targets[t - 1];
            context = is_found ? found.context : look_up(model, context, inputs[t]).context;
            found = look_up(model, context, targets[t]);
            log_probabilities[t] = static_cast<float>(found.log_probability);
        }
        extend(state, model.order - 1, inputs, n);
        inputs += n;
        targets += n;
        log_probabilities += n;
    }
}

void predict_next(const BackoffModel &model, const int32_t *states, int64_t n, float *log_probabilities) {
    const Call call;
    Work work;
    const Trie &trie = model.trie;
    for (int64_t i = 0; i < n; i++) {
        work.add(trie.n_symbols);
        // The contexts, longest first, and what backing off as far as each weighs.
        uint32_t contexts[MAX_ORDER];
        double weights[MAX_ORDER];
        int last = 0;
        contexts[0] = find_context(model, states + i * (model.order - 1));
        weights[0] = 0;
        while (contexts[last] != 0) {
            weights[last + 1] = weights[last] + model.backoffs[contexts[last]];
            contexts[last + 1] = model.links[contexts[last]];
            last++;
        }
        float *row = log_probabilities + i * trie.n_symbols;
        for (; last >= 0; last--) {
            const uint32_t end = trie.first[contexts[last] + 1];
            for (uint32_t node = trie.first[contexts[last]]; node < end; node++)
                row[trie.symbols[node]] = static_cast<float>(weights[last] + model.log_probabilities[node]);
        }
    }
}

}  // namespace spacy_rnn
