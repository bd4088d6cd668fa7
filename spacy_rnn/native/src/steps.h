// Time steps of a stack of layers, and the log-probabilities of symbols that follow. Included inside the namespace of the instruction
// set.

// Runs one sweep of one step in each layer, again and again: what a sweep holds in memory is made once.
template <class Factors>
class StackRun {
  public:
    explicit StackRun(StackSteps &s) : s_(s), forwards_(s.depth), sweeps_(s.depth) {}

    void run() { begin_layer(0); }

  private:
    // Layers live on the call stack, the first one outermost.
    void begin_layer(int64_t k) {
        if (k == s_.depth) return step_through();
        const Packed &w = *s_.layers[k];
        const bool has_c = s_.c[k] != nullptr;
        Forward f{};
        f.weights = &w;
        f.batch = s_.batch;
        f.X = k == 0 ? nullptr : s_.h[k - 1];
        f.x_stride = w.nI;
        f.Y = s_.h[k];
        f.h0 = s_.h[k];
        f.c0 = s_.c[k];
        f.y_stride = f.h0_stride = f.c0_stride = w.nH;
        // The output is the hidden state; both are written only where the cell state is wanted as well.
        f.hN = has_c ? s_.h[k] : nullptr;
        f.cN = s_.c[k];
        f.projections = k == 0 ? s_.projections : nullptr;
        f.first_step = s_.first_step;
        ForwardSweep<Factors> sweep(f);
        forwards_[k] = &f;
        sweeps_[k] = &sweep;
        begin_layer(k + 1);
    }

    void step_through() {
        do {
            for (int64_t k = 0; k < s_.depth; k++) {
                forwards_[k]->batch.n_sequences = forwards_[k]->batch.n_rows = s_.batch.n_sequences;
                sweeps_[k]->run();
                forwards_[k]->first_step++;
            }
        } while (s_.after(s_));
    }

    StackSteps &s_;
    Rows<Forward> forwards_;
    Rows<ForwardSweep<Factors>> sweeps_;
};
