# Attention over ragged rows. Included in _native.pyx.

cdef extern from "engine.h" namespace "spacy_rnn":
    cdef cppclass FloatRows:
        const float *first
        int64_t stride

    cdef cppclass CAttention "spacy_rnn::Attention":
        int64_t n_queries
        int64_t n_owners
        const int64_t *owners
        const int64_t *starts
        FloatRows Q
        FloatRows keys
        FloatRows values
        const float *u
        int64_t width
        int64_t value_width

    cdef cppclass AttentionBackward:
        CAttention attention
        const float *weights
        FloatRows dC
        const float *d_weights
        float *dQ
        float *d_keys
        float *d_values
        float *du

    void run_attend(const Kernels &, const CAttention &, float *, float *) except + nogil
    void run_attend_backward(const Kernels &, const AttentionBackward &) except + nogil


cdef FloatRows _rows(const float[:, :] x) noexcept:
    cdef FloatRows rows
    rows.first, rows.stride = _matrix(x), _stride(x)
    return rows


cdef int64_t _copy_starts(const int64_t[::1] starts, int64_t n_rows, vector[int64_t] &to) except -1:
    """Copy where the rows of each owner begin, so that it is what was checked, and give the number of owners."""
    cdef int64_t i, n = starts.shape[0]
    if n == 0:
        raise ValueError("starts: expected the first row of each owner, and the number of rows, got nothing")
    to.resize(n)
    for i in range(n):
        to[i] = starts[i]
        if to[i] < (to[i - 1] if i else 0):
            raise ValueError(f"starts: expected numbers of rows that do not decrease from 0, got {to[i]} at {i}")
    if to[0] != 0 or to[n - 1] != n_rows:
        raise ValueError(f"starts: expected numbers of rows from 0 to {n_rows}, got {to[0]} to {to[n - 1]}")
    return n - 1


cdef class _Attended:
    """Queries and what they look at, checked."""

    cdef CAttention attention
    cdef vector[int64_t] starts
    cdef vector[int64_t] owners
    cdef int64_t n_weights

    def __cinit__(
        self,
        const float[:, :] Q not None,
        const float[:, :] keys not None,
        const float[:, :] values not None,
        const int64_t[::1] starts not None,
        const int64_t[::1] owners not None,
        const float[::1] u,
    ):
        cdef int64_t i, owner, M = Q.shape[0], n_rows = keys.shape[0]
        _require("Q", Q, M, keys.shape[1])
        _require("keys", keys, n_rows, keys.shape[1])
        _require("values", values, n_rows, values.shape[1])
        if u is not None:
            _require_vector("u", u, keys.shape[1])
        self.attention.n_owners = _copy_starts(starts, n_rows, self.starts)
        if owners.shape[0] != M:
            raise ValueError(f"owners: expected that of each of the {M} queries, got {owners.shape[0]}")
        self.owners.resize(M)
        for i in range(M):
            owner = self.owners[i] = owners[i]
            if not 0 <= owner < self.attention.n_owners:
                raise ValueError(f"owners: expected 0 to {self.attention.n_owners - 1}, got {owner} for query {i}")
            self.n_weights += self.starts[owner + 1] - self.starts[owner]
        self.attention.n_queries, self.attention.width, self.attention.value_width = M, keys.shape[1], values.shape[1]
        self.attention.owners, self.attention.starts = self.owners.data(), self.starts.data()
        self.attention.Q, self.attention.keys, self.attention.values = _rows(Q), _rows(keys), _rows(values)
        self.attention.u = _vector(u)


def attend(
    const float[:, :] Q,
    const float[:, :] keys,
    const float[:, :] values,
    const int64_t[::1] starts,
    const int64_t[::1] owners,
    const float[::1] u,
    float[::1] weights,
    float[:, ::1] C,
):
    """Look at the rows of an owner with each query: C_m = Σ_i w_i values_i, w = softmax(s).

    The scores s_i are Q_m · keys_i (Luong et al. 2015) or u · tanh(Q_m + keys_i) (Bahdanau et al. 2015). A query's results do not
    depend on the other queries, not even in their last bit. They are fastest where queries of one owner follow each other.

    Q (Floats2d): [M, d], the queries.
    keys (Floats2d): [N, d], the rows of all owners, one owner after the other.
    values (Floats2d): [N, dv]; may be the keys.
    starts (Ints1d): int64 [B + 1], the first row of each owner, and N.
    owners (Ints1d): int64 [M], in 0 to B - 1, the owner of each query, in any order.
    u (Optional[Floats1d]): [d]; None for dot products.
    weights (Floats1d): [P], written query after query, as many as its owner has rows. If a score is not a number, or infinite, the
        query's weights are not numbers.
    C (Floats2d): [M, dv], written; zeros where an owner has no rows.
    RAISES (ValueError): If a shape does not fit, or there is no such owner or row.
    """
    cdef _Attended attended = _Attended(Q, keys, values, starts, owners, u)
    _require_vector("weights", weights, attended.n_weights)
    _require("C", C, Q.shape[0], values.shape[1])
    cdef float *to_weights = _out_vector(weights)
    cdef float *to_C = _out_matrix(C)
    cdef const Kernels *kernels = _kernels
    with nogil:
        run_attend(kernels[0], attended.attention, to_weights, to_C)


def attend_backward(
    const float[:, :] Q,
    const float[:, :] keys,
    const float[:, :] values,
    const int64_t[::1] starts,
    const int64_t[::1] owners,
    const float[::1] u,
    const float[::1] weights,
    const float[:, :] dC,
    const float[::1] d_weights,
    float[:, ::1] dQ,
    float[:, ::1] d_keys,
    float[:, ::1] d_values,
    float[::1] du,
):
    """Find the gradients of what `attend` read. Each is summed in the order of the queries.

    Q, keys, values, starts, owners, u: As they were read.
    weights (Floats1d): [P], as they were written.
    dC (Floats2d): [M, dv], the gradient of C.
    d_weights (Optional[Floats1d]): [P], a gradient of the weights themselves, zeros if None.
    dQ (Floats2d): [M, d], written.
    d_keys (Floats2d): [N, d], written.
    d_values (Floats2d): [N, dv], written; another array than d_keys. Where the values are the keys, add the two.
    du (Optional[Floats1d]): [d], written; None where u is.
    RAISES (ValueError): If a shape does not fit, or there is no such owner or row.
    """
    cdef _Attended attended = _Attended(Q, keys, values, starts, owners, u)
    cdef AttentionBackward b
    _require_vector("weights", weights, attended.n_weights)
    if d_weights is not None:
        _require_vector("d_weights", d_weights, attended.n_weights)
    _require("dC", dC, Q.shape[0], values.shape[1])
    _require("dQ", dQ, Q.shape[0], keys.shape[1])
    _require("d_keys", d_keys, keys.shape[0], keys.shape[1])
    _require("d_values", d_values, values.shape[0], values.shape[1])
    if (u is None) != (du is None):
        raise ValueError("du: expected an array where there is u, and only there")
    if u is not None:
        _require_vector("du", du, keys.shape[1])
    b.attention, b.weights, b.dC = attended.attention, _vector(weights), _rows(dC)
    b.d_weights = _vector(d_weights)
    b.dQ, b.d_keys, b.d_values = _out_matrix(dQ), _out_matrix(d_keys), _out_matrix(d_values)
    b.du = _out_vector(du)
    if b.d_keys != NULL and b.d_keys == b.d_values:
        raise ValueError("d_values: expected another array than d_keys")
    cdef const Kernels *kernels = _kernels
    with nogil:
        run_attend_backward(kernels[0], b)
