"""Whatever texts, labels and names hold, the page shows it and nothing else."""

from functools import cache
from pathlib import Path

import numpy
import pytest
from trained_pipelines import Page

from spacy_rnn.evaluation import Decision, Decisions, Evaluation, Speed, TrainingLog, compare, compare_by_known, summarize
from spacy_rnn.evaluation.decisions import CLASS, CLASSES, ENTITIES
from spacy_rnn.evaluation.jacobians import Reach
from spacy_rnn.pages.files import write_file
from spacy_rnn.pages.gradients import render_gradients
from spacy_rnn.pages.report import Comparison, Side, draw_plots, render_report

# What is written, and what is read from the page.
HOSTILE = {
    "<script>alert('x')</script>": "<script>alert('x')</script>",
    "</td></table><img src=x onerror=alert(1)>": "</td></table><img src=x onerror=alert(1)>",
    "\"quotes\" 'and' &amp; entities": "\"quotes\" 'and' &amp; entities",
    "{{ 7 * 7 }} {% raw %}": "{{ 7 * 7 }} {% raw %}",
    "control\x00\x07\x1b\x85": "control����",
    "surrogate\udcff": "surrogate�",
    "\u202eoverride": "\u202eoverride",
    "סרט <b>טוב</b>": "סרט <b>טוב</b>",
}


def make_side(name, hostile, task=CLASS, flipped=False):
    """A side of a page on which every text comes from outside."""
    labels = [hostile, "good"]
    pairs = [(labels[i % 2], labels[(i // 2 + flipped) % 2]) for i in range(8)]
    place = (2, 4) if task is ENTITIES else (0, 0)
    decisions = [
        Decision(i, *place, gold, predicted, None if task is ENTITIES else 0.9) for i, (gold, predicted) in enumerate(pairs)
    ]
    probabilities = None if task is ENTITIES else numpy.full(8, 0.9)
    counts = dict.fromkeys(labels, 8) if task is CLASSES else {}
    found = Decisions(decisions, probabilities, numpy.asarray([gold == predicted for gold, predicted in pairs]), counts)
    texts = [f"a {hostile} text"] * 8
    evaluation = Evaluation(hostile, hostile, task, texts, found, {hostile: 0.5})
    speed = Speed(1000.0, 1200.0, 10, 3, hostile, hostile, "2026-01-01")
    log = TrainingLog(Path(hostile.replace("\x00", "")), [1, 2], {hostile: [2.0, 1.0]}, {}, [0.5, 0.6], False)
    return Side(name, hostile, evaluation, summarize(evaluation), speed, log)


@pytest.fixture(scope="module")
def plots():
    """(task) -> the plots of a page; what these show of labels is tested in test_plots.py."""
    return cache(lambda task: draw_plots([make_side("", "bad", task)]))


def check(html, hostile, tmp_path):
    write_file(tmp_path / "page.html", html)
    page = Page(tmp_path / "page.html")
    assert page.faults == []
    assert not {"script", "b"} & page.tags
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and "onerror" not in image for image in page.images)
    assert " ".join(HOSTILE[hostile].split()) in page.text
    return page


FIRST, *OTHERS = HOSTILE


@pytest.mark.parametrize("task", [CLASS, CLASSES, ENTITIES], ids=lambda task: task.name)
@pytest.mark.parametrize("hostile", [FIRST, *(pytest.param(text, marks=pytest.mark.slow) for text in OTHERS)], ids=ascii)
def test_a_report(plots, hostile, task, tmp_path):
    check(render_report([make_side("", hostile, task)], hostile, plots(task)), hostile, tmp_path)


def plots_of_both(plots):
    figures = plots(CLASS)
    return {**figures, "confusion_a": figures["confusion"], "confusion_b": figures["confusion"]}


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_a_comparison(plots, hostile, tmp_path):
    sides = [make_side("A", hostile), make_side("B", hostile, flipped=True)]
    differences = compare(sides[0].evaluation, sides[1].evaluation, n_samples=100)
    page = check(render_report(sides, hostile, plots_of_both(plots), Comparison(differences, 100, 0)), hostile, tmp_path)
    assert page.tables["difference"]


@pytest.mark.parametrize("hostile", [FIRST, *(pytest.param(text, marks=pytest.mark.slow) for text in OTHERS)], ids=ascii)
def test_known_and_unknown_entities(plots, hostile, tmp_path):
    # The texts begin with "a" and a space, so entities are what stands behind these: the first two characters of the text.
    known = {f"a {hostile} text"[2:4]}
    sides = [make_side(name, hostile, ENTITIES, flipped=name == "B") for name in "AB"]
    sides = [side._replace(findings=summarize(side.evaluation, known=known)) for side in sides]
    by_known = compare_by_known(*(side.evaluation for side in sides), known, 100)
    comparison = Comparison(compare(*(side.evaluation for side in sides), n_samples=100), 100, 0, by_known)
    figures = plots_of_both(plots)
    page = check(render_report(sides, hostile, figures, comparison, train=f"train {hostile}"), hostile, tmp_path)
    assert " ".join(f"Known: train {HOSTILE[hostile]} has an entity of exactly the same text".split()) in page.text
    overall, of_groups = page.tables["difference"]
    # All entities have the same text: the difference is that on known ones.
    assert of_groups[1] == ["known entities", "8", "8", *overall[1][1:]]
    assert of_groups[2] == ["unknown entities", "0", "0", *["–"] * 5]
    assert page.tables["scores"][1][2] == ["unknown entities", "–", "–", "–", "0"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_gradients(plots, hostile, tmp_path):
    reaches = {hostile: Reach(numpy.asarray([1.0, 0.5]), 2.0, 1.0)}
    html = render_gradients(reaches, hostile, plots(CLASS)["calibration"], distance=1, threshold=1.0, seed=0)
    check(html, hostile, tmp_path)


def test_names_do_not_change_the_direction_of_what_follows(plots):
    """Each stands in an element of its own direction, which ends what it begins."""
    name = "\u202ename"
    sides = [make_side("A", name), make_side("B", name)]
    differences = compare(sides[0].evaluation, sides[1].evaluation, n_samples=100)
    html = render_report(sides, name, plots_of_both(plots), Comparison(differences, 100, 0))
    body = html[html.index("</title>") :]
    assert "unicode-bidi: isolate" in html
    for before in body.split(name)[:-1]:
        tag = before[before.rindex("<") :]
        # Isolated, or in a cell of its own; a cell with the text around an error begins with "a".
        assert tag in ("<bdi>", "<code>", "<mark>") or tag.startswith(("<td", "<th")), before[-80:]
