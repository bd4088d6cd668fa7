# The softmax over many symbols after rows that somebody else has computed. Included in _native.pyx.

cdef extern from "score_symbols.h" namespace "spacy_rnn":
    cdef cppclass BestSymbols:
        int64_t k
        const uint8_t *forbidden
        int64_t *symbols
        float *log_probabilities

    void run_score_symbols(const Kernels &, const PackedSymbols &, const float *const *, int64_t, float *) except + nogil
    void run_best_symbols(const Kernels &, const PackedSymbols &, const float *const *, int64_t, const BestSymbols &) except + nogil


cdef class SymbolScorer:
    """The weights of symbols, packed for the instruction set that was selected then."""

    cdef PackedSymbols packed
    cdef const Kernels *kernels
    cdef int64_t nH

    def __init__(self, const float[:, ::1] W not None, const float[::1] b not None):
        """Pack weights.

        W (Floats2d): [V, nH], V and nH >= 1.
        b (Floats1d): [V].
        RAISES (ValueError): If a shape does not fit.
        """
        if self.kernels != NULL:
            raise ValueError("weights are packed once")
        cdef int64_t n_symbols = W.shape[0], nH = W.shape[1]
        if not 1 <= n_symbols <= INT32_MAX or nH < 1:
            raise ValueError(f"W: expected a row of 1 number or more for each of 1 to {INT32_MAX} symbols, got shape [{n_symbols}, {nH}]")
        _require_vector("b", b, n_symbols)
        cdef const Kernels *kernels = _kernels
        with nogil:
            kernels.pack_symbols(&W[0, 0], &b[0], n_symbols, nH, self.packed)
        self.kernels, self.nH = kernels, nH

    cdef vector[float_pointer] _rows(self, const float[:, :] H) except *:
        _require("H", H, H.shape[0], self.nH)
        return _pointers(_matrix(H), _stride(H), H.shape[0])

    def score(self, const float[:, :] H not None, float[:, ::1] Y not None):
        """Find the log-probabilities of all symbols: log softmax(H Wᵀ + b).

        H (Floats2d): [R, nH].
        Y (Floats2d): [R, V], written.
        RAISES (ValueError): If a shape does not fit.
        """
        cdef vector[float_pointer] rows = self._rows(H)
        cdef int64_t n = H.shape[0]
        _require("Y", Y, n, self.packed.n_symbols)
        if n == 0:
            return
        with nogil:
            run_score_symbols(self.kernels[0], self.packed, rows.data(), n, &Y[0, 0])

    def best(
        self,
        const float[:, :] H not None,
        int64_t k,
        const uint8_t[::1] forbidden not None,
        int64_t[:, ::1] symbols not None,
        float[:, ::1] log_probabilities not None,
    ):
        """Find the most probable symbols, with the log-probabilities that `score` gives them.

        H (Floats2d): [R, nH].
        k (int): How many, 1 or more.
        forbidden (Ints1d): uint8 [V], whether a symbol is never given.
        symbols (Ints2d): int64 [R, k], written: the most probable first, of equally probable ones the smaller first; -1 where there
            are no more that can come.
        log_probabilities (Floats2d): [R, k], written; -inf there.
        RAISES (ValueError): If a shape does not fit, or a score is NaN or +inf.
        """
        cdef vector[float_pointer] rows = self._rows(H)
        cdef int64_t n = H.shape[0]
        cdef BestSymbols to
        if k < 1:
            raise ValueError(f"k: expected 1 or more symbols, got {k}")
        if forbidden.shape[0] != self.packed.n_symbols:
            raise ValueError(f"forbidden: expected {self.packed.n_symbols} numbers, got {forbidden.shape[0]}")
        if symbols.shape[0] != n or symbols.shape[1] != k:
            raise ValueError(f"symbols: expected shape [{n}, {k}], got [{symbols.shape[0]}, {symbols.shape[1]}]")
        _require("log_probabilities", log_probabilities, n, k)
        if n == 0:
            return
        to.k, to.forbidden, to.symbols, to.log_probabilities = k, &forbidden[0], &symbols[0, 0], &log_probabilities[0, 0]
        with nogil:
            run_best_symbols(self.kernels[0], self.packed, rows.data(), n, to)
