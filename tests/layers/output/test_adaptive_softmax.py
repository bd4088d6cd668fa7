"""The adaptive softmax; tests/layers/output/test_symbol_softmax.py has what it shares with other layers."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers import build_adaptive_softmax
from spacy_rnn.layers.capabilities import ScoresSymbols, find
from spacy_rnn.layers.output.adaptive_softmax import clusters_of

nI, nV, N = 8, 40, 30


def test_agrees_with_torch(randomize):
    torch = pytest.importorskip("torch")
    layer = randomize(build_adaptive_softmax(nI, nV, [10, 20], shrink=2).initialize(), "float32")
    # Clusters have no bias there.
    layer.get_param("b")[12:] = 0
    other = torch.nn.AdaptiveLogSoftmaxWithLoss(nI, nV, [10, 20], div_value=2, head_bias=True)
    P, T = layer.get_param("P"), layer.get_param("T")
    parts = {
        "head.weight": layer.get_param("W"),
        "head.bias": layer.get_param("b")[:12],
        "tail.0.0.weight": P[:4],
        "tail.0.1.weight": T[:40].reshape(10, 4),
        "tail.1.0.weight": P[4:],
        "tail.1.1.weight": T[40:].reshape(20, 2),
    }
    other.load_state_dict({name: torch.tensor(part) for name, part in parts.items()})
    rng = numpy.random.default_rng(0)
    H, targets = rng.normal(size=(N, nI)).astype("float32"), rng.integers(0, nV, size=N)
    rows = torch.tensor(H, requires_grad=True)
    output, loss = other(rows, torch.tensor(targets))
    (loss * N).backward()
    log_probabilities, backprop = find(layer, ScoresSymbols).begin_update(layer, H, targets, None)
    assert_allclose(log_probabilities, output.detach().numpy(), rtol=1e-5)
    assert_allclose(backprop(), rows.grad.numpy(), rtol=1e-4, atol=1e-5)
    assert_allclose(layer.get_grad("T")[40:], other.tail[1][1].weight.grad.numpy().reshape(-1), rtol=1e-4, atol=1e-5)
    assert_allclose(layer.predict(H), other.log_prob(rows).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "n_symbols, expected",
    [
        (2, (1, [(1, 2, 2)])),
        (14, (1, [(1, 2, 2), (2, 14, 1)])),
        (30000, (2000, [(2000, 6000, 2), (6000, 30000, 1)])),
    ],
)
def test_clusters_follow_from_the_number_of_symbols(n_symbols, expected):
    assert clusters_of({"nI": nI, "nV": n_symbols}, {"cutoffs": None, "shrink": 4}) == expected


@pytest.mark.parametrize("cutoffs", [[], [0, 5], [5, 5], [7, 5], [-1], [5, nV], [nV + 1]])
def test_bad_cutoffs_are_refused(cutoffs):
    with pytest.raises(ValueError, match="cutoff"):
        build_adaptive_softmax(nI, nV, cutoffs)


def test_there_is_nothing_to_share_out_of_one_symbol():
    with pytest.raises(ValueError, match="from each cutoff on, got 1 symbols"):
        build_adaptive_softmax(nI, 1)


def test_cutoffs_beyond_symbols_that_are_known_late_are_refused():
    layer = build_adaptive_softmax(nI, cutoffs=[10, nV])
    layer.set_dim("nV", nV)
    with pytest.raises(ValueError, match="from each cutoff on, got 40 symbols"):
        layer.initialize()


def test_vectors_cannot_be_wider_than_rows():
    with pytest.raises(ValueError, match="shrink must be at least 1"):
        build_adaptive_softmax(nI, nV, shrink=0)


def test_sizes_come_from_samples():
    layer = build_adaptive_softmax()
    layer.initialize(X=numpy.zeros((N, nI), dtype="float32"), Y=numpy.zeros((N, nV), dtype="float32"))
    assert layer.get_param("W").shape == (4, nI)
