"""`rnn_ner`: what it learns, writes, and refuses."""

import json

import numpy
import pytest
import spacy
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy import displacy
from spacy.cli.init_pipeline import init_labels_cli
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, Config

from spacy_rnn.pipeline.annotation.entities import entity_labels
from spacy_rnn.pipeline.ner import RNNEntityRecognizer

SENTENCES = [
    ("Anna lives in New York today", [(0, 1, "PER"), (3, 5, "LOC"), (5, 6, "DATE")]),
    ("New York City sleeps", [(0, 3, "LOC")]),
    ("She met Anna Maria Berg in London", [(2, 5, "PER"), (6, 7, "LOC")]),
    ("It rains", []),
]


def ents(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def example(nlp, words, entities, predicted=None, **annotation):
    """An example of entities (start, end, type); None for a text without annotation."""
    words = words.split(" ") if isinstance(words, str) else words
    reference = Doc(nlp.vocab, words=words)
    if entities is not None:
        groups = {name: [reference[start:end] for start, end in spans] for name, spans in annotation.items()}
        reference.set_ents([Span(reference, *entity) for entity in entities], default="outside", **groups)
    return Example(Doc(nlp.vocab, words=predicted or words), reference)


@pytest.fixture(scope="module")
def make_ner(component_config, learn):
    """(n_updates) -> a pipeline of `rnn_ner`, and its examples."""

    def make(n_updates=0, sentences=SENTENCES, config=None):
        nlp = spacy.blank("xx")
        nlp.add_pipe("rnn_ner", config=config or component_config("rnn_ner"))
        return learn(nlp, [example(nlp, *sentence) for sentence in sentences], n_updates)

    return make


@pytest.fixture(scope="module")
def trained(make_ner):
    return make_ner(n_updates=80)


def test_it_learns_its_training_sentences(trained):
    nlp, examples = trained
    for each in examples:
        assert ents(nlp(Doc(nlp.vocab, words=[token.text for token in each.y]))) == ents(each.y)


def test_the_default_model_learns(make_ner):
    nlp, examples = make_ner(60, config={})
    model = nlp.get_pipe("rnn_ner").model
    assert model.name == "crf" and model.attrs["constraints"] == "BILUO"
    scores = nlp.evaluate(examples)
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (1.0, 1.0, 1.0)


def test_a_model_that_is_no_crf_becomes_one(trained):
    nlp, _ = trained
    model = nlp.get_pipe("rnn_ner").model
    assert nlp.config["components"]["rnn_ner"]["model"]["@architectures"] == "spacy.Tagger.v2"
    assert (model.name, model.attrs["constraints"], model.get_dim("nO")) == ("crf", "BILUO", 13)


@pytest.mark.parametrize("constraints", [None, "BIO"])
def test_a_crf_with_other_constraints_is_refused(constraints, component_config):
    scores = component_config("rnn_ner")["model"]
    model = {"@architectures": "spacy_rnn.CRF.v1", "scores": scores, "constraints": constraints}
    with pytest.raises(ValueError, match=f"rnn_ner.*BILUO.*{constraints}"):
        spacy.blank("xx").add_pipe("rnn_ner", config={"model": model})


def test_it_writes_entities_and_nothing_else(trained):
    nlp, _ = trained
    words = SENTENCES[0][0].split()
    doc = Doc(nlp.vocab, words=words, tags=["NN"] * 6, pos=["NOUN"] * 6, heads=[1] * 6, deps=["dep"] * 6)
    doc.spans["sc"] = [Span(doc, 0, 2, "OTHER")]
    doc.cats = {"good": 1.0}
    attrs = ["ORTH", "TAG", "POS", "HEAD", "DEP", "LEMMA", "MORPH", "SENT_START", "SPACY", "ENT_IOB", "ENT_TYPE", "ENT_KB_ID"]
    before = doc.to_array(attrs)
    doc = nlp(doc)
    changed = [attr for attr, old, new in zip(attrs, before.T, doc.to_array(attrs).T, strict=True) if (old != new).any()]
    assert changed == ["ENT_IOB", "ENT_TYPE"]
    assert ents(doc) == SENTENCES[0][1]
    assert [(key, [(s.start, s.end, s.label_) for s in group]) for key, group in doc.spans.items()] == [("sc", [(0, 2, "OTHER")])]
    assert doc.cats == {"good": 1.0} and not doc.user_data


def test_it_declares_what_spacys_own_does(trained):
    nlp, _ = trained
    own, spacys = nlp.get_factory_meta("rnn_ner"), spacy.blank("xx").get_factory_meta("ner")
    assert own.assigns == spacys.assigns
    assert own.default_score_weights == spacys.default_score_weights
    assert own.scores == spacys.scores


def test_it_is_scored_as_spacys_own_is(trained):
    nlp, examples = trained
    wrong = [example(nlp, words, [(0, 1, "LOC")]) for words, _ in SENTENCES]
    found = nlp.evaluate([*wrong, *examples[:2]])
    predicted = [Example(nlp(Doc(nlp.vocab, words=[t.text for t in each.y])), each.y) for each in [*wrong, *examples[:2]]]
    expected = {**Scorer.score_spans(predicted, "ents")}
    assert 0 < found["ents_f"] < 1
    assert found["ents_f"] == pytest.approx(expected["ents_f"])
    assert set(found["ents_per_type"]) == {"PER", "LOC", "DATE"}


def test_displacy_shows_what_it_finds(trained):
    nlp, _ = trained
    html = displacy.render(nlp(Doc(nlp.vocab, words=SENTENCES[0][0].split())), style="ent")
    assert "New York" in html and "LOC" in html


def test_labels_are_types_in_order(trained, tmp_path):
    nlp, _ = trained
    component = nlp.get_pipe("rnn_ner")
    assert component.labels == component.label_data == ("DATE", "LOC", "PER")
    assert nlp.pipe_labels["rnn_ner"] == ["DATE", "LOC", "PER"]


@pytest.mark.parametrize("labels", [["PER", "LOC", "DATE", "X-Y"], ("X-Y", "DATE", "PER", "LOC")])
def test_labels_come_from_outside(labels, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    examples = [example(nlp, *sentence) for sentence in SENTENCES]
    component.initialize(lambda: examples, nlp=nlp, labels=labels)
    assert component.labels == ("DATE", "LOC", "PER", "X-Y")
    assert component.model.get_dim("nO") == 17
    optimizer = Adam(0.02)
    batch = [*examples, example(nlp, "a thing", [(1, 2, "X-Y")])]
    for _ in range(80):
        component.update(batch, sgd=optimizer)
    assert ents(nlp(Doc(nlp.vocab, words=["a", "thing"]))) == [(1, 2, "X-Y")]


def test_labels_of_spacys_own_are_refused(component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    with pytest.raises(ValueError, match="rnn_ner.*list of types.*dictionary"):
        component.initialize(lambda: [example(nlp, *SENTENCES[0])], labels={"0": {}, "1": {"PER": 3}})


def test_spacy_writes_and_reads_its_labels(make_ner, tmp_path):
    nlp, examples = make_ner()
    DocBin(docs=[each.y for each in examples]).to_disk(tmp_path / "train.spacy")
    config = Config(nlp.config)
    reader = {"@readers": "spacy.Corpus.v1", "gold_preproc": False, "max_length": 0, "limit": 0, "augmenter": None}
    config["corpora"] = {name: {**reader, "path": str(tmp_path / "train.spacy")} for name in ("train", "dev")}
    config.to_disk(tmp_path / "config.cfg")

    class Context:
        args = []

    init_labels_cli(Context(), tmp_path / "config.cfg", tmp_path / "labels", None, False, -1)
    assert json.loads((tmp_path / "labels" / "rnn_ner.json").read_text()) == ["DATE", "LOC", "PER"]
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels" / "rnn_ner.json")}
    nlp.config["initialize"]["components"] = {"rnn_ner": {"labels": reader}}
    nlp.initialize(lambda: examples[1:2])
    assert nlp.get_pipe("rnn_ner").labels == ("DATE", "LOC", "PER")


@pytest.mark.parametrize("label, error", [(3, "E187"), (None, "E187"), ("", "empty")])
def test_a_type_is_a_string(label, error, component_config):
    component = spacy.blank("xx").add_pipe("rnn_ner", config=component_config("rnn_ner"))
    with pytest.raises(ValueError, match=error):
        component.add_label(label)
    assert component.labels == ()


def test_types_are_added_before_initialization_only(make_ner, component_config):
    component = spacy.blank("xx").add_pipe("rnn_ner", config=component_config("rnn_ner"))
    assert [component.add_label("PER"), component.add_label("PER"), component.add_label("LOC")] == [1, 0, 1]
    assert component.labels == ("LOC", "PER")
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    assert component.add_label("PER") == 0
    with pytest.raises(ValueError, match="E922"):
        component.add_label("ORG")
    assert component.labels == ("DATE", "LOC", "PER")


def test_a_type_not_seen_before_is_named(make_ner, parameters):
    nlp, examples = make_ner()
    component = nlp.get_pipe("rnn_ner")
    before = parameters(component.model)
    for vocab in (nlp, spacy.blank("xx")):
        with pytest.raises(ValueError, match="'rnn_ner'.*ORG.*DATE, LOC, PER"):
            nlp.update([*examples, example(vocab, "the United Nations", [(1, 3, "ORG")])], sgd=Adam(0.1))
    assert all((a == b).all() for a, b in zip(before, parameters(component.model), strict=True))


def test_entities_of_types_that_it_was_not_given_are_none(component_config):
    """As `possible_labels` takes those that other components have set."""
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    examples = [example(nlp, *sentence) for sentence in SENTENCES]
    component.initialize(lambda: examples, nlp=nlp, labels=["PER"])
    assert component.labels == ("PER",)
    scores = [numpy.random.default_rng(0).normal(size=(len(each.x), 5)).astype("f") for each in examples]
    alone = [(text, [each for each in entities if each[2] == "PER"]) for text, entities in SENTENCES]
    loss, d_scores = component.get_loss(examples, scores)
    expected, d_expected = component.get_loss([example(nlp, *sentence) for sentence in alone], scores)
    assert loss == expected
    for rows, expected_rows in zip(d_scores, d_expected, strict=True):
        numpy.testing.assert_array_equal(rows, expected_rows)
    # What is not annotated, or not in whole tokens, is still not known.
    split_word = example(nlp, "New York", [(0, 2, "LOC")], predicted=["Ne", "w", "York"])
    assert numpy.isfinite(component.get_loss([split_word], [scores[1][:3]])[0])
    assert component.get_loss([example(nlp, "New York", None)], [scores[1][:2]])[0] == 0


@pytest.mark.parametrize(
    "words, entity",
    [(["in", "\n", "York"], (1, 3, "LOC")), (["in", "York", "\n\n"], (1, 3, "LOC")), ([" ", "York"], (0, 1, "LOC"))],
)
def test_an_entity_with_whitespace_at_its_edges_is_named(words, entity, make_ner):
    nlp, examples = make_ner()
    with pytest.raises(ValueError, match="'rnn_ner' could not learn.*LOC.*whitespace"):
        nlp.update([*examples, example(nlp, words, [entity])])
    assert numpy.isfinite(nlp.update([*examples, example(nlp, ["New", "\n", "York"], [(0, 3, "LOC")])])["rnn_ner"])


def test_it_does_not_run_before_initialization(component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    component.add_label("PER")
    runs = [lambda: nlp("a"), lambda: nlp(""), lambda: list(nlp.pipe(["a"])), lambda: component.update([example(nlp, "a", [])])]
    for run in runs:
        with pytest.raises(ValueError, match="E109"):
            run()


def test_no_examples_and_no_types_are_refused(component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    with pytest.raises((ValueError, TypeError), match="E930|E923|E143"):
        component.initialize(lambda: [], nlp=nlp)
    for entities in ([], None):
        with pytest.raises(ValueError, match="E143"):
            component.initialize(lambda entities=entities: [example(nlp, "It rains", entities)], nlp=nlp)


def test_cut_texts_are_refused(component_config, tok2vec_config, make_ner):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.Truncate.v1", "encode": tok2vec["encode"], "max_length": 3}
    with pytest.raises(ValueError, match="Truncate"):
        make_ner(config=component_config("rnn_ner", tok2vec))


def random_scores(component, n, seed=0):
    return numpy.random.default_rng(seed).normal(size=(n, component.model.get_dim("nO"))).astype("f")


def loss_of(component, one, scores=None):
    rows = random_scores(component, len(one.x)) if scores is None else scores
    return component.get_loss([one], [rows])[0]


def test_what_is_not_annotated_is_summed_over(make_ner):
    """The likelihoods of all that a token without annotation can be add up."""
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    words = "Anna met Berg"
    options = [[], *([(2, 3, name)] for name in component.labels), *([(1, 3, name)] for name in component.labels)]
    options += [[(1, 2, name)] for name in component.labels]
    options += [[(1, 2, first), (2, 3, second)] for first in component.labels for second in component.labels]
    first = [(0, 1, "PER")]
    losses = [loss_of(component, example(nlp, words, [*first, *more])) for more in options]
    missing = loss_of(component, example(nlp, words, first, missing=[(1, 3)]))
    assert numpy.exp(-missing) == pytest.approx(numpy.exp(-numpy.asarray(losses)).sum(), rel=1e-4)
    assert loss_of(component, example(nlp, words, None)) == pytest.approx(0, abs=1e-5)


def test_entities_whose_boundaries_are_no_tokens_are_not_learned(make_ner):
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    reference = Doc(nlp.vocab, words=["New", "York", "-", "based", "Anna"], spaces=[True, False, False, True, False])
    reference.ents = [Span(reference, 0, 2, "LOC"), Span(reference, 4, 5, "PER")]
    predicted = Doc(nlp.vocab, words=["New", "York-based", "Anna"], spaces=[True, True, False])
    aligned = Example(predicted, reference)
    expected = example(nlp, ["New", "York-based", "Anna"], [(2, 3, "PER")], missing=[(0, 2)])
    assert loss_of(component, aligned) == pytest.approx(loss_of(component, expected))
    assert numpy.isfinite(component.update([aligned], sgd=Adam(0.01))["rnn_ner"])


def test_an_entity_in_other_tokens_is_learned(make_ner):
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    reference = Doc(nlp.vocab, words=["New-York", "sleeps"])
    reference.ents = [Span(reference, 0, 1, "LOC")]
    predicted = Doc(nlp.vocab, words=["New", "-", "York", "sleeps"], spaces=[False, False, True, False])
    expected = example(nlp, "New - York sleeps", [(0, 3, "LOC")])
    assert loss_of(component, Example(predicted, reference)) == pytest.approx(loss_of(component, expected))


def test_the_gradient_pushes_towards_the_entities(make_ner):
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    one = example(nlp, "New York \n City sleeps", [(0, 4, "LOC")])
    rows = random_scores(component, 5)
    (gradient,) = component.get_loss([one], [rows])[1]
    names = entity_labels(component.labels).names
    assert [names[i] for i in gradient.argmin(axis=1)] == ["B-LOC", "I-LOC", "I-LOC", "L-LOC", "O"]
    numpy.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-5)
    assert not gradient[2, [i for i, name in enumerate(names) if name[0] in "BLU"]].any()


@pytest.fixture
def undecided(make_ner):
    """A component whose scores say of one token that it is an entity, and of two that they are hardly outside."""
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    names = entity_labels(component.labels).names
    rows = numpy.full((3, len(names)), -50.0, dtype="f")
    for token, (entity, outside) in enumerate([("U-PER", 0.0), ("U-LOC", 0.8), ("U-DATE", 1.2)]):
        rows[token, [names.index(entity), names.index("O")]] = (0.0 if token else 5.0, outside)
    for name in ("start", "transitions", "end"):
        component.model.set_param(name, numpy.zeros_like(component.model.get_param(name)))
    component.run_model = lambda docs: [rows.copy()]
    return component, Doc(nlp.vocab, words=["a", "b", "c"])


@pytest.mark.parametrize("penalty, found", [(-6.0, 0), (0.0, 1), (1.0, 2), (1.5, 3)])
def test_a_penalty_moves_the_balance_of_precision_and_recall(undecided, penalty, found):
    component, doc = undecided
    component.outside_penalty = penalty
    expected = [(0, 1, "PER"), (1, 2, "LOC"), (2, 3, "DATE")][:found]
    assert ents(component(doc)) == expected


def test_a_penalty_changes_no_loss(make_ner):
    nlp, examples = make_ner()
    component = nlp.get_pipe("rnn_ner")
    scores = [random_scores(component, len(each.x)) for each in examples]
    before, gradients = component.get_loss(examples, scores)
    component.outside_penalty = 2.0
    loss, same = component.get_loss(examples, scores)
    assert loss == before
    for one, other in zip(same, gradients, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_a_penalty_can_be_set_when_a_pipeline_is_loaded(trained, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, config={"components.rnn_ner.outside_penalty": 100.0})
    words = SENTENCES[0][0].split()
    found = {i for start, end, _ in ents(loaded(Doc(loaded.vocab, words=words))) for i in range(start, end)}
    assert found == set(range(len(words)))


@pytest.mark.parametrize("penalty", [numpy.nan, numpy.inf, -numpy.inf])
def test_a_penalty_that_is_no_number_is_refused(penalty, trained):
    nlp, _ = trained
    with pytest.raises(ValueError, match=f"outside_penalty must be finite, got {penalty}"):
        RNNEntityRecognizer(nlp.vocab, nlp.get_pipe("rnn_ner").model, outside_penalty=penalty, scorer=None)


@pytest.mark.parametrize("shapes", [[(1, 13), (2, 13)], [(2, 13), (1, 9)], [(2, 13)]], ids=str)
def test_scores_of_other_tokens_or_labels_are_refused(shapes, make_ner):
    nlp, _ = make_ner()
    batch = [example(nlp, "New York", [(0, 2, "LOC")]), example(nlp, "a", [])]
    with pytest.raises(ValueError):
        nlp.get_pipe("rnn_ner").get_loss(batch, [numpy.zeros(shape, dtype="f") for shape in shapes])


def test_scores_that_are_no_number_are_refused(make_ner):
    nlp, _ = make_ner()
    component = nlp.get_pipe("rnn_ner")
    rows = random_scores(component, 2)
    rows[0, 0] = numpy.nan
    with pytest.raises(ValueError, match="'rnn_ner' could not learn.*NaN"):
        loss_of(component, example(nlp, "New York", []), rows)


def test_entities_that_are_set_are_kept_and_the_others_found(trained):
    nlp, _ = trained
    words = SENTENCES[0][0].split()
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents([Span(doc, 3, 4, "PRODUCT", kb_id="Q1")], blocked=[doc[0:1]], default="missing")
    doc = nlp(doc)
    assert (3, 4, "PRODUCT") in ents(doc) and (5, 6, "DATE") in ents(doc)
    assert doc.ents[0].kb_id_ == "Q1"
    assert not any(ent.start == 0 for ent in doc.ents) and doc[0].ent_iob_ == "B" and not doc[0].ent_type
    again = ents(nlp(doc))
    assert again == ents(doc)


def test_it_works_beside_an_entity_ruler(component_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_ner", config=component_config("rnn_ner"))
    examples = [example(nlp, *sentence) for sentence in SENTENCES]
    ruler = nlp.add_pipe("entity_ruler", before="rnn_ner")
    optimizer = nlp.initialize(lambda: examples)
    ruler.add_patterns([{"label": "CITY", "pattern": "London"}])
    optimizer.learn_rate = 0.02
    for _ in range(80):
        nlp.update(examples, sgd=optimizer)
    doc = nlp(Doc(nlp.vocab, words=SENTENCES[2][0].split()))
    assert ents(doc) == [(2, 5, "PER"), (6, 7, "CITY")]


def test_no_entity_crosses_a_sentence_that_is_set(trained):
    nlp, _ = trained
    words = SENTENCES[1][0].split()
    assert ents(nlp(Doc(nlp.vocab, words=words))) == [(0, 3, "LOC")]
    cut = nlp(Doc(nlp.vocab, words=words, sent_starts=[True, False, True, False]))
    assert all(not (start < 2 < end) for start, end, _ in ents(cut))


@settings(deadline=None, database=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("aN \n\tY.é中🙂", max_size=30), st.integers(0, 2**32 - 1))
def test_entities_are_valid_in_any_text_whatever_the_scores_are(trained, text, seed):
    nlp, _ = trained
    component = nlp.get_pipe("rnn_ner")
    doc = nlp.make_doc(text)
    rows = random_scores(component, len(doc), seed) * 10
    component.run_model = lambda docs: [rows]
    try:
        component(doc)
    finally:
        del component.run_model
    covered = [i for ent in doc.ents for i in range(ent.start, ent.end)]
    assert len(covered) == len(set(covered))
    for ent in doc.ents:
        assert ent.label_ in component.labels
        assert ent.text.strip() == ent.text
    doc.ents = doc.ents
    assert ents(Doc(nlp.vocab).from_bytes(doc.to_bytes())) == ents(doc)
    assert doc.text == text


def test_a_text_gets_its_own_entities_in_any_batch(trained):
    nlp, _ = trained
    texts = [sentence.split() for sentence, _ in SENTENCES] + [[], ["\n"], ["London"] * 50]
    alone = [ents(nlp(Doc(nlp.vocab, words=words))) for words in texts]
    assert alone == [ents(doc) for doc in nlp.pipe(Doc(nlp.vocab, words=words) for words in texts)]
    backwards = [ents(doc) for doc in nlp.pipe(Doc(nlp.vocab, words=words) for words in texts[::-1])]
    assert alone == backwards[::-1]


def test_it_is_saved_and_loaded(trained, tmp_path):
    nlp, examples = trained
    nlp.to_disk(tmp_path)
    loaded = [spacy.load(tmp_path), spacy.util.load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())]
    for other in loaded:
        assert other.get_pipe("rnn_ner").labels == ("DATE", "LOC", "PER")
        for each in examples:
            assert ents(other(Doc(other.vocab, words=[token.text for token in each.y]))) == ents(each.y)
        assert numpy.isfinite(other.update([example(other, *SENTENCES[0])], sgd=Adam(0.01))["rnn_ner"])


def test_rehearsal_holds_it_to_what_it_was(make_ner):
    nlp, examples = make_ner(n_updates=60)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    component = nlp.get_pipe("rnn_ner")

    def likelihood():
        return component.get_loss(examples, component.model.predict([each.x for each in examples]))[0]

    before = likelihood()
    for _ in range(15):
        nlp.update([example(nlp, "Anna lives in New York today", [])], sgd=optimizer)
    drifted = likelihood()
    losses = [nlp.rehearse(examples, sgd=optimizer)["rnn_ner"] for _ in range(60)]
    assert losses[0] > losses[-1] > 0
    assert before < likelihood() < before + 0.3 * (drifted - before)


def test_training_data_may_be_offsets(make_ner):
    nlp, _ = make_ner()
    text = "Anna lives in New York"
    one = Example.from_dict(nlp.make_doc(text), {"entities": [(0, 4, "PER"), (14, 22, "LOC")]})
    same = Example.from_dict(nlp.make_doc(text), {"entities": ["U-PER", "O", "O", "B-LOC", "L-LOC"]})
    component = nlp.get_pipe("rnn_ner")
    expected = loss_of(component, example(nlp, text, [(0, 1, "PER"), (3, 5, "LOC")]))
    assert loss_of(component, one) == loss_of(component, same) == expected
    unknown = Example.from_dict(nlp.make_doc(text), {"entities": ["U-PER", "-", "O", "B-LOC", "L-LOC"]})
    assert loss_of(component, unknown) < expected


def test_a_corpus_is_trained_on_by_spacy_train(make_ner, python, tmp_path):
    nlp, examples = make_ner()
    DocBin(docs=[each.y for each in examples]).to_disk(tmp_path / "corpus.spacy")
    config = Config(nlp.config)
    reader = {"@readers": "spacy.Corpus.v1", "gold_preproc": False, "max_length": 0, "limit": 0, "augmenter": None}
    config["corpora"] = {name: {**reader, "path": str(tmp_path / "corpus.spacy")} for name in ("train", "dev")}
    config["training"].update({"max_steps": 60, "eval_frequency": 30, "max_epochs": 0, "dropout": 0.0})
    config["training"]["optimizer"]["learn_rate"] = 0.02
    config.to_disk(tmp_path / "config.cfg")
    process = python("-m", "spacy", "train", tmp_path / "config.cfg", "--output", tmp_path / "out")
    assert process.returncode == 0, process.stdout + process.stderr
    performance = srsly.read_json(tmp_path / "out" / "model-best" / "meta.json")["performance"]
    assert performance["ents_f"] == 1.0
    assert performance["rnn_ner_loss"] > 0
