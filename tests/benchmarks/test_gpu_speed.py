"""What is timed on a GPU is compared with torch's first, and one that fails does not lose the others; here on the CPU."""

import importlib
from pathlib import Path

import numpy
import pytest
from thinc.api import NumpyOps

pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    return importlib.import_module("speed")


def make_task(cell, lengths):
    return {"cell": cell, "precision": "float32", "lengths": "some", "batch": (lengths, 7, 6)}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("lengths", [(4, 4, 4), (2, 5, 1, 5)])
def test_outputs_and_all_gradients_are_compared(gpu, cell, lengths):
    differences = gpu.time_row(make_task(cell, lengths), NumpyOps(), 0.01)["differences"]
    names = ["dW", "dR", "db", *(["dbR"] if cell == "gru" else [])]
    assert set(differences) == {"Y", "dX", *names, *(f"{name} reverse" for name in names)}
    assert max(differences.values()) < 1e-5


@pytest.mark.parametrize("name", ["Y", "dX", "dW", "dR reverse", "db", "dbR reverse"])
def test_a_wrong_gradient_is_found(gpu, monkeypatch, name):
    layer_results = gpu.layer_results

    def go_wrong(*args):
        results = layer_results(*args)
        results[name].flat[0] = numpy.nan if name == "dW" else results[name].flat[0] + 0.5
        return results

    monkeypatch.setattr(gpu, "layer_results", go_wrong)
    with pytest.raises(ValueError, match=f": {name} differs from torch p"):
        gpu.time_row(make_task("gru", (2, 5, 1)), NumpyOps(), 0.01)


def test_a_pipeline_that_fails_later_does_not_lose_the_others(gpu, monkeypatch):
    class Contender:
        def __init__(self, nlp, train, backend):
            self.nlp, self.taken = nlp, []

        def update(self, step, ops):
            if (self.nlp, step) == ("fails", 2):
                raise RuntimeError("planted")
            self.taken.append(0.001)

    monkeypatch.setattr(gpu, "Contender", Contender)
    group = {name: (lambda train, name=name: name, None, "numpy") for name in ("fails", "works")}
    rows = {row["name"]: row for row in gpu.time_group(group, NumpyOps(), 5, float("inf"))}
    assert (rows["fails"]["status"], rows["fails"]["error"]) == ("error", "RuntimeError: planted")
    assert rows["works"]["status"] == "ok" and rows["works"]["ratio"] is None
