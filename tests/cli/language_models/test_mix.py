"""The command `mix`."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose

from spacy_rnn.backoff import CacheModel
from spacy_rnn.text.symbols import batch_texts

DEV = ["It was a lovely, warm film.", "Dull, and much too long.", "A dull plot, a dull, dull film."]


@pytest.fixture(scope="module")
def paths(language_models):
    return [language_models(), language_models("Characters", "FeedForwardLM")]


@pytest.fixture
def dev(tmp_path):
    path = tmp_path / "dev.txt"
    path.write_text("\n".join(DEV) + "\n")
    return path


def bits(nlp):
    (name,) = nlp.pipe_names
    return sum(scored.bits for scored in nlp.get_pipe(name).score(DEV))


def test_a_mixture_is_better_than_its_members(run, paths, dev, tmp_path):
    code, printed = run("mix", *paths, "--dev", dev, "--output", tmp_path / "mixed")
    assert code == 0, printed
    mixed = spacy.load(tmp_path / "mixed")
    assert bits(mixed) < min(bits(spacy.load(path)) for path in paths)
    weights = mixed.get_pipe("lm").model.attrs["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    for (key, weight), path in zip(weights.items(), paths, strict=True):
        assert f"{key} {path} {weight:.3f}" in printed


@pytest.mark.parametrize("n", [1, 2])
def test_a_cache_is_mixed_in(run, paths, dev, tmp_path, n):
    arguments = ("--dev", dev, "--cache", 40, "--cache-order", 3)
    code, printed = run("mix", *paths[:n], *arguments, "--output", tmp_path / "mixed")
    assert code == 0, printed
    mixed = spacy.load(tmp_path / "mixed")
    lm = mixed.get_pipe("lm")
    weights = lm.model.attrs["weights"]
    assert len(weights) == n + 1 and f"cache – {weights['cache']:.3f}" in printed
    batch = batch_texts([lm.symbols.encode(text).numbers for text in DEV])
    found = [CacheModel(len(lm.symbols), 40, 3).score(*batch).log_probabilities]
    for path in paths[:n]:
        found.append(spacy.load(path).get_pipe("lm").begin().score(*batch).log_probabilities)
    expected = -numpy.log2(list(weights.values()) @ numpy.exp(numpy.asarray(found, "float64")))
    assert_allclose(numpy.concatenate([scored.surprisals for scored in lm.score(DEV)]), expected, rtol=1e-4)
    # A mixture is a language model like others.
    code, printed = run("mix", tmp_path / "mixed", *arguments, "--output", tmp_path / "again")
    assert code == 0, printed


def test_what_cannot_be_done_is_said(run, paths, language_models, dev, tmp_path):
    output = tmp_path / "mixed"
    words = language_models("Words")
    (tmp_path / "empty.txt").write_text("\n")
    for pipelines, arguments, message in (
        (paths[:1], ("--dev", dev), "A mixture needs two language models at least, got 1"),
        ([paths[0], words], ("--dev", dev), "have other symbols: characters and words"),
        (paths, ("--dev", tmp_path / "missing.txt"), "There is no file or folder"),
        (paths, ("--dev", tmp_path / "empty.txt"), "there is no text in it"),
        ([paths[0], tmp_path / "nowhere"], ("--dev", dev), "There is no pipeline"),
        (paths, ("--dev", dev, "--cache-order", 2), "--cache-order is of a cache"),
        (paths, ("--dev", dev, "--cache", 3, "--cache-order", 4), "--cache-order is at most --cache, that is 3, got 4"),
    ):
        code, printed = run("mix", *pipelines, *arguments, "--output", output)
        assert (code, message in printed) == (1, True), printed
        assert not output.exists()


def test_a_pipeline_that_is_there_stays_unless_it_is_to_be_replaced(run, paths, dev, tmp_path):
    output = tmp_path / "mixed"
    spacy.blank("en").to_disk(output)
    code, printed = run("mix", *paths, "--dev", dev, "--output", output)
    assert (code, spacy.load(output).pipe_names) == (1, []), printed
    code, printed = run("mix", *paths, "--dev", dev, "--output", output, "--force")
    assert (code, spacy.load(output).pipe_names) == (0, ["lm"]), printed
