"""The command `generate`."""

import io
import os
import subprocess
import sys

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn.cli import printing
from spacy_rnn.cli.app import rnn_cli
from spacy_rnn.cli.language_models.generate import SEPARATOR


@pytest.fixture(scope="module")
def path(language_models):
    return language_models()


@pytest.fixture(scope="module")
def lm(path):
    return spacy.load(path).get_pipe("lm")


def output(*arguments):
    """What a command writes to standard output, unchanged."""
    result = CliRunner().invoke(rnn_cli, ["generate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    "arguments, settings",
    [
        ((), {}),
        (("--temperature", "0.7", "--top-k", "5", "--seed", "3"), {"temperature": 0.7, "top_k": 5, "seed": 3}),
        (("--top-p", "0.8", "--min-p", "0.1", "--typical-p", "0.9"), {"top_p": 0.8, "min_p": 0.1, "typical_p": 0.9}),
        (("--greedy", "--repetition-penalty", "1.2"), {"greedy": True, "repetition_penalty": 1.2}),
        (("--no-repeat-ngram", "3", "--stop", "a", "--stop", "e"), {"no_repeat_ngram": 3, "stop": ["a", "e"]}),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_it_prints_what_the_component_writes(path, lm, arguments, settings, n):
    printed = output(path, "--prompt", "A ", "--max-symbols", 40, "-n", n, *arguments)
    texts = lm.generate(["A "], n=n, max_symbols=40, **settings)
    assert printed == f"{SEPARATOR}\n".join(f"A {each.text}\n" for each in texts)


def test_what_ends_a_text_is_left_out(path, lm):
    (text,) = [each.text for each in lm.generate("A ", max_symbols=40, stop=["e"])]
    assert "e" not in text
    assert output(path, "-p", "A ", "--max-symbols", 40, "--stop", "e") == f"A {text}\n"


def test_without_a_prompt_a_text_is_begun(path, lm):
    assert output(path, "--max-symbols", 20) == "".join(lm.stream("", max_symbols=20)) + "\n"


def test_several_prompts_come_in_their_order(path, lm):
    printed = output(path, "-p", "The", "-p", "A", "-n", 2, "--max-symbols", 10)
    texts = lm.generate(["The", "A"], n=2, max_symbols=10)
    assert printed.split(f"{SEPARATOR}\n") == [f"{each.prompt}{each.text}\n" for each in texts]


def test_a_beam_gives_the_best_texts(path, lm):
    printed = output(path, "-p", "The", "--beam", 4, "-n", 2, "--max-symbols", 20, "--no-repeat-ngram", 4)
    texts = lm.search("The", width=4, n=2, max_symbols=20, no_repeat_ngram=4)
    assert len(texts) == 2
    assert printed.split(f"{SEPARATOR}\n") == [f"The{each.text}\n" for each in texts]


def test_words_of_a_prompt_are_those_of_the_pipeline(language_models):
    path = language_models("Words")
    nlp = spacy.load(path)
    prompt = "It was lovely, and"
    assert nlp.get_pipe("lm").symbols.find_unknown(prompt)
    text = "".join(nlp.get_pipe("lm").stream(nlp.make_doc(prompt), max_symbols=5))
    assert output(path, "-p", prompt, "--max-symbols", 5) == f"{prompt}{text}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--prompt", "日本"), "2 character(s) that the model has never seen: '日' at 0, '本' at 1"),
        (("--prompt", "日"), "(--replace-unknown)"),
        (("--prompt", "A", "--prompt", "日"), "'日' at 0"),
        (("--prompt", "greedy=True日"), "'greedy=True日'"),
        (("--temperature", "0"), "--temperature: expected a number above 0 (for none, --greedy), got 0.0"),
        (("--temperature", "-1"), "--temperature: expected a number above 0"),
        (("--temperature", "nan"), "--temperature: expected a number above 0"),
        (("--top-p", "0"), "--top-p: expected a number in (0, 1]"),
        (("--top-p", "1.5"), "--top-p: expected a number in (0, 1]"),
        (("--top-k", "-1"), "--top-k: expected a whole number of at least 0"),
        (("--no-repeat-ngram", "-1"), "--no-repeat-ngram: expected a whole number of at least 0"),
        (
            ("--greedy", "--top-k", "3", "--temperature", "0.5"),
            "--greedy draws nothing, so it goes without --temperature, --top-k",
        ),
        (("--stop", ""), "--stop has ''"),
        (("--stop", "日"), "--stop has '日'"),
        (("--seed", str(2**64)), "--seed: expected a whole number below 2^64"),
        (
            ("--beam", "3", "--top-k", "5", "--temperature", "0.5"),
            "--beam draws nothing, so it goes without --temperature, --top-k",
        ),
        (("--beam", "3", "-n", "4"), "A beam of 3 finds at most 3 texts for a prompt, not 4"),
        (("--component", "ml"), "The pipeline has no component 'ml': it has lm (rnn_lm)"),
    ],
)
def test_what_cannot_be_done_is_said(run, path, arguments, message):
    code, printed = run("generate", path, *arguments)
    assert code == 1
    assert message in printed


def test_a_pipeline_without_a_language_model(run, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    code, printed = run("generate", tmp_path)
    assert code == 1
    assert "The pipeline has no language model: expected a component rnn_lm, but it has sentencizer" in printed
    code, printed = run("generate", tmp_path, "--component", "sentencizer")
    assert code == 1
    assert "'sentencizer', a sentencizer, cannot be taken here" in printed


def test_a_model_that_was_not_trained(run, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm")
    nlp.to_disk(tmp_path)
    code, printed = run("generate", tmp_path)
    assert code == 1
    assert "E109" in printed


def test_unknown_characters_are_read_as_such_if_asked(path):
    assert output(path, "--prompt", "日", "--replace-unknown", "--max-symbols", 3).startswith("日")


def command(*arguments, **settings):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **settings.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "spacy", "rnn", *map(str, arguments)], stdout=-1, stderr=-1, env=environment, **settings
    )


def test_a_reader_that_stops_reading_is_no_error(path):
    process = command("generate", path, "-p", "A", "-n", 2000, "--max-symbols", 100)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 1
    assert errors == b""


def test_a_terminal_without_the_characters_gets_escapes(path):
    process = command("generate", path, "-p", "日", "--replace-unknown", "--max-symbols", 3, env={"PYTHONIOENCODING": "ascii"})
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert printed.startswith(b"\\u65e5")


class Screen(io.StringIO):
    encoding = "utf8"

    def isatty(self):
        return True


@pytest.mark.parametrize("stream, shown", [(Screen(), "a\n\tb\ufffd[0m"), (io.StringIO(), "a\n\tb\x1b[0m")])
def test_a_terminal_gets_nothing_that_it_would_obey(monkeypatch, stream, shown):
    monkeypatch.setattr(sys, "stdout", stream)
    printing.write("a\n\tb\x1b[0m")
    assert stream.getvalue() == shown


def test_half_of_a_surrogate_pair_is_written_as_an_escape(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf8")
    monkeypatch.setattr(sys, "stdout", stream)
    printing.write("a\ud800")
    assert stream.buffer.getvalue() == b"a\\ud800"


@pytest.mark.parametrize("n", [1, 2])
def test_what_reads_backward_writes_before_the_prompt(language_models, n):
    path = language_models("Characters backward")
    found = spacy.load(path).get_pipe("lm").generate("film.", n=n, max_symbols=30)
    printed = output(path, "--prompt", "film.", "--max-symbols", 30, "-n", n)
    assert printed == f"{SEPARATOR}\n".join(f"{each.text}film.\n" for each in found)
