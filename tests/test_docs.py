"""The examples in the documentation run, and do what the text around them says."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
POS = {"They": "PRON", "book": "VERB", "a": "DET", "room": "NOUN"}


def run_example(path, number):
    """Run a Python example of a page; give back what it printed."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(encoding="utf8"), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[number], f"{path}, example {number}", "exec"), {})
    return printed.getvalue()


def test_the_readme_example_learns_its_sentences():
    assert "('book', 'VERB')" in run_example("README.md", 0)


def test_the_series_example_beats_the_naive_forecast():
    errors = [float(line.split(":")[1]) for line in run_example("docs/state.md", 0).splitlines()]
    assert errors[0] < 0.9 * errors[1]


def test_the_streaming_example_labels_each_word_as_soon_as_it_is_heard():
    printed = run_example("docs/streaming.md", 0).splitlines()
    assert printed == [line for word in ("They", "book", "a", "room") for line in (f"heard {word}", f"{word} {POS[word]}")]
