"""The figures on the page of `report` are those of the pipeline and the corpus."""

import json
import re
from functools import cache
from pathlib import Path

import numpy
import pytest
import spacy
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from spacy.tokens import DocBin

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def page_of(run, read_page, pipelines, corpora, tmp_path_factory):
    """(factory, kind, further arguments) -> the page, and what was printed."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(factory, kind, *arguments):
        output = folder / "report.html"
        code, printed = run("report", pipelines(factory), corpora(kind), "--output", output, *arguments)
        assert code == 0, printed
        return read_page(output), printed

    return write


@pytest.fixture(scope="module")
def predicted(pipelines, corpora):
    """Gold and predicted classes of the reviews, and the probabilities of the latter, without this room's code."""
    nlp = spacy.load(pipelines("rnn_textcat"))
    gold = list(DocBin().from_disk(corpora("reviews")).get_docs(nlp.vocab))
    docs = list(nlp.pipe(doc.text for doc in gold))
    best = [max(doc.cats, key=doc.cats.get) for doc in docs]
    return (
        [doc.text for doc in gold],
        [max(doc.cats, key=doc.cats.get) for doc in gold],
        best,
        [doc.cats[label] for doc, label in zip(docs, best, strict=True)],
    )


def test_scores_of_classes_are_scikit_learns(page_of, predicted):
    page, printed = page_of("rnn_textcat", "reviews")
    _, gold, best, _ = predicted
    labels = ["negative", "positive"]
    averages, by_label, own = page.tables["scores"]
    expected = precision_recall_fscore_support(gold, best, labels=labels)
    assert sorted(by_label[1:]) == [
        [label, *(f"{100 * scores[i]:.2f}" for scores in expected[:3]), str(expected[3][i])] for i, label in enumerate(labels)
    ]
    accuracy = f"{100 * accuracy_score(gold, best):.2f}"
    assert averages[1] == ["micro", accuracy, accuracy, accuracy, str(len(gold))]
    assert f"micro {accuracy}" in printed
    assert ["cats_micro_f", f"{accuracy_score(gold, best):.4f}"] in own


def test_the_confusion_matrix_is_scikit_learns(page_of, predicted):
    page, _ = page_of("rnn_textcat", "reviews")
    _, gold, best, _ = predicted
    matrix, errors = page.tables["confusions"]
    expected = confusion_matrix(gold, best)
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == expected.tolist()
    assert ["positive", "negative", str(expected[1, 0])] in errors


def test_the_calibration_error_is_that_of_the_probabilities(page_of, predicted):
    page, _ = page_of("rnn_textcat", "reviews")
    _, gold, best, probabilities = predicted
    right = numpy.asarray(gold) == numpy.asarray(best)
    confidence = numpy.asarray(probabilities)
    bins = numpy.ceil(confidence * 10)
    error = sum((bins == b).sum() * abs(right[bins == b].mean() - confidence[bins == b].mean()) for b in set(bins)) / len(right)
    assert float(re.search(r"Expected calibration error: ([\d.]+)", page.text)[1]) == pytest.approx(error, abs=1e-4)
    ((_, *table),) = page.tables["calibration"]
    assert sum(int(row[2]) for row in table) == len(gold)


def test_the_worst_errors_are_the_most_confident_ones(page_of, predicted):
    page, _ = page_of("rnn_textcat", "reviews", "--errors", "5")
    wrong = [row for row in zip(*predicted, strict=True) if row[1] != row[2]]
    worst = sorted(wrong, key=lambda row: -row[3])[:5]
    ((_, *shown),) = page.tables["errors"]
    assert [float(row[3]) for row in shown] == pytest.approx([row[3] for row in worst], abs=1e-4)
    assert shown[0][:3] == [" ".join(worst[0][0].split()), *worst[0][1:3]]


def test_texts_are_escaped(page_of, predicted):
    page, _ = page_of("rnn_textcat", "reviews", "--errors", "1000")
    text = predicted[0][-1]
    assert text == "<b>Ugly & broken</b> <script>"
    assert text in page.text
    assert not {"script", "b"} & page.tags


def test_tags_have_their_accuracy_and_context(page_of, pipelines, corpora):
    page, _ = page_of("rnn_tagger", "tags")
    nlp = spacy.load(pipelines("rnn_tagger"))
    scores = nlp.evaluate(list(spacy.training.Corpus(corpora("tags"))(nlp)))
    averages, by_label, own = page.tables["scores"]
    assert averages[1][3] == f"{100 * scores['tag_acc']:.2f}"
    assert own == [["tag_acc", f"{scores['tag_acc']:.4f}"]]
    # What the tokenizer has done is no error of the tagger.
    assert "tokens of either side have no counterpart" in page.text
    matrix, frequent = page.tables["confusions"]
    assert "none" in matrix[0]
    assert not any("none" in row for table in (frequent, page.tables["errors"][0]) for row in table)
    assert int(by_label[1][4]) >= int(by_label[2][4]) >= int(by_label[-1][4])
    assert "mark" in page.tags


@pytest.mark.slow
def test_gold_tokens(page_of, pipelines, corpora):
    page, _ = page_of("rnn_tagger", "tags", "--gold-preproc")
    nlp = spacy.load(pipelines("rnn_tagger"))
    scores = nlp.evaluate(list(spacy.training.Corpus(corpora("tags"), gold_preproc=True)(nlp)))
    assert page.tables["scores"][0][1][3] == f"{100 * scores['tag_acc']:.2f}"
    assert "each a gold sentence with gold tokens" in page.text
    assert "no counterpart" not in page.text
    assert "none" not in page.tables["confusions"][0][0]


@pytest.mark.slow
def test_classes_that_do_not_exclude_each_other_are_counted_one_by_one(page_of, pipelines, corpora):
    page, _ = page_of("rnn_textcat_multilabel", "topics")
    nlp = spacy.load(pipelines("rnn_textcat_multilabel"))
    gold = list(DocBin().from_disk(corpora("topics")).get_docs(nlp.vocab))
    docs = list(nlp.pipe(doc.text for doc in gold))
    ((_, *rows),) = page.tables["confusions"]
    assert {row[0] for row in rows} == {"liked", "long"}
    for label, *counts in rows:
        pairs = [(d.cats[label] >= 0.5, g.cats[label] > 0) for g, d in zip(gold, docs, strict=True) if label in g.cats]
        expected = [pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
        assert [int(count) for count in counts] == expected


@pytest.mark.slow
def test_entities_by_type(page_of, pipelines, corpora):
    page, _ = page_of("ner", "entities")
    nlp = spacy.load(pipelines("ner"))
    scores = nlp.evaluate(list(spacy.training.Corpus(corpora("entities"))(nlp)))
    averages, by_type, _ = page.tables["scores"]
    assert averages[1][1:4] == [f"{100 * scores[f'ents_{name}']:.2f}" for name in "prf"]
    for label, precision, recall, f, _ in by_type[1:]:
        expected = scores["ents_per_type"][label]
        assert [precision, recall, f] == [f"{100 * expected[name]:.2f}" for name in "prf"]
    assert "gives no probabilities" in page.text
    assert len(page.images) == 1


def test_errors_without_probabilities_are_not_called_the_worst(page_of):
    page, _ = page_of("ner", "entities")
    assert "The first errors in the corpus: this component gives no probabilities" in page.text
    assert "surest" not in page.text
    page, _ = page_of("rnn_textcat", "reviews")
    assert "What the component was surest of" in page.text


def test_speed_names_the_machine(page_of, corpora):
    page, _ = page_of("rnn_textcat", "reviews")
    found = re.search(
        r"([\d,]+) words a second .* from raw texts of ([\d,]+) words, .* one thread of (.+?), spacy-rnn", page.text
    )
    nlp = spacy.blank("xx")
    words = sum(len(doc) for doc in DocBin().from_disk(corpora("reviews")).get_docs(nlp.vocab))
    assert int(found[1].replace(",", "")) > 100
    assert int(found[2].replace(",", "")) == words
    assert found[3]


def test_plots_are_written_as_files_too(page_of, tmp_path):
    page, _ = page_of("rnn_textcat", "reviews", "--plots", tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        f"{name}.{ending}" for name in ("confusion", "calibration") for ending in ("png", "svg")
    }
    assert len(page.images) == 2


@pytest.mark.slow
def test_the_first_component_that_can_be_looked_at_is_the_default(run, read_page, pipelines, corpora, tmp_path):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("rnn_textcat", source=spacy.load(pipelines("rnn_textcat")))
    nlp.to_disk(tmp_path / "both")
    run("report", tmp_path / "both", corpora("tags"), "--output", tmp_path / "page.html")
    assert "The component rnn_tagger (rnn_tagger) predicts token.tag." in read_page(tmp_path / "page.html").text
    run("report", tmp_path / "both", corpora("reviews"), "-o", tmp_path / "page.html", "--component", "rnn_textcat")
    assert "The component rnn_textcat (rnn_textcat)" in read_page(tmp_path / "page.html").text


@pytest.fixture
def logged(pipelines, tmp_path):
    """A pipeline that says how well it did on dev, and a function that writes the log of its training."""
    nlp = spacy.load(pipelines("rnn_textcat"))
    nlp.meta["performance"] = {"cats_score": 0.75, "rnn_textcat_loss": 2.5}
    nlp.to_disk(tmp_path / "model-best")

    def write(path, best):
        rows = [
            {
                "epoch": i,
                "step": 10 * i,
                "losses": {"rnn_textcat": 4.5 - i},
                "scores": {"cats_score": 100 * score},
                "score": score,
            }
            for i, score in enumerate((0.5, 0.625, best))
        ]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf8")

    return tmp_path / "model-best", write


def report(run, read_page, pipeline, corpus, tmp_path, *arguments):
    code, printed = run("report", pipeline, corpus, "--output", tmp_path / "page.html", *arguments)
    assert code == 0, printed
    return read_page(tmp_path / "page.html")


def test_the_log_beside_a_pipeline_is_found(run, read_page, corpora, logged, tmp_path):
    pipeline, write = logged
    write(tmp_path / "log.jsonl", 0.75)
    (tmp_path / "other.jsonl").write_text('{"text": "no log"}\n')
    page = report(run, read_page, pipeline, corpora("reviews"), tmp_path)
    assert "3 evaluations in" in page.text
    assert "another run" not in page.text
    assert "Learning curve" in page.images[-1]["alt"]


@pytest.mark.slow
def test_the_log_of_another_run_is_told_from_the_pipelines(run, read_page, corpora, logged, tmp_path):
    pipeline, write = logged
    write(tmp_path / "log.jsonl", 0.8)
    assert "this is the log of another run" in report(run, read_page, pipeline, corpora("reviews"), tmp_path).text


@pytest.mark.slow
def test_a_log_can_be_named(run, read_page, corpora, logged, tmp_path):
    pipeline, write = logged
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere" / "run.txt", 0.75)
    page = report(run, read_page, pipeline, corpora("reviews"), tmp_path, "--log", tmp_path / "elsewhere" / "run.txt")
    assert "3 evaluations in" in page.text


def test_without_a_log_the_page_says_how_to_get_one(run, read_page, corpora, logged, tmp_path):
    page = report(run, read_page, logged[0], corpora("reviews"), tmp_path)
    assert "--training.logger.output_file" in page.text
    assert not any("Learning curve" in image["alt"] for image in page.images)


@pytest.mark.slow
def test_the_log_that_spacy_writes_is_read(run, read_page, corpora, tmp_path):
    from spacy.cli.train import train

    overrides = {
        "paths.train": str(corpora("reviews", "train")),
        "paths.dev": str(corpora("reviews", "dev")),
        "training.max_steps": 4,
        "training.eval_frequency": 2,
        "training.logger.output_file": str(tmp_path / "run" / "log.jsonl"),
    }
    train(ROOT / "configs" / "textcat_simple_rnn.cfg", tmp_path / "run", overrides=overrides)
    page = report(run, read_page, tmp_path / "run" / "model-best", corpora("reviews"), tmp_path)
    assert "3 evaluations in" in page.text
    assert "another run" not in page.text


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "no JSON", '{"text": "no log"}'])
def test_a_named_file_that_is_no_log(run, corpora, logged, tmp_path, content):
    path = tmp_path / "wrong.jsonl"
    if content is not None:
        path.write_text(content)
    code, printed = run("report", logged[0], corpora("reviews"), "--log", path)
    assert code == 1
    assert ("is not a log of a training run" if content is not None else "There is no log") in printed
    assert "--training.logger.output_file" in printed
