import numpy
import pytest

from spacy_rnn.backoff import NGramCounter, engine, estimate, reference
from spacy_rnn.native import library

ENGINES = [
    pytest.param(library, id="compiled", marks=pytest.mark.skipif(library is None, reason="needs the compiled engine")),
    pytest.param(reference, id="reference"),
]
FALLBACK = (0.5, 1, 1.5)
SMOOTHINGS = ["kneser_ney", "witten_bell", "add_k", "none"]


@pytest.fixture(params=ENGINES)
def functions(request, monkeypatch):
    monkeypatch.setattr(engine, "functions", request.param)
    return request.param


@pytest.fixture(scope="session")
def train():
    def train(texts, order, n_symbols, smoothing="kneser_ney", max_memory=1 << 20, **settings):
        counter = NGramCounter(order, n_symbols, max_memory=max_memory)
        for text in texts:
            counter.add(numpy.asarray(text, "int32"))
        if smoothing == "kneser_ney":
            settings.setdefault("discount_fallback", FALLBACK)
        return estimate(counter.finish(), smoothing, **settings)

    return train


@pytest.fixture(scope="session")
def texts():
    """Texts of 9 symbols in which some sequences come often."""
    random = numpy.random.default_rng(0)
    steps = random.dirichlet(numpy.full(6, 0.3), size=6)
    found = []
    for n in random.integers(0, 30, size=60):
        text = [0]
        for _ in range(n):
            text.append(int(random.choice(6, p=steps[text[-1]])))
        found.append([symbol + 3 if symbol else 0 for symbol in text[1:]])
    return found
