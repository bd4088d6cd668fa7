"""Taggers whose head is a conditional random field: what they learn, predict, save and refuse."""

import itertools

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import util
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from tagged_texts import annotated
from thinc.api import Adam, Config

from spacy_rnn.layers import crf_decode

TAGGERS = ["rnn_tagger", "rnn_pos_tagger"]
WORDS = ["They", "book", "a", "small", "room"]
SPANS = [
    ("Anna lives in New York today", "U-PER O O B-LOC L-LOC O"),
    ("New York City sleeps", "B-LOC I-LOC L-LOC O"),
    ("She met Anna in London", "O O U-PER O U-LOC"),
]
BIO = [(text, tags.replace("U-", "B-").replace("L-", "I-")) for text, tags in SPANS]

both = pytest.mark.parametrize("factory", TAGGERS)


def tags_of(doc):
    return " ".join(token.tag_ for token in doc)


@pytest.fixture(scope="module")
def make_spans(component_config, learn):
    """(texts, constraints, n_updates) -> a pipeline that tags spans, and its examples."""

    def make(texts, constraints, n_updates=0, config=None):
        nlp = spacy.blank("xx")
        config = {**(config or component_config("rnn_tagger")), "use_crf": True, "constraints": constraints}
        nlp.add_pipe("rnn_tagger", config=config)
        return learn(nlp, annotated(nlp, texts), n_updates)

    return make


@both
def test_the_default_model_becomes_a_crf(factory, make_examples, output):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config={"use_crf": True})
    examples = make_examples(nlp, factory)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = [nlp.update(examples, sgd=optimizer)[factory] for _ in range(40)]
    assert component.model.name == "crf"
    assert component.model.get_dim("nO") == len(component.labels)
    assert losses[-1] < 0.1 * losses[0]
    for example in examples:
        doc = nlp(Doc(nlp.vocab, words=[token.text for token in example.y]))
        expected = [(t.tag_, "") if factory == "rnn_tagger" else ("", t.pos_) for t in example.y]
        assert [labels[:2] for labels in output(doc)[0]] == expected


def test_a_model_that_is_a_crf_stays_one(component_config, make_nlp):
    tagger = component_config("rnn_tagger")["model"]
    config = {"model": {"@architectures": "spacy_rnn.CRF.v1", "scores": tagger}, "use_crf": True}
    nlp, _ = make_nlp("rnn_tagger", n_updates=40, config=config)
    assert [node.name for node in nlp.get_pipe("rnn_tagger").model.walk()].count("crf") == 1
    assert tags_of(nlp(Doc(nlp.vocab, words=WORDS))) == "PRP VBP DT JJ NN"


def test_tags_that_depend_on_those_before_are_learned(component_config, tok2vec_config):
    """Every word is the same, so that only transitions can tell the tags."""
    words_alone = tok2vec_config()["embed"]
    found = {}
    for use_crf in (False, True):
        nlp = spacy.blank("xx")
        nlp.add_pipe("rnn_tagger", config={**component_config("rnn_tagger", words_alone), "use_crf": use_crf})
        examples = annotated(nlp, [("x x x x x x", "a b c a b c")])
        optimizer = nlp.initialize(lambda examples=examples: examples)
        optimizer.learn_rate = 0.05
        for _ in range(60):
            nlp.update(examples, sgd=optimizer)
        found[use_crf] = tags_of(nlp("x x x x x x"))
    assert found[True] == "a b c a b c"
    assert len(set(found[False].split())) == 1


def test_the_best_path_is_predicted(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", n_updates=5, use_crf=True)
    component = nlp.get_pipe("rnn_tagger")
    rng = numpy.random.default_rng(0)
    L = len(component.labels)
    for name in ("start", "transitions", "end"):
        component.model.set_param(name, rng.normal(size=component.model.get_param(name).shape).astype("f"))
    texts = [[], ["They"], ["They", "book", "a"], []]
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    start, transitions, end = (component.model.get_param(name) for name in ("start", "transitions", "end"))
    for doc, tag_ids in zip(docs, component.predict(docs), strict=True):
        assert tag_ids.dtype == "int64" and len(tag_ids) == len(doc)
        if len(doc):
            (rows,) = component.model.predict([doc])

            def score(path, rows=rows):
                steps = sum(transitions[a, b] for a, b in itertools.pairwise(path))
                return start[path[0]] + end[path[-1]] + steps + sum(row[i] for row, i in zip(rows, path, strict=True))

            assert tuple(tag_ids) == max(itertools.product(range(L), repeat=len(doc)), key=score)


# What a token may be by its annotation, of the labels A, B and C.
ANNOTATIONS = {"A": "A", "C": "C", "!B": "AC", "-": "ABC"}


def test_the_loss_is_the_negative_log_likelihood_of_what_is_known(component_config):
    """By trying all paths."""
    component = spacy.blank("xx").add_pipe("rnn_tagger", config={**component_config("rnn_tagger"), "use_crf": True})
    for label in "ABC":
        component.add_label(label)
    model = component.model
    rng = numpy.random.default_rng(0)
    start, transitions, end = (rng.normal(size=shape).astype("f") for shape in ((3,), (3, 3), (3,)))
    model.set_dim("nO", 3)
    for name, array in (("start", start), ("transitions", transitions), ("end", end)):
        model.set_param(name, array)

    def log_sum(rows, allowed):
        paths = itertools.product(*allowed)
        scores = []
        for path in (["ABC".index(label) for label in path] for path in paths):
            score = start[path[0]] + end[path[-1]] + sum(transitions[a, b] for a, b in itertools.pairwise(path))
            scores.append(score + sum(row[i] for row, i in zip(rows, path, strict=True)))
        return numpy.log(numpy.exp(scores).sum())

    @settings(deadline=None, database=None, max_examples=60)
    @given(st.lists(st.lists(st.sampled_from(sorted(ANNOTATIONS)), max_size=4), min_size=1, max_size=4))
    def check(texts):
        vocab = Vocab()
        examples = []
        for tags in texts:
            reference = Doc(vocab, words=["a"] * len(tags), tags=["" if tag == "-" else tag for tag in tags])
            examples.append(Example(Doc(vocab, words=["a"] * len(tags)), reference))
        scores = [rng.normal(size=(len(tags), 3)).astype("f") for tags in texts]
        expected = sum(
            log_sum(rows, ["ABC"] * len(tags)) - log_sum(rows, [ANNOTATIONS[tag] for tag in tags])
            for rows, tags in zip(scores, texts, strict=True)
            if tags
        )
        loss, d_scores = component.get_loss(examples, scores)
        assert isinstance(loss, float)
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-4)
        for rows, tags in zip(d_scores, texts, strict=True):
            # What is forbidden is pushed down, and a row says nothing about how likely its text is.
            assert rows.shape == (len(tags), 3)
            numpy.testing.assert_allclose(rows.sum(axis=1), 0, atol=1e-5)
            for row, tag in zip(rows, tags, strict=True):
                assert all(row["ABC".index(label)] >= 0 for label in set("ABC") - set(ANNOTATIONS[tag]))

    check()


def test_a_negative_tag_is_unlearned(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", n_updates=40, use_crf=True)
    assert tags_of(nlp(Doc(nlp.vocab, words=WORDS))).endswith("NN")
    optimizer = Adam(0.02)
    for _ in range(30):
        nlp.update(annotated(nlp, [(" ".join(WORDS), "- - - - !NN")]), sgd=optimizer)
    assert not tags_of(nlp(Doc(nlp.vocab, words=WORDS))).endswith("NN")


def test_tokens_that_are_aligned_to_no_single_one_are_summed_over(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", use_crf=True)
    component = nlp.get_pipe("rnn_tagger")
    reference = Doc(nlp.vocab, words=["ca", "n't", "stop"], tags=["NN", "RB", "NN"])
    aligned = Example(Doc(nlp.vocab, words=["can't", "stop"]), reference)
    missing = annotated(nlp, [("can't stop", "- NN")])
    scores = [numpy.random.default_rng(0).normal(size=(2, len(component.labels))).astype("f")]
    assert component.get_loss([aligned], scores)[0] == component.get_loss(missing, scores)[0] > 0


@pytest.mark.parametrize("scheme, texts", [("BIO", BIO), ("BILUO", SPANS)], ids=["BIO", "BILUO"])
def test_labels_of_spans_that_several_tokens_share_are_summed_over(scheme, texts, make_spans):
    """What is one gold token may be several predicted ones, which cannot all be the first one of its span."""
    nlp, _ = make_spans(texts, scheme)
    component = nlp.get_pipe("rnn_tagger")
    last = "L-LOC" if scheme == "BILUO" else "I-LOC"
    predicted = Doc(nlp.vocab, words=["New", "York", "City", "sl", "eeps"], spaces=[False, True, True, False, False])
    aligned = Example(predicted, Doc(nlp.vocab, words=["NewYork", "City", "sleeps"], tags=["B-LOC", last, "O"]))
    missing = annotated(nlp, [("New York City sl eeps", f"- - {last} O O")])
    scores = [numpy.random.default_rng(0).normal(size=(5, len(component.labels))).astype("f")]
    assert component.get_loss([aligned], scores)[0] == component.get_loss(missing, scores)[0] > 0


@pytest.mark.parametrize("scheme, texts", [("BIO", BIO), ("BILUO", SPANS)], ids=["BIO", "BILUO"])
def test_constraints_hold_whatever_the_scores_are(scheme, texts, make_spans):
    nlp, _ = make_spans(texts, scheme)
    component = nlp.get_pipe("rnn_tagger")
    labels = component.labels
    assert component.model.attrs["constraints"] == scheme

    @settings(deadline=None, database=None, max_examples=60)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 12))
    def check(seed, n):
        scores = [numpy.random.default_rng(seed).normal(scale=20, size=(n, len(labels))).astype("f")]
        previous = "O"
        for tag in [labels[i] for i in crf_decode(component.model, scores)[0]] + ["O"]:
            opened = previous[0] in ("B" if scheme == "BILUO" else "BI") or (scheme == "BILUO" and previous[0] == "I")
            if tag[0] in "IL":
                assert opened and tag[2:] == previous[2:]
            elif scheme == "BILUO":
                assert not opened
            previous = tag

    check()


@pytest.mark.parametrize("scheme, texts", [("BIO", BIO), ("BILUO", SPANS)], ids=["BIO", "BILUO"])
def test_spans_are_learned(scheme, texts, make_spans):
    nlp, _ = make_spans(texts, scheme, n_updates=80)
    for text, tags in texts:
        assert tags_of(nlp(Doc(nlp.vocab, words=text.split()))) == tags


# Annotation that BILUO does not allow, and what the error has to name.
IMPOSSIBLE = [
    ("O B-LOC O O U-PER", ["'O B-LOC O'", "'Anna met New York today'", "'Anna met New'"]),
    ("O L-LOC O O O", ["'O L-LOC'"]),
    ("L-LOC O O O U-PER", ["'L-LOC'", "'Anna'"]),
    ("O O B-LOC U-PER O", ["'O O B-LOC U-PER'"]),
    ("O O O O B-LOC", ["B-LOC", "at its end"]),
    ("O B-LOC - L-LOC L-LOC", ["'B-LOC - L-LOC L-LOC'"]),
    ("O B-LOC !L-LOC L-LOC !B-LOC", None),
]


@pytest.mark.parametrize("tags, named", IMPOSSIBLE, ids=lambda value: value if isinstance(value, str) else "")
def test_annotation_that_constraints_forbid_is_named(tags, named, make_spans, parameters):
    nlp, examples = make_spans(SPANS, "BILUO")
    component = nlp.get_pipe("rnn_tagger")
    before = parameters(component.model)
    wrong = annotated(nlp, [("Anna met New York today", tags)])
    if named is None:
        assert numpy.isfinite(nlp.update([*examples, *wrong])["rnn_tagger"])
        return
    with pytest.raises(ValueError, match="'rnn_tagger' could not learn.*constraints = 'BILUO'") as error:
        nlp.update([*examples, *wrong, *examples], sgd=Adam(0.1))
    for part in named:
        assert part in str(error.value)
    assert all((a == b).all() for a, b in zip(before, parameters(component.model), strict=True))
    # And it has left nothing behind.
    nlp.update(examples, sgd=Adam(0.01))


def test_a_tag_outside_of_the_scheme_is_named(make_spans):
    with pytest.raises(ValueError, match="'NN'.*BIO"):
        make_spans([("a b", "O NN")], "BIO")


# Settings that do not go together, and what the error has to name.
SETTINGS = [
    ({"use_crf": "crf"}, ["use_crf", "bool"]),
    ({"constraints": "BIO"}, ["rnn_tagger", "BIO", "use_crf = true"]),
    ({"use_crf": True, "constraints": "IOB"}, ["IOB", "BIO", "BILUO"]),
    ({"use_crf": True, "label_smoothing": 0.1}, ["label_smoothing", "0.1", "use_crf"]),
]


@pytest.mark.parametrize("arguments, named", SETTINGS, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_settings_that_do_not_go_together_are_named(arguments, named, component_config):
    with pytest.raises(ValueError) as error:
        spacy.blank("xx").add_pipe("rnn_tagger", config={**component_config("rnn_tagger"), **arguments})
    for part in named:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "use_crf, constraints, own, named",
    [(False, None, None, "use_crf = true"), (True, "BIO", "BILUO", "'BIO'.*'BILUO'"), (True, "BIO", None, "'BIO'.*None")],
)
def test_a_model_that_is_a_crf_fits_the_settings(use_crf, constraints, own, named, component_config):
    scores = component_config("rnn_tagger")["model"]
    model = {"@architectures": "spacy_rnn.CRF.v1", "scores": scores, "constraints": own}
    with pytest.raises(ValueError, match=named):
        config = {"model": model, "use_crf": use_crf, "constraints": constraints}
        spacy.blank("xx").add_pipe("rnn_tagger", config=config)


def test_constraints_of_the_model_are_those_of_the_component(component_config, make_spans):
    scores = component_config("rnn_tagger")["model"]
    config = {"model": {"@architectures": "spacy_rnn.CRF.v1", "scores": scores, "constraints": "BILUO"}}
    nlp, _ = make_spans(SPANS, None, config=config)
    with pytest.raises(ValueError, match="BILUO"):
        nlp.update(annotated(nlp, [("a b", "B-LOC O")]))


@both
def test_it_is_saved_and_loaded(factory, make_nlp, tmp_path, annotate, output):
    nlp, _ = make_nlp(factory, n_updates=5, use_crf=True)
    nlp.to_disk(tmp_path)
    loaded = [spacy.load(tmp_path), util.load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())]
    texts = [WORDS, [], ["room"], ["a", "book"] * 20]
    for other in loaded:
        assert other.get_pipe(factory).model.name == "crf"
        for a, b in zip(annotate(nlp, texts), annotate(other, texts), strict=True):
            assert output(a) == output(b)
        for example in [Example(Doc(other.vocab, words=WORDS), nlp(Doc(nlp.vocab, words=WORDS)))]:
            assert numpy.isfinite(other.update([example])[factory])


def test_constraints_are_saved(make_spans, tmp_path):
    nlp, _ = make_spans(SPANS, "BILUO", n_updates=40)
    nlp.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    assert tags_of(other(Doc(other.vocab, words=SPANS[0][0].split()))) == SPANS[0][1]
    with pytest.raises(ValueError, match="BILUO"):
        other.update(annotated(other, [("a b", "B-LOC O")]))


@pytest.mark.parametrize("saved", [False, True], ids=["softmax", "crf"])
def test_weights_of_another_head_are_refused(saved, make_nlp, tmp_path):
    nlp, _ = make_nlp("rnn_tagger", use_crf=saved)
    nlp.to_disk(tmp_path)
    match = f"'rnn_tagger' could not be loaded.*use_crf = {str(not saved).lower()}.*saved with use_crf = {str(saved).lower()}"
    with pytest.raises(ValueError, match=match):
        spacy.load(tmp_path, config={"components.rnn_tagger.use_crf": not saved})
    config = Config(nlp.config).interpolate()
    config["components"]["rnn_tagger"]["use_crf"] = not saved
    with pytest.raises(ValueError, match=match):
        util.load_model_from_config(config).from_bytes(nlp.to_bytes())


def test_weights_of_other_constraints_are_refused(make_spans, tmp_path):
    nlp, _ = make_spans(SPANS, None)
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match="constraints = 'BILUO'.*constraints = None"):
        spacy.load(tmp_path, config={"components.rnn_tagger.constraints": "BILUO"})


@both
def test_filling_a_config_keeps_the_head(factory, tmp_path):
    component = f'[components]\n\n[components.{factory}]\nfactory = "{factory}"\nuse_crf = true\n'
    (tmp_path / "base.cfg").write_text(f'[nlp]\nlang = "en"\npipeline = ["{factory}"]\n\n{component}')
    fill_config(tmp_path / "filled.cfg", tmp_path / "base.cfg", silent=True)
    settings = Config().from_disk(tmp_path / "filled.cfg")["components"][factory]
    assert (settings["use_crf"], settings["constraints"], settings["store_probs"]) == (True, None, False)
    assert settings["model"]["@architectures"] == "spacy.Tagger.v2"


def test_two_processes_give_what_one_gives(make_nlp, output):
    nlp, _ = make_nlp("rnn_tagger", n_updates=5, use_crf=True)
    texts = ["They book a small room", "", "room", " "] * 3
    one = [output(doc) for doc in nlp.pipe(texts, batch_size=4)]
    assert one == [output(doc) for doc in nlp.pipe(texts, batch_size=4, n_process=2)]


@pytest.mark.parametrize("constraints", [None, "BILUO"])
def test_rehearsal_holds_a_field_to_what_it_was(constraints, make_spans):
    nlp, examples = make_spans(SPANS, constraints, n_updates=60)
    component = nlp.get_pipe("rnn_tagger")
    component.store_probs = True
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01

    def probabilities():
        docs = [Doc(nlp.vocab, words=text.split()) for text, _ in SPANS]
        return numpy.concatenate([nlp(doc)._.rnn_probs["rnn_tagger"]["probs"] for doc in docs])

    before = probabilities()
    for _ in range(10):
        nlp.update(annotated(nlp, [("She met Anna in London", "O U-PER O O O")]), sgd=optimizer)
    drifted = numpy.abs(probabilities() - before).mean()
    losses = [nlp.rehearse(examples, sgd=optimizer)["rnn_tagger"] for _ in range(60)]
    assert losses[0] > losses[-1] > 0
    assert numpy.abs(probabilities() - before).mean() < 0.3 * drifted
    assert not component._rehearsal_model.get_grad("transitions").any()


def test_no_label_can_be_added_after_initialization(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", use_crf=True)
    component = nlp.get_pipe("rnn_tagger")
    before = component.labels
    with pytest.raises(ValueError, match="E922"):
        component.add_label("X")
    assert component.labels == before
    assert component.add_label(before[0]) == 0


def test_it_does_not_run_before_initialization(component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_tagger", config={**component_config("rnn_tagger"), "use_crf": True})
    component.add_label("X")
    for run in (lambda: nlp("They book"), lambda: nlp(""), lambda: component.update(annotated(nlp, [("a", "X")]))):
        with pytest.raises(ValueError, match="E109"):
            run()


@pytest.mark.parametrize("score", [numpy.nan, numpy.inf])
def test_scores_that_are_no_number_are_refused(score, make_nlp):
    nlp, examples = make_nlp("rnn_tagger", use_crf=True)
    component = nlp.get_pipe("rnn_tagger")
    scores = component.model.predict([example.x for example in examples])
    scores[1][0, 0] = score
    with pytest.raises(ValueError, match="'rnn_tagger' could not learn.*NaN"):
        component.get_loss(examples, scores)


def test_a_crf_over_a_shared_encoder_learns_and_can_have_its_own(
    component_config, tok2vec_config, listener_config, make_examples
):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
    for factory in TAGGERS:
        nlp.add_pipe(factory, config={**component_config(factory, listener_config), "use_crf": True})
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    history = [nlp.update(examples, sgd=optimizer) for _ in range(60)]
    for factory in TAGGERS:
        assert history[-1][factory] < 0.3 * history[0][factory]
    before = [(token.tag_, token.pos_) for token in nlp(Doc(nlp.vocab, words=WORDS))]
    assert before == [(token.tag_, token.pos_) for token in examples[0].y]
    for factory in TAGGERS:
        nlp.replace_listeners("tok2vec", factory, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert [(token.tag_, token.pos_) for token in nlp(Doc(nlp.vocab, words=WORDS))] == before


def test_a_long_text_is_tagged_and_learned_from(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", n_updates=1, use_crf=True)
    doc = Doc(nlp.vocab, words=WORDS * 4000)
    reference = nlp(doc)
    assert all(token.tag for token in reference)
    losses = nlp.get_pipe("rnn_tagger").update([Example(Doc(nlp.vocab, words=WORDS * 4000), reference)], sgd=Adam(0.01))
    assert numpy.isfinite(losses["rnn_tagger"])
