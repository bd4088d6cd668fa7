// The Elman cells: h = tanh(z) or max(0, z), where z = W x + b + R ĥ.

#include "backward.cuh"
#include "forward.cuh"

template <bool RELU>
struct Elman {
    static constexpr int GATES = 1, PARTS = 1, APART = -1;
    static constexpr bool HAS_C = false, USES_EXTRA = false;

    template <int PART>
    SPACY_RNN_DEVICE void forward(Unit &u) {
        u.h = u.gates[0] = RELU ? (u.gates[0] < 0.0f ? 0.0f : u.gates[0]) : tanhf(u.gates[0]);
    }

    template <int PART>
    SPACY_RNN_DEVICE void backward(Unit &u) {
        const float h = u.gates[0];
        u.d_gates[0] = u.d_sums[0] = RELU ? (h > 0.0f ? u.dh : 0.0f) : u.dh * (1.0f - h * h);
    }
};

using ElmanTanh = Elman<false>;
using ElmanRelu = Elman<true>;
