"""What `gradients` prints and writes."""

import re

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_rnn.cli.loading import read_corpus
from spacy_rnn.recurrence import CELLS

FEW = ("--samples", 1, "--width", 8)


def rows(printed, name):
    """The figures of each row of that name."""
    return [found.split() for found in re.findall(rf"(?<=\s){re.escape(name)}((?: \d[\d.e+-]*(?!\S))+)", printed)]


def test_the_textbook_numbers(run):
    code, printed = run("gradients", *FEW, "--cell", "gru")
    assert code == 0
    assert f"{0.9**100:.3g}" == "2.66e-05" and f"{1.2**100:.3g}" == "8.28e+07"
    assert rows(printed, "0.9^k")[0][-1] == "2.66e-05"
    assert rows(printed, "1.2^k")[0][-1] == "8.28e+07"
    assert rows(printed, "0.9^100") == [["2.66e-05", "2.66e-05"]]
    assert rows(printed, "1.2^100") == [["8.28e+07", "1"]]


def test_every_cell_is_measured(run):
    code, printed = run("gradients", *FEW, "--distance", 20)
    assert code == 0
    for cell in CELLS:
        norm, *relative = map(float, rows(printed, cell)[0])
        assert norm > 0
        assert len(relative) == 5
        assert relative[-1] < relative[0]
        ((before, after),) = rows(printed, f"{cell}, all parameters")
        assert float(after) == pytest.approx(min(float(before), 1.0))


def test_chosen_cells_only(run):
    _, printed = run("gradients", *FEW, "--cell", "lstm", "--cell", "elman_tanh")
    assert [cell for cell in CELLS if rows(printed, cell)] == ["elman_tanh", "lstm"]


def test_the_threshold_can_be_chosen(run):
    _, printed = run("gradients", *FEW, "--cell", "gru", "--clip", 0.5)
    assert rows(printed, "1.2^100") == [["8.28e+07", "0.5"]]


def test_the_layers_of_a_trained_pipeline(run, pipelines, corpora):
    code, printed = run("gradients", pipelines("rnn_tagger"), corpora("tags"), "--samples", 2, "--distance", 10)
    assert code == 0
    for direction in ("forward", "backward"):
        (figures,) = rows(printed, f"rnn_tagger (lstm), {direction}")
        assert len(figures) == 5
    assert not rows(printed, "gru")


def test_every_recurrent_layer_of_a_pipeline_is_named(run, pipelines, corpora, tmp_path):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("rnn_textcat", source=spacy.load(pipelines("rnn_textcat")))
    nlp.to_disk(tmp_path)
    _, printed = run("gradients", tmp_path, corpora("tags"), "--samples", 1, "--distance", 5)
    assert rows(printed, "rnn_tagger (lstm), forward") and rows(printed, "rnn_textcat (lstm), forward")
    _, printed = run("gradients", tmp_path, corpora("tags"), "--samples", 1, "--distance", 5, "--component", "rnn_textcat")
    assert not rows(printed, "rnn_tagger (lstm), forward") and rows(printed, "rnn_textcat (lstm), forward")


def test_a_layer_that_reads_characters_says_so(run, corpora, tmp_path):
    nlp = spacy.blank("xx")
    embed = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8}
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, "cell": "gru"}
    tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
    nlp.add_pipe("rnn_tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    examples = read_corpus(nlp, corpora("tags"))
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path)
    code, printed = run("gradients", tmp_path, corpora("tags"), "--samples", 1, "--distance", 5)
    assert code == 0, printed
    assert rows(printed, "rnn_tagger 1 (lstm, over characters), forward")
    assert rows(printed, "rnn_tagger 2 (gru), forward")


def test_page_and_plots(run, read_page, tmp_path):
    output = tmp_path / "new" / "page.html"
    code, printed = run("gradients", *FEW, "--distance", 20, "--output", output, "--plots", tmp_path / "plots")
    assert code == 0
    page = read_page(output)
    by_distance, clipping = page.tables[""]
    assert [row[0] for row in by_distance[1:]] == ["0.9^k", "1.2^k", *CELLS]
    assert [row[0] for row in clipping[1:3]] == ["0.9^20", "1.2^20"]
    # The page shows what was printed.
    assert by_distance[1][1:] == rows(printed, "0.9^k")[0]
    assert by_distance[3][1:] == rows(printed, "elman_tanh")[0]
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"gradients.png", "gradients.svg"}
    assert (tmp_path / "plots" / "gradients.png").read_bytes()[1:4] == b"PNG"
    assert "gru_reset_before" in (tmp_path / "plots" / "gradients.svg").read_text()


@pytest.mark.parametrize(
    "arguments, message", [(["--cell", "gru"], "--cell is for freshly initialized layers"), ([], "Name a corpus, too.")]
)
def test_options_that_do_not_go_with_a_pipeline(run, pipelines, arguments, message):
    code, printed = run("gradients", pipelines("rnn_tagger"), *arguments)
    assert code == 1
    assert message in printed


def test_a_component_goes_with_a_pipeline_only(run):
    code, printed = run("gradients", "--component", "rnn_tagger")
    assert code == 1
    assert "--component is for a trained pipeline" in printed


def test_the_longest_distance_has_finite_numbers(run):
    code, printed = run("gradients", *FEW, "--cell", "gru", "--distance", 1000)
    assert code == 0
    assert rows(printed, "1.2^1000") == [["1.52e+79", "1"]]
    assert rows(printed, "gru")[0][-1] == "0"


def test_an_unknown_cell(run):
    code, printed = run("gradients", "--cell", "gnu")
    assert code == 1
    assert "There is no cell 'gnu'" in printed
    assert "elman_tanh, elman_relu" in printed


def test_a_corpus_that_is_too_short(run, pipelines, tmp_path):
    DocBin(docs=[spacy.blank("xx")("Only four words .")]).to_disk(tmp_path / "short.spacy")
    code, printed = run("gradients", pipelines("rnn_tagger"), tmp_path / "short.spacy", "--distance", 4)
    assert code == 1
    assert "The texts have only 4 words: a distance of 4 takes 5 at least" in printed
    code, printed = run("gradients", pipelines("rnn_tagger"), tmp_path / "short.spacy", "--distance", 3)
    assert code == 0
    assert "pieces of text averaged: 1." in printed


def test_a_component_without_recurrent_layers(run, pipelines, corpora, tmp_path):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    code, printed = run("gradients", tmp_path, corpora("tags"), "--component", "sentencizer")
    assert code == 1
    assert "The component 'sentencizer', a sentencizer, cannot be taken here: expected one of rnn_tagger" in printed
