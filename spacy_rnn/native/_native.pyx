# distutils: language = c++
# cython: language_level = 3, boundscheck = False, wraparound = False, cdivision = True, initializedcheck = False
"""The compiled engine as Python sees it. Arrays come in as buffers of floats whose rows have no gaps between their numbers; the
functions of the rooms above check and complete what they pass."""

from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t
from libc.string cimport memcmp
from libcpp cimport bool as cbool
from libcpp.algorithm cimport lower_bound, sort, unique
from libcpp.vector cimport vector

from cpython.exc cimport PyErr_CheckSignals

import os
import threading
from array import array
from itertools import accumulate
import time
import weakref

# Not cpython.exc's, which makes an exception of what is only to be passed on.
cdef extern from "Python.h":
    int _check_signals "PyErr_CheckSignals"()
    unsigned long PyThread_get_thread_ident() nogil

cdef extern from "call.h" namespace "spacy_rnn":
    enum Answer:
        GO_ON
        END
        DO_NOT_ASK

    void ask_with(Answer (*)() noexcept nogil)


cdef extern from "buffer.h" namespace "spacy_rnn":
    cdef cppclass Buffer:
        void resize(int64_t) except +
        float *data() nogil


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
        const int64_t *before

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
        const float *const *projections
        int64_t first_step

    cdef cppclass Backward:
        Parameters parameters
        Batch batch
        const float *X
        const float *Y
        int64_t x_stride
        int64_t y_stride
        const int64_t *taken
        int64_t n_taken
        const int32_t *which
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

    cdef cppclass Normalization:
        const float *X
        int64_t x_stride
        const float *G
        const float *b
        float *Y
        int64_t n
        int64_t width
        float epsilon

    cdef cppclass Field:
        int64_t n_labels
        const float *start
        const float *transitions
        const float *end

    cdef cppclass PackedSymbols:
        int64_t n_symbols

    cdef cppclass Kernels:
        const char *name
        cbool supported()
        void pack(const Parameters &, int, Packed &) except + nogil
        int64_t projection_width(const Packed &)
        void pack_symbols(const float *, const float *, int64_t, int64_t, PackedSymbols &) except + nogil
        float sum(const float *, int64_t) nogil
        double multiply_adds(int64_t) nogil

    const Kernels *const *all_kernels()
    void run_forward(const Kernels &, const Forward *const *, int, cbool) except + nogil
    void run_backward(const Kernels &, const Backward *const *, int, cbool) except + nogil
    void run_project(const Kernels &, const Packed &, const float *const *, int64_t, float *) except + nogil
    void run_multiply(const Kernels &, const MatrixProduct &) except + nogil
    void run_normalize(const Kernels &, const Normalization &) except + nogil
    void order_by_length(const int32_t *, int64_t, int32_t *) except + nogil


cdef extern from "sampling.h" namespace "spacy_rnn":
    cdef cppclass Sampling:
        double temperature
        double top_p
        double min_p
        double repetition_penalty
        int64_t top_k
        cbool greedy


cdef extern from "generate.h" namespace "spacy_rnn":
    cdef cppclass CSymbolStack "spacy_rnn::SymbolStack":
        const Kernels *kernels
        vector[const Packed *] layers
        const float *projections
        PackedSymbols symbols

    cdef cppclass StackState:
        const float *h
        const float *c
        float *h_after
        float *c_after

    cdef cppclass Generation:
        int64_t n
        int64_t n_steps
        const int64_t *symbols
        const double *uniforms
        const uint8_t *forbidden
        const uint8_t *stops
        vector[vector[int64_t]] stop_sequences
        int64_t n_before
        const int64_t *before
        uint8_t *seen
        int64_t *chosen
        float *log_probabilities
        int64_t *lengths
        int64_t *counts

    void step_stack(const CSymbolStack &, int64_t, const int64_t *, const StackState &, int64_t, float *) except + nogil
    void generate_symbols "spacy_rnn::generate"(
        const CSymbolStack &, const Sampling &, const Generation &, const StackState &, int64_t
    ) except + nogil


cdef extern from "crf_paths.h" namespace "spacy_rnn":
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


ctypedef const float *float_pointer

# The cells in the order of the engine's CellKind.
CELLS = ("elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm", "lstm_peephole")
_NUMBERS = {name: number for number, name in enumerate(CELLS)}

cdef const Kernels *_kernels = NULL
cdef unsigned long _main_thread = 0


cdef Answer _hear_signals() noexcept nogil:
    """Tell a long call whether to go on, after Python's handlers of signals have run. If one has raised an exception, it stays set,
    and what the engine throws then becomes that one: see `except +` in Cython's documentation."""
    # Signals are handled in the main thread. No Python code here: it would handle them itself, and what they raise would be lost.
    if PyThread_get_thread_ident() != _main_thread:
        return DO_NOT_ASK
    with gil:
        return END if _check_signals() else GO_ON


def _note_main_thread():
    global _main_thread
    _main_thread = threading.main_thread().ident


_note_main_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_main_thread)
ask_with(_hear_signals)


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
        PyErr_CheckSignals()
        if begin + elapsed > end:
            return best


def reading_rate(const float[::1] x not None, double seconds):
    """Measure how fast one thread reads an array, from wherever it fits in: it is summed again and again.

    x (Floats1d): The array.
    seconds (float): How long to measure.
    RETURNS (float): GB/s; the best of many readings.
    """
    cdef double best = 0.0, begin, elapsed
    cdef double end = time.perf_counter() + seconds
    cdef int64_t n = x.shape[0]
    cdef const float *numbers = _vector(x)
    cdef float total = 0
    while True:
        begin = time.perf_counter()
        with nogil:
            total += _kernels.sum(numbers, n)
        elapsed = time.perf_counter() - begin
        best = max(best, n * sizeof(float) / elapsed / 1e9)
        PyErr_CheckSignals()
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
    return 0 if _matrix(x) == NULL else x.strides[0] // <int64_t>sizeof(float)


cdef enum:
    EXACTLY
    AT_LEAST
    OPTIONALLY


cdef int _require(str name, const float[:, :] x, int64_t rows, int64_t columns, int how=EXACTLY) except -1:
    """Check what memory accesses rest on.

    name (str): What the matrix is, for an error.
    x (Optional[Floats2d]): [rows, columns].
    how (int): EXACTLY that, of AT_LEAST so many rows, or that or nothing, OPTIONALLY.
    RAISES (ValueError): If it is missing or has another shape, or if the numbers of a row do not stand side by side.
    """
    if x is None:
        if how == OPTIONALLY:
            return 0
        raise ValueError(f"{name} is missing")
    if x.shape[1] != columns or x.shape[0] < rows or (x.shape[0] > rows and how != AT_LEAST):
        raise ValueError(f"{name}: expected shape [{rows}{' or more' if how == AT_LEAST else ''}, {columns}], got [{x.shape[0]}, {x.shape[1]}]")
    if (x.shape[1] > 1 and x.strides[1] != sizeof(float)) or x.strides[0] % <int64_t>sizeof(float):
        raise ValueError(f"{name}: expected rows of numbers side by side, got strides of {x.strides[0]} and {x.strides[1]} bytes")
    return 0


cdef int _require_vector(str name, const float[::1] x, int64_t n) except -1:
    if x is None or x.shape[0] != n:
        raise ValueError(f"{name}: expected {n} numbers, got {'none' if x is None else x.shape[0]}")
    return 0


cdef vector[float_pointer] _pointers(const float *first, int64_t stride, int64_t n) except *:
    cdef vector[float_pointer] rows = vector[float_pointer](n)
    cdef int64_t i
    for i in range(n):
        rows[i] = first + i * stride
    return rows


cdef Parameters _parameters(str cell, list params) except *:
    cdef const float[:, ::1] W = params[0]
    cdef const float[:, ::1] R = params[1]
    cdef const float[::1] b = params[2]
    cdef const float[::1] last = params[3] if len(params) > 3 else None
    cdef Parameters parameters
    cdef int64_t n_gates = 4 if cell.startswith("lstm") else 3 if cell.startswith("gru") else 1
    if cell not in _NUMBERS:
        raise ValueError(f"unknown cell {cell!r}: expected one of {', '.join(CELLS)}")
    parameters.cell = _NUMBERS[cell]
    parameters.nI, parameters.nH = W.shape[1], R.shape[1]
    if parameters.nH < 1:
        raise ValueError("a cell has one hidden unit at least")
    _require("W", W, n_gates * parameters.nH, parameters.nI)
    _require("R", R, n_gates * parameters.nH, parameters.nH)
    _require_vector("b", b, n_gates * parameters.nH)
    if cell == "gru":
        _require_vector("bR", last, parameters.nH)
    if cell == "lstm_peephole":
        _require_vector("p", last, 3 * parameters.nH)
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
    cdef object __weakref__
    cdef list copies
    cdef list references
    cdef readonly str cell

    def __init__(self, str cell, list params, bint bfloat16, bint follow):
        """Pack parameters.

        cell (str): The cell's name.
        params (List[numpy.ndarray]): Its parameters W [nG·nH, nI], R [nG·nH, nH], b [nG·nH] and, where the cell has them,
            bR [nH] or p [3·nH]. Copies are kept, and of the parameters themselves where they are in memory.
        bfloat16 (bool): Whether products use factors rounded to bfloat16.
        follow (bool): Whether `unchanged` is to look at the parameters.
        RAISES (ValueError): If a parameter does not fit the others.
        """
        if self.copies is not None:
            raise ValueError("weights are packed once")
        params = list(params)
        self.kernels = _kernels
        self.copies = [array.copy() for array in params]
        self.cell = cell
        self.parameters = _parameters(cell, self.copies)
        self.originals = _parameters(cell, params) if follow else self.parameters
        self.references = [weakref.ref(array) for array in params] if follow else []
        self.n_gates = self.copies[1].shape[0] // self.parameters.nH
        cdef int precision = BFLOAT16 if bfloat16 else FLOAT32
        with nogil:
            self.kernels.pack(self.parameters, precision, self.packed)

    cdef bint _unchanged(self) except -1:
        for reference in self.references:
            if reference() is None:
                return False
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

    @property
    def projection_width(self):
        """RETURNS (int): How many numbers the projection of a row has: those of all gates, and some to fill vectors."""
        return self.kernels.projection_width(self.packed)

    def project(self, const float[:, :] X not None, float[:, ::1] projections not None):
        """Project rows, X W^T + b, in the order in which sweeps read it.

        X (Floats2d): [N, nI].
        projections (Floats2d): [N, projection_width], written.
        RAISES (ValueError): If a shape does not fit.
        """
        cdef int64_t i, n = X.shape[0]
        _require("X", X, n, self.packed.nI)
        _require("projections", projections, n, self.kernels.projection_width(self.packed))
        if n == 0:
            return
        cdef vector[float_pointer] rows = _pointers(_matrix(X), _stride(X), n)
        cdef float *to = &projections[0, 0]
        with nogil:
            run_project(self.kernels[0], self.packed, rows.data(), n, to)

    def unchanged(self):
        """Tell whether the parameters still are what was packed, number by number, for the instruction set selected now.

        RETURNS (bool): Whether they are; not if one of the arrays is gone.
        """
        return self._unchanged()


cdef class _Batch:
    """A ragged batch as it was checked: copies, which nobody else can change."""

    cdef Batch batch
    cdef vector[int64_t] start
    cdef vector[int32_t] length
    cdef vector[int32_t] order
    # The rows that the matrices of the batch have at least.
    cdef int64_t end

    cdef int check(self, const int64_t[::1] start, const int32_t[::1] length, const int32_t[::1] order, bint reverse) except -1:
        cdef int64_t i, s, B = 0 if length is None else length.shape[0]
        if start is None or length is None or order is None or start.shape[0] != B or order.shape[0] != B:
            raise ValueError(f"a batch: expected start, length and order of as many sequences, {B}")
        _copy_lengths(length, self.length)
        self.start.resize(B)
        self.order.resize(B)
        cdef vector[cbool] seen = vector[cbool](B)
        self.end = self.batch.n_rows = 0
        for i in range(B):
            self.start[i], self.order[i] = start[i], order[i]
            s = self.order[i]
            if not 0 <= s < B or seen[s] or (i and self.length[self.order[i - 1]] < self.length[s]):
                raise ValueError("order: expected each sequence once, the longest first; was the batch changed since `by_length`?")
            seen[s] = True
            if self.start[i] < 0 or self.start[i] > INT64_MAX - self.length[i]:
                raise ValueError(f"sequence {i}: expected the number of its first row, got {self.start[i]}")
            if self.length[i]:
                self.end = max(self.end, self.start[i] + self.length[i])
            self.batch.n_rows += self.length[i]
        self.batch.n_sequences = B
        self.batch.start, self.batch.length, self.batch.order = self.start.data(), self.length.data(), self.order.data()
        self.batch.reverse = reverse
        return 0


cdef int64_t _copy_lengths(const int32_t[::1] length, vector[int32_t] &to) except -1:
    """Copy lengths, so that they are those that were checked however the array changes, and give their sum.

    RAISES (ValueError): If there are too many, or if one is negative.
    """
    cdef int64_t i, total = 0
    if length is None or length.shape[0] > INT32_MAX:
        raise ValueError(f"expected the lengths of {INT32_MAX} sequences at most")
    to.resize(length.shape[0])
    for i in range(length.shape[0]):
        to[i] = length[i]
        if to[i] < 0:
            raise ValueError(f"lengths must not be negative, got {to[i]}")
        total += to[i]
    return total


def by_length(const int32_t[::1] length, int64_t[::1] start, int32_t[::1] order):
    """Find where the sequences of a ragged batch start, and their order by decreasing length; equal lengths keep their order.

    length (Ints1d): int32 [B].
    start (Ints1d): int64 [B], written: the first row of each.
    order (Ints1d): int32 [B], written.
    RAISES (ValueError): If a length is negative, or if the arrays are not of one size.
    """
    cdef vector[int32_t] lengths, ordered
    cdef int64_t i, row = 0, B
    _copy_lengths(length, lengths)
    B = lengths.size()
    if start is None or order is None or start.shape[0] != B or order.shape[0] != B:
        raise ValueError(f"expected start and order of {B} sequences")
    # Sorted apart: while others write to what is sorted, a sort may go beyond its end.
    ordered.resize(B)
    with nogil:
        order_by_length(lengths.data(), B, ordered.data())
    for i in range(B):
        start[i], order[i] = row, ordered[i]
        row += lengths[i]


# Directions of one layer.
cdef enum:
    MAX_SWEEPS = 2


cdef int _n_directions(object directions) except -1:
    """Count what arrays of MAX_SWEEPS hold."""
    cdef Py_ssize_t n = len(directions)
    if not 1 <= n <= MAX_SWEEPS:
        raise ValueError(f"a layer has one or two directions, got {n}")
    return n


cdef class _Taken:
    """The rows that a batch takes from a table."""

    # The different ones, in the order of the table.
    cdef vector[int64_t] rows
    # [N], which of these each row of the batch is, sequence after sequence.
    cdef vector[int32_t] which
    # [B], the rows of the sequences before each.
    cdef vector[int64_t] before

    cdef int read(self, _Batch batch, const int64_t[::1] index, int64_t n_table) except -1:
        """Find out which rows of a table of so many a batch takes."""
        cdef int64_t i, k, row, place = 0, B = batch.batch.n_sequences
        if index.shape[0] < batch.end:
            raise ValueError(f"the index of a table's rows: expected {batch.end} numbers or more, got {index.shape[0]}")
        # Each number is read once: what is checked is what is used.
        cdef vector[int64_t] numbers = vector[int64_t](batch.batch.n_rows)
        self.before.resize(B)
        for i in range(B):
            self.before[i] = place
            for k in range(batch.length[i]):
                row = index[batch.start[i] + k]
                if not 0 <= row < n_table:
                    raise ValueError(f"the table has the rows 0 to {n_table - 1}, got row {row}")
                numbers[place] = row
                place += 1
        self.rows = numbers
        sort(self.rows.begin(), self.rows.end())
        self.rows.erase(unique(self.rows.begin(), self.rows.end()), self.rows.end())
        self.which.resize(place)
        for i in range(place):
            self.which[i] = lower_bound(self.rows.begin(), self.rows.end(), numbers[i]) - self.rows.begin()
        return 0


cdef class _Projections:
    """The projections of the rows that a batch takes from a table, each made once, and [N] where that of each row is."""

    cdef Buffer projections
    cdef vector[float_pointer] pointers

    cdef int make(self, Weights weights, const float[:, :] table, _Taken taken) except -1:
        cdef int64_t i, n = taken.rows.size(), width = weights.kernels.projection_width(weights.packed)
        self.projections.resize(n * width)
        cdef vector[float_pointer] rows = vector[float_pointer](n)
        for i in range(n):
            rows[i] = _matrix(table) + taken.rows[i] * _stride(table)
        if n:
            with nogil:
                run_project(weights.kernels[0], weights.packed, rows.data(), n, self.projections.data())
        self.pointers.resize(taken.which.size())
        for i in range(<int64_t>taken.which.size()):
            self.pointers[i] = self.projections.data() + taken.which[i] * width
        return 0


cdef class ForwardSweep:
    """A sweep, ready to be executed."""

    cdef Forward sweep
    cdef CTape tape
    cdef Weights weights
    cdef _Batch batch
    cdef _Taken taken
    cdef _Projections projections
    cdef tuple arrays
    cdef bint has_begun
    cdef bint has_ended

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
        const float[:, ::1] mask,
        float[:, :] Y,
        float[:, ::1] hN,
        float[:, ::1] cN,
        bint is_train,
        const int64_t[::1] index=None,
    ):
        """Describe a sweep.

        weights (Weights): The parameters.
        X (Floats2d): [N, nI], of as many rows as the sequences need, or more; or a table [V, nI] if there is an index.
        start, length, order (Ints1d): The batch, as `by_length` gives it; copied.
        reverse (bool): Whether each sequence is read from its last row to its first.
        h0, c0 (Optional[Floats2d]): [B, nH], the initial state; zeros if None.
        mask (Optional[Floats2d]): [B, nH], without gaps.
        Y (Floats2d): [N, nH], written.
        hN, cN (Optional[Floats2d]): [B, nH], without gaps, written if wanted.
        is_train (bool): Whether backpropagation follows.
        index (Optional[Ints1d]): int64 [N], which rows of the table the sequences consist of. Each is projected once.
        RAISES (ValueError): If a shape does not fit, start, length and order are no batch, or there is no such row.
        """
        if self.weights is not None:
            raise ValueError("a sweep is described once")
        if weights is None:
            raise ValueError("weights are missing")
        cdef int64_t nH = weights.packed.nH
        self.batch = _Batch()
        self.batch.check(start, length, order, reverse)
        self.sweep.batch = self.batch.batch
        cdef int64_t B = self.sweep.batch.n_sequences
        _require("X", X, self.batch.end if index is None else 0, weights.packed.nI, AT_LEAST)
        _require("Y", Y, self.batch.end, nH, AT_LEAST)
        _require("h0", h0, B, nH, OPTIONALLY)
        _require("c0", c0, B, nH, OPTIONALLY)
        _require("mask", mask, B, nH, OPTIONALLY)
        _require("hN", hN, B, nH, OPTIONALLY)
        _require("cN", cN, B, nH, EXACTLY if hN is not None and weights.cell.startswith("lstm") else OPTIONALLY)
        if index is not None:
            self.taken = _Taken()
            self.taken.read(self.batch, index, X.shape[0])
            self.projections = _Projections()
            self.projections.make(weights, X, self.taken)
            self.sweep.projections = self.projections.pointers.data()
            self.sweep.batch.before = self.taken.before.data()
        self.weights = weights
        self.arrays = (X, h0, c0, mask, Y, hN, cN)
        self.sweep.weights = &weights.packed
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
        const float[:, ::1] d_hN,
        const float[:, ::1] d_cN,
        float[:, :] dX,
        bint add_to_dX,
        float[::1] dW,
        float[::1] dR,
        float[::1] db,
        float[::1] dbR,
        float[::1] dp,
        float[:, ::1] d_h0,
        float[:, ::1] d_c0,
    ):
        """Describe it.

        forward (ForwardSweep): The sweep, which has been executed.
        dY (Floats2d): [N, nH].
        d_hN, d_cN (Optional[Floats2d]): [B, nH], without gaps, the gradient of the final state; zeros if None.
        dX (Floats2d): [N, nI], written; or if the sweep has read a table, [V, nI]: the gradient of its rows is added to it.
        add_to_dX (bool): Whether the gradient is added to what stands in dX.
        dW, dR, db (Floats1d): Written: the gradients of the parameters.
        dbR, dp (Optional[Floats1d]): Written, where the cell has them.
        d_h0, d_c0 (Floats2d): [B, nH], without gaps, written; d_c0 is None where the cell has no cell state.
        RAISES (ValueError): If the sweep has not been executed for training, or if a shape does not fit.
        """
        if self.forward is not None:
            raise ValueError("the way back through a sweep is described once")
        if forward is None or not forward.has_ended or forward.sweep.tape == NULL:
            raise ValueError("the way back needs a sweep that has been executed for training")
        cdef Weights weights = forward.weights
        cdef int64_t nI = weights.packed.nI, nH = weights.packed.nH, B = forward.sweep.batch.n_sequences, n = weights.n_gates * nH
        _require("dY", dY, forward.batch.end, nH, AT_LEAST)
        _require("dX", dX, forward.batch.end if forward.taken is None else forward.arrays[0].shape[0], nI, AT_LEAST)
        _require("d_hN", d_hN, B, nH, OPTIONALLY)
        _require("d_cN", d_cN, B, nH, OPTIONALLY)
        _require("d_h0", d_h0, B, nH)
        _require_vector("dW", dW, n * nI)
        _require_vector("dR", dR, n * nH)
        _require_vector("db", db, n)
        if weights.cell.startswith("lstm"):
            _require("d_c0", d_c0, B, nH)
        if weights.cell == "gru":
            _require_vector("dbR", dbR, nH)
        if weights.cell == "lstm_peephole":
            _require_vector("dp", dp, 3 * nH)
        self.forward = forward
        self.arrays = (dY, d_hN, d_cN, dX, dW, dR, db, dbR, dp, d_h0, d_c0)
        cdef Forward *f = &forward.sweep
        self.sweep.parameters = weights.parameters
        self.sweep.batch = f.batch
        self.sweep.X, self.sweep.x_stride = f.X, f.x_stride
        if forward.taken is not None:
            self.sweep.taken, self.sweep.n_taken = forward.taken.rows.data(), forward.taken.rows.size()
            self.sweep.which = forward.taken.which.data()
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

    sweeps (List[ForwardSweep]): One or two, each to be executed once.
    threads (bool): Whether the second has a thread of its own.
    RAISES (ValueError): If one has been executed, or is being, or if they were not packed for the same instruction set.
    """
    # The list may change while they are executed.
    cdef tuple kept = tuple(sweeps)
    cdef const Forward *pointers[MAX_SWEEPS]
    cdef int i, n = _n_directions(kept)
    cdef ForwardSweep each
    cdef const Kernels *kernels = NULL
    for i in range(n):
        each = <ForwardSweep?>kept[i]
        if each.has_begun or each.weights is None:
            raise ValueError("a sweep is executed once")
        if i and each.weights.kernels != kernels:
            raise ValueError("the directions of a layer are packed for one instruction set")
        if i and kept[0] is each:
            raise ValueError("a sweep is executed once")
        kernels = each.weights.kernels
        pointers[i] = &each.sweep
    for each in kept:
        each.has_begun = True
    with nogil:
        run_forward(kernels[0], pointers, n, threads)
    for each in kept:
        each.has_ended = True
        # Backpropagation does without them.
        each.projections = None
        each.sweep.projections = NULL


def backward(list sweeps, bint threads):
    """Go back through the sweeps of the directions of a layer.

    sweeps (List[BackwardSweep]): One or two. Two that add to the same dX cannot have threads.
    threads (bool): Whether the second has a thread of its own.
    RAISES (ValueError): If they were not packed for the same instruction set.
    """
    cdef tuple kept = tuple(sweeps)
    cdef const Backward *pointers[MAX_SWEEPS]
    cdef int i, n = _n_directions(kept)
    cdef BackwardSweep each
    cdef const Kernels *kernels = NULL
    for i in range(n):
        each = <BackwardSweep?>kept[i]
        if each.forward is None:
            raise ValueError("the way back needs a sweep that has been executed for training")
        if i and each.forward.weights.kernels != kernels:
            raise ValueError("the directions of a layer are packed for one instruction set")
        kernels = each.forward.weights.kernels
        pointers[i] = &each.sweep
    with nogil:
        run_backward(kernels[0], pointers, n, threads)


def infer(tuple weights not None, const float[:, :] X not None, const int32_t[::1] length, float[:, :] Y not None, bint threads):
    """Execute the sweeps of the directions of a layer for their outputs alone, from a state of zeros.

    weights (Tuple[Weights]): Those of the forward direction, and if there is one of the backward direction.
    X (Floats2d): [N, nI].
    length (Ints1d): int32 [B].
    Y (Floats2d): [N, directions · nH], written.
    threads (bool): Whether the second direction has a thread of its own.
    RETURNS (bool): Whether the weights were unchanged; if not, nothing has been done.
    RAISES (ValueError): If the lengths do not add up to the rows, or if a shape does not fit.
    """
    cdef _Inference inference = _Inference()
    if not inference.check(weights, X.shape[1], X.shape[0], length, Y):
        return False
    _require("X", X, X.shape[0], X.shape[1])
    cdef int d
    for d in range(inference.n):
        inference.sweeps[d].X, inference.sweeps[d].x_stride = _matrix(X), _stride(X)
    inference.run(threads)
    return True


def infer_rows(
    tuple weights not None,
    const float[:, :] table not None,
    const int64_t[::1] index not None,
    tuple projections not None,
    const int32_t[::1] length,
    float[:, :] Y not None,
    bint threads,
):
    """Do the same as `infer` for rows of a table, of which each is projected once.

    weights (Tuple[Weights]): As `infer` takes them.
    table (Floats2d): [V, nI].
    index (Ints1d): int64 [N], which rows of the table the batch consists of.
    projections (Tuple[Floats2d]): For each direction, [K, projection_width], the projections of the first K rows, K >= 0, as
        `Weights.project` makes them of these weights.
    length, Y, threads: As `infer` takes them.
    RETURNS (bool): Whether the weights were unchanged; if not, nothing has been done.
    RAISES (ValueError): If there is no such row, the lengths do not add up to the rows, or if a shape does not fit.
    """
    cdef _Inference inference = _Inference()
    if not inference.check(weights, table.shape[1], index.shape[0], length, Y):
        return False
    _require("the table", table, table.shape[0], table.shape[1])
    cdef int d
    if len(projections) != inference.n:
        raise ValueError(f"expected projections for {inference.n} directions, got {len(projections)}")
    for d in range(inference.n):
        inference.read(d, table, index, projections[d])
    inference.run(threads)
    return True


cdef class _Inference:
    """The sweeps of the directions of a layer, checked."""

    cdef Forward sweeps[MAX_SWEEPS]
    cdef vector[float_pointer] rows[MAX_SWEEPS]
    cdef Buffer projections[MAX_SWEEPS]
    cdef vector[int32_t] lengths
    cdef vector[int64_t] start
    cdef vector[int32_t] order
    cdef tuple weights
    cdef int64_t n_rows
    cdef int n
    cdef const Kernels *kernels

    cdef bint check(self, tuple weights, int64_t width, int64_t n_rows, const int32_t[::1] length, float[:, :] Y) except -1:
        """Tell whether the weights are unchanged, and describe the sweeps, all but what they read."""
        cdef Weights each
        cdef int d
        self.n, self.n_rows, self.weights = _n_directions(weights), n_rows, weights
        cdef int64_t i, row = 0, nH = Y.shape[1] // self.n
        for d in range(self.n):
            each = <Weights?>weights[d]
            if not each._unchanged():
                return False
            # Those that are unchanged are packed for the instruction set selected now.
            self.kernels = each.kernels
            if each.packed.nI != width or self.n * each.packed.nH != Y.shape[1]:
                raise ValueError(f"direction {d}: expected width {width} and {nH} units, got {each.packed.nI} and {each.packed.nH}")
        cdef int64_t total = _copy_lengths(length, self.lengths), n_sequences = self.lengths.size()
        if total != n_rows:
            raise ValueError(f"lengths add up to {total}, but the batch has {n_rows} rows")
        _require("Y", Y, total, Y.shape[1])
        if total == 0:
            return True
        self.start.resize(n_sequences)
        self.order.resize(n_sequences)
        for i in range(n_sequences):
            self.start[i] = row
            row += self.lengths[i]
        order_by_length(self.lengths.data(), n_sequences, self.order.data())
        for d in range(self.n):
            each = weights[d]
            sweep = &self.sweeps[d]
            sweep.weights = &each.packed
            sweep.batch.n_sequences, sweep.batch.n_rows = n_sequences, row
            sweep.batch.start, sweep.batch.length, sweep.batch.order = self.start.data(), self.lengths.data(), self.order.data()
            sweep.batch.reverse = d == 1
            sweep.Y, sweep.y_stride = &Y[0, d * nH], Y.strides[0] // <int64_t>sizeof(float)
            sweep.h0 = sweep.c0 = sweep.mask = NULL
            sweep.h0_stride = sweep.c0_stride = 0
            sweep.hN = sweep.cN = NULL
            sweep.tape = NULL
        return True

    cdef int read(self, int d, const float[:, :] table, const int64_t[::1] index, const float[:, ::1] projections) except -1:
        """Let a direction read rows of a table: those that have no projection yet are projected, each once."""
        cdef Weights weights = self.weights[d]
        cdef int64_t width = self.kernels.projection_width(weights.packed), V = table.shape[0], i, row, n_kept
        _require("projections", projections, 0, width, AT_LEAST)
        n_kept = projections.shape[0]
        if n_kept > V:
            raise ValueError(f"the table has {V} rows, but there are projections of {n_kept}")
        cdef const float *kept = &projections[0, 0] if n_kept else NULL
        cdef vector[int64_t] others
        # A copy: what is checked is what is read.
        cdef vector[int64_t] numbers = vector[int64_t](self.n_rows)
        for i in range(self.n_rows):
            row = numbers[i] = index[i]
            if not 0 <= row < V:
                raise ValueError(f"the table has the rows 0 to {V - 1}, got row {row}")
            if row >= n_kept:
                others.push_back(row)
        sort(others.begin(), others.end())
        others.erase(unique(others.begin(), others.end()), others.end())
        cdef int64_t n_others = others.size()
        self.projections[d].resize(n_others * width)
        cdef float *own = self.projections[d].data()
        cdef vector[float_pointer] from_rows = vector[float_pointer](n_others)
        for i in range(n_others):
            from_rows[i] = _matrix(table) + others[i] * _stride(table)
        if n_others:
            with nogil:
                run_project(self.kernels[0], weights.packed, from_rows.data(), n_others, own)
        self.rows[d].resize(self.n_rows)
        for i in range(self.n_rows):
            row = numbers[i]
            if row < n_kept:
                self.rows[d][i] = kept + row * width
            else:
                self.rows[d][i] = own + (lower_bound(others.begin(), others.end(), row) - others.begin()) * width
        self.sweeps[d].projections = self.rows[d].data()
        return 0

    cdef int run(self, bint threads) except -1:
        cdef const Forward *pointers[MAX_SWEEPS]
        cdef int d
        if self.n_rows == 0:
            return 0
        for d in range(self.n):
            pointers[d] = &self.sweeps[d]
        with nogil:
            run_forward(self.kernels[0], pointers, self.n, threads)
        return 0


cdef class Session:
    """One time step after another with the same weights, which are not compared with the parameters again."""

    cdef Weights weights
    cdef Buffer projections
    cdef int64_t n_rows
    cdef int64_t width
    cdef int64_t n_steps

    def __init__(self, Weights weights not None, const float[:, :] table):
        """Begin.

        weights (Weights): The parameters.
        table (Optional[Floats2d]): [V, nI], the rows that steps read, without gaps within a row; None if steps are given rows.
        RAISES (ValueError): If the rows of the table are not as wide as W.
        """
        self.weights = weights
        self.n_rows = self.n_steps = 0
        if table is None:
            return
        _require("the table", table, table.shape[0], weights.packed.nI)
        self.n_rows = table.shape[0]
        self.width = weights.kernels.projection_width(weights.packed)
        self.projections.resize(self.n_rows * self.width)
        cdef vector[float_pointer] rows = _pointers(_matrix(table), _stride(table), self.n_rows)
        if self.n_rows:
            with nogil:
                run_project(weights.kernels[0], weights.packed, rows.data(), self.n_rows, self.projections.data())

    def step(
        self, const float[:, :] X not None, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        """Make a time step.

        X (Floats2d): [B, nI], the inputs.
        h, c (Floats2d): [B, nH], the state before, without gaps within a row; c is None where the cell has no cell state.
        h_next, c_next (Floats2d): [B, nH], written: the state after.
        RAISES (ValueError): If a shape does not fit.
        """
        _require("the inputs", X, X.shape[0], self.weights.packed.nI)
        cdef Forward sweep
        sweep.X, sweep.x_stride = _matrix(X), _stride(X)
        self._run(sweep, X.shape[0], h, c, h_next, c_next)

    def step_rows(
        self, const int64_t[:] rows not None, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        """Make a time step whose inputs are rows of the table.

        rows (Ints1d): [B], which ones.
        h, c, h_next, c_next (Floats2d): As in `step`.
        RAISES (ValueError): If a shape does not fit, or the table has no such row.
        """
        cdef int64_t i, n = rows.shape[0]
        # A copy: what is checked is what is read.
        cdef int64_t row
        cdef vector[float_pointer] projections = vector[float_pointer](n)
        for i in range(n):
            row = rows[i]
            if not 0 <= row < self.n_rows:
                raise ValueError(f"the table has the rows 0 to {self.n_rows - 1}, got row {row}")
            projections[i] = self.projections.data() + row * self.width
        cdef Forward sweep
        sweep.projections = projections.data()
        self._run(sweep, n, h, c, h_next, c_next)

    cdef _run(
        self, Forward &sweep, int64_t n, const float[:, :] h, const float[:, :] c, float[:, ::1] h_next, float[:, ::1] c_next
    ):
        cdef int64_t i, nH = self.weights.packed.nH
        cdef bint has_c = self.weights.packed.cell == _NUMBERS["lstm"] or self.weights.packed.cell == _NUMBERS["lstm_peephole"]
        if has_c == (c is None) or has_c == (c_next is None):
            raise ValueError(f"a state of {self.weights.cell} has " + ("h and c" if has_c else "h alone"))
        _require("h", h, n, nH)
        _require("h_next", h_next, n, nH)
        if has_c:
            _require("c", c, n, nH)
            _require("c_next", c_next, n, nH)
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


cdef class SymbolStack:
    """Layers over a table of symbols, and the softmax over the symbol that follows, packed."""

    cdef CSymbolStack stack
    cdef Buffer projections
    cdef tuple weights
    cdef int64_t n_rows
    cdef int64_t n_steps
    cdef int64_t nH
    cdef bint has_c

    def __init__(
        self, list weights not None, const float[:, :] table not None, const float[:, ::1] W not None, const float[::1] b not None
    ):
        """Pack what is not packed yet, and project the table.

        weights (List[Weights]): Those of each layer, the lowest first.
        table (Floats2d): [D, nI], a row for each symbol that may be read, D >= V.
        W (Floats2d): [V, nH], the weights of each symbol that may follow, V >= 1.
        b (Floats1d): [V].
        RAISES (ValueError): If a shape does not fit, or layers are of different cells or widths, or packed in different ways.
        """
        if self.weights is not None:
            raise ValueError("a stack is packed once")
        cdef Weights first, each
        cdef int64_t i, n_symbols = W.shape[0]
        cdef tuple kept = tuple(weights)
        if not kept:
            raise ValueError("a stack has one layer at least")
        first = <Weights?>kept[0]
        for i in range(len(kept)):
            each = <Weights?>kept[i]
            if each.kernels != first.kernels or each.packed.cell != first.packed.cell or each.packed.precision != first.packed.precision:
                raise ValueError("the layers of a stack are of one cell, one precision, and packed for one instruction set")
            if each.packed.nH != first.packed.nH or (i and each.packed.nI != first.packed.nH):
                raise ValueError(
                    f"layer {i} of a stack: expected {first.packed.nH} units that read as many, got {each.packed.nH} that read "
                    f"{each.packed.nI}"
                )
            self.stack.layers.push_back(&each.packed)
        self.nH = first.packed.nH
        self.has_c = first.cell.startswith("lstm")
        if n_symbols < 1 or n_symbols > table.shape[0]:
            raise ValueError(f"W: expected 1 to {table.shape[0]} symbols, a row of the table each, got {n_symbols}")
        _require("the table", table, table.shape[0], first.packed.nI)
        _require("W", W, n_symbols, self.nH)
        _require_vector("b", b, n_symbols)
        self.n_rows = table.shape[0]
        cdef int64_t width = first.kernels.projection_width(first.packed)
        self.projections.resize(self.n_rows * width)
        cdef vector[float_pointer] rows = _pointers(_matrix(table), _stride(table), self.n_rows)
        self.stack.kernels, self.stack.projections = first.kernels, self.projections.data()
        with nogil:
            run_project(first.kernels[0], first.packed, rows.data(), self.n_rows, self.projections.data())
            first.kernels.pack_symbols(&W[0, 0], &b[0], n_symbols, self.nH, self.stack.symbols)
        self.weights = kept

    cdef int64_t _read(
        self,
        StackState &state,
        vector[int64_t] &copies,
        const int64_t[::1] symbols,
        const float[:, :, ::1] h,
        const float[:, :, ::1] c,
        float[:, :, ::1] h_after,
        float[:, :, ::1] c_after,
    ) except -1:
        """Check symbols, of which copies are taken, and states; give the number of sequences."""
        if symbols is None or h is None or h_after is None or self.has_c == (c is None) or self.has_c == (c_after is None):
            raise ValueError("symbols or states are missing, or the cell has no such state")
        cdef int64_t i, n = symbols.shape[0], depth = self.stack.layers.size()
        _require_state("h", h, depth, n, self.nH)
        _require_state("h_after", h_after, depth, n, self.nH)
        if self.has_c:
            _require_state("c", c, depth, n, self.nH)
            _require_state("c_after", c_after, depth, n, self.nH)
        copies.resize(n)
        for i in range(n):
            copies[i] = symbols[i]
            if not 0 <= copies[i] < self.n_rows:
                raise ValueError(f"the table has the symbols 0 to {self.n_rows - 1}, got {copies[i]}")
        if n:
            state.h, state.h_after = &h[0, 0, 0], &h_after[0, 0, 0]
            if self.has_c:
                state.c, state.c_after = &c[0, 0, 0], &c_after[0, 0, 0]
        return n

    def step(
        self,
        const int64_t[::1] symbols,
        const float[:, :, ::1] h,
        const float[:, :, ::1] c,
        float[:, :, ::1] h_after,
        float[:, :, ::1] c_after,
        float[:, ::1] Y,
    ):
        """Read one symbol of each sequence.

        symbols (Ints1d): int64 [B].
        h, c (Floats3d): [depth, B, nH], the state before; c is None where the cell has no cell state.
        h_after, c_after (Floats3d): [depth, B, nH], written: the state after.
        Y (Floats2d): [B, V], written: the log-probabilities of the symbol that follows.
        RAISES (ValueError): If a shape does not fit, or there is no such symbol.
        """
        cdef StackState state
        cdef vector[int64_t] copies
        cdef int64_t n = self._read(state, copies, symbols, h, c, h_after, c_after)
        _require("Y", Y, n, self.stack.symbols.n_symbols)
        if n == 0:
            return
        self.n_steps += 1
        with nogil:
            step_stack(self.stack, n, copies.data(), state, self.n_steps, &Y[0, 0])

    def generate(
        self,
        const int64_t[::1] symbols,
        const float[:, :, ::1] h,
        const float[:, :, ::1] c,
        const double[:, ::1] uniforms not None,
        dict sampling not None,
        const uint8_t[::1] forbidden not None,
        const uint8_t[::1] stops not None,
        list stop_sequences not None,
        const int64_t[:, ::1] before not None,
        uint8_t[:, ::1] seen,
        int64_t[:, ::1] chosen not None,
        float[:, ::1] log_probabilities not None,
        int64_t[::1] lengths not None,
        int64_t[::1] counts not None,
        float[:, :, ::1] h_after,
        float[:, :, ::1] c_after,
    ):
        """Go on with sequences, symbol after symbol.

        symbols (Ints1d): int64 [B], the last symbol of each, which is read first.
        h, c (Floats3d): [depth, B, nH], the state before it.
        uniforms (Floats2d): float64 [B, T], what each symbol is drawn by, in [0, 1).
        sampling (Dict[str, Any]): temperature, top_k, top_p, min_p, repetition_penalty and greedy.
        forbidden, stops (Ints1d): uint8 [V], whether a symbol never comes, and whether a sequence stops with it.
        stop_sequences (List[List[int]]): Symbols that stop a sequence where they stand in a row.
        before (Ints2d): int64 [B, n], what was generated before, for these; -1 where it is less.
        seen (Optional[Ints2d]): uint8 [B, V], which symbols a sequence has, for the penalty; those that are chosen are added.
        chosen (Ints2d): int64 [B, T], written: the symbols.
        log_probabilities (Floats2d): [B, T], written: theirs by the model.
        lengths (Ints1d): int64 [B], written: how many of each sequence were written.
        counts (Ints1d): int64 [B], written: how many of its last symbols have stopped a sequence; 0 if it may go on; -1 if no symbol
            may come.
        h_after, c_after (Floats3d): [depth, B, nH], written: the state before the last symbol is read.
        RAISES (ValueError): If a shape does not fit, there is no such symbol, or the model's log-probabilities are no numbers.
        """
        cdef StackState state
        cdef vector[int64_t] copies
        cdef int64_t n = self._read(state, copies, symbols, h, c, h_after, c_after), V = self.stack.symbols.n_symbols
        cdef int64_t T = uniforms.shape[1]
        cdef Sampling how
        cdef Generation to
        if uniforms.shape[0] != n or chosen.shape[0] != n or chosen.shape[1] != T or before.shape[0] != n:
            raise ValueError(f"expected uniforms, chosen and before of {n} sequences")
        if lengths.shape[0] != n or counts.shape[0] != n or forbidden.shape[0] != V or stops.shape[0] != V:
            raise ValueError(f"expected lengths and counts of {n} sequences, forbidden and stops of {V} symbols")
        if seen is not None and (seen.shape[0] != n or seen.shape[1] != V):
            raise ValueError(f"seen: expected shape [{n}, {V}], got [{seen.shape[0]}, {seen.shape[1]}]")
        _require("log_probabilities", log_probabilities, n, T)
        how.temperature, how.top_k, how.top_p = sampling["temperature"], sampling["top_k"], sampling["top_p"]
        how.min_p, how.repetition_penalty, how.greedy = sampling["min_p"], sampling["repetition_penalty"], sampling["greedy"]
        to.n, to.n_steps, to.symbols, to.stop_sequences = n, T, copies.data(), stop_sequences
        lengths[:], counts[:], chosen[:], log_probabilities[:] = 0, 0, -1, 0
        if n == 0 or T == 0:
            if n:
                h_after[:] = h
                if self.has_c:
                    c_after[:] = c
            return
        to.uniforms, to.forbidden, to.stops, to.n_before = &uniforms[0, 0], &forbidden[0], &stops[0], before.shape[1]
        to.before = &before[0, 0] if before.shape[1] else NULL
        to.seen = &seen[0, 0] if seen is not None else NULL
        to.chosen, to.log_probabilities, to.lengths, to.counts = &chosen[0, 0], &log_probabilities[0, 0], &lengths[0], &counts[0]
        with nogil:
            generate_symbols(self.stack, how, to, state, self.n_steps)
        self.n_steps += T


cdef int _require_state(str name, const float[:, :, ::1] x, int64_t depth, int64_t n, int64_t nH) except -1:
    if x.shape[0] != depth or x.shape[1] != n or x.shape[2] != nH:
        raise ValueError(f"{name}: expected shape [{depth}, {n}, {nH}], got [{x.shape[0]}, {x.shape[1]}, {x.shape[2]}]")
    return 0


def multiply(
    const float[:, ::1] A not None, const float[:, ::1] B not None, float[:, ::1] C not None, bint transpose_A, bint transpose_B
):
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
        run_multiply(kernels[0], p)


def normalize(
    const float[:, :] X not None, const float[::1] G not None, const float[::1] b not None, float epsilon, float[:, ::1] Y not None
):
    """Normalize rows: (X - mean) / sqrt(variance + epsilon) · G + b.

    X (Floats2d): [N, width].
    G, b (Floats1d): [width].
    epsilon (float): What is added to the variances.
    Y (Floats2d): [N, width], written.
    RAISES (ValueError): If a shape does not fit.
    """
    cdef Normalization s
    s.n, s.width, s.epsilon = X.shape[0], X.shape[1], epsilon
    _require("X", X, s.n, s.width)
    _require("Y", Y, s.n, s.width)
    _require_vector("G", G, s.width)
    _require_vector("b", b, s.width)
    if s.n == 0 or s.width == 0:
        return
    s.X, s.x_stride, s.G, s.b, s.Y = _matrix(X), _stride(X), _vector(G), _vector(b), _out_matrix(Y)
    cdef const Kernels *kernels = _kernels
    with nogil:
        run_normalize(kernels[0], s)


cdef Field _field(const float[::1] start, const float[:, ::1] transitions, const float[::1] end) except *:
    cdef Field field
    if start is None or start.shape[0] < 1:
        raise ValueError("a conditional random field has one label at least")
    field.n_labels = start.shape[0]
    _require("transitions", transitions, field.n_labels, field.n_labels)
    _require_vector("end", end, field.n_labels)
    field.start, field.transitions, field.end = &start[0], &transitions[0, 0], &end[0]
    return field


cdef ScoreBatch _scores(
    int64_t n_labels, const float[:, :] scores, const uint8_t[:, ::1] allowed, const int32_t[::1] length, vector[int32_t] &lengths
) except *:
    """Check the scores of a batch.

    lengths (vector[int32_t]): Becomes a copy of the lengths, which must live as long as what is returned.
    RAISES (ValueError): If a shape does not fit, or if the lengths do not add up to the rows.
    """
    cdef ScoreBatch batch
    cdef int64_t n_rows = _copy_lengths(length, lengths)
    if scores is not None and scores.shape[0] != n_rows:
        raise ValueError(f"lengths add up to {n_rows}, but the batch has {scores.shape[0]} rows")
    _require("scores", scores, n_rows, n_labels)
    if allowed is not None and (allowed.shape[0] != n_rows or allowed.shape[1] != n_labels):
        raise ValueError(f"allowed: expected shape [{n_rows}, {n_labels}], got [{allowed.shape[0]}, {allowed.shape[1]}]")
    batch.n_sequences = lengths.size()
    batch.length = lengths.data()
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
    RAISES (ValueError): If a shape does not fit, or if the lengths do not add up to the rows.
    """
    cdef vector[int32_t] lengths
    cdef Field field = _field(start, transitions, end)
    cdef ScoreBatch batch = _scores(field.n_labels, scores, None, length, lengths)
    cdef const Kernels *kernels = _kernels
    if labels is None or labels.shape[0] != scores.shape[0] or best is None or best.shape[0] != batch.n_sequences:
        raise ValueError(f"expected {scores.shape[0]} labels and {batch.n_sequences} scores of paths")
    cdef int64_t *to = &labels[0] if labels.shape[0] else NULL
    if batch.n_sequences:
        with nogil:
            find_best_paths(kernels[0], field, batch, to, &best[0])


cdef class PathSums:
    """The sums over all paths of labels through each sequence."""

    cdef CPathSums sums
    cdef Py_ssize_t n_sequences
    cdef Py_ssize_t n_labels
    cdef vector[int32_t] lengths
    cdef tuple arrays
    cdef bint can_count

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
        RAISES (ValueError): If a shape does not fit, or if the lengths do not add up to the rows.
        """
        if self.arrays is not None:
            raise ValueError("paths are summed once")
        cdef Field field = _field(start, transitions, end)
        cdef vector[int32_t] lengths
        cdef ScoreBatch batch = _scores(field.n_labels, scores, allowed, length, lengths)
        _require("marginals", marginals, scores.shape[0], field.n_labels)
        if log_sums is None or log_sums.shape[0] != batch.n_sequences:
            raise ValueError(f"log_sums: expected {batch.n_sequences} numbers")
        self.arrays = (start, transitions, end, scores, allowed)
        self.n_sequences, self.n_labels = batch.n_sequences, field.n_labels
        self.lengths.swap(lengths)
        batch.length = self.lengths.data()
        cdef const Kernels *kernels = _kernels
        cdef float *to = _out_matrix(marginals)
        if batch.n_sequences:
            with nogil:
                self.sums.run(kernels[0], field, batch, keep, &log_sums[0], to)
        self.can_count = keep

    def count_transitions(self, const float[::1] weights, double[:, ::1] counts):
        """Find how often each label is expected right after each other one.

        weights (Floats1d): [B], what each sequence counts.
        counts (Floats2d): float64 [L, L], written.
        RAISES (ValueError): If a shape does not fit, or if the sums were not kept.
        """
        if not self.can_count:
            raise ValueError("transitions can be counted after a sum over paths with `keep` only")
        if weights is None or counts is None:
            raise ValueError("weights or counts are missing")
        if weights.shape[0] != self.n_sequences or counts.shape[0] != self.n_labels or counts.shape[1] != self.n_labels:
            raise ValueError(f"expected {self.n_sequences} weights and counts of {self.n_labels} labels")
        if self.n_sequences:
            with nogil:
                self.sums.count_transitions(&weights[0], &counts[0, 0])
        else:
            counts[:, :] = 0.0


include "_attention.pxi"
include "_backoff.pxi"
include "_symbols.pxi"

select(instruction_sets()[0])
