"""Schedules that count the training corpus."""

import itertools

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc, DocBin
from spacy.training.batchers import minibatch_by_words
from thinc.api import registry


@pytest.fixture
def corpus(tmp_path):
    """Writes a corpus of texts of ten words."""

    def write(n_texts, name="train.spacy"):
        vocab = spacy.blank("xx").vocab
        DocBin(docs=[Doc(vocab, words=["word"] * 10)] * n_texts).to_disk(tmp_path / name)
        return tmp_path / name

    return write


def schedule(name, **arguments):
    return registry.resolve({"schedule": {"@schedules": f"spacy_rnn.{name}.v1", **arguments}})["schedule"]


def batch_words(path, **arguments):
    return list(itertools.islice(schedule("batch_words", path=path, **arguments), 3))


@pytest.mark.parametrize("n_texts, expected", [(1, 100), (200, 100), (1800, 300), (20_000, 1000)])
def test_batches_grow_with_the_root_of_the_corpus(corpus, n_texts, expected):
    assert batch_words(corpus(n_texts)) == [expected] * 3


def test_batches_have_bounds(corpus):
    assert batch_words(corpus(1), smallest=8, largest=50) == [8] * 3
    assert batch_words(corpus(2000), smallest=5, largest=50) == [50] * 3


def rates(path, n, **arguments):
    return numpy.asarray(list(itertools.islice(schedule("epochs_linear", path=path, **arguments), n)))


def test_the_rate_rises_and_falls(corpus):
    # 1,800 words in batches of 100: 18 steps a pass.
    found = rates(corpus(180), 200, initial_rate=0.01, epochs=10, warmup=0.1)
    assert_allclose(found[:18], 0.01 * numpy.arange(1, 19) / 19)
    assert_allclose(found[18:180], 0.01 * numpy.arange(162, 0, -1) / 162)
    assert not found[180:].any()


def test_the_rate_ends_with_the_last_pass(corpus):
    path = corpus(250)
    size = batch_words(path)[0]
    texts = list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
    n_steps = 20 * len(list(minibatch_by_words(texts, size, tolerance=0.2)))
    found = rates(path, n_steps, initial_rate=1.0, epochs=20)
    assert found[int(0.75 * n_steps)] > 0
    assert found[-1] < 0.05


def test_without_warmup_it_begins_at_the_highest_rate(corpus):
    assert rates(corpus(180), 1, initial_rate=0.01, epochs=10, warmup=0.0)[0] == 0.01


def test_a_folder_is_counted_with_all_its_files(corpus, tmp_path):
    corpus(900, "one.spacy")
    corpus(900, "two.spacy")
    assert batch_words(tmp_path) == [300] * 3


@pytest.mark.parametrize("name, arguments", [("batch_words", {}), ("epochs_linear", {"initial_rate": 0.1, "epochs": 2})])
def test_a_corpus_is_needed(corpus, tmp_path, name, arguments):
    with pytest.raises(ValueError, match=r"paths\.train"):
        next(schedule(name, path=None, **arguments))
    with pytest.raises(ValueError, match="no words"):
        next(schedule(name, path=corpus(0), **arguments))
    with pytest.raises(FileNotFoundError):
        next(schedule(name, path=tmp_path / "nowhere.spacy", **arguments))


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("batch_words", {"smallest": 0}, "smallest.*0"),
        ("batch_words", {"smallest": 20, "largest": 10}, "20 and 10"),
        ("epochs_linear", {"epochs": 0}, "epochs.*0"),
        ("epochs_linear", {"epochs": 1, "warmup": 1.0}, "warmup"),
        ("epochs_linear", {"epochs": 1, "smallest": 0}, "smallest.*0"),
    ],
)
def test_arguments_out_of_range_are_refused(corpus, name, arguments, message):
    if name == "epochs_linear":
        arguments = {"initial_rate": 0.1, **arguments}
    with pytest.raises(ValueError, match=message):
        next(schedule(name, path=corpus(2), **arguments))
