"""What cannot be loaded or looked at is said in a sentence, with exit code 1."""

import pytest
import spacy
from spacy.tokens import DocBin


@pytest.fixture(scope="module")
def broken(tmp_path_factory, pipelines):
    """Files that are not what they should be."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "text.txt").write_text("no corpus")
    (folder / "damaged.spacy").write_bytes(b"damaged")
    DocBin().to_disk(folder / "empty.spacy")
    nlp = spacy.blank("xx")
    DocBin(docs=[nlp("Nothing is annotated here.")]).to_disk(folder / "unannotated.spacy")
    nlp.to_disk(folder / "blank")
    nlp.add_pipe("rnn_tagger")
    nlp.to_disk(folder / "untrained")
    spacy.load(pipelines("rnn_tagger")).to_disk(folder / "incomplete")
    (folder / "incomplete" / "rnn_tagger" / "model").unlink()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "pipeline, message",
    [
        ("missing", "There is no pipeline"),
        ("text.txt", "is a file"),
        ("incomplete", "cannot be loaded 'rnn_tagger' could not be loaded"),
        ("blank", "The pipeline has no component that can be taken here: it has none at all"),
        ("untrained", "E109"),
    ],
)
@pytest.mark.parametrize("command", ["report", "gradients"])
def test_a_pipeline_that_cannot_be_looked_at(run, corpora, broken, command, pipeline, message):
    code, printed = run(command, broken / pipeline, corpora("tags"))
    assert code == 1
    assert message in printed


@pytest.mark.parametrize(
    "corpus, message",
    [
        ("missing.spacy", "There is no corpus"),
        ("text.txt", "is not in spaCy's binary format"),
        ("damaged.spacy", "cannot be read"),
        ("empty.spacy", "has no texts"),
        (
            "unannotated.spacy",
            "The texts have no gold annotation of token.tag, which is what the component 'rnn_tagger' predicts",
        ),
    ],
)
def test_a_corpus_that_cannot_be_used(run, pipelines, broken, corpus, message):
    code, printed = run("report", pipelines("rnn_tagger"), broken / corpus)
    assert code == 1
    assert message in printed


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["rnn_textcat", "rnn_textcat_multilabel", "ner"])
def test_a_corpus_of_another_task(run, pipelines, corpora, factory):
    code, printed = run("report", pipelines(factory), corpora("tags"))
    assert code == 1
    assert "The texts have no gold annotation of doc." in printed


@pytest.mark.parametrize("command", ["report", "gradients"])
def test_a_component_that_does_not_exist(run, pipelines, corpora, command):
    code, printed = run(command, pipelines("rnn_tagger"), corpora("tags"), "--component", "tager")
    assert code == 1
    assert "The pipeline has no component 'tager': it has rnn_tagger (rnn_tagger)" in printed


def test_a_component_that_the_command_cannot_look_at(run, pipelines, corpora, tmp_path):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "two")
    code, printed = run("report", tmp_path / "two", corpora("tags"), "--component", "sentencizer")
    assert code == 1
    assert "The component 'sentencizer', a sentencizer, cannot be taken here: expected one of rnn_tagger" in printed


@pytest.mark.parametrize(
    "option, name, message", [("--output", "page.html", "page.html cannot be written"), ("--plots", "", "no file for the plots")]
)
def test_what_cannot_be_written(run, broken, option, name, message):
    code, printed = run("gradients", "--samples", 1, "--width", 2, option, broken / "text.txt" / name)
    assert code == 1
    assert message in printed
