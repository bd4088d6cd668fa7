"""A training log is read, and what is none is refused."""

import json

import pytest

from spacy_rnn.evaluation import read_log

ROWS = [
    {"epoch": i, "step": 10 * i, "losses": {"tagger": 4.5 - i}, "scores": {"tag_acc": 100 * score}, "score": score}
    for i, score in enumerate((0.5, 0.625))
]


@pytest.mark.parametrize("performance, fits", [(None, True), ({"tag_acc": 0.625}, True), ({"tag_acc": 0.7}, False)])
def test_a_log_has_a_column_for_each_figure(tmp_path, performance, fits):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + '\n{"epoch": 2, "st')
    log = read_log(str(tmp_path / "log.jsonl"), performance)
    assert (log.steps, log.score, log.losses) == ([0, 10], [0.5, 0.625], {"tagger": [4.5, 3.5]})
    assert log.fits is fits


@pytest.mark.parametrize("content", [None, "", "[1]", '{"text": "no log"}'])
def test_what_is_no_log_is_refused(tmp_path, content):
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"log\.jsonl.*--training\.logger\.output_file"):
        read_log(path)
