"""What language models brought is said with what they cost."""

import pytest
import spacy
import srsly

MODELS = {
    "files": 1,
    "texts": 1234,
    "characters": 56789,
    "bits_per_character": {"lm_forward": 2.5, "lm_backward": 2.25},
    "seconds": 61.4,
    "megabytes": 3.21,
}


@pytest.fixture
def compare(run, tmp_path):
    """(scores without, scores with, further arguments) -> what the script did with two files of scores and a pipeline."""
    nlp = spacy.blank("en")
    nlp.meta.update(name="some_lm", language_models=MODELS)
    nlp.to_disk(tmp_path / "lm")

    def run_script(without, with_lm, *further, pipeline="lm"):
        srsly.write_json(tmp_path / "without.json", without)
        srsly.write_json(tmp_path / "with.json", with_lm)
        files = ("--without", tmp_path / "without.json", "--with-lm", tmp_path / "with.json")
        arguments = (tmp_path / pipeline, tmp_path / "new" / "out.md", "--corpus", "pos", "--score", "pos_acc", *files, *further)
        return run("compare_with_lm", *arguments, command="compare")

    return run_script


def test_scores_are_compared_in_percent_points(compare, tmp_path):
    result = compare({"pos_acc": 0.955, "speed": 3.0}, {"pos_acc": 0.9493, "speed": 2.0})
    assert result.returncode == 0, result.stderr
    about, _, *table = result.stdout.splitlines()
    assert about.startswith("en_some_lm: trained on 1,234 texts, 56,789 characters, in 61 s; 3.2 MB; ")
    assert about.endswith("lm_forward 2.500, lm_backward 2.250")
    assert table[2:] == ["| pos | pos_acc | 95.50 | 94.93 | -0.57 |"]
    assert (tmp_path / "new" / "out.md").read_text() == result.stdout


@pytest.mark.parametrize(
    "with_lm, further, pipeline, message",
    [
        ({"tag_acc": 0.5}, (), "lm", "with.json: expected the score 'pos_acc'"),
        # spaCy writes null where nothing was annotated.
        ({"pos_acc": None}, (), "lm", "with.json: expected the score 'pos_acc'"),
        ({"pos_acc": 0.5}, ("--corpus", "more"), "lm", "equally often"),
        ({"pos_acc": 0.5}, (), "nowhere", "there is no file"),
        ({"pos_acc": 0.5}, (), "other", "train-lm"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare, tmp_path, with_lm, further, pipeline, message):
    spacy.blank("en").to_disk(tmp_path / "other")
    result = compare({"pos_acc": 0.5}, with_lm, *further, pipeline=pipeline)
    assert result.returncode == 1 and message in result.stderr and not (tmp_path / "new").exists()
