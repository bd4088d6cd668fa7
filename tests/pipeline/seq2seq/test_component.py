"""`rnn_seq2seq` in a pipeline."""

import gzip
import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config_from_str, load_model_from_config
from thinc.api import Adam, Softmax

from spacy_rnn.pipeline.annotation.output import Output, get_output, set_output
from spacy_rnn.pipeline.seq2seq import component

CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
TEXTS = ["c a b", "", "b c a d a b", " \n ", "a", "b b c d", "d", "a a d c b", "c  a b"]


@pytest.fixture
def pipe(reversing):
    return reversing.get_pipe("rnn_seq2seq")


@pytest.fixture(scope="module")
def untrained(learn_pairs, reversed_words):
    """(model arguments, **component settings) -> a pipeline with weights that were not trained for long."""
    return lambda model=None, **settings: learn_pairs(reversed_words, 2, model, **settings)


def as_data(output):
    attention = output.attention and (output.attention.sources, output.attention.targets, output.attention.weights.tolist())
    return output.text, output.score, output.alternatives, attention


def outputs(docs):
    return [as_data(get_output(doc)) for doc in docs]


MODELS = {
    "general": {},
    "fed": {"input_feeding": True, "cell": "lstm"},
    "additive": {"attention": "additive", "decoder_depth": 2},
    "none": {"attention": "none"},
    "copying": {"source": {**CHARACTERS, "size": 4}, "target": None, "copy": True},
}


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_alone_and_in_any_batch(untrained, monkeypatch, name, width):
    """The same to the last bit."""
    coverage = 0.3 if name != "none" else 0.0
    more = {"max_symbols": 12, "n_alternatives": width - 1, "store_attention": True, "coverage": coverage}
    nlp = untrained(MODELS[name], beam_width=width, **more)
    alone = outputs([nlp(text) for text in TEXTS])
    for batch_size in (1, 2, 5, 100):
        assert outputs(nlp.pipe(TEXTS, batch_size=batch_size)) == alone
    assert outputs(nlp.pipe(TEXTS[::-1])) == alone[::-1]
    monkeypatch.setattr(component, "_BATCH", 2)
    assert outputs(nlp.pipe(TEXTS)) == alone
    assert len({text for text, _, _, _ in alone}) > 1


def test_texts_without_symbols(reversing, pipe):
    for text in ("", "  ", "\n"):
        assert as_data(get_output(reversing(text))) == ("", 0.0, [], None)
    assert pipe.predict([]) == [] and pipe.translate([]) == []
    assert pipe.translate(["", "a"])[0] == []
    assert list(reversing.pipe([])) == []


def test_empty_updates_change_nothing(untrained, pairs):
    nlp = untrained()
    pipe = nlp.get_pipe("rnn_seq2seq")
    before = pipe.model.to_bytes()
    untargeted = [Example(doc, doc.copy()) for doc in (nlp.make_doc(""), nlp.make_doc("a b"))]
    for examples in ([], pairs(nlp, [("", "a"), (" ", "b")]), untargeted):
        losses = {}
        pipe.update(examples, losses=losses)
        assert losses == {"rnn_seq2seq": 0.0} and pipe.get_loss(examples, None)[0] == 0.0
        assert not any(node.get_grad(name).any() for node in pipe.model.walk() for name in node.grad_names)
    assert pipe.model.to_bytes() == before


def test_the_loss_is_the_mean_of_a_symbol(reversing, pipe, pairs):
    examples = pairs(reversing, [("a b", "b a"), ("c", "c d"), ("", "a")])
    loss, gradient = pipe.get_loss(examples, None)
    alone = [pipe.get_loss([example], None) for example in examples]
    assert_allclose(loss, sum(one * len(part) for one, part in alone) / len(gradient), rtol=1e-5)
    assert len(gradient) == 6 and abs(gradient.sum() + 1) < 1e-5
    losses = {}
    pipe.update(examples, sgd=None, losses=losses)
    assert_allclose(losses["rnn_seq2seq"], loss, rtol=1e-5)


def test_attention(untrained, reversing, pipe):
    ((output,),) = pipe.translate(["a b c"], with_attention=True)
    assert output.attention.sources == ["a", "b", "c"] and output.attention.targets == ["c", "b", "a", "</s>"]
    assert output.attention.weights.shape == (4, 3)
    assert_allclose(output.attention.weights.sum(axis=1), 1, rtol=1e-5)
    assert reversing("a b c")._.rnn_output.attention is None
    nlp = untrained({"attention": "none"}, store_attention=True)
    assert nlp("a b")._.rnn_output.attention is None


def test_attention_of_an_output_that_was_cut_off(learn_pairs):
    nlp = learn_pairs([("a b c", "d e f g"), ("b", "e d f")], 15, max_symbols=2, store_attention=True)
    output = get_output(nlp("a b c"))
    assert output.attention.targets == output.text.split() and output.attention.weights.shape == (2, 3)


@pytest.mark.parametrize("symbols", [None, CHARACTERS])
def test_long_sources(learn_pairs, pairs, symbols):
    texts, model = [("a b", "b"), ("b a c", "a")], {} if symbols is None else {"source": symbols}
    n, unit, limit = (4, "words", 3) if symbols is None else (7, "characters", 5)
    nlp = learn_pairs(texts, 1, model, max_length=limit)
    message = f"has {n} {unit}, but max_length = {limit}"
    with pytest.raises(ValueError, match=f"text that begins with 'a b c d' {message}"):
        nlp("a b c d")
    examples = pairs(nlp, [("a", "b"), ("a b c d", "b")])
    with pytest.raises(ValueError, match=f"the text 'a b c d' {message}"):
        nlp.update(examples)
    examples[1].reference.user_data["spacy_rnn_place"] = "train.de, line 7"
    for run in (nlp.update, lambda examples: nlp.initialize(lambda: examples)):
        with pytest.raises(ValueError, match=f"train.de, line 7 {message}"):
            run(examples)


def test_long_sources_and_the_error_handler(learn_pairs):
    nlp = learn_pairs([("a b", "b")], 1, max_length=2)
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, error: failed.append((name, [doc.text for doc in docs], str(error))))
    docs = list(nlp.pipe(["a", "a b c", "b"], batch_size=1))
    assert [doc.text for doc in docs] == ["a", "b"]
    assert [(name, texts) for name, texts, _ in failed] == [("rnn_seq2seq", ["a b c"])]


@pytest.mark.parametrize("model", [{}, {"source": CHARACTERS}, {**MODELS["copying"], "attention": "dot"}])
def test_long_sources_that_are_cut(learn_pairs, pairs, model):
    settings = {"max_length": 3, "cut": True, "store_attention": True, "n_alternatives": 2}
    nlp = learn_pairs([("ab cd e", "b"), ("b a", "a c")], 5, model, **settings)
    text = "ab a ed c e f" if not model else "abaedcef"
    short = "ab a ed" if not model else "aba"
    output, expected = get_output(nlp(text)), get_output(nlp(short))
    assert as_data(output) == as_data(expected)
    assert len(output.attention.sources) == 3
    pipe = nlp.get_pipe("rnn_seq2seq")
    assert pipe.get_loss(pairs(nlp, [(text, "a")]), None)[0] == pipe.get_loss(pairs(nlp, [(short, "a")]), None)[0]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"beam_width": 0}, "beam_width must be a number of at least 1, got 0"),
        ({"max_length": 0}, "max_length must be a number of at least 1, got 0"),
        ({"max_symbols": 0}, "max_symbols must be a number of at least 1, got 0"),
        ({"alpha": -0.5}, "alpha must be a number of at least 0, got -0.5"),
        ({"n_alternatives": -1}, "n_alternatives must be a number of at least 0, got -1"),
        ({"beam_width": 3, "n_alternatives": 3}, "a beam of 3 finds at most 2 alternatives, got n_alternatives = 3"),
        ({"coverage": 0.1, "model": {"attention": "none"}}, "coverage is about attention, which the model does not have"),
    ],
)
def test_settings_out_of_their_range(config, settings, message):
    nlp = spacy.blank("xx")
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe("rnn_seq2seq", config=config(**settings))


def test_a_model_that_is_no_encoder_decoder():
    nlp = spacy.blank("xx")
    settings = {key: value for key, value in component.SETTINGS.items() if key not in ("model", "scorer")}
    message = "'translator' needs an encoder-decoder that reads symbols, e.g. spacy_rnn.Seq2Seq.v1, but 'softmax' is none"
    with pytest.raises(ValueError, match=message):
        component.RNNSeq2Seq(nlp.vocab, Softmax(), "translator", **settings, scorer=None)


@pytest.mark.parametrize("name, value", [("alpha", float("nan")), ("coverage", float("inf"))])
def test_what_is_no_number(config, name, value):
    nlp = spacy.blank("xx")
    model = nlp.add_pipe("rnn_seq2seq", config=config()).model
    settings = {key: each for key, each in component.SETTINGS.items() if key not in ("model", "scorer")}
    with pytest.raises(ValueError, match=f"{name} must be a number of at least 0, got {value}"):
        component.RNNSeq2Seq(nlp.vocab, model, "translator", **{**settings, name: value}, scorer=None)


def test_before_initialization(config):
    for model in ({}, {"source": {"@misc": "spacy_rnn.Subwords.v1"}}):
        nlp = spacy.blank("xx")
        pipe = nlp.add_pipe("rnn_seq2seq", config=config(model))
        for run, argument in ((nlp, "a b"), (pipe.translate, ["a b"]), (pipe.update, [])):
            with pytest.raises(ValueError, match="E109"):
                run(argument)


def test_a_corpus_without_targets(config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_seq2seq", config=config())
    doc = nlp.make_doc("a b")
    with pytest.raises(ValueError, match="'rnn_seq2seq' has nothing to learn from: no text of the training corpus has a target"):
        nlp.initialize(lambda: [Example(doc, doc.copy())])


@pytest.mark.parametrize("texts", ["a b", Doc(spacy.blank("xx").vocab, words=["a"]), ["a", None], [b"a"], [["a"]]])
def test_what_is_no_list_of_texts(pipe, texts):
    with pytest.raises(ValueError, match="'rnn_seq2seq' translates"):
        pipe.translate(texts)


@pytest.mark.parametrize("settings", [{"width": 2, "n": 3}, {"n": 0}, {"n": 6}, {"width": 0}])
def test_more_outputs_than_the_beam_is_wide(pipe, settings):
    with pytest.raises(ValueError, match="'rnn_seq2seq': a beam of"):
        pipe.translate(["a"], **settings)


def test_translate_gives_what_the_pipeline_gives(reversing, pipe):
    docs = list(reversing.pipe(TEXTS))
    found = pipe.translate(TEXTS, n=5)
    assert [each[0].text if each else "" for each in found] == [doc._.rnn_output.text for doc in docs]
    assert [each[0].score if each else 0.0 for each in found] == [doc._.rnn_output.score for doc in docs]
    assert pipe.translate([reversing.make_doc(text) for text in TEXTS], n=5) == found
    assert all(not output.alternatives for each in found for output in each)
    assert [each[:1] for each in pipe.translate(TEXTS)] == [each[:1] for each in found]


def test_scores(reversing, reversed_words, pairs):
    scores = reversing.evaluate(pairs(reversing, [*reversed_words[:10], ("a b", "nothing like it")]))
    assert scores["exact"] == pytest.approx(10 / 11) and 0 < scores["chrf"] < 1 and 0 < scores["bleu"] < 1


def test_gold_outputs_of_examples_made_by_hand(untrained, pairs, reversed_words):
    nlp = untrained()
    by_hand = []
    for source, target in reversed_words[:4]:
        doc = nlp.make_doc(source)
        doc._.rnn_output = Output(target)
        by_hand.append(Example(nlp.make_doc(source), doc))
    pipe = nlp.get_pipe("rnn_seq2seq")
    assert pipe.get_loss(by_hand, None)[0] == pipe.get_loss(pairs(nlp, reversed_words[:4]), None)[0] > 0


def test_several_processes(reversing):
    expected = outputs(reversing.pipe(TEXTS))
    assert outputs(reversing.pipe(TEXTS, n_process=2, batch_size=2)) == expected


def test_learning_again_replaces_what_was_learned(untrained, pairs):
    nlp = untrained()
    examples = pairs(nlp, [("x y", "y z z z"), ("z", "x")])
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    assert [doc._.rnn_output.text for doc in nlp.pipe(["x y", "z"])] == ["y z z z", "x"]


def test_averages_are_used_and_taken_back(untrained, reversed_words, pairs):
    nlp = untrained()
    examples = pairs(nlp, reversed_words)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    text = "a b c d"
    before = as_data(get_output(nlp(text)))
    with nlp.use_params(optimizer.averages):
        averaged = as_data(get_output(nlp(text)))
    assert averaged[1] != before[1]
    assert as_data(get_output(nlp(text))) == before
    nlp.update(examples, sgd=optimizer)
    assert as_data(get_output(nlp(text))) != before


def test_dropout_is_in_training_only(untrained, pairs, reversed_words):
    nlp = untrained({"dropout": 0.5, "symbol_dropout": 0.3, "scheduled_sampling": 0.5})
    pipe, examples = nlp.get_pipe("rnn_seq2seq"), pairs(nlp, reversed_words[:5])
    assert pipe.get_loss(examples, None)[0] == pipe.get_loss(examples, None)[0]
    losses = [pipe.update(examples, sgd=None)["rnn_seq2seq"] for _ in range(2)]
    assert losses[0] != losses[1]


def test_rehearsal_changes_nothing(untrained, pairs, reversed_words):
    nlp = untrained()
    before = nlp.get_pipe("rnn_seq2seq").model.to_bytes()
    nlp.rehearse(pairs(nlp, reversed_words[:3]), sgd=nlp.resume_training())
    assert nlp.get_pipe("rnn_seq2seq").model.to_bytes() == before


def test_pickle(reversing):
    loaded = pickle.loads(pickle.dumps(reversing))
    assert outputs(loaded.pipe(TEXTS)) == outputs(reversing.pipe(TEXTS))


TRAIN = """
[paths]
train = null
dev = null

[nlp]
lang = "xx"
pipeline = ["rnn_seq2seq"]

[components]

[components.rnn_seq2seq]
factory = "rnn_seq2seq"

[components.rnn_seq2seq.model]
@architectures = "spacy_rnn.Seq2Seq.v1"
width = 12
hidden_width = 16

[components.rnn_seq2seq.model.source]
@misc = "spacy_rnn.Characters.v1"

[components.rnn_seq2seq.model.target]
@misc = "spacy_rnn.Words.v1"
min_count = 1

[corpora]

[corpora.train]
@readers = "spacy_rnn.ParallelCorpus.v1"
path = ${paths.train}
source = "de"
target = "en"

[corpora.dev]
@readers = "spacy_rnn.ParallelCorpus.v1"
path = ${paths.dev}
source = "de"
target = "en"

[training]
dev_corpus = "corpora.dev"
train_corpus = "corpora.train"
max_steps = 6
eval_frequency = 3
patience = 0
"""


def test_spacy_train(tmp_path, reversed_words):
    for name, texts in (("train", reversed_words), ("dev", reversed_words[:5])):
        (tmp_path / f"{name}.de").write_text("".join(f"{source}\n" for source, _ in texts), encoding="utf8")
        with gzip.open(tmp_path / f"{name}.en.gz", "wt", encoding="utf8") as file:
            file.write("".join(f"{target}\n" for _, target in texts))
    overrides = {f"paths.{name}": str(tmp_path / name) for name in ("train", "dev")}
    config = load_config_from_str(TRAIN, overrides=overrides)
    nlp = init_nlp(load_model_from_config(config, auto_fill=True).config)
    train(nlp, tmp_path)
    loaded = spacy.load(tmp_path / "model-best")
    assert loaded.meta["performance"].keys() >= {"bleu", "chrf", "exact"}
    assert isinstance(loaded("a b")._.rnn_output.text, str)


@pytest.mark.parametrize("is_frozen", [True, False])
def test_frozen(untrained, pairs, reversed_words, is_frozen):
    nlp = untrained()
    before = nlp.get_pipe("rnn_seq2seq").model.to_bytes()
    exclude = ["rnn_seq2seq"] if is_frozen else []
    nlp.update(pairs(nlp, reversed_words[:5]), sgd=nlp.resume_training(), exclude=exclude)
    assert (nlp.get_pipe("rnn_seq2seq").model.to_bytes() == before) == is_frozen


def test_outputs_are_kept_with_the_texts(reversing):
    doc = reversing("a b c")
    store = DocBin(store_user_data=True, docs=[doc])
    (loaded,) = DocBin().from_bytes(store.to_bytes()).get_docs(reversing.vocab)
    assert as_data(get_output(loaded)) == as_data(get_output(doc))
    set_output(doc, None)
    assert doc._.rnn_output is None
    assert_array_equal(numpy.asarray(list(doc.user_data)), [])
