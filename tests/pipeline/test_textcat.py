"""`rnn_textcat` and `rnn_textcat_multilabel`: what they learn, write, and refuse."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

CATEGORIZERS = ["rnn_textcat", "rnn_textcat_multilabel"]
POOLINGS = ["last", "mean", "max", "attention", ["last", "mean", "max", "attention"]]
TEXTS = [["A", "lovely", "warm", "film"], ["dull"], [], ["Boring", ",", "slow"] * 4, ["I", "laughed"]]

both = pytest.mark.parametrize("factory", CATEGORIZERS)


def categorized(nlp, words, **cats):
    reference = Doc(nlp.vocab, words=words)
    reference.cats = cats
    return Example(Doc(nlp.vocab, words=words), reference)


def assert_batch_invariant(nlp, name, texts):
    """Every text has the same scores alone, with its equals, and in a batch of all, in either order."""
    component = nlp.get_pipe(name)

    def scores(batch):
        docs = [Doc(nlp.vocab, words=words) for words in batch]
        for upstream, pipe in nlp.pipeline:
            if upstream != name:
                docs = list(pipe.pipe(docs))
        return component.predict(docs)

    batch, backwards = scores(texts), scores(texts[::-1])[::-1]
    for i, words in enumerate(texts):
        for other in (batch[i], backwards[i], scores([words, words, words])[2]):
            numpy.testing.assert_allclose(scores([words])[0], other, atol=1e-5)


@both
def test_it_learns_its_training_texts(factory, make_nlp, annotate):
    nlp, examples = make_nlp(factory, n_updates=40)
    for example, doc in zip(examples, annotate(nlp, [[t.text for t in eg.y] for eg in examples]), strict=True):
        assert {label: round(score) for label, score in doc.cats.items()} == example.y.cats


def test_classes_that_do_not_exclude_each_other_are_learned(component_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_textcat_multilabel", config=component_config("rnn_textcat_multilabel"))
    examples = [
        categorized(nlp, ["warm", "and", "long"], good=1.0, long=1.0),
        categorized(nlp, ["warm", "film"], good=1.0, long=0.0),
        categorized(nlp, ["a", "long", "film"], good=0.0, long=1.0),
        categorized(nlp, ["a", "film"], good=0.0, long=0.0),
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    for example in examples:
        cats = nlp(example.x.copy()).cats
        assert {label: round(score) for label, score in cats.items()} == example.y.cats


def test_exclusive_probabilities_sum_to_one(make_nlp, annotate):
    nlp, _ = make_nlp("rnn_textcat", n_updates=3)
    for doc in annotate(nlp, TEXTS):
        assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-6)
        assert all(0 < score < 1 for score in doc.cats.values())


def test_it_writes_categories_and_nothing_else(make_nlp):
    nlp, _ = make_nlp("rnn_textcat", n_updates=3)
    words = ["A", "warm", "film"]
    doc = Doc(nlp.vocab, words=words, tags=["DT", "JJ", "NN"], pos=["DET", "ADJ", "NOUN"], lemmas=words)
    doc.cats = {"other": 0.25}
    attrs = ["ORTH", "LEMMA", "MORPH", "TAG", "POS", "HEAD", "DEP", "ENT_IOB", "ENT_TYPE", "SENT_START", "SPACY"]
    before = doc.to_array(attrs)
    doc = nlp(doc)
    assert (doc.to_array(attrs) == before).all()
    assert set(doc.cats) == {"good", "bad", "other"}
    assert doc.cats["other"] == 0.25


@both
def test_it_declares_what_it_assigns_and_what_counts(factory, make_nlp):
    nlp, _ = make_nlp(factory)
    assert nlp.analyze_pipes()["summary"][factory]["assigns"] == ["doc.cats"]
    weights = nlp.get_factory_meta(factory).default_score_weights
    assert {key for key, weight in weights.items() if weight} == {"cats_score"}


@pytest.mark.parametrize(
    "factory, positive_label, expected",
    [
        ("rnn_textcat", None, "macro F"),
        ("rnn_textcat", "good", "F (good)"),
        ("rnn_textcat_multilabel", None, "macro AUC"),
    ],
)
def test_the_scorer_gives_every_declared_score(factory, positive_label, expected, component_config, make_examples):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    examples = make_examples(nlp, factory)
    settings = {} if positive_label is None else {"positive_label": positive_label}
    component.initialize(lambda: examples, nlp=nlp, **settings)
    optimizer = Adam(0.02)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    scores = nlp.evaluate(examples)
    assert set(nlp.get_factory_meta(factory).default_score_weights) <= set(scores)
    assert scores["cats_score_desc"] == expected
    assert scores["cats_score"] == 1.0


@pytest.mark.parametrize(
    "factory, threshold, recall",
    [
        ("rnn_textcat_multilabel", 0.0, 1.0),
        ("rnn_textcat_multilabel", 1.0, 0.0),
        # Of exclusive classes the best one counts, whatever its probability: so spaCy scores them.
        ("rnn_textcat", 1.0, 1.0),
    ],
)
def test_the_threshold_decides_what_counts_as_predicted(factory, threshold, recall, make_nlp):
    nlp, examples = make_nlp(factory, n_updates=40, threshold=threshold)
    assert nlp.evaluate(examples)["cats_micro_r"] == recall


@pytest.mark.parametrize(
    "labels, positive_label, message",
    [
        (["good", "bad"], "great", "great"),
        (["good", "bad", "mixed"], "good", "E919"),
    ],
)
def test_a_positive_label_is_one_of_two(labels, positive_label, message, component_config, make_examples):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_textcat", config=component_config("rnn_textcat"))
    with pytest.raises(ValueError, match=message):
        component.initialize(lambda: make_examples(nlp, "rnn_textcat"), nlp=nlp, labels=labels, positive_label=positive_label)


@pytest.fixture
def models_of_spacy(tok2vec_config):
    tok2vec = tok2vec_config()
    bow = {"@architectures": "spacy.TextCatBOW.v3", "length": 256, "ngram_size": 1, "no_output_layer": False}
    reduce = {"@architectures": "spacy.TextCatReduce.v1", "exclusive_classes": True, "tok2vec": tok2vec}
    unused = dict.fromkeys(["use_reduce_first", "use_reduce_last", "use_reduce_max", "use_reduce_mean"], False)
    return {
        "ensemble": {
            "@architectures": "spacy.TextCatEnsemble.v2",
            "tok2vec": tok2vec,
            "linear_model": {**bow, "exclusive_classes": True},
        },
        "bag of words": {**bow, "exclusive_classes": True},
        "mean": {**reduce, **unused, "use_reduce_mean": True},
        "max": {**reduce, **unused, "use_reduce_max": True},
        "last": {**reduce, **unused, "use_reduce_last": True},
    }


@pytest.mark.parametrize("model", ["ensemble", "bag of words", "mean", "max", "last"])
def test_scores_do_not_depend_on_the_batch_with_models_of_spacy(model, make_nlp, models_of_spacy):
    nlp, _ = make_nlp("rnn_textcat", n_updates=5, config={"model": models_of_spacy[model]})
    assert_batch_invariant(nlp, "rnn_textcat", [*TEXTS, []])


@both
@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
@pytest.mark.parametrize("bidirectional", [True, False], ids=["two directions", "one direction"])
def test_scores_do_not_depend_on_the_batch(factory, pooling, bidirectional, make_nlp, component_config, tok2vec_config):
    tok2vec = tok2vec_config(bidirectional=bidirectional, train_initial_state=True)
    config = component_config(factory, tok2vec, pooling=pooling, hidden_width=4)
    nlp, _ = make_nlp(factory, n_updates=2, config=config)
    assert_batch_invariant(nlp, factory, [*TEXTS, []])


@both
def test_documents_without_annotation_change_no_gradient(factory, make_nlp, gradients):
    nlp, examples = make_nlp(factory, n_updates=2)
    component = nlp.get_pipe(factory)
    blank = categorized(nlp, ["Nobody", "knows", "this"])
    alone = gradients(component, examples)
    assert any(array.any() for array in alone)
    for a, b in zip(alone, gradients(component, [blank, *examples, blank]), strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-5)
    assert not any(array.any() for array in gradients(component, [blank, blank]))
    assert component.update([blank])[factory] == 0.0


def test_a_class_without_annotation_has_no_gradient(make_nlp):
    nlp, _ = make_nlp("rnn_textcat_multilabel")
    component = nlp.get_pipe("rnn_textcat_multilabel")
    _, d_scores = component.get_loss([categorized(nlp, ["a", "film"], good=1.0)], numpy.full((1, 2), 0.5, dtype="f"))
    assert dict(zip(component.labels, d_scores[0], strict=True)) == {"good": -0.5, "bad": 0.0}


@pytest.mark.parametrize(
    "factory, cats, message",
    [
        ("rnn_textcat", {}, "E867|E143"),
        ("rnn_textcat", {"good": 1.0}, "E867"),
        ("rnn_textcat_multilabel", {}, "E143"),
        ("rnn_textcat", {"good": 0.5, "bad": 0.5}, "E851"),
        ("rnn_textcat_multilabel", {"good": 0.5, "bad": 0.0}, "E851"),
        ("rnn_textcat", {"good": 1.0, "bad": 1.0}, "E895"),
    ],
)
def test_classes_that_cannot_be_learned_are_refused(factory, cats, message, component_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, config=component_config(factory))
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: [categorized(nlp, ["a", "film"], **cats)])


@pytest.mark.parametrize(
    "factory, cats, message",
    [
        ("rnn_textcat", {"good": 0.5, "bad": 0.5}, "E851"),
        ("rnn_textcat_multilabel", {"good": -1.0}, "E851"),
        ("rnn_textcat", {"good": 1.0, "bad": 1.0}, "E895"),
        ("rnn_textcat", {"great": 1.0}, "great"),
        ("rnn_textcat_multilabel", {"great": 1.0}, "great"),
    ],
)
def test_values_that_cannot_be_learned_are_refused_in_training(factory, cats, message, make_nlp, parameters):
    nlp, _ = make_nlp(factory)
    model = nlp.get_pipe(factory).model
    before = parameters(model)
    with pytest.raises(ValueError, match=message):
        nlp.update([categorized(nlp, ["a", "film"], **cats)], sgd=Adam(0.1))
    assert all((a == b).all() for a, b in zip(before, parameters(model), strict=True))


@both
def test_it_does_not_run_before_initialization(factory, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    component.add_label("good")
    component.add_label("bad")
    for words in (["a", "film"], []):
        with pytest.raises(ValueError, match="E109"):
            component.predict([Doc(nlp.vocab, words=words)])
        with pytest.raises(ValueError, match="E109"):
            component.update([categorized(nlp, words, good=1.0, bad=0.0)])


@both
def test_no_examples_are_refused(factory, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    for labels in (None, ["good", "bad"]):
        with pytest.raises((ValueError, TypeError), match="E930|E923"):
            component.initialize(lambda: [], nlp=nlp, labels=labels)


BOW = {"@architectures": "spacy.TextCatBOW.v3", "length": 1024, "no_output_layer": True}
ADDED_TO = {
    "no hidden layer": {},
    "hidden layer": {"hidden_width": 4},
    "n-grams": {"linear_model": {"@architectures": "spacy_rnn.NGrams.v1", "size": 1024}},
    "bag of words": {"linear_model": BOW},
}


@pytest.mark.slow
@both
@pytest.mark.parametrize("arguments", ADDED_TO.values(), ids=ADDED_TO)
def test_a_class_added_to_a_trained_model_is_learned(factory, arguments, make_nlp, component_config):
    if arguments.get("linear_model") is BOW:
        arguments = {"linear_model": {**BOW, "exclusive_classes": factory == "rnn_textcat", "ngram_size": 1}}
    config = component_config(factory, **arguments)
    nlp, examples = make_nlp(factory, n_updates=40, config=config)
    before = [nlp(eg.x.copy()).cats for eg in examples]
    component = nlp.get_pipe(factory)
    assert component.add_label("odd") == 1
    assert component.add_label("odd") == 0
    assert component.model.get_dim("nO") == 3
    for old, example in zip(before, examples, strict=True):
        cats = nlp(example.x.copy()).cats
        assert list(cats) == ["good", "bad", "odd"]
        for label in ("good", "bad"):
            assert cats[label] == pytest.approx(old[label], abs=1e-5)
        assert cats["odd"] == pytest.approx(0.0 if factory == "rnn_textcat" else 0.5, abs=1e-5)
    odd = categorized(nlp, ["purple", "purple", "purple"], good=0.0, bad=0.0, odd=1.0)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.05
    for _ in range(40):
        nlp.update([odd, *examples], sgd=optimizer)
    cats = nlp(odd.x.copy()).cats
    # The n-grams of the new class are not in the vocabulary of the linear model, which says nothing of it then.
    assert max(cats, key=cats.get) == "odd"
    assert cats["odd"] > (0.45 if arguments.get("linear_model") else 0.9)
    for example in examples:
        # Of several labels, one that an example does not name is unknown.
        cats = {label: nlp(example.x.copy()).cats[label] for label in example.y.cats}
        assert max(cats, key=cats.get) == max(example.y.cats, key=example.y.cats.get)


def test_many_classes_are_added_one_by_one_and_learned(make_nlp, component_config):
    """Each begins as improbable as the first, and not more so."""
    nlp, examples = make_nlp("rnn_textcat", n_updates=40)
    component = nlp.get_pipe("rnn_textcat")
    before = [nlp(eg.x.copy()).cats for eg in examples]
    labels = [f"class {i}" for i in range(8)]
    for label in labels:
        component.add_label(label)
    assert nlp("").cats["class 7"] > 1e-8
    for old, example in zip(before, examples, strict=True):
        cats = nlp(example.x.copy()).cats
        assert max(cats[label] for label in labels) <= 1.001e-6
        assert {label: cats[label] for label in old} == pytest.approx(old, abs=1e-5)
    new = [
        categorized(nlp, [f"word{i}"] * 3, **{label: float(label == each) for label in component.labels})
        for i, each in enumerate(labels)
    ]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(100):
        nlp.update([*new, *examples], sgd=optimizer)
    for label, example in zip(labels, new, strict=True):
        assert nlp(example.x.copy()).cats[label] > 0.5


@pytest.mark.slow
def test_an_added_class_is_learned_with_the_default_settings(make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_textcat")
    examples = make_examples(nlp, "rnn_textcat")
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(100):
        nlp.update(examples, sgd=optimizer)
    nlp.get_pipe("rnn_textcat").add_label("odd")
    odd = categorized(nlp, ["purple", "purple", "purple"], good=0.0, bad=0.0, odd=1.0)
    for _ in range(400):
        nlp.update([odd, *examples], sgd=optimizer)
    cats = nlp(odd.x.copy()).cats
    # One half of it is the linear model's, which does not know the new word.
    assert max(cats, key=cats.get) == "odd"


_SPACY_TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100}
_SPACY_TOK2VEC |= {"window_size": 1, "maxout_pieces": 2, "subword_features": False, "pretrained_vectors": None}
# Architectures of spaCy that take further classes when they are trained.
SPACY_MODELS = {
    "spacy.TextCatBOW.v3": {"length": 1000, "ngram_size": 1, "no_output_layer": False},
    "spacy.TextCatCNN.v2": {"tok2vec": _SPACY_TOK2VEC},
    "spacy.TextCatReduce.v1": {
        "tok2vec": _SPACY_TOK2VEC,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": True,
        "use_reduce_mean": True,
    },
}


@pytest.mark.parametrize("architecture", SPACY_MODELS)
def test_a_class_added_to_a_model_of_spacy_is_learned(architecture, make_examples):
    nlp = spacy.blank("en")
    model = {"@architectures": architecture, "exclusive_classes": True, **SPACY_MODELS[architecture]}
    nlp.add_pipe("rnn_textcat", config={"model": model})
    examples = make_examples(nlp, "rnn_textcat")
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(50):
        nlp.update(examples, sgd=optimizer)
    before = [nlp(example.x.copy()).cats for example in examples]
    nlp.get_pipe("rnn_textcat").add_label("odd")
    for old, example in zip(before, examples, strict=True):
        assert nlp(example.x.copy()).cats == pytest.approx({**old, "odd": 0.0}, abs=1e-5)
    odd = categorized(nlp, ["purple", "purple", "purple"], good=0.0, bad=0.0, odd=1.0)
    for _ in range(200):
        nlp.update([odd, *examples], sgd=optimizer)
    assert nlp(odd.x.copy()).cats["odd"] > 0.5


# Annotation of a text; and whether of the classes good and bad it says something.
OTHER_TASKS = [
    ({"sport": 1.0}, False),
    ({"sport": 1.0, "politics": 1.0}, False),
    ({"sport": 0.3}, False),
    ({}, False),
    ({"sport": 1.0, "good": 1.0}, True),
    ({"sport": 0.3, "bad": 1.0, "good": 0.0}, True),
]


@both
@pytest.mark.parametrize("cats, says", OTHER_TASKS, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_texts_of_another_task_are_skipped(factory, cats, says, component_config, make_examples):
    """Where the classes were given, others are those of another component."""
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    examples = [*make_examples(nlp, factory), categorized(nlp, ["a", "game"], **cats)]
    component.initialize(lambda: examples, nlp=nlp, labels=["good", "bad"])
    assert component.labels == ("good", "bad")
    scores = component.model.predict([examples[-1].x])
    loss, d_scores = component.get_loss(examples[-1:], scores)
    assert (loss > 0) == bool(d_scores.any()) == says
    if says:
        own = {label: value for label, value in cats.items() if label in component.labels}
        _, expected = component.get_loss([categorized(nlp, ["a", "game"], **own)], scores)
        numpy.testing.assert_array_equal(d_scores, expected)
    component.update(examples)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("cats", [{"good": 0.0}, {"good": 0.0, "bad": 0.0}], ids=str)
def test_a_text_of_no_class_says_nothing_about_exclusive_ones(class_weight, cats, component_config, make_nlp):
    config = {**component_config("rnn_textcat"), "class_weight": class_weight}
    nlp, examples = make_nlp("rnn_textcat", config=config)
    component = nlp.get_pipe("rnn_textcat")
    loss, d_scores = component.get_loss([categorized(nlp, ["a"], **cats)], component.model.predict([nlp.make_doc("a")]))
    assert loss == 0 and not d_scores.any()


@both
def test_a_class_can_be_added_before_initialization(factory, component_config, make_examples):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    component.add_label("odd")
    nlp.initialize(lambda: make_examples(nlp, factory))
    assert component.labels == ("odd", "good", "bad")
    assert set(nlp("A film").cats) == {"odd", "good", "bad"}


@both
def test_it_learns_other_texts_after_it_was_initialized_again(factory):
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory)
    for words in (["warm", "cold"], ["a", "lovely", "long", "film"]):
        examples = [categorized(nlp, words, good=1.0, bad=0.0), categorized(nlp, ["dull"], good=0.0, bad=1.0)]
        optimizer = nlp.initialize(lambda examples=examples: examples)
        optimizer.learn_rate = 0.02
        for _ in range(30):
            nlp.update(examples, sgd=optimizer)
        assert nlp(Doc(nlp.vocab, words=words)).cats["good"] > 0.8


def test_one_class_is_enough_for_a_multilabel_categorizer(component_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_textcat_multilabel", config=component_config("rnn_textcat_multilabel"))
    examples = [categorized(nlp, ["a", "warm", "film"], good=1.0), categorized(nlp, ["a", "cold", "film"], good=0.0)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    assert [round(nlp(eg.x.copy()).cats["good"]) for eg in examples] == [1, 0]


def share(factory, pooling, tok2vec, listener_config, component_config, examples_of):
    """A pipeline whose categorizer listens to a shared model, initialized."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    nlp.add_pipe(factory, config=component_config(factory, listener_config, pooling=pooling))
    examples = examples_of(nlp, factory)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.mark.slow
@both
@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
@pytest.mark.parametrize("bidirectional", [True, False], ids=["two directions", "one direction"])
def test_pooling_over_a_shared_model_equals_pooling_over_its_own(
    factory, pooling, bidirectional, make_nlp, component_config, tok2vec_config, listener_config, make_examples
):
    tok2vec = tok2vec_config(bidirectional=bidirectional)
    shared = share(factory, pooling, tok2vec, listener_config, component_config, make_examples)
    own, _ = make_nlp(factory, config=component_config(factory, tok2vec, pooling=pooling))
    # The same weights: those of the shared model and, above it, those of pooling and output.
    model, listening = own.get_pipe(factory).model, shared.get_pipe(factory).model
    model.get_ref("tok2vec").from_bytes(shared.get_pipe("tok2vec").model.to_bytes())
    model.get_ref("pool").from_bytes(listening.get_ref("pool").to_bytes())
    model.get_ref("output_layer").from_bytes(listening.get_ref("output_layer").to_bytes())
    for words in (words for words in TEXTS if words):
        expected = own(Doc(own.vocab, words=words)).cats
        for label, score in shared(Doc(shared.vocab, words=words)).cats.items():
            assert score == pytest.approx(expected[label], abs=1e-6)


@both
def test_scores_over_a_shared_model_do_not_depend_on_the_batch(
    factory, tok2vec_config, listener_config, component_config, make_examples
):
    nlp = share(factory, ["last", "max"], tok2vec_config(), listener_config, component_config, make_examples)
    assert_batch_invariant(nlp, factory, [*TEXTS, []])


@both
def test_last_pooling_over_a_shared_model_survives_being_saved(
    factory, tok2vec_config, listener_config, component_config, make_examples, tmp_path, output
):
    nlp = share(factory, "last", tok2vec_config(), listener_config, component_config, make_examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for words in TEXTS:
        assert output(loaded(Doc(loaded.vocab, words=words))) == output(nlp(Doc(nlp.vocab, words=words)))


@both
def test_truncate_reads_the_first_tokens_only(factory, component_config, tok2vec_config, make_nlp):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.Truncate.v1", "encode": tok2vec["encode"], "max_length": 3}
    nlp, examples = make_nlp(factory, n_updates=20, config=component_config(factory, tok2vec, pooling="last"))

    def cats(*words):
        return nlp(Doc(nlp.vocab, words=words)).cats

    assert cats("A", "warm", "film") == cats("A", "warm", "film", "dull", "cold", "slow")
    assert cats("A", "warm", "film") != cats("A", "warm", "dull")
    assert_batch_invariant(nlp, factory, [*TEXTS, []])


@pytest.mark.parametrize("class_weight, expected", [(None, 1.0), ("balanced", 3.0)])
def test_balanced_classes_weigh_the_same(class_weight, expected):
    """Of four texts one is rare: its gradient is three times that of a frequent one."""
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_textcat", config={"class_weight": class_weight})
    cats = [{"rare": float(i == 0), "frequent": float(i != 0)} for i in range(4)]
    examples = [Example.from_dict(nlp.make_doc("a text"), {"cats": each}) for each in cats]
    nlp.initialize(lambda: examples)
    scores = numpy.full((4, 2), 0.5, dtype="float32")
    _, d_scores = component.get_loss(examples, scores)
    size = numpy.abs(d_scores).sum(axis=1)
    assert_allclose(size[0] / size[1:], expected, rtol=1e-5)
    if class_weight:
        assert_allclose(size.sum(), 4.0, rtol=1e-5)
        loaded = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
        assert_allclose(loaded.get_pipe("rnn_textcat").get_loss(examples, scores)[1], d_scores)


def test_class_weight_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="'balanced', got 'inverse'"):
        spacy.blank("xx").add_pipe("rnn_textcat", config={"class_weight": "inverse"})


def cnn_config(factory, tok2vec):
    model = {"@architectures": "spacy_rnn.TextCatCNN.v1", "exclusive_classes": factory == "rnn_textcat", "tok2vec": tok2vec}
    return {"model": {**model, "filter_widths": [2, 3], "filters": 6, "dropout": 0.0}}


@both
def test_a_cnn_learns_its_training_texts(factory, make_nlp, annotate, tok2vec_config):
    embed = {**tok2vec_config()["embed"], "@architectures": "spacy_rnn.HashEmbed.v1"}
    nlp, examples = make_nlp(factory, n_updates=40, config=cnn_config(factory, embed))
    for example, doc in zip(examples, annotate(nlp, [[t.text for t in eg.y] for eg in examples]), strict=True):
        assert {label: round(score) for label, score in doc.cats.items()} == example.y.cats
    assert_batch_invariant(nlp, factory, [*TEXTS, []])
    nlp.get_pipe(factory).add_label("odd")
    assert set(nlp("A film").cats) == {"good", "bad", "odd"}


def test_a_cnn_reads_a_shared_model(tok2vec_config, listener_config, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
    nlp.add_pipe("rnn_textcat", config=cnn_config("rnn_textcat", listener_config))
    examples = make_examples(nlp, "rnn_textcat")
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    losses = [nlp.update(examples, sgd=optimizer)["rnn_textcat"] for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
    before = nlp("A dull cold film").cats
    nlp.replace_listeners("tok2vec", "rnn_textcat", ["model.tok2vec"])
    assert nlp("A dull cold film").cats == pytest.approx(before, abs=1e-5)


NGRAMS = {"@architectures": "spacy_rnn.NGrams.v1", "attr": "ORTH"}


@pytest.mark.parametrize(
    "factory, settings",
    [("rnn_textcat", {}), ("rnn_textcat", {"class_weight": "balanced"}), ("rnn_textcat_multilabel", {})],
    ids=["exclusive", "balanced", "multilabel"],
)
def test_a_network_learns_beside_ngrams_as_if_alone(factory, settings, component_config, make_examples):
    def network_after(linear_model):
        nlp = spacy.blank("xx")
        component = nlp.add_pipe(factory, config={**component_config(factory, linear_model=linear_model), **settings})
        # Of unequal classes, the weights differ.
        examples = make_examples(nlp, factory)[1:]
        nlp.initialize(lambda: examples)
        network = component.model if linear_model is None else component.model.layers[0]
        random = numpy.random.RandomState(0)
        for node in network.walk():
            for name in node.param_names:
                node.set_param(name, 0.1 * random.normal(size=node.get_param(name).shape).astype("float32"))
        losses = [nlp.update(examples, sgd=Adam(0.01))[factory] for _ in range(3)]
        return [node.get_param(name) for node in network.walk() for name in node.param_names], losses

    (alone, losses), (beside, both_losses) = network_after(None), network_after(NGRAMS)
    for one, other in zip(alone, beside, strict=True):
        assert_allclose(one, other, atol=1e-6)
    assert losses != both_losses


@both
def test_spacys_own_component_trains_both_members(factory, component_config, make_examples):
    nlp = spacy.blank("xx")
    theirs = factory.removeprefix("rnn_")
    component = nlp.add_pipe(theirs, config=component_config(factory, linear_model=NGRAMS, pooling="max"))
    examples = make_examples(nlp, factory)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    docs = [example.x for example in examples]
    truth = [max(example.y.cats, key=example.y.cats.get) for example in examples]
    for member in component.model.layers:
        assert [component.labels[i] for i in member.predict(docs).argmax(axis=1)] == truth
