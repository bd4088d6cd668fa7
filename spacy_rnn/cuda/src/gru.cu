// The gated recurrent units, gates r, z, n:
//   r = σ(W_r x + b_r + R_r ĥ)
//   z = σ(W_z x + b_z + R_z ĥ)
//   h = (1 - z) ∘ n + z ∘ h'

#include "activation.cuh"
#include "backward.cuh"
#include "forward.cuh"

// n = tanh(W_n x + b_n + r ∘ (R_n ĥ + bR)). `extra` keeps R_n ĥ + bR.
struct Gru {
    static constexpr int GATES = 3, PARTS = 1, APART = 2;
    static constexpr bool HAS_C = false, USES_EXTRA = true;

    template <int PART>
    SPACY_RNN_DEVICE void forward(Unit &u) {
        const float reset = sigmoid(u.gates[0]), update = sigmoid(u.gates[1]);
        u.extra = u.gates[2];
        const float candidate = tanhf(u.apart + reset * u.extra);
        u.gates[0] = reset;
        u.gates[1] = update;
        u.gates[2] = candidate;
        u.h = candidate + update * (u.h_before - candidate);
    }

    template <int PART>
    SPACY_RNN_DEVICE void backward(Unit &u) {
        const float reset = u.gates[0], update = u.gates[1], candidate = u.gates[2];
        const float d_candidate = u.dh * (1.0f - update) * (1.0f - candidate * candidate);
        u.d_gates[0] = u.d_sums[0] = d_candidate * u.extra * reset * (1.0f - reset);
        u.d_gates[1] = u.d_sums[1] = u.dh * (u.h_before - candidate) * update * (1.0f - update);
        u.d_gates[2] = d_candidate;
        u.d_sums[2] = u.d_extra = d_candidate * reset;
        u.dh_before = u.dh * update;
    }
};

// n = tanh(W_n x + b_n + R_n (r ∘ ĥ)). `extra` keeps r ∘ ĥ.
struct GruResetBefore {
    static constexpr int GATES = 3, PARTS = 2, APART = -1;
    static constexpr bool HAS_C = false, USES_EXTRA = true;

    template <int PART>
    SPACY_RNN_DEVICE void forward(Unit &u) {
        if (PART == 0) {
            u.gates[0] = sigmoid(u.gates[0]);
            u.gates[1] = sigmoid(u.gates[1]);
            u.extra = u.gates[0] * u.h_in;
        } else {
            u.gates[2] = tanhf(u.gates[2]);
            u.h = u.gates[2] + u.gates[1] * (u.h_before - u.gates[2]);
        }
    }

    // The candidate first: what reaches the reset gate comes through its product.
    template <int PART>
    SPACY_RNN_DEVICE void backward(Unit &u) {
        const float reset = u.gates[0], update = u.gates[1], candidate = u.gates[2];
        if (PART == 0) {
            u.d_sums[1] = u.dh * (u.h_before - candidate) * update * (1.0f - update);
            u.d_sums[2] = u.dh * (1.0f - update) * (1.0f - candidate * candidate);
            u.dh_before = u.dh * update;
        } else {
            u.d_sums[0] = u.d_in * u.h_in * reset * (1.0f - reset);
            u.dh_before += u.mask * u.d_in * reset;
            for (int gate = 0; gate < GATES; ++gate) u.d_gates[gate] = u.d_sums[gate];
        }
    }
};
