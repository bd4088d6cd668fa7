"""The encoder under spaCy's own components, shared, frozen, sourced, pretrained."""

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.pretrain import pretrain
from spacy.util import load_model_from_config
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

COMPONENTS = ["rnn_tagger", "rnn_pos_tagger", "rnn_ner", "rnn_textcat", "rnn_textcat_multilabel"]

WORDS = ["They", "book", "a", "small", "room"]
PARSER = {"@architectures": "spacy.TransitionBasedParser.v2", "extra_state_tokens": False, "hidden_width": 8, "maxout_pieces": 1}
TAGGER = {"@architectures": "spacy.Tagger.v2"}
SPANCAT = {
    "@architectures": "spacy.SpanCategorizer.v1",
    "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 8},
    "scorer": {"@layers": "spacy.LinearLogistic.v1"},
}
MODELS = {
    "tagger": TAGGER,
    "morphologizer": TAGGER,
    "senter": TAGGER,
    "ner": {**PARSER, "state_type": "ner"},
    "parser": {**PARSER, "state_type": "parser"},
    "spancat": SPANCAT,
}
# Of so few sentences, the parser would replace every label that it has not seen 30 times.
SETTINGS = {"parser": {"min_action_freq": 1}}


def learn(nlp, examples, n_updates, **settings):
    """Train, and give back the losses of the first and the last update."""
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    history = [nlp.update(examples, sgd=optimizer, **settings) for _ in range(n_updates)]
    return history[0], history[-1]


def annotation(doc):
    return doc.to_array(["TAG", "POS", "HEAD", "DEP", "ENT_IOB", "ENT_TYPE", "MORPH", "SENT_START"]).tolist(), doc.cats


def upstream(nlp):
    return next(node for node in nlp.get_pipe("tok2vec").model.walk() if node.name == "rnn")


@pytest.mark.slow
@pytest.mark.parametrize("cell, bidirectional", [("lstm", True), ("gru", False)])
@pytest.mark.parametrize("name", MODELS)
def test_a_component_of_spacy_learns_with_the_encoder(name, cell, bidirectional, tok2vec_config, annotated):
    nlp = spacy.blank("en")
    model = {**MODELS[name], "tok2vec": tok2vec_config(cell=cell, bidirectional=bidirectional)}
    nlp.add_pipe(name, config={"model": model, **SETTINGS.get(name, {})})
    first, last = learn(nlp, annotated(nlp), 25)
    assert last[name] < 0.7 * first[name]
    rnn = next(node for node in nlp.get_pipe(name).model.walk() if node.name == "rnn")
    before = [direction.get_param("R").copy() for direction in rnn.layers]
    nlp.update(annotated(nlp))
    assert all((old != direction.get_param("R")).any() for old, direction in zip(before, rnn.layers, strict=True))
    assert nlp("They book a room").has_annotation("ENT_IOB") == (name == "ner")


@pytest.fixture
def make_shared(tok2vec_config, listener_config, component_config, annotated):
    """(names) -> a pipeline of components that listen to one shared model, and its examples."""

    def make(*names):
        nlp = spacy.blank("en")
        nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
        for name in names:
            if name in MODELS:
                nlp.add_pipe(name, config={"model": {**MODELS[name], "tok2vec": listener_config}})
            else:
                nlp.add_pipe(name, config=component_config(name, listener_config))
        return nlp, annotated(nlp)

    return make


def test_components_learn_over_one_shared_encoder(make_shared):
    nlp, examples = make_shared("rnn_tagger", "ner", "rnn_textcat")
    first, last = learn(nlp, examples, 80)
    for name in ("rnn_tagger", "ner", "rnn_textcat"):
        assert last[name] < 0.7 * first[name]
    doc = nlp(" ".join(token.text for token in examples[3].y))
    assert [token.tag_ for token in doc] == [token.tag_ for token in examples[3].y]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [(ent.text, ent.label_) for ent in examples[3].y.ents]


def test_a_shared_encoder_learns_from_every_listener(make_shared):
    nlp, examples = make_shared("rnn_tagger", "rnn_pos_tagger")
    learn(nlp, examples, 3)

    def gradient(*attrs):
        """The gradient of the shared encoder, where only some of the annotation is known."""
        partly = []
        for example in examples:
            tokens = list(example.y)
            known = {"tags": [t.tag_ for t in tokens], "pos": [t.pos_ for t in tokens]}
            words = [t.text for t in tokens]
            reference = Doc(nlp.vocab, words=words, **{attr: known[attr] for attr in attrs})
            partly.append(Example(Doc(nlp.vocab, words=words), reference))
        direction = upstream(nlp).layers[0]
        direction.set_grad("R", numpy.zeros_like(direction.get_param("R")))
        for _, component in nlp.pipeline:
            component.update(partly)
        return direction.get_grad("R").copy()

    tags, pos = gradient("tags"), gradient("pos")
    assert tags.any()
    assert pos.any()
    numpy.testing.assert_allclose(gradient("tags", "pos"), tags + pos, atol=1e-5)


@pytest.mark.parametrize("name", ["rnn_tagger", "rnn_textcat"])
def test_a_frozen_encoder_stays_as_it_is(name, make_shared):
    nlp, examples = make_shared(name)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.1
    before = nlp.get_pipe("tok2vec").model.to_bytes()
    losses = []
    for _ in range(30):
        losses.append(nlp.update(examples, sgd=optimizer, exclude=["tok2vec"], annotates=["tok2vec"])[name])
    assert nlp.get_pipe("tok2vec").model.to_bytes() == before
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_is_sourced_into_another_pipeline(name, component_config, annotated):
    nlp = spacy.blank("en")
    nlp.add_pipe(name, config=component_config(name))
    learn(nlp, annotated(nlp), 10)
    other = spacy.blank("en")
    other.add_pipe(name, source=nlp)
    assert annotation(other(Doc(other.vocab, words=WORDS))) == annotation(nlp(Doc(nlp.vocab, words=WORDS)))
    # It goes on learning there.
    optimizer = other.resume_training()
    optimizer.learn_rate = 0.02
    examples = annotated(other)
    losses = [other.update(examples, sgd=optimizer)[name] for _ in range(15)]
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPONENTS)
def test_replacing_listeners_changes_no_output(name, make_shared, component_config, listener_config, tmp_path):
    nlp, examples = make_shared()
    pooling = {"pooling": ["last", "mean"]} if "textcat" in name else {}
    nlp.add_pipe(name, config=component_config(name, listener_config, **pooling))
    learn(nlp, examples, 10)
    docs = [WORDS, ["Anna"], ["A", "good", "book", "there"]]
    before = [annotation(nlp(Doc(nlp.vocab, words=words))) for words in docs]
    nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        after = [annotation(pipeline(Doc(pipeline.vocab, words=words))) for words in docs]
        for (tags, cats), (expected_tags, expected_cats) in zip(after, before, strict=True):
            assert tags == expected_tags
            assert cats == pytest.approx(expected_cats, abs=1e-5)
    losses = [nlp.update(examples)[name] for _ in range(10)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("replace", ["never", "before initialization", "after initialization"])
@pytest.mark.parametrize("name", ["rnn_textcat", "textcat"])
def test_last_pooling_over_a_shared_model_reads_both_ends(name, replace, make_shared, component_config, listener_config):
    nlp, examples = make_shared()
    nlp.add_pipe(name, config=component_config("rnn_textcat", listener_config, pooling="last"))
    if replace == "before initialization":
        nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    try:
        nlp.initialize(lambda: examples)
    except ValueError as error:
        # spaCy's own component cannot tell the model what it listens to: to refuse is right, to guess is not.
        assert name == "textcat" and "last" in str(error)
        return
    if replace == "after initialization":
        nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    assert_reads_both_ends(nlp, name)


@pytest.mark.parametrize("frozen", [[], ["tok2vec"]], ids=["resumed", "frozen"])
def test_last_pooling_finds_a_shared_model_that_is_not_initialized_again(frozen, make_shared, component_config, listener_config):
    nlp, examples = make_shared()
    nlp.initialize(lambda: examples)
    nlp.add_pipe("rnn_textcat", config=component_config("rnn_textcat", listener_config, pooling="last"))
    # As spaCy's training does with sourced and frozen components.
    with nlp.select_pipes(disable=["tok2vec", *frozen]):
        nlp.initialize(lambda: examples)
    assert_reads_both_ends(nlp, "rnn_textcat")


def test_last_pooling_looks_at_the_shared_model_before_it(make_shared, component_config, listener_config, tok2vec_config):
    nlp, examples = make_shared()
    nlp.add_pipe("rnn_textcat", config=component_config("rnn_textcat", listener_config, pooling="last"))
    nlp.add_pipe("tok2vec", name="later", config={"model": tok2vec_config(bidirectional=False)})
    nlp.initialize(lambda: examples)
    assert_reads_both_ends(nlp, "rnn_textcat")


def assert_reads_both_ends(nlp, name):
    """The pooled vector is the forward direction's last row, and the backward direction's first."""
    doc = Doc(nlp.vocab, words=WORDS)
    nlp.get_pipe("tok2vec")(doc)
    model = nlp.get_pipe(name).model
    rows = model.get_ref("tok2vec").predict([doc])[0]
    list2ragged = next(node for node in model.walk() if node.name == "list2ragged_host")
    pooled = model.get_ref("pool").predict(list2ragged.predict([rows]))[0]
    numpy.testing.assert_allclose(pooled, [*rows[-1, :4], *rows[0, 4:]], atol=1e-6)


@pytest.mark.parametrize("name", COMPONENTS)
def test_static_vectors_are_used(name, component_config, tok2vec_config, annotated):
    nlp = spacy.blank("en")
    words = ["They", "book", "a", "small", "room", "zebra", "gnu"]
    data = numpy.random.default_rng(0).normal(size=(len(words), 5)).astype("float32")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, name="test")
    tok2vec = tok2vec_config()
    # Nothing but the vectors tells the last two words apart: one hash row, and the same shape.
    tok2vec["embed"] = {**tok2vec["embed"], "attrs": ["LENGTH"], "rows": [1], "include_static_vectors": True}
    component = nlp.add_pipe(name, config=component_config(name, tok2vec))
    first, last = learn(nlp, annotated(nlp), 15)
    assert last[name] < first[name]
    encoder = component.model.get_ref("tok2vec")
    zebra, gnu = (encoder.predict([Doc(nlp.vocab, words=[word])])[0] for word in ("zebra", "gnu"))
    assert numpy.abs(zebra - gnu).max() > 1e-3


@pytest.mark.parametrize("name", ["rnn_tagger", "rnn_textcat"])
def test_pretrained_weights_are_loaded(name, component_config, annotated, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe(name, config=component_config(name))
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": example.y.text} for example in annotated(nlp)] * 5)
    config = nlp.config.interpolate()
    config["corpora"] = {"pretrain": {"@readers": "spacy.JsonlCorpus.v1", "path": str(tmp_path / "raw.jsonl")}}
    config["pretraining"] = {
        "max_epochs": 2,
        "dropout": 0.0,
        "n_save_every": None,
        "n_save_epoch": None,
        "component": name,
        "layer": "tok2vec",
        "corpus": "corpora.pretrain",
        "batcher": {"@batchers": "spacy.batch_by_words.v1", "size": 50, "tolerance": 0.2, "discard_oversize": False},
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.01},
        "objective": {
            "@architectures": "spacy.PretrainCharacters.v1",
            "maxout_pieces": 1,
            "hidden_size": 8,
            "n_characters": 2,
        },
    }
    (tmp_path / "out").mkdir()
    pretrain(config.copy(), tmp_path / "out", silent=True)
    log = list(srsly.read_jsonl(tmp_path / "out" / "log.jsonl"))
    assert log[1]["epoch_loss"] < log[0]["epoch_loss"]
    # Initialized from it, the encoder has the pretrained weights.
    config["initialize"]["init_tok2vec"] = str(tmp_path / "out" / "model1.bin")
    trained = load_model_from_config(config)
    trained.initialize(lambda: annotated(trained))
    weights = trained.get_pipe(name).model.get_ref("tok2vec").to_bytes()
    assert weights == (tmp_path / "out" / "model1.bin").read_bytes()
    untrained = load_model_from_config(nlp.config)
    untrained.initialize(lambda: annotated(untrained))
    assert untrained.get_pipe(name).model.get_ref("tok2vec").to_bytes() != weights


@pytest.mark.parametrize("name", ["rnn_tagger", "rnn_textcat"])
def test_the_teacher_drops_nothing_in_rehearsal(name, component_config, tok2vec_config, annotated):
    nlp = spacy.blank("en")
    tok2vec = tok2vec_config(depth=2, dropout=0.5, recurrent_dropout=0.5, layer_norm=False, residual=False)
    component = nlp.add_pipe(name, config=component_config(name, tok2vec))
    examples = annotated(nlp)
    nlp.initialize(lambda: examples)
    nlp.resume_training()
    nlp.rehearse(examples)
    teacher, docs = component._rehearsal_model.get_ref("tok2vec"), [example.predicted for example in examples]
    for trained, predicted in zip(teacher.begin_update(docs)[0], teacher.predict(docs), strict=True):
        numpy.testing.assert_allclose(trained, predicted, atol=1e-6)
    assert component.model.get_ref("tok2vec").get_ref("encode").layers[1].attrs["dropout"] == 0.5


@pytest.mark.parametrize("name", COMPONENTS)
def test_examples_of_another_vocabulary_are_learned(name, component_config, annotated):
    own, other = spacy.blank("en"), spacy.blank("en")
    losses = {}
    for nlp, examples in ((own, annotated(own)), (other, annotated(spacy.blank("en")))):
        fix_random_seed(0)
        nlp.add_pipe(name, config=component_config(name))
        losses[nlp] = learn(nlp, examples, 5)
    assert other.get_pipe(name).labels == own.get_pipe(name).labels
    for found, expected in zip(losses[other], losses[own], strict=True):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    doc = other("They book a small room")
    assert annotation(doc) == annotation(own("They book a small room"))
    assert [(token.tag_, token.pos_) for token in doc]
