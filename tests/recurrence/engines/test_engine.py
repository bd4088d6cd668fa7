"""Which engine executes a sweep, and who decides it."""

import os
import subprocess
import sys

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import build_rnn
from spacy_rnn.native import library
from spacy_rnn.recurrence import (
    CELLS,
    Batch,
    Sweep,
    infer_outputs,
    run_sweeps,
    select_engine,
    sweep,
    use_engine,
    use_threads,
)

needs_the_compiled_engine = pytest.mark.skipif(library is None, reason="the compiled engine is not built")

# A sweep of float32, whose warnings and engine are printed.
PROGRAM = """
import sys, warnings, numpy
{before}
from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, infer_outputs, select_engine, sweep
params = {{key: numpy.full(shape, 0.1, "float32") for key, shape in CELLS["gru"].parameter_shapes(3, 4).items()}}
X = numpy.linspace(-1, 1, 15, dtype="float32").reshape(5, 3)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        Y = sweep(CELLS["gru"], params, X, [3, 2])[0]
        assert numpy.array_equal(infer_outputs(CELLS["gru"], [params], X, numpy.asarray([3, 2], "int32")), Y)
print(select_engine(CELLS["gru"], X, params).name, library and library.selected())
print(Y.tolist())
for warning in caught:
    print(warning.category.__name__, warning.message)
"""
WITHOUT_THE_EXTENSION = """
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "spacy_rnn.native._native":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


def run_program(before="", **variables):
    """Run the program in a process of its own; give back what it printed, or the end of the error."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPACY_RNN_")}
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**environment, **variables}, capture_output=True, text=True, encoding="utf8"
    )
    return done.stdout.splitlines() if done.returncode == 0 else done.stderr.splitlines()[-1]


def selected(X, params):
    return select_engine(CELLS["gru"], X, params).name


def draw(dtype="float32"):
    params = {key: numpy.full(shape, 0.1, dtype) for key, shape in CELLS["gru"].parameter_shapes(3, 4).items()}
    return params, numpy.linspace(-1, 1, 15, dtype=dtype).reshape(5, 3)


@needs_the_compiled_engine
def test_float32_of_numpy_goes_to_the_compiled_engine():
    params, X = draw()
    assert selected(X, params) == "cpu"


class Subclass(numpy.ndarray):
    pass


@pytest.mark.parametrize(
    "convert",
    [lambda a: a.astype("float64"), lambda a: a.astype(">f4"), lambda a: a.view(Subclass)],
    ids=["float64", ">f4", "subclass"],
)
@pytest.mark.parametrize("what", ["rows", "parameters"])
def test_other_arrays_go_to_the_reference(what, convert):
    params, X = draw()
    Y = sweep(CELLS["gru"], params, X, [3, 2])[0]
    if what == "rows":
        X = convert(X)
    else:
        params["b"] = convert(params["b"])
    assert selected(X, params) == "reference"
    numpy.testing.assert_allclose(sweep(CELLS["gru"], params, X, [3, 2])[0], Y, rtol=0, atol=1e-6)
    lengths = numpy.asarray([3, 2], dtype="int32")
    numpy.testing.assert_allclose(infer_outputs(CELLS["gru"], [params], X, lengths), Y, rtol=0, atol=1e-6)


def test_float64_keeps_its_precision():
    params, X = draw("float64")
    Y, final, _ = sweep(CELLS["gru"], params, X, [3, 2])
    assert Y.dtype == final["h"].dtype == "float64"


def test_engine_of_a_block_ends_with_it():
    params, X = draw()
    before = selected(X, params)
    with use_engine("reference"):
        assert selected(X, params) == "reference"
        with use_engine("auto"):
            assert selected(X, params) == ("reference" if library is None else "cpu")
        assert selected(X, params) == "reference"
        Y = sweep(CELLS["gru"], params, X, [3, 2])[0]
    assert selected(X, params) == before
    with pytest.raises(RuntimeError, match="inside"), use_engine("reference"):
        raise RuntimeError("inside")
    assert selected(X, params) == before
    numpy.testing.assert_allclose(sweep(CELLS["gru"], params, X, [3, 2])[0], Y, rtol=0, atol=1e-6)


def test_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'fast'.*auto, cpu, cuda, reference"), use_engine("fast"):
        pass


@pytest.mark.parametrize("n", [0, -1])
def test_no_threads_are_refused(n):
    with pytest.raises(ValueError, match=f"at least 1.*{n}"), use_threads(n):
        pass


@needs_the_compiled_engine
def test_unknown_instruction_set_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'sse9'.*portable"):
        library.select("sse9")


@needs_the_compiled_engine
def test_environment_variables_choose_engine_and_instruction_set():
    engine, *rest = run_program(SPACY_RNN_ISA="portable", SPACY_RNN_THREADS="2", SPACY_RNN_ENGINE="auto")
    assert engine == "cpu portable"
    assert len(rest) == 1
    assert run_program(SPACY_RNN_ENGINE="reference")[0].startswith("reference ")


@pytest.mark.parametrize(
    "variable, value, expected",
    [
        ("SPACY_RNN_ENGINE", "fast", "SPACY_RNN_ENGINE: unknown engine 'fast': expected one of auto, cpu, cuda, reference"),
        ("SPACY_RNN_THREADS", "0", "at least 1"),
        ("SPACY_RNN_THREADS", "two", "SPACY_RNN_THREADS"),
        pytest.param("SPACY_RNN_ISA", "sse9", "SPACY_RNN_ISA: instruction set 'sse9'", marks=needs_the_compiled_engine),
    ],
)
def test_environment_variables_that_make_no_sense_are_refused(variable, value, expected):
    error = run_program(**{variable: value})
    assert error.startswith("ValueError: ")
    assert value in error and expected in error


def test_without_the_extension_the_reference_takes_over_and_says_so_once():
    engine, Y, *warnings = run_program(WITHOUT_THE_EXTENSION)
    assert engine == "reference None"
    assert len(warnings) == 1
    assert warnings[0].startswith("RuntimeWarning ")
    for word in ("slower", "No module named 'spacy_rnn.native._native'", "compiler", "SPACY_RNN_ENGINE=reference"):
        assert word in warnings[0]
    params, X = draw()
    with use_engine("reference"):
        assert_array_equal(numpy.asarray(eval(Y), "float32"), sweep(CELLS["gru"], params, X, [3, 2])[0])


def test_who_asks_for_the_reference_is_not_warned_of_the_missing_extension():
    engine, _, *warnings = run_program(WITHOUT_THE_EXTENSION, SPACY_RNN_ENGINE="reference", SPACY_RNN_ISA="avx2")
    assert engine == "reference None"
    assert warnings == []


class TestWhatIsRefused:
    """Nothing that an engine is given may make it read or write where there is nothing."""

    X = numpy.zeros((10, 5), "float32")

    def make(self, nH=7, **changes):
        cell = CELLS["lstm"]
        params = {key: numpy.zeros(shape, "float32") for key, shape in cell.parameter_shapes(5, nH).items()}
        return Sweep(cell, params, self.X, Batch([10], 10))._replace(**changes)

    def test_a_batch_of_other_rows(self):
        with pytest.raises(ValueError, match="made for 2000 rows, but there are 10"):
            run_sweeps([self.make(batch=Batch([2000], 2000))], False)

    @pytest.mark.parametrize(
        "out",
        [
            numpy.zeros((9, 7), "float32"),
            numpy.zeros((10, 6), "float32"),
            numpy.zeros((10, 7), "float64"),
            numpy.zeros((10, 14), "float32")[:, ::2],
            numpy.zeros((7, 10), "float32").T,
            numpy.broadcast_to(numpy.zeros(7, "float32"), (10, 7)),
        ],
    )
    def test_an_output_that_cannot_be_written(self, out):
        with pytest.raises(ValueError, match="output"):
            run_sweeps([self.make(out=out)], False)

    @pytest.mark.parametrize("n", [0, 3, 40])
    def test_another_number_of_directions(self, n):
        with pytest.raises(ValueError, match=f"one or two directions, got {n}"):
            run_sweeps([self.make()] * n, False)

    def test_directions_over_other_rows(self):
        one = self.make()
        for other in (one._replace(X=one.X.copy()), one._replace(batch=Batch([10], 10))):
            with pytest.raises(ValueError, match="read the same rows"):
                run_sweeps([one, other], True)

    def test_directions_of_other_widths(self):
        one = self.make()
        with pytest.raises(ValueError, match="R of direction 1"):
            run_sweeps([one, self.make(nH=6, batch=one.batch)], False)

    def test_a_layer_without_units(self):
        with pytest.raises(ValueError, match="one hidden unit"):
            run_sweeps([self.make(nH=0)], False)

    def test_an_unknown_precision(self):
        with pytest.raises(ValueError, match="unknown precision 'bf16'"):
            run_sweeps([self.make()], False, precision="bf16")

    @pytest.mark.parametrize("n", [0, 1.5, "2"])
    def test_a_number_of_threads_that_is_none(self, n):
        with pytest.raises(ValueError, match="whole number"), use_threads(n):
            pass

    @pytest.mark.parametrize("lengths", [[4.0, 6.0], numpy.asarray([2**32 + 4, 6]), [True] * 10])
    def test_lengths_that_are_no_lengths(self, lengths):
        one = self.make()
        with pytest.raises(ValueError, match="length"):
            sweep(one.cell, one.params, self.X, lengths)
        model = build_rnn(nO=4, nI=5)
        model.initialize()
        with pytest.raises(ValueError, match="length"):
            model.predict(Ragged(self.X, numpy.asarray(lengths)))
