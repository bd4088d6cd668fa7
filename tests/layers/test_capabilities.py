"""What a layer can do is declared for its forward function; its name says nothing."""

import functools
import re
from importlib import import_module
from pathlib import Path

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Linear, Model, Ragged, chain, noop, with_debug, with_nvtx_range

import spacy_rnn
from spacy_rnn.layers import (
    RowWise,
    Truncates,
    build_crf,
    build_dropout,
    build_embed,
    build_ensemble,
    build_list2ragged,
    build_ngram_linear,
    build_pool,
    build_rnn,
    build_sequence_dropout,
    build_truncate,
    capabilities,
    crf_decode,
    declare,
    drop_nothing,
    find_mixing,
    scan,
    set_precision,
)
from spacy_rnn.layers.capabilities import (
    Averages,
    Chains,
    IsCrf,
    IsRnn,
    JoinsRows,
    LearnsVocabulary,
    Pools,
    find,
    find_all,
    with_forwards,
)

WIDTH = 4
KINDS = [kind for kind in vars(capabilities).values() if isinstance(kind, type) and kind.__module__ == capabilities.__name__]
# One of each of the layers that other code looks for.
LAYERS = {
    IsRnn: lambda: build_rnn(WIDTH, WIDTH),
    IsCrf: lambda: build_crf(noop(), nO=WIDTH),
    JoinsRows: build_list2ragged,
    LearnsVocabulary: lambda: build_embed(WIDTH),
    Averages: lambda: build_ensemble([noop()]),
    Pools: lambda: build_pool("mean", nI=WIDTH),
    Truncates: lambda: build_truncate(noop(), 3),
    Chains: lambda: chain(noop(), noop()),
}
every_layer = pytest.mark.parametrize("kind, build", LAYERS.items(), ids=[kind.__name__ for kind in LAYERS])


def double(model, X, is_train):
    return X * 2, lambda dY: dY * 2


@every_layer
def test_a_name_says_nothing(kind, build):
    layer = build()
    assert find(layer, kind)
    own = Model(layer.name, double, layers=layer.layers, attrs=layer.attrs)
    assert [each for each in KINDS if find(own, each)] == []
    layer.name = "something else"
    assert find(layer, kind) and find_all(chain(noop(), layer), kind)[-1] is layer


@every_layer
def test_a_copy_can_do_the_same(kind, build):
    assert find(build().copy(), kind)


@pytest.mark.parametrize("observe", [with_debug, with_nvtx_range, lambda layer: with_debug(with_nvtx_range(layer))])
@every_layer
def test_an_observed_layer_can_do_the_same(kind, build, observe):
    assert find(observe(build()), kind)


def test_observed_layers_are_used_as_others(make_batch):
    seen = []
    rnn = with_debug(build_rnn(WIDTH, WIDTH).initialize(), on_forward=lambda model, X, is_train: seen.append(X))
    X = make_batch([3], WIDTH, "float32")
    assert_array_equal(scan(rnn, X)[0].data, rnn.predict(X).data)
    assert len(seen) == 1
    crf = with_debug(build_crf(noop(), nO=WIDTH).initialize())
    assert len(crf_decode(crf, [X.data])[0]) == 3


def test_what_is_declared_adds_up():
    def forward(model, X, is_train):
        return X, lambda dY: dY

    layer = Model("own", forward)
    assert find(layer, RowWise) is None
    declare(forward, RowWise())
    declare(forward, Truncates())
    assert find(layer, RowWise) and find(layer, Truncates) and not find(layer, IsRnn)


def test_a_function_that_wraps_one_of_thincs_is_another():
    @functools.wraps(import_module("thinc.layers.chain").forward)
    def forward(model, X, is_train):
        return X, lambda dY: dY

    assert find(chain(noop(), noop()), Chains)
    assert find(Model("chain", forward), Chains) is None


def test_a_forward_that_cannot_be_hashed_is_unknown():
    class Forward:
        __hash__ = None

        def __call__(self, model, X, is_train):
            return X, lambda dY: dY

    layer = Model("own", Forward())
    assert find(layer, IsRnn) is None
    assert find_mixing(layer) is layer


def test_every_layer_of_thinc_and_spacy_that_is_named_exists():
    assert len(capabilities._declared_by_name) > 30
    for name in capabilities._declared_by_name:
        module, _, function = name.rpartition(".")
        assert callable(getattr(import_module(module), function))


def test_a_precision_is_set_in_recurrent_layers_alone():
    own = Model("rnn", double, attrs={"precision": "of its own"})
    rnn = build_rnn(WIDTH, WIDTH)
    set_precision(chain(own, rnn), "bfloat16")
    assert own.attrs["precision"] == "of its own"
    assert rnn.attrs["precision"].value == "bfloat16"


def test_rates_that_belong_to_the_architecture_are_those_that_layers_declare():
    ours = [
        build_rnn(WIDTH, WIDTH, dropout=0.1, recurrent_dropout=0.2),
        build_dropout(0.3),
        build_sequence_dropout(0.4),
        build_ngram_linear(dropout=0.5),
        build_embed(WIDTH, word_dropout=0.6),
    ]
    names = ("dropout", "recurrent_dropout", "rate", "word_dropout")
    own = Model("rnn_dropout", double, attrs=dict.fromkeys(names, 16_000))
    model = chain(own, *ours)
    drop_nothing(model)
    assert own.attrs == dict.fromkeys(names, 16_000)
    rates = [node.attrs[name] for layer in ours for node in layer.walk() for name in names if name in node.attrs]
    assert rates == [0.0] * 6


def test_scan_takes_recurrent_layers_alone(make_batch):
    own = Model("rnn", double, layers=build_rnn(WIDTH, WIDTH).initialize().layers)
    with pytest.raises(ValueError, match="made by build_rnn.*'rnn'"):
        scan(own, make_batch([3], WIDTH))


def test_other_forwards_in_a_model_that_shares_its_parameters(make_batch):
    inner = Linear(WIDTH, WIDTH)
    other = Linear(WIDTH, WIDTH)
    model = chain(chain(inner, inner), other).initialize()
    model.set_ref("inner", inner)
    model.set_ref("nothing", None)
    X = make_batch([5], WIDTH, "float32").data
    before = model.predict(X)

    changed = with_forwards(model, lambda layer: double if layer is inner else None)
    assert_array_equal(changed.predict(X), other.predict(X * 4))
    assert changed.get_ref("inner") is changed.layers[0].layers[0] is changed.layers[0].layers[1]
    assert changed.layers[1] is other
    _, backprop = changed.begin_update(X)
    backprop(before)
    assert other.get_grad("b").any()
    assert_array_equal(model.predict(X), before)
    assert model.get_ref("inner") is inner is model.layers[0].layers[0]
    assert with_forwards(model, lambda layer: None) is model


def test_an_own_class_of_models_stays_one():
    class Own(Model):
        pass

    rnn = build_rnn(WIDTH, WIDTH).initialize()
    own = Own("own", lambda model, X, is_train: model.layers[0](X, is_train), layers=[rnn])
    changed = with_forwards(own, lambda layer: (lambda model, X, is_train: (X, None)) if layer is rnn else None)
    assert isinstance(changed, Own)
    X = Ragged(numpy.ones((2, WIDTH), dtype="float32"), numpy.asarray([2]))
    assert changed.predict(X) is X


def test_nothing_else_looks_at_names_or_at_thincs_private_function():
    """Of a layer: a component, a cell or an engine has a name of its own."""
    package = Path(spacy_rnn.__file__).parent
    private, name = re.compile(r"\._func\b"), re.compile(r"\b(node|layer|model|last|scores|rnn)\.name\b\s*(==|!=|in\b|not in\b)")
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text(encoding="utf8").splitlines()
        if name.search(line) or (private.search(line) and path.name != "capabilities.py")
    ]
    assert found == []
