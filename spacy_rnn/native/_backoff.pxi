# N-grams: how they are counted, and how models of them are asked. Included in _native.pyx.

from libc.stdint cimport uint32_t, uint64_t
from libcpp.string cimport string

cdef extern from "ngram_rows.h" namespace "spacy_rnn":
    enum:
        MAX_ORDER

    cdef cppclass Packing:
        int order
        int bits
        int words() nogil
        int width() nogil

    void _pack_windows "spacy_rnn::pack_windows"(const Packing &, const int32_t *, int64_t, uint64_t *) except + nogil
    int64_t _sort_rows "spacy_rnn::sort_rows"(uint64_t *, int64_t, int) except + nogil

cdef extern from "ngram_trie.h" namespace "spacy_rnn":
    cdef cppclass CTrie "spacy_rnn::Trie":
        int64_t n_symbols
        uint32_t n_contexts
        uint32_t n_nodes
        const int32_t *symbols
        const uint32_t *first

    cdef cppclass CTrieFiller "spacy_rnn::TrieFiller":
        CTrieFiller(const Packing &, int64_t)
        void count(const uint64_t *, int64_t) except + nogil
        const int64_t *sizes()
        int64_t n_nodes()
        int64_t n_contexts()
        void begin(int32_t *, uint32_t *, uint32_t *) nogil
        void fill(const uint64_t *, int64_t) except + nogil
        void end() nogil

    void _find_links "spacy_rnn::find_links"(const CTrie &, uint32_t *, uint32_t *) except + nogil

cdef extern from "ngram_query.h" namespace "spacy_rnn":
    cdef cppclass CBackoffModel "spacy_rnn::BackoffModel":
        int order
        CTrie trie
        const float *log_probabilities
        const float *backoffs
        const uint32_t *links

    void _score_sequences "spacy_rnn::score_sequences"(
        const CBackoffModel &, const int32_t *, const int32_t *, const int32_t *, int64_t, int32_t *, float *
    ) except + nogil
    void _predict_next "spacy_rnn::predict_next"(const CBackoffModel &, const int32_t *, int64_t, float *) except + nogil

cdef extern from "ngram_lines.h" namespace "spacy_rnn":
    cdef cppclass SymbolNames:
        const char *text
        const int64_t *begin

    string _format_ngrams "spacy_rnn::format_ngrams"(
        const CTrie &, int, uint32_t, uint32_t, const SymbolNames &, const int64_t *, const int64_t *
    ) except + nogil


cdef Packing _packing(int order, int bits) except *:
    cdef Packing packing
    if not 1 <= order <= MAX_ORDER or not 1 <= bits <= 32:
        raise ValueError(f"windows have 1 to {MAX_ORDER} symbols of 1 to 32 bits, got {order} of {bits}")
    packing.order, packing.bits = order, bits
    return packing


cdef int _require_symbols(str name, const int32_t[::1] symbols, int64_t least, int64_t n_symbols) except -1:
    cdef Py_ssize_t i
    for i in range(symbols.shape[0]):
        if symbols[i] < least or symbols[i] >= n_symbols:
            raise ValueError(f"{name}: there is no symbol {symbols[i]}: expected 0 to {n_symbols - 1}")
    return 0


def pack_windows(const int32_t[::1] symbols not None, int order, int bits, uint64_t[:, ::1] rows not None):
    """Pack the windows that begin at each symbol of a text.

    symbols (Ints1d): int32 [n].
    order (int): How many symbols a window has.
    bits (int): Of a symbol.
    rows (Ints2d): uint64 [n, width], written: words that sort as the windows do, and the count 1.
    RAISES (ValueError): If a symbol has more bits, or a shape does not fit.
    """
    cdef Packing packing = _packing(order, bits)
    if rows.shape[0] != symbols.shape[0] or rows.shape[1] != packing.width():
        raise ValueError(f"rows: expected shape [{symbols.shape[0]}, {packing.width()}], got [{rows.shape[0]}, {rows.shape[1]}]")
    _require_symbols("symbols", symbols, 0, min((<int64_t>1 << bits) - 1, INT32_MAX))
    if symbols.shape[0]:
        with nogil:
            _pack_windows(packing, &symbols[0], symbols.shape[0], &rows[0, 0])


def sort_rows(uint64_t[:, ::1] rows not None):
    """Sort rows, and make one of those that are equal but for their counts.

    rows (Ints2d): uint64 [n, words + 1], of 1 to 8 words, written. If the call is interrupted they are worth nothing.
    RETURNS (int): How many rows are left, which are the first ones.
    RAISES (ValueError): If there are too many words.
    """
    cdef int words = <int>rows.shape[1] - 1
    cdef int64_t n = 0
    if not 1 <= words <= 8:
        raise ValueError(f"rows have 1 to 8 words and a count, got {words}")
    if rows.shape[0]:
        with nogil:
            n = _sort_rows(&rows[0, 0], rows.shape[0], words)
    return n


cdef class TrieFiller:
    """Makes a tree of sorted rows, in pieces: all are counted, then all are filled in."""

    cdef CTrieFiller *filler
    cdef Packing packing
    cdef int64_t n_symbols
    cdef int64_t n_counted
    cdef int64_t n_filled
    cdef tuple arrays

    def __cinit__(self, int order, int bits, int64_t n_symbols):
        self.packing = _packing(order, bits)
        if not 1 <= n_symbols < (<int64_t>1 << bits):
            raise ValueError(f"{n_symbols} symbols do not fit {bits} bits")
        self.n_symbols = n_symbols
        self.filler = new CTrieFiller(self.packing, n_symbols)

    def __dealloc__(self):
        del self.filler

    cdef int _check(self, const uint64_t[:, ::1] rows) except -1:
        if rows is None or rows.shape[1] != self.packing.width():
            raise ValueError(f"rows: expected {self.packing.width()} columns")
        return 0

    def count(self, const uint64_t[:, ::1] rows):
        """Count the nodes of rows.

        rows (Ints2d): uint64 [n, width].
        """
        self._check(rows)
        if self.arrays is not None:
            raise ValueError("nodes are counted before they are filled in")
        if rows.shape[0]:
            with nogil:
                self.filler.count(&rows[0, 0], rows.shape[0])
        self.n_counted += rows.shape[0]

    def sizes(self):
        """RETURNS (List[int]): The number of n-grams of each order."""
        return [self.filler.sizes()[i] for i in range(self.packing.order)]

    def begin(self, int32_t[::1] symbols not None, uint32_t[::1] counts not None, uint32_t[::1] first not None):
        """Say where the nodes go.

        symbols, counts (Ints1d): int32 and uint32 [n_nodes], the root among them.
        first (Ints1d): uint32 [n_contexts + 1].
        RAISES (ValueError): If a shape does not fit.
        """
        cdef int64_t n_nodes = self.filler.n_nodes(), n_contexts = self.filler.n_contexts()
        if symbols.shape[0] != n_nodes or counts.shape[0] != n_nodes or first.shape[0] != n_contexts + 1 or n_nodes > 0xFFFFFFFF:
            raise ValueError(f"expected room for {n_nodes} nodes, {n_contexts} of them contexts")
        self.arrays = (symbols, counts, first)
        self.filler.begin(&symbols[0], &counts[0], &first[0])

    def fill(self, const uint64_t[:, ::1] rows):
        """Fill nodes in.

        rows (Ints2d): uint64 [n, width], those that were counted, in the same order.
        RAISES (ValueError): If there are more, or a count is too high.
        """
        self._check(rows)
        if self.arrays is None or self.n_filled + rows.shape[0] > self.n_counted:
            raise ValueError("only what has been counted can be filled in")
        self.n_filled += rows.shape[0]
        if rows.shape[0]:
            try:
                with nogil:
                    self.filler.fill(&rows[0, 0], rows.shape[0])
            except OverflowError as error:
                raise ValueError(str(error)) from error

    def end(self):
        """Complete the tree."""
        if self.arrays is None or self.n_filled != self.n_counted:
            raise ValueError("not all that was counted has been filled in")
        self.filler.end()
        self.arrays = ()


cdef CTrie _trie(int64_t n_symbols, const int32_t[::1] symbols, const uint32_t[::1] first) except *:
    """Check a tree as far as memory accesses rest on it."""
    cdef CTrie trie
    cdef int64_t i, n_nodes = symbols.shape[0], n_contexts = first.shape[0] - 1
    if not 1 <= n_symbols < INT32_MAX or not n_symbols < n_nodes <= 0xFFFFFFFF or not 1 <= n_contexts <= n_nodes:
        raise ValueError(f"{n_nodes} nodes, {n_contexts} of them contexts, are no tree of {n_symbols} symbols")
    if first[0] != 1 or first[1] != n_symbols + 1 or first[n_contexts] != n_nodes:
        raise ValueError("the children of the root are not the symbols, or there are nodes that are nobody's children")
    for i in range(n_contexts):
        if first[i] <= i or first[i] > first[i + 1]:
            raise ValueError(f"the children of node {i} do not follow those of the node before")
    for i in range(1, n_nodes):
        if symbols[i] < 0 or symbols[i] >= n_symbols or (i <= n_symbols and symbols[i] != i - 1):
            raise ValueError(f"node {i} is of symbol {symbols[i]}")
    trie.n_symbols, trie.n_contexts, trie.n_nodes = n_symbols, n_contexts, n_nodes
    trie.symbols, trie.first = &symbols[0], &first[0]
    return trie


def find_links(
    int64_t n_symbols,
    const int32_t[::1] symbols not None,
    const uint32_t[::1] first not None,
    uint32_t[::1] links not None,
    uint32_t[::1] extensions not None,
):
    """Find the longest suffix of each node that is a node.

    n_symbols (int): V.
    symbols (Ints1d): int32 [n_nodes].
    first (Ints1d): uint32 [n_contexts + 1].
    links (Ints1d): uint32 [n_nodes], written.
    extensions (Ints1d): uint32 [n_contexts], written: of how many nodes each context is the longest suffix.
    RAISES (ValueError): If that is no tree.
    """
    cdef CTrie trie = _trie(n_symbols, symbols, first)
    if links.shape[0] != trie.n_nodes or extensions.shape[0] != trie.n_contexts:
        raise ValueError(f"expected {trie.n_nodes} links and {trie.n_contexts} extensions")
    with nogil:
        _find_links(trie, &links[0], &extensions[0])


cdef class LineWriter:
    """Writes n-grams as lines of an ARPA file."""

    cdef CTrie trie
    cdef SymbolNames names
    cdef tuple arrays

    def __init__(
        self,
        int64_t n_symbols,
        const int32_t[::1] symbols not None,
        const uint32_t[::1] first not None,
        list names not None,
    ):
        """Take a tree, which must stay as it is.

        n_symbols (int): V.
        symbols, first (Ints1d): See `find_links`.
        names (List[bytes]): How symbols are written.
        RAISES (ValueError): If that is no tree, or there are not so many names.
        """
        cdef CTrie trie = _trie(n_symbols, symbols, first)
        if len(names) != n_symbols:
            raise ValueError(f"expected {n_symbols} names, got {len(names)}")
        cdef bytes text = b"".join(names)
        cdef const int64_t[::1] begin = array("q", accumulate((len(name) for name in names), initial=0))
        self.trie = trie
        self.names.text, self.names.begin = text, &begin[0]
        self.arrays = (symbols, first, text, begin)

    def format(self, int order, int64_t begin, const int64_t[::1] logarithms not None, const int64_t[::1] weights):
        """Write n-grams of an order that follow each other.

        order (int): Their order.
        begin (int): The first one, which is of that order.
        logarithms (Ints1d): int64 [n], those of their probabilities, in 10^-7.
        weights (Optional[Ints1d]): int64 [n], the logarithms of their back-off weights, if they have some.
        RETURNS (bytes): The lines.
        RAISES (ValueError): If these are no n-grams of that order.
        """
        cdef int64_t n = logarithms.shape[0], first = 0, after = 1
        cdef int i
        if n == 0:
            return b""
        for i in range(order if 1 <= order <= MAX_ORDER else 0):
            # The children of the nodes of an order are those of the next one.
            if first >= self.trie.n_contexts:
                first, after = 0, 0
                break
            first, after = self.trie.first[first], self.trie.first[min(after, <int64_t>self.trie.n_contexts)]
        if not 1 <= order <= MAX_ORDER or begin < first or begin + n > after or (weights is not None and weights.shape[0] != n):
            raise ValueError(f"there are no {n} n-grams of order {order} from node {begin}")
        cdef string lines
        cdef const int64_t *of_weights = NULL
        if weights is not None:
            of_weights = &weights[0]
        with nogil:
            lines = _format_ngrams(self.trie, order, <uint32_t>begin, <uint32_t>(begin + n), self.names, &logarithms[0], of_weights)
        return <bytes>lines


cdef class BackoffQuery:
    """A back-off model, ready to be asked. Its arrays must stay as they are."""

    cdef CBackoffModel model
    cdef tuple arrays

    def __init__(
        self,
        int order,
        int64_t n_symbols,
        const int32_t[::1] symbols not None,
        const uint32_t[::1] first not None,
        const uint32_t[::1] links not None,
        const float[::1] log_probabilities not None,
        const float[::1] backoffs not None,
    ):
        """Take a model.

        order (int): The highest order of its n-grams.
        n_symbols (int): V.
        symbols, first, links (Ints1d): Its tree: see `find_links`.
        log_probabilities, backoffs (Floats1d): [n_nodes], [n_contexts].
        RAISES (ValueError): If a shape does not fit, or that is no tree.
        """
        cdef CTrie trie = _trie(n_symbols, symbols, first)
        cdef int64_t i
        if not 1 <= order <= MAX_ORDER:
            raise ValueError(f"models have an order of 1 to {MAX_ORDER}, got {order}")
        if links.shape[0] != trie.n_nodes or log_probabilities.shape[0] != trie.n_nodes or backoffs.shape[0] != trie.n_contexts:
            raise ValueError(f"expected {trie.n_nodes} links and log-probabilities and {trie.n_contexts} back-off weights")
        for i in range(links.shape[0]):
            if links[i] >= trie.n_contexts or (links[i] >= i and i > 0) or (i <= n_symbols and links[i] != 0):
                raise ValueError(f"the link of node {i} does not lead to a shorter one")
        self.model.order, self.model.trie = order, trie
        self.model.links, self.model.log_probabilities, self.model.backoffs = &links[0], &log_probabilities[0], &backoffs[0]
        self.arrays = (symbols, first, links, log_probabilities, backoffs)

    cdef int _check_states(self, const int32_t[:, ::1] states, int64_t n) except -1:
        cdef Py_ssize_t i, j
        if states.shape[0] != n or states.shape[1] != self.model.order - 1:
            raise ValueError(f"expected states [{n}, {self.model.order - 1}], got [{states.shape[0]}, {states.shape[1]}]")
        for i in range(states.shape[0]):
            for j in range(states.shape[1]):
                if states[i, j] < -1 or states[i, j] >= self.model.trie.n_symbols:
                    raise ValueError(f"there is no symbol {states[i, j]}, which a state has")
        return 0

    def score(
        self,
        const int32_t[::1] inputs not None,
        const int32_t[::1] targets not None,
        const int32_t[::1] length not None,
        int32_t[:, ::1] states not None,
        float[::1] log_probabilities not None,
    ):
        """Score sequences.

        inputs, targets (Ints1d): int32 [N].
        length (Ints1d): int32 [B].
        states (Ints2d): int32 [B, order - 1], the symbols before, written: those after.
        log_probabilities (Floats1d): [N], written.
        RAISES (ValueError): If a shape does not fit, there is no such symbol, or lengths do not add up.
        """
        cdef vector[int32_t] lengths
        cdef int64_t n = _copy_lengths(length, lengths)
        if inputs.shape[0] != n or targets.shape[0] != n or log_probabilities.shape[0] != n:
            raise ValueError(f"lengths add up to {n}, but there are {inputs.shape[0]} inputs and {targets.shape[0]} targets")
        self._check_states(states, <int64_t>lengths.size())
        _require_symbols("inputs", inputs, 0, self.model.trie.n_symbols)
        _require_symbols("targets", targets, 0, self.model.trie.n_symbols)
        cdef int32_t *state = &states[0, 0] if states.shape[0] and states.shape[1] else NULL
        if n:
            with nogil:
                _score_sequences(self.model, &inputs[0], &targets[0], lengths.data(), <int64_t>lengths.size(), state, &log_probabilities[0])

    def predict(self, const int32_t[:, ::1] states not None, float[:, ::1] log_probabilities not None):
        """Find the log-probabilities of what may come next.

        states (Ints2d): int32 [B, order - 1], the symbols before.
        log_probabilities (Floats2d): [B, V], written.
        RAISES (ValueError): If a shape does not fit, or there is no such symbol.
        """
        cdef int64_t n = log_probabilities.shape[0]
        if log_probabilities.shape[1] != self.model.trie.n_symbols:
            raise ValueError(f"expected room for {self.model.trie.n_symbols} log-probabilities a row, got {log_probabilities.shape[1]}")
        self._check_states(states, n)
        cdef const int32_t *state = &states[0, 0] if states.shape[0] and states.shape[1] else NULL
        if n:
            with nogil:
                _predict_next(self.model, state, n, &log_probabilities[0, 0])
