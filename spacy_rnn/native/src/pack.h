// Weights in the order in which the kernels read them. Included inside the namespace of the instruction set.

inline int n_gates(int cell) {
    switch (cell) {
        case LSTM:
        case LSTM_PEEPHOLE: return 4;
        case GRU:
        case GRU_RESET_BEFORE: return 3;
        default: return 1;
    }
}

// Puts rows [nG·nH, width] into vector columns: the V units of a block, gate after gate.
inline void pack_gates(const float *rows, int nG, int64_t nH, int64_t width, const Preparation &how, Buffer &to) {
    const int64_t blocks = vectors(nH), K = how.width(width);
    to.resize(blocks * nG * K * V);
    Buffer prepared(K);
    float *column = to.data();
    for (int64_t block = 0; block < blocks; block++) {
        for (int gate = 0; gate < nG; gate++, column += K * V) {
            for (int lane = 0; lane < V; lane++) {
                const int64_t unit = block * V + lane;
                const float *row = rows + (gate * nH + unit) * width;
                if (how.prepare != nullptr) {
                    if (unit < nH) how.prepare(row, width, prepared.data());
                    row = prepared.data();
                }
                for (int64_t k = 0; k < K; k++) column[k * V + lane] = unit < nH ? row[k] : 0.0f;
            }
        }
    }
}

// Puts n vectors [n, nH] one after the other, each padded.
inline void pack_units(const float *rows, int64_t n, int64_t nH, Buffer &to) {
    const int64_t width = vectors(nH) * V;
    to.resize(n * width);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t unit = 0; unit < width; unit++) to.data()[i * width + unit] = unit < nH ? rows[i * nH + unit] : 0.0f;
    }
}

inline void pack(const Parameters &from, int precision, Packed &to) {
    const Preparation how = preparation(precision), none{false, nullptr};
    const int nG = n_gates(from.cell);
    to.precision = precision;
    to.cell = from.cell;
    to.nI = from.nI;
    to.nH = from.nH;
    pack_gates(from.W, nG, from.nH, from.nI, how, to.W);
    pack_gates(from.R, nG, from.nH, from.nH, how, to.R);
    pack_gates(from.b, nG, from.nH, 1, none, to.b);
    if (from.bR != nullptr) pack_units(from.bR, 1, from.nH, to.bR);
    if (from.p != nullptr) pack_units(from.p, 3, from.nH, to.p);
}

// Puts rows [nG·nH, width] into vector columns of their transpose: V of the width, for every gate of every unit in packed order.
inline void pack_transposed(const float *rows, int first_gate, int gates, int64_t nH, int64_t width, Buffer &to) {
    const int64_t blocks = vectors(nH), columns = vectors(width), K = blocks * gates * V;
    to.resize(columns * K * V);
    for (int64_t column = 0; column < columns; column++) {
        const int64_t n = width - column * V < V ? width - column * V : V;
        float *out = to.data() + column * K * V;
        for (int64_t block = 0; block < blocks; block++) {
            for (int gate = 0; gate < gates; gate++) {
                for (int lane = 0; lane < V; lane++, out += V) {
                    const int64_t unit = block * V + lane;
                    const float *row = rows + ((first_gate + gate) * nH + unit) * width + column * V;
                    if (unit >= nH) {
                        store(out, zero());
                    } else if (n == V) {
                        store(out, load(row));
                    } else {
                        store(out, load_first(row, n));
                    }
                }
            }
        }
    }
}

// Puts gradients [nHv·nG·V, columns·V], in packed order, into rows [nG·nH, width].
inline void unpack_gradient(const float *packed, int nG, int64_t nH, int64_t width, int64_t packed_width, float *rows) {
    for (int gate = 0; gate < nG; gate++) {
        for (int64_t unit = 0; unit < nH; unit++) {
            const float *from = packed + (((unit / V) * nG + gate) * V + unit % V) * packed_width;
            copy_floats(from, width, rows + (gate * nH + unit) * width);
        }
    }
}
