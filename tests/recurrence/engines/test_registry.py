"""Engines that are added from outside, and which of them is picked."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.crf import Crf, viterbi
from spacy_rnn.layers import build_rnn, scan
from spacy_rnn.recurrence import (
    CELLS,
    ENGINES,
    BaseEngine,
    Engines,
    Tape,
    infer_outputs,
    select_engine,
    session,
    sweep,
    use_engine,
)
from spacy_rnn.recurrence.engines.reference import ReferenceEngine

LENGTHS = numpy.asarray([3, 0, 2], dtype="int32")


class Doubtful(BaseEngine):
    """An engine of GRUs in float32 that counts what it is asked for. It computes in float64, and has a precision of its own."""

    name = "doubtful"

    def __init__(self):
        self.calls = []
        self.reference = ReferenceEngine()

    def supports(self, cell, X, params):
        return cell is CELLS["gru"] and X.dtype == "float32"

    def precisions(self, is_train):
        return frozenset({"float32", "int8"})

    def run(self, sweeps, keeps, settings):
        self.calls.append((keeps, settings.is_train, settings.precision))
        return self.reference.run(sweeps, keeps, settings)

    def tape(self, sweeps):
        return Tape(1, 10, 10)


@pytest.fixture
def engine():
    engine = Doubtful()
    ENGINES.register(engine)
    yield engine
    ENGINES.unregister("doubtful")


def draw(name="gru"):
    rng = numpy.random.default_rng(0)
    params = {key: rng.uniform(-0.5, 0.5, shape).astype("f") for key, shape in CELLS[name].parameter_shapes(4, 5).items()}
    return params, rng.standard_normal((5, 4), "float32")


def test_it_executes_what_it_supports(engine):
    params, X = draw()
    cell = CELLS["gru"]
    with use_engine("reference"):
        expected, _, _ = sweep(cell, params, X, LENGTHS)
    assert select_engine(cell, X, params) is engine
    for is_train in (False, True):
        assert_array_equal(sweep(cell, params, X, LENGTHS, is_train=is_train)[0], expected)
    assert_array_equal(infer_outputs(cell, [params], X, LENGTHS), expected)
    assert engine.calls == [(False, False, "float32"), (True, True, "float32"), (False, False, "float32")]
    one = session(cell, params, table=X)
    assert_allclose(one.step([0, 3], one.start(2))["h"], expected[[0, 3]], rtol=0, atol=1e-6)
    assert len(engine.calls) == 4
    assert select_engine(CELLS["lstm"], X).name != "doubtful"
    assert select_engine(cell, X.astype("float64")).name == "reference"


def test_layers_run_on_it(engine):
    model = build_rnn(nO=6, nI=4, cell="gru", bidirectional=True, precision="int8").initialize()
    X = Ragged(draw()[1], LENGTHS)
    expected = model.predict(X).data
    Y, backprop = model(X, is_train=True)
    backprop(Y)
    assert_array_equal(scan(model, X)[0].data, expected)
    assert [call for call in engine.calls if call[0]] == [(True, True, "int8")]
    with use_engine("reference"), pytest.raises(ValueError, match="'int8' is none of the engine 'reference'"):
        model.predict(X)


def test_it_can_be_asked_for_by_name(engine):
    params, X = draw()
    with use_engine("doubtful"):
        sweep(CELLS["gru"], params, X, LENGTHS)
        assert len(engine.calls) == 1
        with pytest.raises(ValueError, match="'doubtful' cannot execute this cell"):
            sweep(CELLS["lstm"], *draw("lstm"), LENGTHS)
        # It has nothing to say on what is none of its kind.
        assert viterbi(Crf(*(numpy.zeros(shape, "f") for shape in (2, (2, 2), 2))), X[:, :2], LENGTHS)[0].shape == (5,)
    with use_engine("reference"):
        sweep(CELLS["gru"], params, X, LENGTHS)
    assert len(engine.calls) == 1


def test_a_larger_batch_than_it_wants_to_keep_is_read_in_pieces(engine):
    params, _ = draw()
    X = numpy.ones((40, 4), "float32")
    Y, _, backprop = sweep(CELLS["gru"], params, X, [40], is_train=True)
    backprop(Y, None)
    assert sum(keeps for keeps, *_ in engine.calls) > 1


def test_names_are_taken_once(engine):
    with pytest.raises(ValueError, match="'doubtful' is taken.*auto, doubtful, cuda, cpu, reference"):
        ENGINES.register(Doubtful())
    with pytest.raises(ValueError, match="unknown engine 'fast'"):
        ENGINES.unregister("fast")


def test_a_name_that_was_unregistered_is_unknown(engine):
    ENGINES.unregister("doubtful")
    with pytest.raises(ValueError, match="unknown engine 'doubtful'"), use_engine("doubtful"):
        pass
    ENGINES.register(engine)
    with use_engine("doubtful"):
        assert select_engine(CELLS["gru"], draw()[1]) is engine


def test_the_first_one_that_supports_something_is_picked():
    class Even:
        name = "even"

        def supports(self, number):
            return number % 2 == 0

    class Any:
        name = "any"

        def supports(self, number):
            return True

    engines = Engines(Even(), Any())
    assert [engines.select(number).name for number in (1, 2)] == ["any", "even"]
    assert engines.names == ("even", "any")
    with use_engine("even"):
        assert engines.select(2).name == "even"
        with pytest.raises(ValueError, match="even"):
            engines.select(3)
