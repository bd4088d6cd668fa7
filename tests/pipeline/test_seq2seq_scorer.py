"""BLEU, chrF and equal outputs as scores of a component."""

import pickle

import pytest
import spacy
from sacrebleu.metrics import BLEU, CHRF
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from spacy_rnn.pipeline.annotation.output import Output, set_output
from spacy_rnn.pipeline.scorers import build_seq2seq_scorer, seq2seq_score

# (predicted, gold)
TEXTS = [
    ("A dog runs across the wide field.", "A dog runs across the field."),
    ("Two men sit on a bench.", "Two men sit on a bench."),
    ("the snow", "Snow lies on the roof."),
    ("two men sit on a bench.", "Two men sit on a bench."),
]


def make_examples(texts=TEXTS):
    nlp = spacy.blank("de")
    for predicted, gold in texts:
        example = Example(nlp.make_doc("x"), nlp.make_doc("x"))
        for doc, text in ((example.predicted, predicted), (example.reference, gold)):
            set_output(doc, None if text is None else Output(text))
        yield example


def expected(texts=TEXTS, **settings):
    outputs, references = (list(side) for side in zip(*texts, strict=True))
    bleu = BLEU(**settings).corpus_score(outputs, [references]).score
    chrf = CHRF(lowercase=settings.get("lowercase", False)).corpus_score(outputs, [references]).score
    return {"bleu": pytest.approx(bleu / 100), "chrf": pytest.approx(chrf / 100)}


def test_scores_are_those_of_sacrebleu_from_0_to_1():
    scores = seq2seq_score(make_examples())
    assert scores == {**expected(), "exact": 0.25}
    assert 0.1 < scores["bleu"] < scores["chrf"] < 0.9


def test_lower_case_and_tokens():
    assert build_seq2seq_scorer(lower=True)(make_examples()) == {**expected(lowercase=True), "exact": 0.5}
    assert build_seq2seq_scorer(tokenize="char")(make_examples()) == {**expected(tokenize="char"), "exact": 0.25}
    assert expected(lowercase=True)["bleu"] != expected()["bleu"] != expected(tokenize="char")["bleu"]


def test_equal_texts_have_the_best_scores():
    texts = [(gold, gold) for _, gold in TEXTS]
    assert seq2seq_score(make_examples(texts)) == pytest.approx({"bleu": 1.0, "chrf": 1.0, "exact": 1.0})


def test_what_was_not_predicted_is_empty_and_what_is_not_known_does_not_count():
    scores = seq2seq_score(make_examples([*TEXTS, (None, "A cat.")]))
    assert scores == {**expected([*TEXTS, ("", "A cat.")]), "exact": 0.2}
    assert seq2seq_score(make_examples([*TEXTS, ("A cat.", None)])) == seq2seq_score(make_examples())
    assert seq2seq_score(make_examples([("", "A cat."), (None, "b")])) == {"bleu": 0.0, "chrf": 0.0, "exact": 0.0}


def test_without_gold_outputs_there_is_no_score():
    nothing = {"bleu": None, "chrf": None, "exact": None}
    assert seq2seq_score([]) == nothing
    assert seq2seq_score(make_examples([("A cat.", None)])) == nothing


def test_empty_gold_outputs():
    assert seq2seq_score(make_examples([("", ""), ("a", "")]))["exact"] == 0.5


@Language.factory("write_upper", default_score_weights={"bleu": 1.0, "chrf": 0.0, "exact": 0.0})
def make_write_upper(nlp, name):
    return WriteUpper()


class WriteUpper:
    """Writes the text in upper case, and is scored."""

    scorer = staticmethod(registry.scorers.get("spacy_rnn.seq2seq_scorer.v1")(lower=True))

    def __call__(self, doc):
        set_output(doc, Output(doc.text.upper()))
        return doc

    def score(self, examples, **kwargs):
        return self.scorer(examples, **kwargs)


def test_a_pipeline_is_scored_by_it():
    nlp = spacy.blank("de")
    nlp.add_pipe("write_upper")
    examples = []
    for text in ("ein Hund läuft heute", "zwei"):
        example = Example(nlp.make_doc(text), nlp.make_doc(text))
        set_output(example.reference, Output(text))
        examples.append(example)
    scores = nlp.evaluate(examples)
    assert {name: scores[name] for name in ("bleu", "chrf", "exact")} == pytest.approx({"bleu": 1.0, "chrf": 1.0, "exact": 1.0})


def test_a_scorer_can_be_pickled():
    scorer = pickle.loads(pickle.dumps(build_seq2seq_scorer(lower=True)))
    assert scorer(make_examples()) == seq2seq_score(make_examples(), lower=True)


def test_an_unknown_tokenization_is_refused():
    with pytest.raises(ValueError, match="tokenize must be one of .*13a.*got 'moses'"):
        build_seq2seq_scorer(tokenize="moses")(make_examples())


def test_without_the_library_a_scorer_is_made_and_says_what_is_missing_when_it_scores(python):
    code = """
import sys
sys.modules["sacrebleu"] = None
from spacy.util import registry
scorer = registry.scorers.get("spacy_rnn.seq2seq_scorer.v1")()
print("made")
scorer([])
"""
    process = python("-c", code)
    assert process.stdout == "made\n"
    assert process.returncode == 1
    assert process.stderr.strip().endswith('install it with the extra "seq2seq", python -m pip install "spacy-rnn[seq2seq]"')
