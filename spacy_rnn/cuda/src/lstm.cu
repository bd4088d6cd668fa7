// The long short-term memories, gates i, f, g, o; with peepholes the cell state enters i and f as it was, o as it has become:
//   c = f ∘ c' + i ∘ g
//   h = o ∘ tanh(c)

#include "activation.cuh"
#include "backward.cuh"
#include "forward.cuh"

// `extra` keeps c', for the gradients of the peepholes.
template <bool PEEPHOLES>
struct LstmCell {
    static constexpr int GATES = 4, PARTS = 1, APART = -1;
    static constexpr bool HAS_C = true, USES_EXTRA = PEEPHOLES;

    template <int PART>
    SPACY_RNN_DEVICE void forward(Unit &u) {
        const float i = sigmoid(PEEPHOLES ? u.gates[0] + u.p[0] * u.c_before : u.gates[0]);
        const float f = sigmoid(PEEPHOLES ? u.gates[1] + u.p[1] * u.c_before : u.gates[1]);
        const float g = tanhf(u.gates[2]);
        u.c = f * u.c_before + i * g;
        const float o = sigmoid(PEEPHOLES ? u.gates[3] + u.p[2] * u.c : u.gates[3]);
        u.gates[0] = i;
        u.gates[1] = f;
        u.gates[2] = g;
        u.gates[3] = o;
        u.extra = u.c_before;
        u.h = o * tanhf(u.c);
    }

    template <int PART>
    SPACY_RNN_DEVICE void backward(Unit &u) {
        const float i = u.gates[0], f = u.gates[1], g = u.gates[2], o = u.gates[3], tanh_c = tanhf(u.c);
        const float d_o = u.dh * tanh_c * o * (1.0f - o);
        float dc = u.dc + u.dh * o * (1.0f - tanh_c * tanh_c);
        if (PEEPHOLES) dc += d_o * u.p[2];
        const float d_i = dc * g * i * (1.0f - i), d_f = dc * u.c_before * f * (1.0f - f), d_g = dc * i * (1.0f - g * g);
        u.dc_before = dc * f;
        if (PEEPHOLES) u.dc_before += d_i * u.p[0] + d_f * u.p[1];
        u.d_gates[0] = u.d_sums[0] = d_i;
        u.d_gates[1] = u.d_sums[1] = d_f;
        u.d_gates[2] = u.d_sums[2] = d_g;
        u.d_gates[3] = u.d_sums[3] = d_o;
    }
};

using Lstm = LstmCell<false>;
using LstmPeephole = LstmCell<true>;
