"""A component is evaluated as spaCy evaluates it, and what is given stays as it is."""

import pytest
import spacy
from spacy.training import Corpus, Example

from spacy_rnn.evaluation import compare, evaluate_component, find_task, score_all, summarize


@pytest.fixture(scope="module")
def load(pipelines, corpora):
    """(factory, kind, updates) -> a trained pipeline, and annotated texts."""

    def make(factory, kind, n_updates=12):
        nlp = spacy.load(pipelines(factory, n_updates))
        return nlp, list(Corpus(corpora(kind))(nlp))

    return make


@pytest.mark.parametrize(
    "factory, kind, score",
    [("rnn_tagger", "tags", "tag_acc"), ("rnn_textcat", "reviews", "cats_micro_f"), ("ner", "entities", "ents_f")],
)
def test_scores_are_those_of_spacy(load, factory, kind, score):
    nlp, examples = load(factory, kind)
    evaluation = evaluate_component(nlp, examples)
    assert (evaluation.component, evaluation.factory) == (factory, factory)
    expected = nlp.evaluate(examples)[score]
    assert evaluation.scores[score] == pytest.approx(expected)
    assert score_all(evaluation.decisions.decisions)[0].f == pytest.approx(expected)
    assert evaluation.texts == [example.reference.text for example in examples]


def test_the_texts_stay_as_they_are(load):
    nlp, examples = load("rnn_textcat", "reviews")
    before = [example.predicted.to_bytes() for example in examples]
    evaluate_component(nlp, iter(examples))
    assert [example.predicted.to_bytes() for example in examples] == before


def test_texts_may_be_of_another_pipeline(load):
    """Its labels are strings that only its own vocabulary has."""
    nlp, own = load("rnn_tagger", "tags")
    blank = spacy.blank("en")
    others = [Example(blank.make_doc(example.text), example.reference) for example in own]
    found, expected = evaluate_component(nlp, others), evaluate_component(nlp, own)
    assert [decision[:5] for decision in found.decisions.decisions] == [decision[:5] for decision in expected.decisions.decisions]


def test_two_pipelines_are_compared_on_the_same_examples(load):
    (a, examples), (b, _) = load("rnn_textcat", "reviews", 1), load("rnn_textcat", "reviews")
    differences = compare(evaluate_component(a, examples), evaluate_component(b, examples), n_samples=200)
    assert differences[0].measure == "accuracy"
    for nlp, score in ((a, differences[0].a), (b, differences[0].b)):
        assert score == pytest.approx(nlp.evaluate(examples)["cats_micro_f"])


def test_what_cannot_be_compared_is_refused(load):
    nlp, examples = load("rnn_textcat", "reviews")
    evaluation = evaluate_component(nlp, examples)
    with pytest.raises(ValueError, match="same texts, got .* differ"):
        compare(evaluation, evaluate_component(nlp, examples[:50]))
    with pytest.raises(ValueError, match="at least one draw"):
        compare(evaluation, evaluation, n_samples=0)
    other, topics = load("rnn_textcat_multilabel", "topics")
    with pytest.raises(ValueError, match="do not predict the same: 'rnn_textcat' predicts .*, 'rnn_textcat_multilabel' predicts"):
        compare(evaluation, evaluate_component(other, topics))


def test_the_summary_lists_no_more_errors_than_wanted(load):
    nlp, examples = load("rnn_textcat", "reviews", 1)
    evaluation = evaluate_component(nlp, examples)
    wrong = sum(decision.gold != decision.predicted for decision in evaluation.decisions.decisions)
    assert wrong > 3
    assert len(summarize(evaluation, n_errors=3).errors) == 3
    assert len(summarize(evaluation, n_errors=10_000).errors) == wrong


def test_what_cannot_be_evaluated_is_refused(load):
    nlp, examples = load("rnn_textcat", "reviews")
    with pytest.raises(ValueError, match="no component 'tager': it has rnn_textcat"):
        evaluate_component(nlp, examples, "tager")
    with pytest.raises(ValueError, match="there are no texts"):
        evaluate_component(nlp, [])
    with pytest.raises(ValueError, match="expected examples.*got Doc"):
        evaluate_component(nlp, [nlp("A text")])
    with pytest.raises(ValueError, match="no gold annotation of doc.cats"):
        evaluate_component(nlp, [Example(nlp.make_doc("A text"), nlp.make_doc("A text"))])
    with pytest.raises(ValueError, match="no component that can be taken here: it has none at all"):
        find_task(spacy.blank("en"))
    untrained = spacy.blank("en")
    untrained.add_pipe("rnn_tagger")
    untrained.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="E109"):
        evaluate_component(untrained, examples)
    with pytest.raises(ValueError, match="'sentencizer', a sentencizer, cannot be taken here: expected one of rnn_tagger"):
        find_task(untrained, "sentencizer")
