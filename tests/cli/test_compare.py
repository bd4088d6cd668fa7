"""`compare` says how two pipelines differ, on the page and in the terminal."""

from functools import cache

import pytest
import spacy
from spacy.tokens import DocBin


@pytest.fixture(scope="module")
def comparison(run, read_page, pipelines, corpora, tmp_path_factory):
    """(pipelines with their numbers of updates, kind, further arguments) -> the page, and what was printed."""
    output = tmp_path_factory.mktemp("compare") / "compare.html"

    @cache
    def compare(a, b, kind, *arguments):
        paths = (pipelines(*a), pipelines(*b))
        code, printed = run("compare", *paths, corpora(kind), "--output", output, "--samples", "1000", *arguments)
        assert code == 0, printed
        return read_page(output), printed

    return compare


def test_a_pipeline_does_not_differ_from_itself(comparison):
    page, printed = comparison(("rnn_textcat",), ("rnn_textcat",), "reviews")
    ((_, *rows),) = page.tables["difference"]
    assert [row[0] for row in rows] == ["accuracy", "macro F", "macro recall"]
    for row in rows:
        assert row[3:] == ["+0.00", "+0.00 to +0.00", "1.0000"]
    assert "do not show that one is better" in printed
    assert "do not show that one is better" in page.text
    assert {row[-1] for table in page.tables["errors"] for row in table[1:]} == {"wrong"}


def test_a_better_pipeline_is_found_to_be_better(comparison):
    page, printed = comparison(("rnn_tagger", 0), ("rnn_tagger",), "tags")
    ((_, *rows),) = page.tables["difference"]
    measure, a, b, difference, interval, p = rows[0]
    assert measure == "accuracy"
    assert float(b) - float(a) == pytest.approx(float(difference), abs=0.02)
    low, high = map(float, interval.split(" to "))
    assert 0 < low < float(difference) < high
    assert p == f"{1 / 1001:.4f}"
    assert " ".join(rows[0]) in printed
    assert "B is better: p < 0.05. Paired bootstrap: 1,000 samples of" in printed


@pytest.mark.slow
def test_each_side_has_the_scores_of_its_own_report(comparison, run, read_page, pipelines, corpora, tmp_path):
    page, _ = comparison(("rnn_textcat", 1), ("rnn_textcat",), "reviews")
    tables = page.tables["scores"]
    for n_updates, side in ((1, tables[:3]), (12, tables[3:])):
        run("report", pipelines("rnn_textcat", n_updates), corpora("reviews"), "--output", tmp_path / "one.html")
        assert read_page(tmp_path / "one.html").tables["scores"] == side


@pytest.mark.slow
def test_errors_say_whether_the_other_pipeline_is_right(comparison):
    page, _ = comparison(("rnn_textcat", 1), ("rnn_textcat",), "reviews", "--errors", "1000")
    errors_a, errors_b = ({(row[0], row[1]): row[-1] for row in table[1:]} for table in page.tables["errors"])
    assert {"right", "wrong"} == set(errors_a.values())
    for errors, others in ((errors_a, errors_b), (errors_b, errors_a)):
        for error, other in errors.items():
            assert other == ("wrong" if error in others else "right")


@pytest.mark.slow
def test_components_of_spacys_are_compared_with_this_packages(comparison):
    page, _ = comparison(
        ("tagger",), ("rnn_tagger",), "tags", "--component-a", "tagger", "--component-b", "rnn_tagger", "--errors", "0"
    )
    assert "The component tagger (tagger)" in page.text
    assert "The component rnn_tagger (rnn_tagger)" in page.text


@pytest.mark.slow
def test_few_texts_are_warned_of(comparison, corpora):
    page, printed = comparison(("rnn_tagger", 0), ("rnn_tagger",), "tags")
    assert "There are only" in page.text and "There are only" in printed
    page, printed = comparison(("rnn_textcat",), ("rnn_textcat",), "reviews")
    assert "There are only" not in page.text + printed


@pytest.mark.slow
def test_plots_of_both(comparison, tmp_path):
    comparison(("rnn_textcat", 1), ("rnn_textcat",), "reviews", "--plots", tmp_path)
    names = ("confusion_a", "confusion_b", "calibration")
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}


@pytest.mark.slow
def test_different_tasks_cannot_be_compared(run, pipelines, corpora):
    code, printed = run("compare", pipelines("rnn_textcat"), pipelines("rnn_textcat_multilabel"), corpora("reviews"))
    assert code == 1
    assert "The two components do not predict the same 'rnn_textcat' predicts doc.cats, classes that exclude" in printed


@pytest.fixture(scope="module")
def with_mixed(pipelines, corpora, tmp_path_factory):
    """A pipeline that knows a third class, and a corpus in which some texts are of that class."""
    folder = tmp_path_factory.mktemp("mixed")
    nlp = spacy.load(pipelines("rnn_textcat"))
    nlp.get_pipe("rnn_textcat").add_label("mixed")
    nlp.to_disk(folder / "pipeline")
    docs = list(DocBin().from_disk(corpora("reviews")).get_docs(nlp.vocab))
    for doc in docs[:7]:
        doc.cats = {"negative": 0.0, "positive": 0.0, "mixed": 1.0}
    DocBin(docs=docs).to_disk(folder / "mixed.spacy")
    return folder / "pipeline", folder / "mixed.spacy"


@pytest.mark.slow
def test_pipelines_are_compared_on_the_same_texts_only(run, pipelines, with_mixed, corpora, tmp_path):
    pipeline, corpus = with_mixed
    code, printed = run("compare", pipelines("rnn_textcat"), pipeline, corpus, "--output", tmp_path / "page.html")
    assert code == 1
    assert "Only one of the two pipelines knows these classes of the corpus: mixed" in printed
    assert not (tmp_path / "page.html").exists()
    code, _ = run("compare", pipelines("rnn_textcat"), pipeline, corpora("reviews"), "--output", tmp_path / "page.html")
    assert code == 0


def test_texts_of_unknown_classes_are_told(run, read_page, pipelines, with_mixed, tmp_path):
    _, corpus = with_mixed
    output = tmp_path / "page.html"
    code, printed = run("compare", pipelines("rnn_textcat"), pipelines("rnn_textcat", 1), corpus, "--output", output)
    assert code == 0
    assert "7 texts are left out: of these, the annotation says none of the classes that 'rnn_textcat' knows" in printed
    assert read_page(output).text.count("7 texts are left out") == 2
