"""A cell that is added to the table from outside: one entry is enough."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from own_cell import MGU
from spacy.training import Example
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.layers import RnnSession, begin_scan, build_rnn, scan
from spacy_rnn.recurrence import CELLS, Cell, get_cell, register_cell, select_engine, session, sweep, use_engine

LENGTHS = [4, 0, 7, 1]


@pytest.fixture(autouse=True)
def own_cell():
    register_cell(MGU)
    yield MGU
    del CELLS["mgu"]


@pytest.fixture
def renamed_cell(monkeypatch):
    """The same cell with another name for its state."""

    def forward(xp, z, state, params, mask):
        after, saved = MGU.forward(xp, z, {"h": state["s"]}, params, mask)
        return {"s": after["h"]}, saved

    def backward(xp, d_state, saved, params, mask, grads):
        dz, d_before = MGU.backward(xp, {"h": d_state["s"]}, saved, params, mask, grads)
        return dz, {"s": d_before["h"]}

    monkeypatch.setitem(CELLS, "renamed", Cell("renamed", MGU.gates, ("s",), forward, backward))


def draw(dtype="float32"):
    rng = numpy.random.default_rng(0)
    params = {key: rng.uniform(-0.5, 0.5, shape).astype(dtype) for key, shape in MGU.parameter_shapes(3, 5).items()}
    return params, rng.standard_normal((sum(LENGTHS), 3)).astype(dtype)


def test_it_is_found_by_its_name_and_runs_on_the_reference_engine():
    params, X = draw()
    assert get_cell("mgu") is MGU
    assert select_engine(MGU, X, params).name == "reference"
    with use_engine("cpu"), pytest.raises(ValueError, match="'cpu' cannot execute this cell"):
        sweep(MGU, params, X, LENGTHS)


@pytest.mark.parametrize("reverse", [False, True])
def test_its_gradients_are_exact(reverse, difference_error):
    params, X = draw("float64")
    rng = numpy.random.default_rng(1)
    mask = rng.random((len(LENGTHS), 5)) * 2
    initial = {"h": rng.standard_normal((len(LENGTHS), 5))}
    dY, d_final = rng.standard_normal((len(X), 5)), {"h": rng.standard_normal((len(LENGTHS), 5))}
    settings = {"initial": initial, "mask": mask, "reverse": reverse}

    def loss():
        Y, final, _ = sweep(MGU, params, X, LENGTHS, **settings)
        return (Y * dY).sum() + (final["h"] * d_final["h"]).sum()

    dX, grads, d_initial = sweep(MGU, params, X, LENGTHS, is_train=True, **settings)[2](dY, d_final)
    for array, gradient in ((X, dX), (initial["h"], d_initial["h"]), *((params[key], grads[key]) for key in params)):
        assert difference_error(loss, array, gradient) < 1e-6


SETTINGS = {
    "plain": {},
    "bidirectional": {"bidirectional": True},
    "deep": {"depth": 3, "residual": True},
    "dropout": {"depth": 2, "dropout": 0.3, "recurrent_dropout": 0.3},
    "initial state": {"train_initial_state": True},
    "checkpoints": {"checkpoint_rows": 3},
    "truncated": {"truncate_gradient": 2},
    "tf32": {"precision": "tf32"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_layers_of_it_run_with_every_setting(name):
    fix_random_seed(0)
    model = build_rnn(nO=6, nI=6, cell="mgu", **SETTINGS[name]).initialize()
    X = Ragged(numpy.random.default_rng(0).standard_normal((12, 6), "float32"), numpy.asarray(LENGTHS, "int32"))
    Y, backprop = model(X, is_train=True)
    dX = backprop(Ragged(numpy.ones_like(Y.data), Y.lengths))
    assert numpy.isfinite(dX.data).all() and dX.data.any()
    assert all(node.get_grad(key).any() for node in model.walk() for key in node.param_names)
    assert_array_equal(scan(model, X)[0].data, model.predict(X).data)
    (_, state), _ = begin_scan(model, X)
    assert set(state) == {"h"}
    other = build_rnn(nO=6, nI=6, cell="mgu", **SETTINGS[name]).from_bytes(model.to_bytes())
    assert_array_equal(other.predict(X).data, model.predict(X).data)


def test_sessions_of_it_are_sweeps():
    params, X = draw()
    one = session(MGU, params, table=X)
    state = one.start(1)
    outputs = []
    for row in range(len(X)):
        state = one.step([row], state)
        outputs.append(state["h"][0])
    assert_allclose(outputs, sweep(MGU, params, X, [len(X)])[0], rtol=0, atol=1e-6)


SENTENCES = [("they book a room", "PRP VBP DT NN"), ("a book sleeps", "DT NN VBZ"), ("we sleep", "PRP VBP")]


@pytest.mark.parametrize("use_crf", [False, True])
def test_a_tagger_of_it_learns_saves_loads_and_streams(use_crf, tmp_path):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16, "cell": "mgu", "bidirectional": not use_crf}
    embed = {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 50}
    tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
    nlp.add_pipe("rnn_tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}, "use_crf": use_crf})
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags.split()}) for text, tags in SENTENCES]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    expected = [tags.split() for _, tags in SENTENCES]
    assert [[token.tag_ for token in nlp(text)] for text, _ in SENTENCES] == expected
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [[token.tag_ for token in loaded(text)] for text, _ in SENTENCES] == expected
    text, tags = SENTENCES[0]
    assert list(loaded.get_pipe("rnn_tagger").stream(text.split(), piece=2, lookahead=4)) == list(
        zip(text.split(), tags.split(), strict=True)
    )


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="'mgu'.*lstm"):
        register_cell(MGU)


def test_another_cell_of_the_same_name_is_not_taken_for_one_of_the_table():
    """Compiled code knows the cells of the table, not what else bears their names."""
    other = Cell("lstm", MGU.gates, MGU.states, MGU.forward, MGU.backward)
    params, X = draw()
    assert select_engine(other, X, params).name == "reference"
    assert_array_equal(sweep(other, params, X, LENGTHS)[0], sweep(MGU, params, X, LENGTHS)[0])


def test_a_cell_that_takes_the_place_of_another_in_the_table_is_not_taken_for_it(monkeypatch):
    other = Cell("lstm", MGU.gates, MGU.states, MGU.forward, MGU.backward)
    monkeypatch.setitem(CELLS, "lstm", other)
    params, X = draw()
    assert select_engine(other, X, params).name == "reference"
    assert_array_equal(sweep(other, params, X, LENGTHS)[0], sweep(MGU, params, X, LENGTHS)[0])


def run_all_ways(cell):
    """Give the output, gradients, the output in two pieces, and the state of a layer after a step."""
    fix_random_seed(0)
    model = build_rnn(nO=6, nI=6, cell=cell, depth=2, train_initial_state=True).initialize()
    X = Ragged(numpy.random.default_rng(0).standard_normal((12, 6), "float32"), numpy.asarray(LENGTHS, "int32"))
    Y, backprop = model(X, is_train=True)
    dX = backprop(Ragged(numpy.ones_like(Y.data), Y.lengths))
    grads = [node.get_grad(key) for node in model.walk() for key in node.param_names]
    one = RnnSession(model)
    output, state = one.step(X.data[:2], one.start(2))
    rows = Ragged(X.data[2:4], numpy.ones(2, "int32"))
    after, _ = scan(model, rows, state, session=one)
    return [Y.data, dX.data, *grads, output, after.data]


def test_a_state_may_have_any_name(renamed_cell):
    for found, expected in zip(run_all_ways("renamed"), run_all_ways("mgu"), strict=True):
        assert_array_equal(found, expected)
