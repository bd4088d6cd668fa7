"""The objective as spaCy calls it: vocabularies, the loss, and its settings."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.pretrain import make_update
from spacy.util import registry
from thinc.api import Adam, Linear

from spacy_rnn.models.pretraining.language_model import predict
from spacy_rnn.models.pretraining.objective import build_pretrain_lm

HASH_EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 8,
    "attrs": ["NORM"],
    "rows": [50],
    "include_static_vectors": False,
}


def vocabulary_of(tok2vec):
    return tok2vec.get_ref("embed").attrs["vocabulary"].words


def test_spacy_resolves_it_with_its_readers(tmp_path, texts, vocab, make_tok2vec):
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    reader = {"@readers": "spacy_rnn.TextCorpus.v1", "path": str(tmp_path / "texts.txt")}
    block = {"@architectures": "spacy_rnn.PretrainLM.v1", "corpus": reader, "dev": reader, "best": str(tmp_path / "best.bin")}
    block["tokenizer"] = {"@tokenizers": "spacy.Tokenizer.v1"}
    model = registry.resolve({"objective": block})["objective"](vocab, make_tok2vec())
    assert model.attrs["targets"].vocabulary.words[:2] == ["the", "cat"]


def test_all_words_are_learned_from_the_corpus(vocab, texts, corpus, make_tok2vec):
    tok2vec = make_tok2vec()
    model = build_pretrain_lm(corpus, size=3)(vocab, tok2vec)
    model.initialize(X=[Doc(vocab, words=["Give", "it"])])
    assert vocabulary_of(tok2vec)[:3] == ["the", "cat", "."]
    assert set(vocabulary_of(tok2vec)) == {word for text in texts for word in text.lower().split()}
    assert model.attrs["targets"].vocabulary.words == ["the", "cat", "."]
    assert model.get_ref("tok2vec") is tok2vec


@pytest.mark.parametrize("predicted", ["word", "characters"])
def test_an_embedding_need_have_no_words(vocab, corpus, make_tok2vec, predicted):
    model = build_pretrain_lm(corpus, predict=predicted)(vocab, make_tok2vec(embed=HASH_EMBED))
    model.initialize()
    docs = list(corpus(spacy.blank("en")))
    assert numpy.isfinite(predict(model, docs).log_probabilities).all()


def test_the_words_are_those_of_the_tokenizer(vocab, corpus, make_tok2vec):
    def by_hyphens(nlp):
        return lambda text: Doc(nlp.vocab, words=text.split("-"), spaces=[False] * (text.count("-") + 1))

    tok2vec = make_tok2vec()
    build_pretrain_lm(lambda nlp: [nlp.tokenizer("as-well-as")], tokenizer=by_hyphens)(vocab, tok2vec)
    assert vocabulary_of(tok2vec) == ["as", "well"]


def test_a_corpus_may_give_examples(vocab, texts, make_tok2vec):
    tok2vec = make_tok2vec()
    build_pretrain_lm(lambda nlp: [Example(doc, doc) for doc in map(nlp.make_doc, texts)])(vocab, tok2vec)
    assert vocabulary_of(tok2vec)[0] == "the"


def test_the_loss_is_the_sum_over_words_of_the_mean_of_directions(vocab, corpus, make_tok2vec):
    model = build_pretrain_lm(corpus, output="full")(vocab, make_tok2vec())
    model.initialize()
    docs = list(corpus(spacy.blank("en")))
    expected = -float(predict(model, docs).log_probabilities.sum()) / 2
    assert_allclose(make_update(model, docs, Adam(0.01), model.attrs["loss"]), expected, rtol=1e-5)
    assert -float(predict(model, docs).log_probabilities.sum()) / 2 < expected


def test_dropout_rates_of_layers_are_others_in_pretraining_alone(vocab, corpus, make_tok2vec, tmp_path):
    def rates(tok2vec):
        attrs = [node.attrs for node in tok2vec.walk()]
        return [each[name] for name in ("rate", "recurrent_dropout", "word_dropout") for each in attrs if name in each]

    tok2vec = make_tok2vec(depth=2, variational_dropout=0.4, recurrent_dropout=0.2)
    built, weights = rates(tok2vec), tok2vec.to_bytes
    assert {0.4, 0.2} <= set(built)
    model = build_pretrain_lm(corpus, corpus, layer_dropout=0.5, eval_frequency=1, best=tmp_path / "best.bin")(vocab, tok2vec)
    model.initialize()
    assert rates(tok2vec) == [rate / 2 for rate in built]
    with model.use_params(None):
        saved = weights()
    assert rates(tok2vec) == [rate / 2 for rate in built]
    # Neither spaCy's weights nor the best have rates, so that those of the config are kept where they are loaded.
    assert (tmp_path / "best.bin").read_bytes() == saved
    other = make_tok2vec(depth=2, variational_dropout=0.1, recurrent_dropout=0.3)
    own = rates(other)
    assert own != built
    other.from_bytes(saved)
    assert rates(other) == own
    # As `--resume-path` does; it may bring rates that were saved with a component.
    tok2vec.from_bytes(other.to_bytes())
    model.begin_update(list(corpus(spacy.blank("en"))))
    assert rates(tok2vec) == [rate / 2 for rate in built]


@pytest.mark.parametrize(
    "name, message", [("best.jsonl", "ends with .jsonl"), ("", "expected a file"), ("folder", "expected a file")]
)
def test_what_the_best_weights_cannot_be_written_to_is_refused_at_once(corpus, tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"best = .*{message}"):
        build_pretrain_lm(corpus, corpus, best=name)


def test_token_vectors_that_cannot_be_trained_so_are_refused_before_the_corpus_is_read(vocab):
    with pytest.raises(ValueError, match="PretrainCharacters"):
        build_pretrain_lm(lambda nlp: pytest.fail("the corpus was read"))(vocab, Linear(4, 4))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"best": "best.bin"}, "set dev in"),
        ({"layer_dropout": 1.5}, "layer_dropout is what"),
        ({"eval_frequency": -1}, "eval_frequency must not be negative"),
        ({"predict": "sentence"}, "predict must be"),
    ],
)
def test_wrong_settings_are_refused(corpus, settings, message):
    with pytest.raises(ValueError, match=message):
        build_pretrain_lm(corpus, **settings)
