"""Fields on a device that are computed on the host, with a stand-in for the device."""

import device_arrays
import fields
import numpy
import pytest
from device_arrays import DeviceArray, on_device, record
from numpy.testing import assert_array_equal

from spacy_rnn.crf import ENGINES, Crf, log_likelihood, marginals, viterbi
from spacy_rnn.crf.reference import ReferenceEngine
from spacy_rnn.native import library
from spacy_rnn.recurrence import use_engine
from spacy_rnn.recurrence.engines import cpu

LENGTHS = [4, 0, 1, 9, 2]
needs_engine = pytest.mark.skipif(library is None, reason="needs the compiled engine")


@pytest.fixture(autouse=True)
def device(monkeypatch):
    device_arrays.install(monkeypatch)


def moved(p):
    """Put the field and the scores on the device; the annotation is on the host."""
    return p._replace(crf=Crf(*map(on_device, p.crf)), scores=on_device(p.scores))


def run(p):
    """Give all results by name."""
    labels, best = viterbi(p.crf, p.scores, p.lengths)
    return {**fields.run(p), "labels": labels, "best": best}


def run_on_device(p):
    found = run(moved(p))
    assert all(isinstance(array, DeviceArray) for array in found.values())
    return {key: array.get() for key, array in found.items()}


@needs_engine
@pytest.mark.parametrize("annotation", fields.ANNOTATIONS)
@pytest.mark.parametrize("forbidden", [0.0, 0.5])
@pytest.mark.parametrize("lengths", [LENGTHS, [0], []])
def test_the_host_gives_what_it_gives_for_arrays_of_its_own(annotation, forbidden, lengths):
    p = fields.draw(5, lengths, annotation, forbidden=forbidden)
    found, expected = run_on_device(p), run(p)
    for key, array in expected.items():
        assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype


@needs_engine
@pytest.mark.parametrize("longest", [3, 30])
def test_the_host_waits_once_and_the_device_computes_nothing_of_a_sequence(longest):
    p = moved(fields.draw(5, [longest, 2]))
    _, backprop = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
    backprop(p.weights)
    assert record.waits == {"crf/host.py:fetch": 1}
    for decode in (viterbi, marginals):
        record.clear()
        decode(p.crf, p.scores, p.lengths)
        assert record.waits == {"crf/host.py:fetch": 1}
        assert record.launches < 5


@needs_engine
def test_annotation_and_gradients_may_be_on_the_device():
    p = fields.draw(5, LENGTHS)
    everything = moved(p)._replace(allowed=on_device(p.allowed), weights=on_device(p.weights))
    for key, array in fields.run(everything).items():
        assert_array_equal(array.get(), fields.run(p)[key])


@pytest.mark.parametrize("why", ["float64", "the reference is asked for", "there is no compiled engine"])
def test_what_the_compiled_engine_does_not_take_stays_on_the_device(why, monkeypatch):
    p = fields.draw(4, LENGTHS, dtype="float64" if why == "float64" else "float32")
    monkeypatch.setattr("spacy_rnn.recurrence.engines.cpu._warned", True)
    if why == "there is no compiled engine":
        monkeypatch.setattr(cpu, "library", None)
    with use_engine("reference" if why == "the reference is asked for" else "auto"):
        found = run_on_device(p)
        assert "crf/host.py:fetch" not in record.waits
    with use_engine("reference"):
        expected = run(p)
    for key, array in expected.items():
        assert_array_equal(found[key], array)


def spoil_scores(p):
    p.scores[3, 1] = numpy.nan
    return p


def spoil_field(p):
    p.crf.end[0] = numpy.inf
    return p


def forbid_everything(p):
    p.allowed[0] = False
    return p


FAULTS = {
    "scores": spoil_scores,
    "field": spoil_field,
    "annotation": forbid_everything,
    "shape of the annotation": lambda p: p._replace(allowed=p.allowed[1:]),
    "type of the annotation": lambda p: p._replace(allowed=p.allowed.astype("float32")),
    "shape of the field": lambda p: p._replace(crf=p.crf._replace(end=p.crf.end[1:])),
    "lengths": lambda p: p._replace(lengths=[1]),
    "weights": lambda p: p._replace(weights=p.weights[1:]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_as_on_the_host(fault):
    p = FAULTS[fault](fields.draw(4, LENGTHS, "known"))
    with pytest.raises(ValueError) as expected:
        run(p)
    with pytest.raises(ValueError) as found:
        run(moved(p))
    assert str(found.value) == str(expected.value)


class OnDevice(ReferenceEngine):
    """An engine from outside that computes on the device."""

    name = "on_device"

    def supports(self, crf, scores):
        return isinstance(scores, DeviceArray)


def test_an_engine_of_the_device_is_preferred_to_the_host():
    ENGINES.register(OnDevice())
    try:
        p = moved(fields.draw(5, LENGTHS))
        viterbi(p.crf, p.scores, p.lengths)
        assert "crf/host.py:fetch" not in record.waits
    finally:
        ENGINES.unregister("on_device")
