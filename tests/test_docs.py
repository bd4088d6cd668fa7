"""The examples in the documentation run, and do what the text around them says."""

import ast
import contextlib
import io
import re
from pathlib import Path

import numpy
import pytest
import spacy
from contextual_pipelines import make_pipeline
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Ragged

from spacy_rnn.cli.language_models.ngrams import Options, write_ngrams

ROOT = Path(__file__).parent.parent
POS = {"They": "PRON", "book": "VERB", "a": "DET", "room": "NOUN"}


def run_example(path, number, names=None):
    """Run a Python example of a page, among names that it adds to; give back what it printed."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(encoding="utf8"), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[number], f"{path}, example {number}", "exec"), {} if names is None else names)
    return printed.getvalue()


def test_the_readme_example_learns_its_sentences():
    assert "('book', 'VERB')" in run_example("README.md", 0)


def test_the_series_example_beats_the_naive_forecast():
    errors = [float(line.split(":")[1]) for line in run_example("docs/state.md", 0).splitlines()]
    assert errors[0] < 0.9 * errors[1]


def test_the_streaming_example_labels_each_word_as_soon_as_it_is_heard():
    printed = run_example("docs/streaming.md", 0).splitlines()
    assert printed == [line for word in ("They", "book", "a", "room") for line in (f"heard {word}", f"{word} {POS[word]}")]


def test_the_tagging_examples_show_probabilities_and_share_an_encoder():
    for line, tag in zip(run_example("docs/tagging.md", 0).splitlines(), ("PRP", "VBP", "DT", "NN"), strict=True):
        _, predicted, probability = line.split()
        assert predicted == tag
        assert 0.25 < float(probability) <= 1
    assert run_example("docs/tagging.md", 1).startswith("[('They', 'PRP', 'PRON'), ('book', 'VBP', 'VERB')")


def test_the_migrating_example_converts_a_saved_pipeline(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    encode = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 8, "depth": 1, "dropout": 0.0}
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 8, "attrs": ["NORM"], "rows": [50]}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": {**embed, "include_static_vectors": False}, "encode": encode}
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    words = list(POS)
    examples = [Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, tags=list(POS.values())))]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    monkeypatch.chdir(tmp_path)
    Path("training/old").mkdir(parents=True)
    nlp.to_disk("training/old/model-best")
    run_example("docs/migrating.md", 0)
    converted = spacy.load("training/new")
    assert "spacy_rnn.BiLSTMEncoder.v1" in converted.config.to_str()
    assert [token.tag_ for token in converted(Doc(converted.vocab, words=words))] == list(POS.values())


def test_the_migrating_example_moves_the_weights_of_a_module():
    torch = pytest.importorskip("torch")
    names = {}
    run_example("docs/migrating.md", 1, names)
    rows = numpy.random.default_rng(0).normal(size=(9, 64)).astype("float32")
    for module in (names["module"], names["again"]):
        with torch.no_grad():
            expected = module(torch.from_numpy(rows))[0].numpy()
        found = names["layer"].predict(Ragged(rows, numpy.asarray([9]))).data
        numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_example_for_several_labels_scores_and_predicts_by_a_threshold():
    *scores, labels = run_example("docs/labels.md", 0).splitlines()
    recalls = [float(line.split()[-1]) for line in scores]
    assert recalls[0] > recalls[1]
    assert labels == "['transport', 'weather']"


def test_the_attention_example_writes_its_pages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shares = dict(ast.literal_eval(run_example("docs/pages.md", 0)))
    assert max(shares.values()) > 2 / len(shares)
    assert sum(shares.values()) == pytest.approx(1, abs=0.05)
    for name in ("attention", "states"):
        assert (tmp_path / f"{name}.html").read_text(encoding="utf8").startswith("<!DOCTYPE html>")


def test_the_surprisal_example_draws_a_page():
    names = {}
    shown = ast.literal_eval(run_example("docs/pages.md", 1, names))
    assert [word for word, _ in shown] == ["A", "lovely", "cold", "film"]
    titles = [float(bits) for bits in re.findall(r'title="([\d.]+) bits"', names["html"])]
    assert titles == pytest.approx([bits for _, bits in shown], abs=0.06) and min(titles) > 1


def test_the_alignment_example_writes_a_page_and_a_drawing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example("docs/pages.md", 2)
    for name, begin in (("alignment.html", "<!DOCTYPE html>"), ("alignment.svg", "<?xml")):
        content = (tmp_path / name).read_text(encoding="utf8")
        assert content.startswith(begin) and "schläft → sleeps: 90.0%" in content


def test_the_evaluation_example_scores_and_compares():
    *labels, calibration, accuracy, macro_f, macro_recall = run_example("docs/evaluation.md", 0).splitlines()
    assert sorted(labels) == ["bad 1.0 1.0", "good 1.0 1.0"]
    assert 0 <= float(calibration.removeprefix("calibration error ")) < 0.5
    assert [line.rsplit(maxsplit=3)[0] for line in (accuracy, macro_f, macro_recall)] == ["accuracy", "macro F", "macro recall"]
    _, before, after, p = accuracy.split()
    assert float(before) < float(after) == 1.0 and 0 < float(p) <= 1


def test_the_quick_start_saves_and_loads_a_categorizer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_example("docs/quickstart.md", 0).splitlines() == ["a funny film good", "a dull film bad"]


def test_the_ngram_example_scores_with_an_arpa_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("the cat sat on the mat\nthe dog sat on the rug\n")
    options = Options(2, "words", "line", 0, 1, "witten_bell", 1.0, "", False, "1M")
    write_ngrams([tmp_path / "texts.txt"], tmp_path / "lm.arpa", options)
    assert 1 < float(run_example("docs/ngrams.md", 0)) < 5


def test_the_language_model_examples_score_annotate_and_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    fluent, garbled, *written = run_example("docs/language_models.md", 0, names).splitlines()
    assert float(fluent.split()[0]) < 1 < 3 < float(garbled.split()[0])
    assert len(written) == 3 and all(text.startswith("the dog s") for text in written)
    names["texts"] = ["the dog sat on the mat.", "mat the dog on sat the."]
    run_example("docs/language_models.md", 1, names)
    assert names["kept"] == names["texts"][:1]
    surprisals = ast.literal_eval(run_example("docs/language_models.md", 2, names))
    assert [word for word, _ in surprisals] == ["the", "dog", "sat", "on", "the", "mat", "."]
    assert sum(bits for _, bits in surprisals) == pytest.approx(names["scored"][0].bits, abs=1)
    streamed, best, second = run_example("docs/language_models.md", 3, names).splitlines()
    assert streamed.strip()
    bits = [float(line.split()[0]) for line in (best, second)]
    assert all("bits: the cat s" in line for line in (best, second)) and bits[0] < bits[1]


def test_the_encoder_decoder_examples_write_what_they_have_not_seen():
    names = {}
    assert run_example("docs/seq2seq.md", 0, names) == "[('went', 'go'), ('talking', 'talk'), ('hooked', 'hook')]\n"
    assert run_example("docs/seq2seq.md", 1, names) == "['hooked', 'milling']\n"
    best, alternatives = run_example("docs/seq2seq.md", 2, names).splitlines()
    ((other, score),) = ast.literal_eval(alternatives)
    assert best == "the dog sleeps" != other and score < names["doc"]._.rnn_output.score < 0
    arrows = [line.split(" ← ") for line in run_example("docs/seq2seq.md", 3, names).splitlines()]
    assert [target for target, _ in arrows] == ["the", "dog", "sleeps", "</s>"]
    assert {source for _, source in arrows} <= {"der", "Hund", "schläft"} and arrows[2][1] == "schläft"
    found = [line.split(maxsplit=1) for line in run_example("docs/seq2seq.md", 4, names).splitlines()]
    assert found[0][1] == "the dog sings" and len({text for _, text in found}) == 3
    assert [float(score) for score, _ in found] == sorted((float(score) for score, _ in found), reverse=True)
    searched = [line.split(maxsplit=1)[1] for line in run_example("docs/seq2seq.md", 5, names).splitlines()]
    assert searched == ["the dog sings", "a woman waits"]


def test_the_digits_examples_write_texts_of_vectors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    assert run_example("docs/digits.md", 0, names) == "['a warm day', 'rain', 'warm rain all day']\n"
    run_example("docs/digits.md", 1, names)
    assert 0 < float(run_example("docs/digits.md", 2, names)) < 5
    assert run_example("docs/digits.md", 3, names) == "(3, 2)\n"
    build, words = names["build_vector_decoder"], names["build_words"]
    writer = names["VectorToText"](build(words(), width=16, hidden_width=32)).from_disk("weather")
    assert writer.write(names["vectors"]) == names["texts"]


def test_the_pretraining_example_learns_from_language_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("training/texts_lm").mkdir(parents=True)
    make_pipeline().to_disk("training/texts_lm/pipeline")
    names = {}
    run_example("docs/pretraining.md", 0, names)
    nlp = names["nlp"]
    examples = [Example(Doc(nlp.vocab, words=list(POS)), Doc(nlp.vocab, words=list(POS), pos=list(POS.values())))]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk("trained")
    Path("training/texts_lm").rename("elsewhere")
    assert [token.pos_ for token in spacy.load("trained")("They book a room")] == list(POS.values())


def test_the_unfreezing_example_writes_a_config_of_trained_components(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    Path("training").mkdir()
    run_example("docs/pretraining.md", 1)
    before, after = load_config("configs/textcat_unfreezing.cfg"), load_config("training/whole.cfg")
    assert after["components"] == {name: {"source": "training/head/model-last"} for name in ("tok2vec", "textcat")}
    assert before["training"]["frozen_components"] == ["tok2vec"] and after["training"]["frozen_components"] == []
    assert after["paths"]["init_tok2vec"] is None and before["paths"]["init_tok2vec"]
    rates = [config["training"]["optimizer"]["learn_rate"]["initial_rate"] for config in (before, after)]
    assert rates[1] < rates[0]
