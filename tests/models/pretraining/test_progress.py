"""Dev perplexity while a model is pretrained, and the weights that have the lowest."""

import numpy
import pytest
import spacy
import srsly
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training.pretrain import make_update
from thinc.api import Adam

from spacy_rnn.models.pretraining import progress as progress_module
from spacy_rnn.models.pretraining.language_model import predict
from spacy_rnn.models.pretraining.objective import build_pretrain_lm
from spacy_rnn.models.pretraining.progress import perplexities


@pytest.fixture
def docs(corpus):
    return list(corpus(spacy.blank("en")))


@pytest.fixture
def build(vocab, corpus, make_tok2vec):
    """(settings of the objective) -> its model."""

    def make(bidirectional=True, **settings):
        model = build_pretrain_lm(corpus, **settings)(vocab, make_tok2vec(bidirectional=bidirectional))
        model.initialize()
        return model

    return make


@pytest.mark.parametrize("bidirectional", [True, False])
def test_perplexity_is_e_to_the_mean_loss(build, docs, bidirectional, monkeypatch):
    monkeypatch.setattr(progress_module, "_PIECE", 10)
    model = build(bidirectional)
    log_probabilities = predict(model, docs).log_probabilities.reshape((2 if bidirectional else 1, -1))
    scores = perplexities(model, [*docs, Doc(docs[0].vocab)])
    assert_allclose(scores["perplexity"], numpy.exp(-log_probabilities.mean()), rtol=1e-5)
    assert_allclose(scores["forward"], numpy.exp(-log_probabilities[0].mean()), rtol=1e-5)
    assert ("backward" in scores) == bidirectional


def test_dev_texts_without_words_are_refused(build, vocab):
    with pytest.raises(ValueError, match="no words"):
        perplexities(build(), [Doc(vocab)])


def test_the_best_weights_are_kept(build, corpus, docs, tmp_path, capsys):
    best = tmp_path / "new" / "best.bin"
    model = build(dev=corpus, eval_frequency=2, best=best)
    weights = {}
    for rate in [0.02] * 4 + [5.0] * 3:
        # What is evaluated are the weights after so many updates, before the next one.
        weights[len(weights)] = model.save_tok2vec()
        make_update(model, docs, Adam(rate), model.attrs["loss"])
    with model.use_params({}):
        pass
    lines = list(srsly.read_jsonl(best.with_suffix(".jsonl")))
    assert [line["updates"] for line in lines] == [2, 4, 6, 7]
    assert [line["words"] for line in lines] == [line["updates"] * sum(map(len, docs)) for line in lines]
    assert [line["best"] for line in lines] == [True, True, False, False]
    assert lines[1]["perplexity"] == min(line["perplexity"] for line in lines)
    assert best.read_bytes() == weights[4]
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("dev perplexity") == 4
    assert printed.count(", best") == 2


def test_what_was_evaluated_is_not_evaluated_again(build, corpus, docs, tmp_path):
    model = build(dev=corpus, eval_frequency=0, best=tmp_path / "best.bin")
    make_update(model, docs, Adam(0.01), model.attrs["loss"])
    for _ in range(2):
        with model.use_params({}):
            pass
    assert len(list(srsly.read_jsonl(tmp_path / "best.jsonl"))) == 1
