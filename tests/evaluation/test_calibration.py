"""Components are given the temperature that fits annotated texts best."""

import itertools

import numpy
import pytest
import spacy
from spacy.cli.init_config import init_config
from spacy.cli.train import train
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from tagged_texts import annotated
from thinc.api import Linear, with_array
from trained_pipelines import TAGGER

from spacy_rnn.crf import Crf
from spacy_rnn.evaluation import calibrate_components, evaluate_component, measure_reliability, summarize
from spacy_rnn.evaluation.calibration import build_calibrate
from spacy_rnn.evaluation.evidence import PathsOfLabels
from spacy_rnn.evaluation.temperature import HIGHEST, LOWEST, search_temperature
from spacy_rnn.layers import build_crf, crf_decode
from spacy_rnn.pipeline.heads import Gold

FITTED = [("rnn_tagger", "tags"), ("rnn_textcat", "reviews"), ("rnn_textcat_multilabel", "topics")]
every = pytest.mark.parametrize("factory, kind", FITTED)


@pytest.fixture
def load(pipelines, corpora):
    """(factory, kind, split) -> a trained pipeline, and annotated texts."""

    def make(factory, kind, split="dev"):
        nlp = spacy.load(pipelines(factory))
        return nlp, list(Corpus(corpora(kind, split))(nlp))

    return make


def make_tagger(texts, n_updates=30, **settings):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_tagger", config=settings)
    examples = annotated(nlp, texts)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(n_updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


@every
def test_the_loss_falls_and_no_temperature_has_a_smaller_one(load, factory, kind):
    nlp, examples = load(factory, kind)
    (found,) = calibrate_components(nlp, examples)
    component = nlp.get_pipe(factory)
    assert (found.component, found.temperature) == (factory, component.temperature)
    assert found.after.loss < found.before.loss
    assert measure_reliability(nlp, examples, factory) == pytest.approx(found.after)
    for other in (1.0, 0.9 * found.temperature, 1.1 * found.temperature):
        component.temperature = other
        assert measure_reliability(nlp, examples, factory).loss > found.after.loss


@every
def test_decisions_stay(load, factory, kind):
    nlp, examples = load(factory, kind)
    before = evaluate_component(nlp, examples)
    calibrate_components(nlp, examples)
    after = evaluate_component(nlp, examples)
    assert nlp.get_pipe(factory).temperature != 1
    assert [decision[:5] for decision in after.decisions.decisions] == [decision[:5] for decision in before.decisions.decisions]
    assert after.scores == before.scores


@every
def test_the_calibration_error_is_that_of_the_report(load, factory, kind):
    nlp, examples = load(factory, kind)
    # Of an annotated token that the tokenizer has split, the report has one decision.
    examples = [each for each in examples if len(each.predicted) == len(each.reference)]
    before = summarize(evaluate_component(nlp, examples)).calibration
    (found,) = calibrate_components(nlp, examples)
    after = summarize(evaluate_component(nlp, examples)).calibration
    assert (found.before.error, found.after.error) == pytest.approx((before.error, after.error), abs=1e-4)
    assert found.n_decisions == sum(before.counts) == sum(after.counts)
    assert after.error != before.error


@every
def test_calibrating_again_changes_nothing(load, factory, kind):
    nlp, examples = load(factory, kind)
    (first,) = calibrate_components(nlp, examples)
    (second,) = calibrate_components(nlp, examples)
    assert second.temperature == first.temperature
    assert second.before == second.after == pytest.approx(first.after)


def test_several_components_are_calibrated_or_none(load, corpora):
    nlp, examples = load("rnn_tagger", "tags")
    other, reviews = load("rnn_textcat", "reviews")
    nlp.add_pipe("rnn_textcat", source=other)
    with pytest.raises(ValueError, match="no gold annotation of what the component 'rnn_textcat' predicts"):
        calibrate_components(nlp, examples)
    assert nlp.get_pipe("rnn_tagger").temperature == 1
    (found,) = calibrate_components(nlp, examples, ["rnn_tagger"])
    assert nlp.get_pipe("rnn_tagger").temperature == found.temperature != 1
    assert nlp.get_pipe("rnn_textcat").temperature == 1


@pytest.fixture
def shared():
    """Two taggers over an encoder, another encoder behind them."""
    encoder = {
        "@architectures": "spacy_rnn.Tok2Vec.v1",
        "embed": {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 50},
        "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    }
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": encoder})
    for factory in ("rnn_tagger", "rnn_pos_tagger"):
        nlp.add_pipe(factory, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    nlp.add_pipe("tok2vec", name="later", config={"model": encoder})
    words = ["They", "book", "a", "room"]
    gold = Doc(nlp.vocab, words=words, tags=["PRP", "VBP", "DT", "NN"], pos=["PRON", "VERB", "DET", "NOUN"])
    examples = [Example(Doc(nlp.vocab, words=words), gold)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    return nlp, examples


def test_components_that_listen_are_calibrated(shared):
    nlp, examples = shared
    found = calibrate_components(nlp, examples)
    assert [each.component for each in found] == ["rnn_tagger", "rnn_pos_tagger"]
    assert all(each.n_decisions == sum(len(example.reference) for example in examples) for each in found)
    assert all(each.after.loss < each.before.loss for each in found)


TEXTS = [("a b a c", "A B A C"), ("c a b", "C A B"), ("b b a", "B B A")]


@pytest.mark.parametrize("use_crf", [False, True])
def test_right_and_wrong_annotation_are_at_the_bounds(use_crf):
    nlp = make_tagger(TEXTS, use_crf=use_crf)
    (found,) = calibrate_components(nlp, annotated(nlp, TEXTS))
    assert (found.temperature, found.at_bound) == (LOWEST, True)
    wrong = [(text, tags.translate(str.maketrans("ABC", "BCA"))) for text, tags in TEXTS]
    (found,) = calibrate_components(nlp, annotated(nlp, wrong))
    assert (found.temperature, found.at_bound) == (HIGHEST, True)


@pytest.mark.parametrize("use_crf", [False, True])
def test_tokens_without_annotation_do_not_count(use_crf):
    nlp = make_tagger(TEXTS, use_crf=use_crf)
    mixed = [("a b a c", "A A B C"), ("c a b", "C - -"), ("b b", "- -")]
    (found,) = calibrate_components(nlp, annotated(nlp, mixed))
    assert found.n_decisions == 5
    assert found.unknown == []
    assert not found.at_bound


@pytest.mark.parametrize("use_crf", [False, True])
def test_labels_that_the_component_does_not_have_are_named_and_left_out(use_crf):
    nlp = make_tagger(TEXTS, use_crf=use_crf)
    (found,) = calibrate_components(nlp, annotated(nlp, [("a b a c", "A A B Z")]))
    assert (found.n_decisions, found.unknown) == (3, ["Z"])
    with pytest.raises(ValueError, match="no gold annotation of .* it has the labels Y, Z, none of which is the component's"):
        calibrate_components(nlp, annotated(nlp, [("a b", "Y Z")]))


def test_classes_that_the_component_does_not_have_are_named_and_left_out(load):
    nlp, examples = load("rnn_textcat", "reviews")
    n = len(examples)
    examples[0].reference.cats = {"positive": 0.0, "strange": 1.0}
    examples[1].reference.cats = {}
    (found,) = calibrate_components(nlp, examples)
    assert (found.n_decisions, found.unknown) == (n - 2, ["strange"])
    examples[2].reference.cats = {"positive": 1.0, "negative": 1.0}
    with pytest.raises(ValueError, match="E895"):
        calibrate_components(nlp, examples)
    examples[2].reference.cats = {"positive": 0.5}
    with pytest.raises(ValueError, match="E851"):
        calibrate_components(nlp, examples)


def test_annotation_that_constraints_do_not_allow_is_named():
    texts = [("a b a c", "B-X L-X O U-X")]
    nlp = make_tagger(texts, use_crf=True, constraints="BILUO")
    (found,) = calibrate_components(nlp, annotated(nlp, texts))
    assert found.n_decisions == 4
    with pytest.raises(ValueError, match="'rnn_tagger' could not be calibrated: the text that begins with 'a b' has the labels"):
        calibrate_components(nlp, annotated(nlp, [("a b", "B-X O")]))


def test_what_cannot_be_calibrated_is_refused(load, pipelines):
    nlp, examples = load("rnn_tagger", "tags")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="no component 'tager': it has rnn_tagger"):
        calibrate_components(nlp, examples, ["tager"])
    with pytest.raises(ValueError, match="the component 'sentencizer', a sentencizer, writes no probabilities"):
        calibrate_components(nlp, examples, ["sentencizer"])
    with pytest.raises(ValueError, match="no texts"):
        calibrate_components(nlp, [])
    with pytest.raises(ValueError, match="no gold annotation"):
        calibrate_components(nlp, [Example(nlp.make_doc("A text"), nlp.make_doc("A text"))])
    with pytest.raises(ValueError, match="no gold annotation"):
        calibrate_components(nlp, [Example(nlp.make_doc(""), nlp.make_doc(""))])
    ner = spacy.blank("xx")
    with pytest.raises(ValueError, match="no component to calibrate, but none at all"):
        calibrate_components(ner, examples)
    ner.add_pipe("rnn_ner")
    with pytest.raises(ValueError, match=r"no component to calibrate, but rnn_ner \(rnn_ner\): expected rnn_tagger"):
        calibrate_components(ner, examples)
    untrained = spacy.blank("xx")
    untrained.add_pipe("rnn_tagger")
    with pytest.raises(ValueError, match="E109"):
        calibrate_components(untrained, examples)


def test_scores_that_are_no_probabilities_are_refused(load):
    nlp, examples = load("rnn_textcat", "reviews")
    component = nlp.get_pipe("rnn_textcat")
    component.run_model = lambda docs: numpy.full((len(docs), 2), 0.9, "float32")
    with pytest.raises(ValueError, match="'rnn_textcat' cannot be calibrated: what its model gives are no probabilities"):
        calibrate_components(nlp, examples)


@pytest.mark.parametrize("inverse", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("forbidden", [False, True])
def test_the_derivative_of_the_loss_of_paths_matches_central_differences(inverse, forbidden):
    evidence = make_paths(forbidden)
    eps = 1e-5
    numeric = (evidence.loss(inverse + eps)[0] - evidence.loss(inverse - eps)[0]) / (2 * eps)
    assert evidence.loss(inverse)[1] == pytest.approx(numeric, rel=1e-6)


def test_the_loss_of_paths_is_that_of_all_paths():
    evidence = make_paths(False)
    field = Crf(*(evidence.model.get_param(name) for name in Crf._fields))
    expected, row = 0.0, 0
    for scores in evidence.scores:
        weights = {}
        for path in itertools.product(range(3), repeat=len(scores)):
            score = field.start[path[0]] + field.end[path[-1]] + scores[numpy.arange(len(path)), path].sum()
            score += sum(field.transitions[pair] for pair in itertools.pairwise(path))
            weights[path] = numpy.exp(score / 2)
        allowed = evidence.allowed[row : row + len(scores)]
        right = sum(weight for path, weight in weights.items() if allowed[numpy.arange(len(path)), path].all())
        expected -= numpy.log(right / sum(weights.values()))
        row += len(scores)
    assert evidence.loss(0.5)[0] == pytest.approx(expected / len(evidence))


def make_paths(forbidden):
    """Three texts in float64, some tokens without annotation; perhaps a transition that is forbidden."""
    rng = numpy.random.default_rng(0)
    model = build_crf(with_array(Linear(3, 4)))
    model.initialize()
    for name, shape in zip(Crf._fields, ((3,), (3, 3), (3,)), strict=True):
        model.set_param(name, rng.normal(size=shape))
    scores = [rng.normal(size=(n, 3)) for n in (4, 1, 3)]
    truths = numpy.asarray([0, 2, -1, 1, 2, 0, 0, -1])
    if forbidden:
        model.get_param("transitions")[1, 2] = -numpy.inf
    eye = numpy.eye(4, 3, dtype="float32")
    known = numpy.asarray([[1] * 3] * 3 + [[0] * 3], "float32")
    return PathsOfLabels(model, scores, Gold(eye, known, numpy.where(truths < 0, 3, truths)), truths)


def test_labels_of_a_crf_that_were_drawn_at_a_temperature_have_it():
    """Token by token, from a field without transitions."""
    rng = numpy.random.default_rng(0)
    model = build_crf(with_array(Linear(3, 4)))
    model.initialize()
    scores = [rng.normal(scale=3, size=(5, 3)).astype("float32") for _ in range(4000)]
    rows = numpy.concatenate(scores)
    truths = (rows / 2.5 + rng.gumbel(size=rows.shape)).argmax(axis=1)
    evidence = PathsOfLabels(model, scores, Gold(numpy.eye(3, dtype="f"), numpy.ones((3, 3), "f"), truths), truths)
    assert search_temperature(evidence.loss).temperature == pytest.approx(2.5, rel=0.05)
    confidences, came_true = evidence.confidences(2.5)
    assert confidences.mean() == pytest.approx(came_true.mean(), abs=0.02)
    assert (numpy.concatenate(crf_decode(model, scores)) == rows.argmax(axis=1)).all()


def test_the_callback_calibrates_before_a_pipeline_is_saved(load, corpora):
    nlp, examples = load("rnn_textcat", "reviews")
    assert build_calibrate(corpora("reviews", "dev"))(nlp) is nlp
    temperature = nlp.get_pipe("rnn_textcat").temperature
    nlp.get_pipe("rnn_textcat").temperature = 1
    assert calibrate_components(nlp, examples)[0].temperature == temperature != 1
    with pytest.raises(ValueError, match="spacy_rnn.calibrate.v1 needs the path"):
        build_calibrate(None)(nlp)
    with pytest.raises(ValueError, match="no component 'other'"):
        build_calibrate(corpora("reviews", "dev"), ["other"])(nlp)


def test_spacy_train_calibrates(corpora, tmp_path):
    config = init_config(lang="en", pipeline=["tagger"])
    config["components"]["tagger"] = {"factory": "rnn_tagger", **TAGGER}
    config["components"].pop("tok2vec")
    config["nlp"]["pipeline"] = ["tagger"]
    config["training"].update(max_steps=40, eval_frequency=20)
    config["training"]["optimizer"]["learn_rate"] = 0.02
    config["training"]["before_to_disk"] = {"@callbacks": "spacy_rnn.calibrate.v1", "path": "${paths.dev}"}
    config.to_disk(tmp_path / "config.cfg")
    paths = {f"paths.{part}": str(corpora("tags", part)) for part in ("train", "dev")}
    train(tmp_path / "config.cfg", tmp_path / "out", overrides=paths)
    for name in ("model-best", "model-last"):
        nlp = spacy.load(tmp_path / "out" / name)
        saved = nlp.get_pipe("tagger").temperature
        assert saved != 1
        (found,) = calibrate_components(nlp, list(Corpus(corpora("tags", "dev"))(nlp)))
        assert found.temperature == pytest.approx(saved, rel=1e-4)
