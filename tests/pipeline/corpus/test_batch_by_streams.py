"""Batches of parallel streams, as spaCy's training loop uses them."""

import random

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import create_train_batches, subdivide_batch
from spacy.util import registry

from spacy_rnn.pipeline.corpus.batcher import build_batch_by_streams
from spacy_rnn.pipeline.corpus.reader import build_text_corpus
from spacy_rnn.text.streams import piece_of
from spacy_rnn.text.symbols import END, Characters

LINES = [f"line number {i}, and {'more ' * (i % 7)}of it" for i in range(40)]


class Reads:
    """A component that takes the pieces of an update."""

    def __init__(self, symbols):
        self.symbols = symbols
        self.targets = {}
        self.updates = []

    def __call__(self, doc):
        return doc

    def update(self, examples, *, drop=0.0, sgd=None, losses=None):
        pieces = [piece_of(example.reference) for example in examples]
        self.updates.append([piece.number for piece in pieces])
        for piece in pieces:
            self.targets.setdefault(piece.stream, []).append(piece.take(self.symbols)[1])
        return losses


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(LINES), encoding="utf8")
    return build_text_corpus(tmp_path / "a.txt", tokens="none")


@pytest.fixture
def nlp():
    return spacy.blank("xx")


@pytest.fixture
def symbols(corpus, nlp):
    symbols = Characters()
    counter = symbols.begin()
    for example in corpus(nlp):
        counter.add(example.x)
    symbols.end(counter)
    return symbols


def texts_of(targets, symbols):
    """The texts that were predicted, stream after stream."""
    numbers = numpy.concatenate([piece for pieces in targets.values() for piece in pieces])
    return [symbols.decode(text) for text in numpy.split(numbers, numpy.flatnonzero(numbers == END) + 1)[:-1]]


@pytest.mark.parametrize("max_epochs", [2, -1, 0])
@pytest.mark.parametrize("accumulate_gradient", [1, 3])
def test_spacys_loop_reads_each_epoch_in_order(max_epochs, accumulate_gradient, corpus, nlp, symbols):
    reads = Reads(symbols)
    Language.component("reads_streams", func=reads)
    nlp.add_pipe("reads_streams")
    batcher = build_batch_by_streams(n_streams=4, n_symbols=25)
    random.seed(3)
    n_batches = 0
    for epoch, batch in create_train_batches(nlp, corpus, batcher, max_epochs):
        if epoch == 2:
            break
        n_batches += 1
        assert 1 <= len(batch) <= 4
        for part in subdivide_batch(batch, accumulate_gradient):
            nlp.update(part, sgd=False)
        assert sum(len(example) for example in batch) == 0
    longest = -(-sum(len(line) + 1 for line in LINES) // 4)
    assert n_batches == 2 * -(-longest // 25)
    assert len(reads.targets) == 8
    assert texts_of(reads.targets, symbols) == LINES * 2


def test_streams_that_have_ended_are_left_out():
    docs = [Doc(spacy.blank("xx").vocab, words=["abcdefg"], spaces=[False])]
    symbols = Characters()
    batches = list(build_batch_by_streams(n_streams=3, n_symbols=1)([Example(doc, doc) for doc in docs]))
    assert [[piece_of(example.reference).number for example in batch] for batch in batches] == [[0] * 3, [1] * 3, [2] * 2]
    assert all(len(piece_of(example.reference).take(symbols)[0]) == 1 for batch in batches for example in batch)


def test_shuffle_leaves_the_order_to_spacy(corpus, nlp, symbols):
    examples = list(corpus(nlp))
    random.seed(2)
    random.shuffle(examples)
    for shuffle, expected in ((True, [example.x.text for example in examples]), (False, LINES)):
        targets = {}
        for batch in build_batch_by_streams(n_streams=1, n_symbols=1000, shuffle=shuffle)(examples):
            for example in batch:
                piece = piece_of(example.reference)
                targets.setdefault(piece.stream, []).append(piece.take(symbols)[1])
        assert texts_of(targets, symbols) == expected


def test_a_buffer_is_cut_at_a_time(corpus, nlp, symbols):
    n_read = 0

    def examples():
        nonlocal n_read
        for example in corpus(nlp):
            n_read += 1
            yield example

    targets = {}
    n_first = []
    for batch in build_batch_by_streams(n_streams=2, n_symbols=50, buffer=200)(examples()):
        pieces = [piece_of(example.reference) for example in batch]
        if pieces[0].number == 0:
            n_first.append(n_read)
        for piece in pieces:
            targets.setdefault(piece.stream, []).append(piece.take(symbols)[1])
    assert n_first[0] < 10
    assert n_first[-1] == len(LINES)
    assert n_first == sorted(set(n_first))
    assert len(targets) == 2 * len(n_first)
    assert texts_of(targets, symbols) == LINES


def test_words_of_any_vocabulary_are_read(nlp):
    examples = [Example(doc, doc) for doc in (nlp("a b"), spacy.blank("en")("c d"))]
    batches = list(build_batch_by_streams(n_streams=1, n_symbols=10)(examples))
    assert len(batches) == 1


def test_no_texts_give_no_batches():
    assert list(build_batch_by_streams()([])) == []


@pytest.mark.parametrize("settings", [{"n_streams": 0}, {"n_symbols": 0}, {"buffer": 0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build_batch_by_streams(**settings)


def test_it_can_be_named_in_a_config():
    config = {"training": {"batcher": {"@batchers": "spacy_rnn.batch_by_streams.v1", "n_streams": 2, "n_symbols": 3}}}
    assert callable(registry.resolve(config)["training"]["batcher"])
