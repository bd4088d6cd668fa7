"""Rows of handwritten digits in words: training, measuring, and the page."""

import builtins
import json
import sys

import numpy
import pytest


@pytest.fixture
def images(run):
    """The module of that name, of the scripts."""
    import digits.images

    return digits.images


@pytest.fixture
def trained(run, tmp_path):
    """A folder with a small network that was trained for a moment."""
    result = run("train_digits", tmp_path / "new" / "digits", "--steps", "30", "--width", "16", command="train")
    assert result.returncode == 0, result
    return tmp_path / "new" / "digits"


def test_the_parts_are_whole_forms(images):
    parts = images.read_images()
    assert {name: len(part.digits) for name, part in parts.items()} == {"train": 1287, "dev": 128, "test": 382}
    for part in parts.values():
        assert part.pixels.shape[1:] == (8, 8) and part.pixels.min() == 0 and part.pixels.max() == 1
        # A form begins with all digits, three times.
        assert part.digits[:30].tolist() == list(range(10)) * 3
    pixels = {name: {image.tobytes() for image in part.pixels} for name, part in parts.items()}
    assert not pixels["train"] & pixels["test"] and not pixels["train"] & pixels["dev"] and not pixels["dev"] & pixels["test"]


def test_rows_are_of_one_part_and_read_as_they_are(images):
    part = images.read_images()["dev"]
    rows = images.draw_rows(part, 200, numpy.random.default_rng(0))
    assert {len(row) for row in rows.images} == {1, 2, 3, 4, 5}
    known = {image.tobytes(): images.WORDS[digit] for image, digit in zip(part.pixels, part.digits, strict=True)}
    assert rows.texts == [" ".join(known[image.tobytes()] for image in row) for row in rows.images]
    again = images.draw_rows(part, 200, numpy.random.default_rng(0))
    assert again.texts == rows.texts
    other = images.draw_rows(part, 200, numpy.random.default_rng(1))
    assert other.texts != rows.texts


def test_distortion_moves_ink_and_makes_none(images):
    part = images.read_images()["train"]
    rng = numpy.random.default_rng(0)
    numpy.testing.assert_allclose(images.distort(part.pixels[:50], rng, amount=1e-9), part.pixels[:50], atol=1e-5)
    moved = images.distort(part.pixels, rng)
    assert moved.dtype == numpy.float32 and moved.min() >= 0 and moved.max() <= 1
    assert 0.02 < abs(moved - part.pixels).mean() < 0.3
    assert 0.85 < moved.mean() / part.pixels.mean() < 1.1


def test_a_network_is_trained_measured_and_shown(run, trained, read_page):
    training = json.loads((trained / "training.json").read_text())
    assert training["steps"] == 30 and training["width"] == 16 and 0 <= training["dev_exact"] <= 1
    folder = trained.parent
    result = run(
        "evaluate_digits", trained, folder / "m" / "digits.json", folder / "p" / "digits.html", "--n", "50", command="evaluate"
    )
    assert result.returncode == 0, result
    metrics = json.loads((folder / "m" / "digits.json").read_text())
    assert metrics["part"] == "test" and metrics["n"] == 50
    assert 0 <= metrics["exact"] <= 1 and 0 <= metrics["images"] <= 1
    assert set(metrics["exact_by_length"]) == {"1", "2", "3", "4", "5"}
    html = (folder / "p" / "digits.html").read_text(encoding="utf8")
    assert html.count("data:image/png;base64,") == 50 and "<script" not in html
    assert "382 images of test" in html


def test_the_same_seed_gives_the_same_network(run, trained):
    again, other = trained.parent / "again", trained.parent / "other"
    for folder, seed in ((again, 0), (other, 1)):
        arguments = ("--steps", "30", "--width", "16", "--seed", str(seed))
        assert run("train_digits", folder, *arguments, command="train").returncode == 0
    assert (again / "model").read_bytes() == (trained / "model").read_bytes() != (other / "model").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("training.json", None, "training.json"),
        ("training.json", "{}", "expected what scripts/train_digits.py has measured"),
        ("training.json", "[16]", "expected what scripts/train_digits.py has measured"),
        ("training.json", '{"width": 32}', "could not be loaded"),
        ("model", None, "model"),
        ("model", "damaged", "could not be loaded"),
    ],
)
def test_a_damaged_network_is_one_message(run, trained, name, content, message):
    if content is None:
        (trained / name).unlink()
    else:
        (trained / name).write_text(content)
    result = run("evaluate_digits", trained, trained / "m.json", trained / "p.html", command="evaluate")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ") and message in result.stderr
    assert not (trained / "m.json").exists() and not (trained / "p.html").exists()


def test_an_unknown_part_is_one_message(run, trained):
    result = run("evaluate_digits", trained, trained / "m.json", trained / "p.html", "--part", "train", command="evaluate")
    assert result.returncode == 1 and "must be dev or test, got 'train'" in result.stderr


def test_a_missing_package_is_one_message(run, tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *arguments):
        if name.split(".")[0] == "sklearn":
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
        return original(name, *arguments)

    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    result = run("train_digits", tmp_path / "out", command="train")
    assert result.returncode == 1
    assert result.stderr == 'Error: scikit-learn is not installed: python -m pip install -e ".[cli]"\n'
    assert not (tmp_path / "out").exists()


def test_a_bad_width_is_one_message(run, tmp_path):
    result = run("train_digits", tmp_path / "out", "--width", "18", command="train")
    assert result.returncode == 1 and "must be a multiple of 4, got 18" in result.stderr
    assert not (tmp_path / "out").exists()
