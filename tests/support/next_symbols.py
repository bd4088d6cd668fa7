"""Small models of the next symbol. Their states cannot be written to."""

import numpy

from spacy_rnn.generation import score_stepwise


def frozen(array):
    array.flags.writeable = False
    return array


def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return (shifted - numpy.log(numpy.exp(shifted).sum(axis=-1, keepdims=True))).astype("float32")


class Chain:
    """A Markov chain of order 2: a table [V, V, V] of log-probabilities by the last two symbols."""

    def __init__(self, n_symbols, seed=0, spread=1.5, start=1):
        scores = numpy.random.default_rng(seed).normal(size=(n_symbols,) * 3) * spread
        self.n_symbols = n_symbols
        self.first = start
        self.table = frozen(log_softmax(scores))
        self.batches = []

    def start(self, n, context=None):
        return frozen(numpy.full(n, self.first))

    def step(self, symbols, state):
        assert len(symbols) == len(state)
        self.batches.append(len(symbols))
        return frozen(self.table[state, symbols]), frozen(symbols.copy())

    def reorder(self, state, index):
        return frozen(state[index])

    def probability(self, prompt, symbols):
        """The log-probabilities of symbols after a prompt, one by one."""
        read = [self.first, self.first, *prompt]
        found = []
        for symbol in symbols:
            found.append(self.table[read[-2], read[-1], symbol])
            read.append(symbol)
        return found


class ScoringChain(Chain):
    """The chain as a language model."""

    def score(self, inputs, targets, lengths, state=None):
        assert (numpy.asarray(lengths) > 0).all()
        return score_stepwise(self, inputs, targets, lengths, state, join=numpy.concatenate)


class Memory:
    """A model whose distributions depend on all symbols before, in their order, and on a context: a small random recurrence."""

    def __init__(self, n_symbols, seed=0, width=6, sharpness=3.0):
        random = numpy.random.default_rng(seed)
        self.n_symbols = n_symbols
        self.embedding = random.normal(size=(n_symbols, width))
        self.recurrent = random.normal(size=(width, width)) / width**0.5
        self.output = random.normal(size=(width, n_symbols)) * sharpness / width**0.5
        self.width = width

    def start(self, n, context=None):
        return frozen(numpy.zeros((n, self.width)) if context is None else numpy.asarray(context, dtype="float64").copy())

    def step(self, symbols, state):
        assert len(symbols) == len(state)
        # Row by row, as a product of matrices may add up in another order in another batch.
        rows = [numpy.tanh(self.embedding[symbol] + row @ self.recurrent) for symbol, row in zip(symbols, state, strict=True)]
        scores = numpy.stack([log_softmax(row @ self.output) for row in rows])
        return frozen(scores), frozen(numpy.stack(rows))

    def reorder(self, state, index):
        return frozen(state[index])


class Ties(Chain):
    """A chain whose log-probabilities are multiples of 1/2, so that many sums are equal to the last bit."""

    def __init__(self, n_symbols, seed=0):
        super().__init__(n_symbols, seed)
        self.table = frozen(numpy.floor(self.table * 2) / 2)


class Deaf(Chain):
    """A chain in which many symbols cannot come, and sometimes none can."""

    def __init__(self, n_symbols, seed=0):
        super().__init__(n_symbols, seed)
        random = numpy.random.default_rng(seed + 1000)
        table = numpy.where(random.random(self.table.shape) < 0.6, numpy.float32("-inf"), self.table)
        table[random.random(table.shape[:2]) < 0.1] = -numpy.inf
        self.table = frozen(table)


class Attending(Memory):
    """A memory that attends to a source, which is its context: for each sequence a matrix [n, width], all n alike or not.

    A state: a row, the source, and the sums of attention so far, for each sequence.
    """

    def start(self, n, context=None):
        sources = [numpy.ones((1, self.width))] * n if context is None else context
        assert len(sources) == n
        return tuple((numpy.zeros(self.width), source, numpy.zeros(len(source))) for source in sources)

    def step(self, symbols, state):
        assert len(symbols) == len(state)
        scores, after = [], []
        for symbol, (row, source, sums) in zip(symbols, state, strict=True):
            row = numpy.tanh(self.embedding[symbol] + row @ self.recurrent)
            weights = numpy.exp(log_softmax(source @ row)).astype("float64")
            after.append((row, source, sums + weights))
            scores.append(log_softmax((row + weights @ source) @ self.output))
        return frozen(numpy.stack(scores)), tuple(after)

    def reorder(self, state, index):
        return tuple(state[i] for i in index)

    def coverage(self, state):
        return numpy.asarray([numpy.log(numpy.minimum(sums, 1)).sum() for _, _, sums in state])


def finding(model):
    """A model that does not score all symbols where the best will do."""

    class Finding(type(model)):
        def step(self, symbols, state):
            if self.is_searched:
                raise AssertionError("only the best were needed")
            return super().step(symbols, state)

        def best(self, symbols, state, k, forbidden):
            scores, after = super().step(symbols, state)
            best = numpy.full((len(scores), k), -1), numpy.full((len(scores), k), -numpy.inf, "float32")
            for row, values in enumerate(scores):
                possible = [
                    (-value, symbol) for symbol, value in enumerate(values) if symbol not in forbidden and value > -numpy.inf
                ]
                for rank, (value, symbol) in enumerate(sorted(possible)[:k]):
                    best[0][row, rank], best[1][row, rank] = symbol, -value
            return *map(frozen, best), after

    found = object.__new__(Finding)
    found.__dict__.update(model.__dict__, is_searched=False)
    return found
