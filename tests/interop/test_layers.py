"""Recurrent layers from torch's modules, and back."""

import sys

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, chain, fix_random_seed, ragged2list

from spacy_rnn.interop import from_torch, load_torch, to_torch
from spacy_rnn.layers import build_list2ragged, build_rnn, initial_state

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")

nI, nH = 5, 4
LENGTHS = [7, 1, 12, 3]
KINDS = {
    "elman_tanh": lambda **options: torch.nn.RNN(nI, nH, **options),
    "elman_relu": lambda **options: torch.nn.RNN(nI, nH, nonlinearity="relu", **options),
    "gru": lambda **options: torch.nn.GRU(nI, nH, **options),
    "lstm": lambda **options: torch.nn.LSTM(nI, nH, **options),
}
SHAPES = [
    {"num_layers": depth, "bidirectional": bidirectional, "bias": bias}
    for depth in (1, 3)
    for bidirectional in (False, True)
    for bias in (True, False)
]
every_cell = pytest.mark.parametrize("cell", KINDS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)
    torch.manual_seed(0)


@pytest.fixture
def batch():
    rng = numpy.random.default_rng(0)
    return [rng.normal(size=(n, nI)).astype("float32") for n in LENGTHS]


def run_alone(module, rows):
    """What a module gives for one sequence."""
    with torch.no_grad():
        return module.eval()(torch.from_numpy(rows))[0].numpy()


def as_ragged(sequences):
    return Ragged(numpy.concatenate(sequences), numpy.asarray([len(rows) for rows in sequences], dtype="int32"))


def assert_same_outputs(model, module, batch):
    expected = numpy.concatenate([run_alone(module, rows) for rows in batch])
    assert numpy.abs(expected).max() > 1e-3
    assert_allclose(model.predict(as_ragged(batch)).data, expected, rtol=1e-5, atol=2e-6)


@every_shape
@every_cell
def test_a_ragged_batch_gets_what_torch_gives_its_sequences_alone(cell, shape, batch):
    module = KINDS[cell](**shape)
    model = from_torch(module)
    assert model.attrs["cell"] == cell
    assert_same_outputs(model, module, batch)


@every_shape
@every_cell
def test_a_layer_goes_to_torch_and_comes_back_with_the_same_parameters(cell, shape, batch):
    bidirectional = shape["bidirectional"]
    model = build_rnn(
        nH * (2 if bidirectional else 1), nI, cell=cell, bidirectional=bidirectional, depth=shape["num_layers"], dropout=0.2
    )
    model.initialize()
    rng = numpy.random.default_rng(1)
    for direction in model.layers:
        for name in direction.param_names:
            direction.set_param(name, rng.normal(scale=0.5, size=direction.get_param(name).shape).astype("float32"))
    module = to_torch(model)
    assert not module.training
    assert_same_outputs(model, module, batch)
    back = from_torch(module)
    assert [node.name for node in back.walk()] == [node.name for node in model.walk()]
    for direction, other in zip(model.layers, back.layers, strict=True):
        for name in direction.param_names:
            assert_array_equal(other.get_param(name), direction.get_param(name))
    if shape["num_layers"] > 1:
        assert module.dropout == back.attrs["dropout"] == 0.2


@every_cell
def test_a_module_comes_back_from_here_with_the_same_outputs(cell, batch):
    module = KINDS[cell](num_layers=2, bidirectional=True)
    back = to_torch(from_torch(module))
    for rows in batch:
        assert_allclose(run_alone(back, rows), run_alone(module, rows), atol=2e-6)


@every_cell
def test_gradients_are_torchs(cell, batch):
    module = KINDS[cell](num_layers=2, bidirectional=True)
    model = from_torch(module)
    Y, backprop = model.begin_update(as_ragged(batch))
    d_rows = numpy.random.default_rng(2).normal(size=Y.data.shape).astype("float32")
    dX = backprop(Ragged(d_rows, Y.lengths)).data
    ends = numpy.cumsum(LENGTHS)
    for rows, d_out, expected in zip(batch, numpy.split(d_rows, ends[:-1]), numpy.split(dX, ends[:-1]), strict=True):
        X = torch.from_numpy(rows).requires_grad_()
        module(X)[0].backward(torch.from_numpy(d_out))
        assert_allclose(X.grad.numpy(), expected, atol=1e-5)
    for k, direction in enumerate(model.layers):
        suffix = f"_l{k // 2}{'_reverse' if k % 2 else ''}"
        for name, torchs in (("W", "weight_ih"), ("R", "weight_hh"), ("b", "bias_ih")):
            assert_allclose(direction.get_grad(name), getattr(module, torchs + suffix).grad.numpy(), atol=2e-5)


def test_weights_are_copied_both_ways(batch):
    module = torch.nn.LSTM(nI, nH)
    model = from_torch(module)
    before = model.predict(as_ragged(batch)).data
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    assert_array_equal(model.predict(as_ragged(batch)).data, before)
    module = to_torch(model)
    direction = model.layers[0]
    direction.get_param("W")[:] = 0
    assert module.weight_ih_l0.abs().min() > 0


@pytest.mark.parametrize("dtype, expected", [("float16", "float32"), ("bfloat16", "float32"), ("float64", "float64")])
def test_weights_of_other_precision(dtype, expected):
    module = torch.nn.GRU(nI, nH).to(getattr(torch, dtype))
    model = from_torch(module)
    for name in model.layers[0].param_names:
        assert model.layers[0].get_param(name).dtype == expected
    assert_array_equal(model.layers[0].get_param("R"), module.weight_hh_l0.detach().to(torch.float64).numpy())


def test_the_layout_of_the_modules_input_does_not_matter(batch):
    module = torch.nn.LSTM(nI, nH, batch_first=True)
    assert_same_outputs(from_torch(module), module, batch)


def test_a_layer_is_given_weights_in_place(batch):
    module = torch.nn.LSTM(nI, nH, num_layers=2, bidirectional=True)
    model = build_rnn(2 * nH, nI, bidirectional=True, depth=2, recurrent_dropout=0.3).initialize()
    encoder = chain(build_list2ragged(), model, ragged2list())
    load_torch(model, module)
    for rows, found in zip(batch, encoder.predict(batch), strict=True):
        assert_allclose(found, run_alone(module, rows), atol=2e-6)


def test_the_state_of_a_layer_is_that_of_the_module(batch):
    """So that a learned initial state can be given to torch with the call."""
    model = build_rnn(2 * nH, nI, bidirectional=True, depth=2).initialize()
    module = to_torch(model)
    state = initial_state(model, 1)
    hx = tuple(torch.from_numpy(array) for array in (state["h"], state["c"]))
    with torch.no_grad():
        Y = module(torch.from_numpy(batch[0][:, None]), hx)[0]
    assert_allclose(Y[:, 0].numpy(), model.predict(as_ragged(batch[:1])).data, atol=2e-6)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"cell": "lstm_peephole"}, "no cell 'lstm_peephole'.*elman_tanh, elman_relu, gru, lstm"),
        ({"cell": "gru_reset_before"}, "no cell 'gru_reset_before'"),
        ({"residual": True}, "residual"),
        ({"train_initial_state": True}, "train_initial_state"),
    ],
)
def test_what_torch_has_not_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        to_torch(build_rnn(nI, nI, **settings).initialize())


@pytest.mark.parametrize(
    "module, message",
    [
        (lambda: torch.nn.LSTM(nI, nH, proj_size=2), "width 2 .proj_size"),
        (lambda: torch.nn.Linear(nI, nH), "got torch.nn.modules.linear.Linear"),
        (lambda: torch.nn.LSTMCell(nI, nH), "LSTMCell"),
        (lambda: None, "NoneType"),
    ],
)
def test_modules_that_no_layer_can_hold_are_refused(module, message):
    with pytest.raises(ValueError, match=message):
        from_torch(module())


@pytest.mark.parametrize("model", [build_list2ragged(), build_rnn(nH, nI)], ids=["no recurrent layer", "no weights"])
def test_models_without_recurrent_weights_are_refused(model):
    with pytest.raises(ValueError, match="build_rnn|initialize"):
        to_torch(model)
    with pytest.raises(ValueError, match="build_rnn|initialize"):
        load_torch(model, torch.nn.LSTM(nI, nH))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"cell": "gru"}, "cell is 'gru' and not 'lstm'"),
        ({"depth": 2}, "depth is 2 and not 1"),
        ({"bidirectional": True}, "bidirectional is True and not False"),
        ({"nI": nI + 1, "nO": nH + 2}, f"nI is {nI + 1} and not {nI}, nO is {nH + 2} and not {nH}"),
    ],
)
def test_weights_of_another_shape_are_refused(settings, message):
    model = build_rnn(**{"nO": nH, "nI": nI, **settings}).initialize()
    before = model.to_bytes()
    with pytest.raises(ValueError, match=message):
        load_torch(model, torch.nn.LSTM(nI, nH))
    assert model.to_bytes() == before


def test_without_torch_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch"):
        to_torch(build_rnn(nH, nI).initialize())


def _norm(module, name):
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(module, name)


REWEIGHTINGS = {
    "weight norm, by a hook": _norm,
    "spectral norm, by a hook": lambda module, name: torch.nn.utils.spectral_norm(module, name),
    "pruning": lambda module, name: prune.random_unstructured(module, name, amount=0.4),
    "weight norm": lambda module, name: torch.nn.utils.parametrizations.weight_norm(module, name),
    "spectral norm": lambda module, name: torch.nn.utils.parametrizations.spectral_norm(module, name),
    "orthogonal": lambda module, name: torch.nn.utils.parametrizations.orthogonal(module, name),
}


@pytest.mark.parametrize("is_training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("reweight", REWEIGHTINGS.values(), ids=REWEIGHTINGS)
def test_weights_that_torch_computes_are_the_current_ones(reweight, is_training, batch):
    module = torch.nn.LSTM(nI, nH, num_layers=2, bidirectional=True).train(is_training)
    for name in ("weight_hh_l0", "weight_ih_l1_reverse"):
        reweight(module, name)
    run_alone(module, batch[0])
    module.train(is_training)
    with torch.no_grad():
        for param in module.parameters():
            param.add_(torch.randn_like(param) * 0.3)
    # What the module gives is compared last: it would bring the weights up to date.
    model = from_torch(module)
    assert module.training == is_training
    assert_same_outputs(model, module, batch)
