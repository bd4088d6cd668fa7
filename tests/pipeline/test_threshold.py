"""The threshold of `rnn_textcat_multilabel`: where scores take it from, and that it stays with the pipeline."""

import pickle

import pytest
import spacy
from spacy.cli.evaluate import evaluate
from spacy.cli.find_threshold import find_threshold
from spacy.training import Corpus

from spacy_rnn.evaluation import evaluate_component, score_labels

FACTORY = "rnn_textcat_multilabel"


@pytest.fixture
def trained(pipelines):
    """Give the path of a pipeline that is not too sure of its labels."""
    return pipelines(FACTORY, 1)


@pytest.fixture
def data(corpora):
    return corpora("topics")


def micro_f(nlp, data, threshold):
    """Compute the score from the probabilities alone."""
    n_right = n_predicted = n_true = 0
    for example in Corpus(data)(nlp):
        cats = nlp(example.predicted).cats
        for label, truth in example.reference.cats.items():
            n_right += cats[label] >= threshold and truth == 1
            n_predicted += cats[label] >= threshold
            n_true += truth == 1
    return 2 * n_right / (n_predicted + n_true)


def test_spacy_finds_the_threshold_with_the_best_score(trained, data):
    best, best_score, scores = find_threshold(str(trained), data, FACTORY, "threshold", "cats_micro_f", n_trials=6)
    nlp = spacy.load(trained)
    assert scores == {threshold: pytest.approx(micro_f(nlp, data, threshold)) for threshold in scores}
    assert len(set(scores.values())) > 2
    assert best_score == max(scores.values()) == scores[best]


@pytest.mark.parametrize("reload", ["disk", "bytes", "pickle"])
def test_a_threshold_is_saved_and_loaded(reload, trained, data, tmp_path):
    nlp = spacy.load(trained)
    nlp.get_pipe(FACTORY).cfg["threshold"] = 0.25
    expected = micro_f(nlp, data, 0.25)
    assert expected != micro_f(nlp, data, 0.5)
    if reload == "disk":
        nlp.to_disk(tmp_path)
        assert evaluate(str(tmp_path), data, silent=True)["cats_micro_f"] == pytest.approx(expected, abs=1e-3)
        nlp = spacy.load(tmp_path)
    elif reload == "bytes":
        nlp = spacy.load(trained).from_bytes(nlp.to_bytes())
    else:
        nlp = pickle.loads(pickle.dumps(nlp))
    assert nlp.get_pipe(FACTORY).cfg["threshold"] == 0.25
    assert nlp.evaluate(Corpus(data)(nlp))["cats_micro_f"] == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_a_report_counts_what_scores_count(threshold, trained, data):
    nlp = spacy.load(trained)
    nlp.get_pipe(FACTORY).cfg["threshold"] = threshold
    scores = nlp.evaluate(Corpus(data)(nlp))["cats_f_per_type"]
    rows = score_labels(evaluate_component(nlp, list(Corpus(data)(nlp))).decisions.decisions)
    assert {row.label: (row.precision, row.recall) for row in rows} == {
        label: (pytest.approx(score["p"]), pytest.approx(score["r"])) for label, score in scores.items()
    }


def test_the_threshold_changes_no_probability(trained):
    nlp = spacy.load(trained)
    before = nlp("We enjoyed the soup.").cats
    nlp.get_pipe(FACTORY).cfg["threshold"] = 0.9
    assert nlp("We enjoyed the soup.").cats == before


@pytest.mark.parametrize("factory", ["rnn_textcat", FACTORY])
@pytest.mark.parametrize("threshold", [-0.1, 1.5, 50.0])
def test_a_threshold_that_is_no_probability_is_refused(factory, threshold, component_config):
    with pytest.raises(ValueError, match=f"the threshold must be a probability, from 0 to 1, got {threshold}"):
        spacy.blank("en").add_pipe(factory, config={**component_config(factory), "threshold": threshold})


def test_a_saved_threshold_that_is_no_probability_is_refused(trained, tmp_path):
    nlp = spacy.load(trained)
    nlp.get_pipe(FACTORY).cfg["threshold"] = 50
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match=f"{FACTORY}/cfg: the threshold must be a probability, from 0 to 1, got 50"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("factory", [FACTORY, "textcat_multilabel"])
def test_a_saved_threshold_comes_before_the_config_as_in_spacy(factory, data, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory)
    nlp.initialize(lambda: list(Corpus(data)(nlp))[:20])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, config={"components": {factory: {"threshold": 0.25}}})
    assert loaded.get_pipe(factory).cfg["threshold"] == 0.5
