"""The command `samples`."""

import pytest
import spacy

from spacy_rnn.evaluation.language.samples import SETTINGS


@pytest.fixture(scope="module")
def paths(language_models):
    return [language_models(), language_models("Characters", "FeedForwardLM")]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "dev.txt").write_text("A lovely, warm film.\nIt was <b>dull</b> & long.\nAn old plot, but warm\n", encoding="utf8")
    (folder / "train.txt").write_text("It was a lovely warm film\n", encoding="utf8")
    return folder


@pytest.fixture(scope="module")
def page(run, paths, texts, tmp_path_factory, read_page):
    output = tmp_path_factory.mktemp("page") / "page.html"
    arguments = ["--text", texts / "dev.txt", "--train", texts / "train.txt", "-n", 2, "--max-symbols", 40]
    code, printed = run("samples", *paths, *arguments, "--output", output)
    assert code == 0, printed
    assert "distinct-4" in printed and "self-BLEU" in printed
    return read_page(output)


def test_the_page_is_sound_and_needs_nothing_else(page):
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} == set(page.ids)
    assert len(page.images) == 2
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and image["alt"] for image in page.images)
    assert not {"script", "link", "iframe", "object"} & page.tags


def test_models_stand_side_by_side_in_every_setting(page, paths):
    for i, _ in enumerate(SETTINGS, 1):
        header, *rows = page.tables[f"setting-{i}"][0]
        # What both paths end with is left out of the names.
        assert header == ["lm", "lm-Characters-FeedForwardLM"]
        assert len(rows) == (6 if i < 5 else 3)
        beginnings = ["A lovely, warm", "It was <b>dull</b>", "An old plot,"]
        for row, beginning in zip(rows, [each for each in beginnings for _ in range(len(rows) // 3)], strict=True):
            assert all(cell.startswith(beginning) for cell in row)


def test_texts_are_those_of_the_component(page, paths):
    nlp = spacy.load(paths[0])
    written = nlp.get_pipe("lm").generate(["A lovely, warm"], n=2, max_symbols=40, temperature=0.8, replace_unknown=True)
    cells = [row[0] for row in page.tables["setting-2"][0][1:3]]
    assert all(" ".join(f"A lovely, warm{each.text}".split()) in cell for each, cell in zip(written, cells, strict=True))


def test_diversity_is_told_of_every_model_and_setting(page):
    header, *rows = page.tables["diversity"][0]
    assert len(rows) == 2 * len(SETTINGS)
    for row in rows:
        distinct, self_bleu, new = row[2:6], row[6], row[7]
        assert all(0 <= float(value) <= 1 for value in (*distinct, self_bleu, new))


def test_surprisal_is_told_by_position(page):
    header, *rows = page.tables["context"][0]
    assert header[1] == "0–10" and header[-1] == "all"
    # No text has more than 50 characters.
    assert all(row[4:7] == ["–", "–", "–"] and float(row[1]) > 0 for row in rows)
    own, by_others = page.tables["errors"]
    assert [float(row[i + 1]) for i, row in enumerate(by_others[1:])] == [float(row[-1]) for row in own[1:]]


@pytest.mark.slow
def test_without_a_text_texts_begin_with_nothing(run, paths, tmp_path, read_page):
    code, printed = run("samples", paths[0], "-n", 2, "--max-symbols", 20, "--output", tmp_path / "page.html")
    assert code == 0, printed
    page = read_page(tmp_path / "page.html")
    assert page.faults == [] and "context" not in page.ids and len(page.images) == 1


@pytest.mark.slow
def test_models_of_words_stand_beside_those_of_characters(run, paths, language_models, texts, tmp_path, read_page):
    arguments = ["--text", texts / "dev.txt", "-n", 1, "--max-symbols", 20, "--prompt", "It was lovely,"]
    code, printed = run("samples", paths[0], language_models("Words"), *arguments, "--output", tmp_path / "page.html")
    assert code == 0, printed
    page = read_page(tmp_path / "page.html")
    assert "lm-Words (words)" in page.text and "lm (characters)" in page.text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--text", "missing.txt"), "There is no file or folder missing.txt"),
        (("--train", "missing.txt"), "There is no file or folder missing.txt"),
        (("--component", "ml"), "The pipeline has no component 'ml'"),
        (("--unit", "page"), "must be one of line, paragraph, file, got 'page'"),
    ],
)
def test_what_cannot_be_done_is_said(run, paths, arguments, message):
    code, printed = run("samples", paths[0], *arguments)
    assert code == 1
    assert message in printed


def test_a_pipeline_that_is_named_twice(run, paths):
    code, printed = run("samples", paths[0], paths[0])
    assert code == 1 and "is named twice" in printed


def test_pipelines_without_a_language_model_or_not_there(run, paths, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    code, printed = run("samples", paths[0], tmp_path / "blank")
    assert code == 1 and "The pipeline has no language model: expected a component rnn_lm, but it has none at all" in printed
    code, printed = run("samples", paths[0], tmp_path / "missing")
    assert code == 1 and "There is no pipeline" in printed


def test_texts_without_white_space_have_short_beginnings(run, paths, tmp_path, read_page):
    lines = [letter + "itwasalovelywarmfilm" * 20 for letter in "abc"]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    output = tmp_path / "samples.html"
    code, printed = run("samples", *paths, "--text", tmp_path / "text.txt", "--output", output, "-n", 1, "--max-symbols", 5)
    assert code == 0, printed
    page = read_page(output).text
    assert all(line[:20] in page and line[:60] not in page for line in lines)
