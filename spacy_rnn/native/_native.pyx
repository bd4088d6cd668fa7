# distutils: language = c++
# cython: language_level = 3, boundscheck = False, wraparound = False, cdivision = True, initializedcheck = False
"""The compiled engine as Python sees it. Arrays come in as buffers of floats whose rows have no gaps between their numbers; the
functions of the rooms above check and complete what they pass."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

import time


cdef extern from "buffer.h" namespace "spacy_rnn":
    cdef cppclass Buffer:
        const float *data()


cdef extern from "engine.h" namespace "spacy_rnn":
    enum Precision:
        FLOAT32
        BFLOAT16

    cdef cppclass Parameters:
        int cell
        int64_t nI
        int64_t nH
        const float *W
        const float *R
        const float *b
        const float *bR
        const float *p

    cdef cppclass Packed:
        int cell
        int precision
        int64_t nI
        int64_t nH

    cdef cppclass Batch:
        int64_t n_sequences
        int64_t n_rows
        const int64_t *start
        const int32_t *length
        const int32_t *order
        cbool reverse

    cdef cppclass CTape "spacy_rnn::Tape":
        Buffer gates
        Buffer extra

    cdef cppclass Forward:
        const Packed *weights
        Batch batch
        const float *X
        int64_t x_stride
        float *Y
        int64_t y_stride
        const float *h0
        const float *c0
        int64_t h0_stride
        int64_t c0_stride
        float *hN
        float *cN
        const float *mask
        CTape *tape
        const int64_t *x_rows
        cbool projected
        int64_t first_step

    cdef cppclass Backward:
        Parameters parameters
        Batch batch
        const float *X
        const float *Y
        int64_t x_stride
        int64_t y_stride
        const float *h0
        const float *c0
        int64_t h0_stride
        int64_t c0_stride
        const float *mask
        const CTape *tape
        const float *dY
        int64_t dy_stride
        const float *d_hN
        const float *d_cN
        float *dX
        int64_t dx_stride
        cbool add_to_dX
        float *dW
        float *dR
        float *db
        float *dbR
        float *dp
        float *d_h0
        float *d_c0

    cdef cppclass MatrixProduct:
        const float *A
        const float *B
        float *C
        int64_t n
        int64_t m
        int64_t K
        cbool transpose_A
        cbool transpose_B

    cdef cppclass Field:
        int64_t n_labels
        const float *start
        const float *transitions
        const float *end

    cdef cppclass Kernels:
        const char *name
        cbool supported()
        void pack(const Parameters &, int, Packed &) except + nogil
        int64_t project(const Packed &, const float *, int64_t, int64_t, Buffer &) except + nogil
        void multiply(const MatrixProduct &) except + nogil
        double multiply_adds(int64_t) nogil

    const Kernels *const *all_kernels()
    void run_forward(const Kernels &, const Forward *const *, int, cbool) except + nogil
    void run_backward(const Kernels &, const Backward *const *, int, cbool) except + nogil
    void order_by_length(const int32_t *, int64_t, int32_t *) except + nogil


cdef extern from "paths.h" namespace "spacy_rnn":
    cdef cppclass ScoreBatch:
        int64_t n_sequences
        const int32_t *length
        const float *scores
        int64_t stride
        const uint8_t *allowed

    cdef cppclass CPathSums "spacy_rnn::PathSums":
        void run(const Kernels &, const Field &, const ScoreBatch &, cbool, double *, float *) except + nogil
        void count_transitions(const float *, double *) except + nogil

    void find_best_paths(const Kernels &, const Field &, const ScoreBatch &, int64_t *, double *) except + nogil


# The cells in the order of the engine's CellKind.
CELLS = ("elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm", "lstm_peephole")
_NUMBERS = {name: number for number, name in enumerate(CELLS)}

cdef const Kernels *_kernels = NULL


def instruction_sets():
    """List the instruction sets this was built for and the processor has.

    RETURNS (List[str]): Their names, best first.
    """
    found = []
    cdef const Kernels *const *each = all_kernels()
    cdef int i = 0
    while each[i] != NULL:
        if each[i].supported():
            found.append(each[i].name.decode("ascii"))
        i += 1
    return found


def select(str name):
    """Choose the instruction set that is used from now on. What was packed for another one stays in its own.

    name (str): One of `instruction_sets()`.
    RAISES (ValueError): If there is no such set.
    """
    global _kernels
    cdef const Kernels *const *each = all_kernels()
    cdef int i = 0
    while each[i] != NULL:
        if each[i].supported() and each[i].name.decode("ascii") == name:
            _kernels = each[i]
            return
        i += 1
    raise ValueError(f"instruction set {name!r}: expected one of {', '.join(instruction_sets())}")


def selected():
    """Name the instruction set in use.

    RETURNS (str): One of `instruction_sets()`.
    """
    return _kernels.name.decode("ascii")


def fma_peak(double seconds):
    """Measure the speed limit of one thread: independent fused multiply-adds in registers.

    seconds (float): How long to measure.
    RETURNS (float): GFLOP/s, two operations a multiply-add; the best of many short runs.
    """
    cdef double best = 0.0, done, begin, elapsed
    cdef double end = time.perf_counter() + seconds
    while True:
        begin = time.perf_counter()
        with nogil:
            done = _kernels.multiply_adds(200000)
        elapsed = time.perf_counter() - begin
        best = max(best, 2.0 * done / elapsed / 1e9)
        if begin + elapsed > end:
            return best


cdef inline const float *_vector(const float[::1] x) noexcept:
    if x is None or x.shape[0] == 0:
        return NULL
    return &x[0]


cdef inline const float *_matrix(const float[:, :] x) noexcept:
    if x is None or x.shape[0] == 0 or x.shape[1] == 0:
        return NULL
    return &x[0, 0]


cdef inline float *_out_vector(float[::1] x) noexcept:
    if x is None or x.shape[0] == 0:
        return NULL
    return &x[0]


cdef inline float *_out_matrix(float[:, :] x) noexcept:
    if x is None or x.shape[0] == 0 or x.shape[1] == 0:
        return NULL
    return &x[0, 0]


cdef inline int64_t _stride(const float[:, :] x) noexcept:
    return 0 if x is None else x.strides[0] // <int64_t>sizeof(float)


cdef Parameters _parameters(str cell, list params) except *:
    cdef const float[:, ::1] W = params[0]
    cdef const float[:, ::1] R = params[1]
    cdef const float[::1] b = params[2]
    cdef const float[::1] last = params[3] if len(params) > 3 else None
    cdef Parameters parameters
    parameters.cell = _NUMBERS[cell]
    parameters.nI, parameters.nH = W.shape[1], R.shape[1]
    parameters.W, parameters.R, parameters.b = &W[0, 0], &R[0, 0], &b[0]
    parameters.bR = _vector(last) if cell == "gru" else NULL
    parameters.p = _vector(last) if cell == "lstm_peephole" else NULL
    return parameters


cdef class Weights:
    """The parameters of one direction, packed for the instruction set that was selected then."""

    cdef Packed packed
    cdef Parameters parameters
    cdef Parameters originals
    cdef int64_t n_gates
    cdef const Kernels *kernels
    cdef list copies
    cdef readonly str cell

    def __init__(self, str cell, list params, bint bfloat16, bint follow):
        """Pack parameters.

        cell (str): The cell's name.
        params (List[numpy.ndarray]): Its parameters W [nG·nH, nI], R [nG·nH, nH], b [nG·nH] and, where the cell has them,
            bR [nH] or p [3·nH]. Copies are kept, and of the parameters themselves where they are in memory.
        bfloat16 (bool): Whether products use factors rounded to bfloat16.
        follow (bool): Whether `unchanged` is to look at the parameters, which must then be there.
        """
        self.kernels = _kernels
        self.copies = [array.copy() for array in params]
        self.cell = cell
        self.parameters = _parameters(cell, self.copies)
        self.originals = _parameters(cell, params) if follow else self.parameters
        self.n_gates = params[1].shape[0] // params[1].shape[1]
        cdef int precision = BFLOAT16 if bfloat16 else FLOAT32
        with nogil:
            self.kernels.pack(self.parameters, precision, self.packed)

    cdef bint _unchanged(self) noexcept:
        cdef Parameters *kept = &self.parameters
        cdef Parameters *now = &self.originals
        cdef int64_t nGnH = self.n_gates * kept.nH
        return (
            self.kernels == _kernels
            and memcmp(kept.R, now.R, nGnH * kept.nH * sizeof(float)) == 0
            and memcmp(kept.W, now.W, nGnH * kept.nI * sizeof(float)) == 0
            and memcmp(kept.b, now.b, nGnH * sizeof(float)) == 0
            and (kept.bR == NULL or memcmp(kept.bR, now.bR, kept.nH * sizeof(float)) == 0)
            and (kept.p == NULL or memcmp(kept.p, now.p, 3 * kept.nH * sizeof(float)) == 0)
        )

    def unchanged(self):
        """Tell whether the parameters still are what was packed, number by number, for the instruction set selected now. They must
        still be there.

        RETURNS (bool): Whether they are.
        """
        return self._unchanged()


cdef Batch _batch(const int64_t[::1] start, const int32_t[::1] length, const int32_t[::1] order, bint reverse, int64_t n_rows) noexcept:
    cdef Batch batch
    batch.n_sequences = length.shape[0]
    batch.n_rows = n_rows
    batch.start = &start[0] if batch.n_sequences else NULL
    batch.length = &length[0] if batch.n_sequences else NULL
    batch.order = &order[0] if batch.n_sequences else NULL
    batch.reverse = reverse
    return batch


def by_length(const int32_t[::1] length, int64_t[::1] start, int32_t[::1] order):
    """Find where the sequences of a ragged batch start, and their order by decreasing length; equal lengths keep their order.

    length (Ints1d): int32 [B].
    start (Ints1d): int64 [B], written: the first row of each.
    order (Ints1d): int32 [B], written.
    """
    cdef int64_t i, row = 0
    for i in range(length.shape[0]):
        start[i] = row
        row += length[i]
    if length.shape[0]:
        with nogil:
            order_by_length(&length[0], length.shape[0], &order[0])


cdef inline int _check_width(const float[:, :] X, int64_t width, str what) except -1:
    if X.shape[1] != width:
        raise ValueError(f"{what}: expected rows of width {width}, got {X.shape[1]}")
    if X.shape[0] > 0 and X.shape[1] > 1 and X.strides[1] != sizeof(float):
        raise ValueError(f"{what}: the numbers of a row must stand side by side")
    return 0


cdef inline int _check_state(const float[:, :] state, int64_t n, int64_t nH) except -1:
    _check_width(state, nH, "a state")
    if state.shape[0] != n:
        raise ValueError(f"a state of {n} sequences: expected shape {(n, nH)}, got {(state.shape[0], state.shape[1])}")
    return 0


# Directions of one layer.
cdef enum:
    MAX_SWEEPS = 2


cdef int _n_directions(object directions) except -1:
    """Count what arrays of MAX_SWEEPS hold."""
    cdef Py_ssize_t n = len(directions)
    if not 1 <= n <= MAX_SWEEPS:
        raise ValueError(f"a layer has one or two directions, got {n}")
    return n


cdef class ForwardSweep:
    """A sweep, ready to be executed."""

    cdef Forward sweep
    cdef CTape tape
    cdef Weights weights
    cdef tuple arrays

    def __init__(
        self,
        Weights weights,
        const float[:, :] X,
        const int64_t[::1] start,
        const int32_t[::1] length,
        const int32_t[::1] order,
        bint reverse,
        const float[:, :] h0,
        const float[:, :] c0,
        const float[:, :] mask,
        float[:, :] Y,
        float[:, :] hN,
        float[:, :] cN,
        bint is_train,
    ):
        """Describe a sweep.

        weights (Weights): The parameters.
        X (Floats2d): [N, nI].
        start, length, order (Ints1d): The batch, as `by_length` gives it.
        reverse (bool): Whether each sequence is read from its last row to its first.
        h0, c0 (Optional[Floats2d]): [B, nH], the initial state; zeros if None.
        mask (Optional[Floats2d]): [B, nH], without gaps.
        Y (Floats2d): [N, nH], written.
        hN, cN (Optional[Floats2d]): [B, nH], without gaps, written if wanted.
        is_train (bool): Whether backpropagation follows.
        """
        self.weights = weights
        self.arrays = (X, start, length, order, h0, c0, mask, Y, hN, cN)
        self.sweep.weights = &weights.packed
        self.sweep.batch = _batch(start, length, order, reverse, X.shape[0])
        self.sweep.X, self.sweep.x_stride = _matrix(X), _stride(X)
        self.sweep.Y, self.sweep.y_stride = _out_matrix(Y), _stride(Y)
        self.sweep.h0, self.sweep.h0_stride = _matrix(h0), _stride(h0)
        self.sweep.c0, self.sweep.c0_stride = _matrix(c0), _stride(c0)
        self.sweep.hN, self.sweep.cN = _out_matrix(hN), _out_matrix(cN)
        self.sweep.mask = _matrix(mask)
        self.sweep.tape = &self.tape if is_train else NULL


cdef class BackwardSweep:
    """The way back through a sweep, ready to be executed."""

    cdef Backward sweep
    cdef ForwardSweep forward
    cdef tuple arrays

    def __init__(
        self,
        ForwardSweep forward,
        const float[:, :] dY,
        const float[:, :] d_hN,
        const float[:, :] d_cN,
        float[:, :] dX,
        bint add_to_dX,
        float[::1] dW,
        float[::1] dR,
        float[::1] db,
        float[::1] dbR,
        float[::1] dp,
        float[:, :] d_h0,
        float[:, :] d_c0,
    ):
        """Describe it.

        forward (ForwardSweep): The sweep, which has been executed.
        dY (Floats2d): [N, nH].
        d_hN, d_cN (Optional[Floats2d]): [B, nH], without gaps, the gradient of the final state; zeros if None.
        dX (Floats2d): [N, nI], written.
        add_to_dX (bool): Whether the gradient is added to what stands in dX.
        dW, dR, db (Floats1d): Written: the gradients of the parameters.
        dbR, dp (Optional[Floats1d]): Written, where the cell has them.
        d_h0, d_c0 (Floats2d): [B, nH], without gaps, written; d_c0 is None where the cell has no cell state.
        """
        cdef Weights weights = forward.weights
        self.forward = forward
        self.arrays = (dY, d_hN, d_cN, dX, dW, dR, db, dbR, dp, d_h0, d_c0)
        cdef Forward *f = &forward.sweep
        self.sweep.parameters = weights.parameters
        self.sweep.batch = f.batch
        self.sweep.X, self.sweep.x_stride = f.X, f.x_stride
        self.sweep.Y, self.sweep.y_stride = f.Y, f.y_stride
        self.sweep.h0, self.sweep.h0_stride = f.h0, f.h0_stride
        self.sweep.c0, self.sweep.c0_stride = f.c0, f.c0_stride
        self.sweep.mask = f.mask
        self.sweep.tape = &forward.tape
        self.sweep.dY, self.sweep.dy_stride = _matrix(dY), _stride(dY)
        self.sweep.d_hN, self.sweep.d_cN = _matrix(d_hN), _matrix(d_cN)
        self.sweep.dX, self.sweep.dx_stride = _out_matrix(dX), _stride(dX)
        self.sweep.add_to_dX = add_to_dX
        self.sweep.dW, self.sweep.dR, self.sweep.db = _out_vector(dW), _out_vector(dR), _out_vector(db)
        self.sweep.dbR, self.sweep.dp = _out_vector(dbR), _out_vector(dp)
        self.sweep.d_h0, self.sweep.d_c0 = _out_matrix(d_h0), _out_matrix(d_c0)


def forward(list sweeps, bint threads):
    """Execute the sweeps of the directions of a layer.

    sweeps (List[ForwardSweep]): One or two.
    threads (bool): Whether the second has a thread of its own.
    """
    cdef const Forward *pointers[MAX_SWEEPS]
    cdef int i, n = _n_directions(sweeps)
    for i in range(n):
        pointers[i] = &(<ForwardSweep?>sweeps[i]).sweep
    cdef const Kernels *kernels = (<ForwardSweep>sweeps[0]).weights.kernels
    with nogil:
        run_forward(kernels[0], pointers, n, threads)


def backward(list sweeps, bint threads):
    """Go back through the sweeps of the directions of a layer.

    sweeps (List[BackwardSweep]): One or two. Two that add to the same dX cannot have threads.
    threads (bool): Whether the second has a thread of its own.
    """
    cdef const Backward *pointers[MAX_SWEEPS]
    cdef int i, n = _n_directions(sweeps)
    for i in range(n):
        pointers[i] = &(<BackwardSweep?>sweeps[i]).sweep
    cdef const Kernels *kernels = (<BackwardSweep>sweeps[0]).forward.weights.kernels
    with nogil:
        run_backward(kernels[0], pointers, n, threads)


def infer(tuple weights, const float[:, :] X, const int32_t[::1] length, float[:, :] Y, bint threads):
    """Execute the sweeps of the directions of a layer for their outputs alone, from a state of zeros.

    weights (Tuple[Weights]): Those of the forward direction, and if there is one of the backward direction.
    X (Floats2d): [N, nI].
    length (Ints1d): int32 [B].
    Y (Floats2d): [N, directions · nH], written.
    threads (bool): Whether the second direction has a thread of its own.
    RETURNS (bool): Whether the weights were unchanged; if not, nothing has been done.
    RAISES (ValueError): If the lengths do not add up to the rows.
    """
    cdef Forward sweeps[MAX_SWEEPS]
    cdef const Forward *pointers[MAX_SWEEPS]
    cdef Weights each
    cdef int d, n = _n_directions(weights)
    cdef int64_t i, row = 0, nH = Y.shape[1] // n
    for d in range(n):
        each = weights[d]
        if not each._unchanged():
            return False
        if each.packed.nI != X.shape[1] or n * each.packed.nH != Y.shape[1]:
            raise ValueError(f"direction {d}: expected width {X.shape[1]} and {nH} units, got {each.packed.nI} and {each.packed.nH}")
    cdef int64_t n_sequences = length.shape[0]
    cdef vector[int64_t] start = vector[int64_t](n_sequences)
    cdef vector[int32_t] order = vector[int32_t](n_sequences)
    for i in range(n_sequences):
        if length[i] < 0:
            raise ValueError(f"lengths must not be negative, got {length[i]}")
        start[i] = row
        row += length[i]
    if row != X.shape[0]:
        raise ValueError(f"lengths add up to {row}, but the batch has {X.shape[0]} rows")
    if row == 0:
        return True
    order_by_length(&length[0], n_sequences, order.data())
    for d in range(n):
        each = weights[d]
        sweeps[d].weights = &each.packed
        sweeps[d].batch.n_sequences, sweeps[d].batch.n_rows = n_sequences, row
        sweeps[d].batch.start, sweeps[d].batch.length, sweeps[d].batch.order = start.data(), &length[0], order.data()
        sweeps[d].batch.reverse = d == 1
        sweeps[d].X, sweeps[d].x_stride = _matrix(X), _stride(X)
        sweeps[d].Y, sweeps[d].y_stride = &Y[0, d * nH], Y.strides[0] // <int64_t>sizeof(float)
        sweeps[d].h0 = sweeps[d].c0 = sweeps[d].mask = NULL
        sweeps[d].h0_stride = sweeps[d].c0_stride = 0
        sweeps[d].hN = sweeps[d].cN = NULL
        sweeps[d].tape = NULL
        pointers[d] = &sweeps[d]
    cdef const Kernels *kernels = (<Weights>weights[0]).kernels
    with nogil:
        run_forward(kernels[0], pointers, n, threads)
    return True


cdef class Session:
    """One time step after another with the same weights, which are not compared with the parameters again."""

    cdef Weights weights
    cdef Buffer projections
    cdef int64_t n_rows
    cdef int64_t width
    cdef int64_t n_steps

    def __init__(self, Weights weights, const float[:, :] table):
        """Begin.

        weights (Weights): The parameters.
        table (Optional[Floats2d]): [V, nI], the rows that steps read, without gaps within a row; None if steps are given rows.
        RAISES (ValueError): If the rows of the table are not as wide as W.
        """
        self.weights = weights
        self.n_rows = self.n_steps = 0
        cdef const float *rows = _matrix(table)
        cdef int64_t stride = _stride(table)
        if table is None:
            return
        _check_width(table, weights.packed.nI, "the rows of the table")
        self.n_rows = table.shape[0]
        if self.n_rows:
            with nogil:
                self.width = weights.kernels.project(weights.packed, rows, stride, self.n_rows, self.projections)

    def step(
        self, const float[:, :] X, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        """Make a time step.

        X (Floats2d): [B, nI], the inputs.
        h, c (Floats2d): [B, nH], the state before, without gaps within a row; c is None where the cell has no cell state.
        h_next, c_next (Floats2d): [B, nH], written: the state after.
        RAISES (ValueError): If a shape does not fit.
        """
        _check_width(X, self.weights.packed.nI, "the inputs")
        cdef Forward sweep
        sweep.X, sweep.x_stride = _matrix(X), _stride(X)
        self._run(sweep, X.shape[0], h, c, h_next, c_next)

    def step_rows(
        self, const int64_t[:] rows, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        """Make a time step whose inputs are rows of the table.

        rows (Ints1d): [B], which ones.
        h, c, h_next, c_next (Floats2d): As in `step`.
        RAISES (ValueError): If a shape does not fit, or the table has no such row.
        """
        cdef int64_t i, n = rows.shape[0]
        # A copy: what is checked is what is read.
        cdef vector[int64_t] index = vector[int64_t](n)
        for i in range(n):
            index[i] = rows[i]
            if not 0 <= index[i] < self.n_rows:
                raise ValueError(f"the table has the rows 0 to {self.n_rows - 1}, got row {index[i]}")
        cdef Forward sweep
        sweep.X, sweep.x_stride, sweep.x_rows, sweep.projected = self.projections.data(), self.width, index.data(), True
        self._run(sweep, n, h, c, h_next, c_next)

    cdef _run(
        self, Forward &sweep, int64_t n, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        cdef int64_t i, nH = self.weights.packed.nH
        cdef bint has_c = self.weights.packed.cell == _NUMBERS["lstm"] or self.weights.packed.cell == _NUMBERS["lstm_peephole"]
        if has_c == (c is None) or has_c == (c_next is None):
            raise ValueError(f"a state of {self.weights.cell} has " + ("h and c" if has_c else "h alone"))
        _check_state(h, n, nH)
        _check_state(h_next, n, nH)
        if has_c:
            _check_state(c, n, nH)
            _check_state(c_next, n, nH)
        if n == 0:
            return
        cdef vector[int64_t] start = vector[int64_t](n)
        cdef vector[int32_t] length = vector[int32_t](n, 1)
        cdef vector[int32_t] order = vector[int32_t](n)
        for i in range(n):
            start[i] = order[i] = i
        sweep.weights = &self.weights.packed
        sweep.batch.n_sequences = sweep.batch.n_rows = n
        sweep.batch.start, sweep.batch.length, sweep.batch.order = start.data(), length.data(), order.data()
        sweep.batch.reverse = False
        sweep.Y, sweep.y_stride = &h_next[0, 0], nH
        sweep.h0, sweep.h0_stride, sweep.c0, sweep.c0_stride = _matrix(h), _stride(h), _matrix(c), _stride(c)
        # The final hidden state is the output; both are written only where the cell state is wanted as well.
        sweep.hN = &h_next[0, 0] if has_c else NULL
        sweep.cN = _out_matrix(c_next)
        sweep.mask = NULL
        sweep.tape = NULL
        sweep.first_step = self.n_steps
        self.n_steps += 1
        cdef const Forward *pointer = &sweep
        cdef const Kernels *kernels = self.weights.kernels
        with nogil:
            run_forward(kernels[0], &pointer, 1, False)


def multiply(const float[:, ::1] A, const float[:, ::1] B, float[:, ::1] C, bint transpose_A, bint transpose_B):
    """Multiply two matrices.

    A (Floats2d): [n, K]; [K, n] if it is transposed.
    B (Floats2d): [K, m]; [m, K] if it is transposed.
    C (Floats2d): [n, m], written.
    transpose_A (bool): Whether A is transposed.
    transpose_B (bool): Whether B is transposed; not both.
    RAISES (ValueError): If the shapes do not fit.
    """
    cdef MatrixProduct p
    p.n, p.K = A.shape[0], A.shape[1]
    if transpose_A:
        p.n, p.K = p.K, p.n
    p.m = B.shape[0] if transpose_B else B.shape[1]
    if (B.shape[1] if transpose_B else B.shape[0]) != p.K or C.shape[0] != p.n or C.shape[1] != p.m or (transpose_A and transpose_B):
        raise ValueError(f"cannot multiply {A.shape[0]} x {A.shape[1]} by {B.shape[0]} x {B.shape[1]}")
    if p.n == 0 or p.m == 0:
        return
    p.A, p.B, p.C = _matrix(A), _matrix(B), _out_matrix(C)
    p.transpose_A, p.transpose_B = transpose_A, transpose_B
    cdef const Kernels *kernels = _kernels
    with nogil:
        kernels.multiply(p)


cdef Field _field(const float[::1] start, const float[:, ::1] transitions, const float[::1] end) noexcept:
    cdef Field field
    field.n_labels = start.shape[0]
    field.start, field.transitions, field.end = &start[0], &transitions[0, 0], &end[0]
    return field


cdef ScoreBatch _scores(const float[:, :] scores, const uint8_t[:, ::1] allowed, const int32_t[::1] length) noexcept:
    cdef ScoreBatch batch
    batch.n_sequences = length.shape[0]
    batch.length = &length[0] if batch.n_sequences else NULL
    batch.scores, batch.stride = _matrix(scores), _stride(scores)
    batch.allowed = &allowed[0, 0] if allowed is not None and allowed.shape[0] else NULL
    return batch


def find_best(
    const float[::1] start,
    const float[:, ::1] transitions,
    const float[::1] end,
    const float[:, :] scores,
    const int32_t[::1] length,
    int64_t[::1] labels,
    double[::1] best,
):
    """Find the best path of labels through each sequence.

    start, transitions, end (Floats): [L], [L, L], [L], the parameters of a conditional random field.
    scores (Floats2d): [N, L].
    length (Ints1d): int32 [B].
    labels (Ints1d): int64 [N], written; undefined where there is no path.
    best (Floats1d): float64 [B], written: the scores of the paths, -inf where there is none.
    """
    cdef Field field = _field(start, transitions, end)
    cdef ScoreBatch batch = _scores(scores, None, length)
    cdef const Kernels *kernels = _kernels
    cdef int64_t *to = &labels[0] if labels.shape[0] else NULL
    if batch.n_sequences:
        with nogil:
            find_best_paths(kernels[0], field, batch, to, &best[0])


cdef class PathSums:
    """The sums over all paths of labels through each sequence."""

    cdef CPathSums sums
    cdef Py_ssize_t n_sequences
    cdef Py_ssize_t n_labels
    cdef tuple arrays

    def __init__(
        self,
        const float[::1] start,
        const float[:, ::1] transitions,
        const float[::1] end,
        const float[:, :] scores,
        const uint8_t[:, ::1] allowed,
        const int32_t[::1] length,
        bint keep,
        double[::1] log_sums,
        float[:, ::1] marginals,
    ):
        """Sum over the paths.

        start, transitions, end (Floats): [L], [L, L], [L], the parameters of a conditional random field.
        scores (Floats2d): [N, L].
        allowed (Optional[Ints2d]): uint8 [N, L], which labels the paths may have at each row; all if None.
        length (Ints1d): int32 [B].
        keep (bool): Whether `count_transitions` may follow; the arrays must then stay as they are.
        log_sums (Floats1d): float64 [B], written: the logarithms of the sums.
        marginals (Floats2d): [N, L], written: the probability of each label at each row.
        """
        self.arrays = (start, transitions, end, scores, allowed, length)
        self.n_sequences, self.n_labels = length.shape[0], start.shape[0]
        cdef Field field = _field(start, transitions, end)
        cdef ScoreBatch batch = _scores(scores, allowed, length)
        cdef const Kernels *kernels = _kernels
        cdef float *to = _out_matrix(marginals)
        if batch.n_sequences:
            with nogil:
                self.sums.run(kernels[0], field, batch, keep, &log_sums[0], to)

    def count_transitions(self, const float[::1] weights, double[:, ::1] counts):
        """Find how often each label is expected right after each other one.

        weights (Floats1d): [B], what each sequence counts.
        counts (Floats2d): float64 [L, L], written.
        RAISES (ValueError): If a shape does not fit.
        """
        if weights.shape[0] != self.n_sequences or counts.shape[0] != self.n_labels or counts.shape[1] != self.n_labels:
            raise ValueError(f"expected {self.n_sequences} weights and counts of {self.n_labels} labels")
        if self.n_sequences:
            with nogil:
                self.sums.count_transitions(&weights[0], &counts[0, 0])
        else:
            counts[:, :] = 0.0


select(instruction_sets()[0])
