"""The benchmark of encoder-decoders: torch's model gives the same losses and finds the same translations, and it runs."""

import gzip
import importlib
from pathlib import Path

import numpy
import pytest
import srsly
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parent.parent.parent
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "Fünf": "five"}


@pytest.fixture
def seq2seq(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in importlib.import_module("_measure").ONE_THREAD:
        monkeypatch.setenv(name, "1")
    module = importlib.import_module("seq2seq")
    for name, value in (("WIDTH", 8), ("UNITS", 12), ("BATCH", 16), ("MAX_SYMBOLS", 12), ("RATE", 0.01)):
        monkeypatch.setattr(module, name, value)
    return module


@pytest.fixture
def peer(seq2seq):
    return importlib.import_module("_torch_seq2seq")


@pytest.fixture
def corpus(tmp_path):
    rng = numpy.random.default_rng(0)
    for part, n in (("train", 160), ("val", 24)):
        lines = [[list(NUMBERS)[i] for i in rng.integers(0, len(NUMBERS), rng.integers(1, 7))] for _ in range(n)]
        for side, own in (("de", lines), ("en", [[NUMBERS[word] for word in line] for line in lines])):
            text = "".join(" ".join(line) + "\n" for line in own)
            (tmp_path / f"{part}.{side}.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_texts_are_read_in_lower_case(seq2seq, corpus):
    data = seq2seq.read_data(corpus, "words")
    assert len(data.train) == 160 and len(data.val) == 24
    assert sorted(data.source.names()[3:]) == ["drei", "eins", "fünf", "vier", "zwei"]
    assert sum(len(batch.targets.lengths) for batch in seq2seq.cut(data.train)) == 160


@pytest.mark.parametrize("kind", ["attention after the sweep", "input feeding"])
def test_losses_of_torch_stay_the_same_in_training(seq2seq, peer, corpus, kind):
    data = seq2seq.read_data(corpus, "words")
    model = seq2seq.build_model(data, seq2seq.KINDS[kind])
    theirs, ours = seq2seq.torch_step(model), seq2seq.our_step(model)
    batches = seq2seq.cut(data.train)
    losses = [seq2seq.on_all(ours, batches), seq2seq.on_all(theirs, [peer.pad(batch) for batch in batches])]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@pytest.mark.parametrize("kind", ["attention after the sweep", "input feeding"])
@pytest.mark.parametrize("width", [1, 5])
def test_torch_finds_the_same_translations_in_any_batch(seq2seq, peer, corpus, kind, width):
    data = seq2seq.read_data(corpus, "words")
    model = seq2seq.build_model(data, seq2seq.KINDS[kind])
    seq2seq.fit(model, data, 6)
    batches = [batch.sources for batch in seq2seq.cut(data.val)]
    expected = seq2seq.translate(model, batches, width)
    own = peer.TorchSeq2Seq(model)
    assert len({len(symbols) for symbols in expected}) > 2
    assert seq2seq.torch_translate(own, batches, width) == expected
    assert seq2seq.torch_translate(own, list(seq2seq.one_by_one(batches)), width) == expected


@pytest.mark.parametrize("symbols", [pytest.param("words", marks=pytest.mark.slow), "joint"])
def test_it_runs(seq2seq, corpus, symbols):
    app = typer.Typer()
    app.command()(seq2seq.main)
    output = corpus / "figures.json"
    result = CliRunner().invoke(app, [str(corpus), "--symbols", symbols, "--size", "270", "--quick", "--output", str(output)])
    assert result.exit_code == 0, result.output
    figures = srsly.read_json(output)
    assert set(figures["training"]) == set(seq2seq.KINDS)
    speeds = figures["search"]["beam of 5"]["sentences a second"]
    assert len(speeds) == 4 and all(each["best"] > 0 for each in speeds.values())
    assert len(figures["goals"]) == 4
    # The special ones and five words; or joint subwords, of which there are as many as were asked for.
    assert figures["source symbols"] == figures["target symbols"] == (8 if symbols == "words" else 270)
