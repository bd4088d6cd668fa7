"""BLEU and chrF of texts, with what to report beside them."""

import pytest
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

from spacy_rnn.evaluation.language import score_translations

OUTPUTS = ["A dog runs across the wide field.", "Two men sit on a bench.", "the snow", "two men sit on a bench."]
REFERENCES = ["A dog runs across the field.", "Two men sit on a bench.", "Snow lies on the roof.", "Two men sit on a bench."]


def test_scores_and_their_signatures():
    scores = score_translations(OUTPUTS, REFERENCES)
    assert scores.n_texts == 4 and scores.exact == 0.25
    assert scores.bleu.name == "BLEU" and scores.chrf.name == "chrF2"
    assert scores.bleu.score == pytest.approx(BLEU().corpus_score(OUTPUTS, [REFERENCES]).score)
    assert scores.chrf.score == pytest.approx(CHRF().corpus_score(OUTPUTS, [REFERENCES]).score)
    version = sacrebleu.__version__
    assert scores.bleu.signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert scores.chrf.signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    assert scores.bleu.interval is None and scores.chrf.interval is None


def test_lower_case_and_tokens_are_in_the_signature():
    scores = score_translations(OUTPUTS, REFERENCES, lower=True, tokenize="intl")
    assert scores.exact == 0.5
    assert scores.bleu.score == pytest.approx(BLEU(lowercase=True, tokenize="intl").corpus_score(OUTPUTS, [REFERENCES]).score)
    assert "case:lc" in scores.bleu.signature and "tok:intl" in scores.bleu.signature
    assert "case:lc" in scores.chrf.signature


def test_the_interval_is_that_of_the_bootstrap():
    outputs, references = OUTPUTS * 30, REFERENCES * 30
    scores = score_translations(outputs, references, n_samples=200)
    assert scores.bleu.score == score_translations(outputs, references).bleu.score
    low, high = scores.bleu.interval
    printed = BLEU().corpus_score(outputs, [references], n_bootstrap=200).format(score_only=True)
    assert printed == f"{scores.bleu.score:.2f} (μ = {(low + high) / 2:.2f} ± {(high - low) / 2:.2f})"
    for score in (scores.bleu, scores.chrf):
        low, high = score.interval
        assert low < score.score < high < low + 40
        assert "bs:200" in score.signature and "seed:12345" in score.signature
    assert score_translations(outputs, references, n_samples=200) == scores


@pytest.mark.parametrize("outputs, references", [(["a"], []), ([], ["a"]), ([], []), (["a", "b"], ["a"])])
def test_texts_of_other_numbers_are_refused(outputs, references):
    message = f"one output for each reference, got {len(outputs)} outputs and {len(references)} references"
    with pytest.raises(ValueError, match=message):
        score_translations(outputs, references)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="expected a sequence of outputs, got one text"):
        score_translations("a", ["a"])
    with pytest.raises(ValueError, match="expected a sequence of references, got one text"):
        score_translations(["a"], "a")
    with pytest.raises(ValueError, match="tokenize must be one of .*got 'moses'"):
        score_translations(["a"], ["a"], tokenize="moses")
    with pytest.raises(ValueError, match="must not be negative, got n_samples=-1"):
        score_translations(["a"], ["a"], n_samples=-1)


def test_an_interval_of_texts_without_a_match():
    assert score_translations(["x"] * 3, ["a b c"] * 3, n_samples=10).chrf.interval == (0.0, 0.0)


def test_the_missing_library_is_named(python):
    code = """
import sys
sys.modules["sacrebleu"] = None
from spacy_rnn.evaluation.language import score_translations
try:
    score_translations(["a"], ["a"])
except ImportError as error:
    print(error)
"""
    process = python("-c", code)
    assert 'install it with the extra "seq2seq"' in process.stdout, process.stderr
