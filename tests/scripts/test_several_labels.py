"""Texts with several labels, or none: from a column, or from JSON lines."""

import gzip
import json

import pytest

SPLITS = ("train", "dev", "test")
GOOD = {"text": "rain stops play", "labels": ["weather", "sport"]}
TRUTHS = [("rain stops play", {"sport": 1.0, "weather": 1.0}), ("sun", {"sport": 0.0, "weather": 1.0})]


def write(folder, train, test=None, name="tsv", dev="dev"):
    """Write the three parts; of the type `txt`, as a file of texts and one of labels."""
    folder.mkdir(exist_ok=True)
    for split in ("train", dev, "test"):
        content = test if split == "test" and test is not None else train
        files = {f"{split}.{name}": content} if isinstance(content, str) else content
        for file, text in files.items():
            data = text.encode()
            (folder / file.format(split=split)).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
    return folder


def lines(*objects):
    return "".join(f"{found if isinstance(found, str) else json.dumps(found)}\n" for found in objects)


@pytest.fixture
def convert(run, read, tmp_path):
    """Convert a corpus and read texts and the truth of all classes of a split."""

    def convert_folder(folder, *arguments, split="train", warning=""):
        result = run("convert_textcat", folder, tmp_path / "out", *arguments)
        assert result.returncode == 0, result.stderr
        assert warning in result.stderr if warning else result.stderr == ""
        return [(doc.text, dict(doc.cats)) for doc in read(tmp_path / "out" / f"{split}.spacy")]

    return convert_folder


@pytest.mark.parametrize("separator", ["|", ",", ";", " ", " / ", "||"])
def test_a_column_has_several_labels_or_none(convert, tmp_path, separator):
    text = f"rain stops play\tweather{separator}sport\nsun\t weather \nhello\t\n"
    expected = [*TRUTHS, ("hello", {"sport": 0.0, "weather": 0.0})]
    assert convert(write(tmp_path / "in", text), "--separator", separator) == expected


@pytest.mark.parametrize(
    "text",
    [
        "text\tlabels\nrain stops play\tweather|sport\nsun\tweather\n",
        "tweet\tTopics\nrain stops play\tweather|sport\nsun\tweather\n",
        "\ufeffrain stops play\tsport | weather\r\nsun\tweather\t\r\n\n\t\n",
    ],
    ids=["header", "header of topics", "windows with blanks and trailing lines"],
)
def test_labels_in_a_column_are_read_without_what_surrounds_them(convert, tmp_path, text):
    assert convert(write(tmp_path / "in", text), "--separator", "|") == TRUTHS


@pytest.mark.parametrize(
    "texts, labels, expected",
    [
        ("a\nb\nc\n", "x|y\n\ny\n", [(1, 1), (0, 0), (0, 1)]),
        ("a\nb\nc\n", "x\ny\n\n", [(1, 0), (0, 1), (0, 0)]),
        ("a\nb\n\n", "x\ny\n\n", [(1, 0), (0, 1)]),
        ("a\nb\n", "x\ny\n\n\n", [(1, 0), (0, 1)]),
        ("a\n\n", "x|y\nx\n", [(1, 1), (1, 0)]),
    ],
    ids=["none in the middle", "none at the end", "both end with an empty line", "labels do", "an empty text"],
)
def test_two_files_have_several_labels_or_none(convert, tmp_path, texts, labels, expected):
    folder = write(tmp_path / "in", {"{split}_text.txt": texts, "{split}_labels.txt": labels})
    rows = convert(folder, "--separator", "|")
    assert [(cats["x"], cats["y"]) for _, cats in rows] == expected


def test_without_a_separator_a_column_is_one_label(convert, tmp_path):
    assert convert(write(tmp_path / "in", "a\tx|y\nb\tx\n")) == [("a", {"x": 0.0, "x|y": 1.0}), ("b", {"x": 1.0, "x|y": 0.0})]


@pytest.mark.parametrize(
    "objects",
    [
        [GOOD, {"text": "sun", "labels": ["weather"]}],
        [
            {**GOOD, "labels": [" weather", "sport "], "id": 7, "meta": {"a": None}},
            '{"labels": ["weather"], "text": "sun"}  ',
            "",
            " ",
        ],
        [
            {"text": "rain stops play", "cats": {"weather": 1, "sport": 1.0}},
            {"text": "sun", "cats": {"weather": True, "sport": False}},
        ],
        [GOOD, {"text": "sun", "cats": {"sport": 0, "weather": 1}}],
    ],
    ids=["labels", "other keys, blanks and empty lines", "cats", "both"],
)
@pytest.mark.parametrize("name", ["jsonl", "jsonl.gz"])
def test_json_lines_have_several_labels(convert, tmp_path, objects, name):
    assert convert(write(tmp_path / "in", lines(*objects), name=name)) == TRUTHS


@pytest.mark.parametrize("dev", ["val", "valid", "validation"])
def test_json_lines_have_the_usual_names(convert, tmp_path, dev):
    folder = write(tmp_path / "in", lines(GOOD), lines({"text": "hello", "labels": []}), name="jsonl", dev=dev)
    assert convert(folder, split="dev") == TRUTHS[:1]
    assert convert(folder, split="test") == [("hello", {"sport": 0.0, "weather": 0.0})]


@pytest.mark.parametrize("text", ["two\nlines\r\nand\u2028more", "tab\tand \U0001f600", " blanks ", "", "null \0", "\ufeffmark"])
def test_json_lines_keep_any_text(convert, tmp_path, text):
    folder = write(tmp_path / "in", lines({"text": text, "labels": ["x"]}), name="jsonl")
    assert convert(folder) == [(text, {"x": 1.0})]


def test_labels_that_are_not_said_to_be_true_or_not_are_unknown(convert, tmp_path):
    train = lines({"text": "a", "cats": {"x": 1, "y": 0}}, {"text": "b", "cats": {"y": 1}}, {"text": "c", "cats": {}})
    folder = write(tmp_path / "in", train, lines({"text": "a", "cats": {"x": 1, "y": 0}}), name="jsonl")
    warning = f"train: the cats of 2 of 3 texts do not have all labels, the first of them {folder}/train.jsonl, line 2: 'x'."
    assert convert(folder, warning=warning) == [("a", {"x": 1.0, "y": 0.0}), ("b", {"y": 1.0}), ("c", {})]
    assert convert(folder, split="test", warning=warning) == [("a", {"x": 1.0, "y": 0.0})]


def test_names_are_all_the_classes(convert, tmp_path):
    folder = write(tmp_path / "in", lines({"text": "a", "labels": ["0", "no"]}), name="jsonl")
    names = ("--name", "0=zero", "--name", "1=one", "--name", "2=no")
    assert convert(folder, *names) == [("a", {"no": 1.0, "one": 0.0, "zero": 1.0})]


@pytest.mark.parametrize(
    "train, test, words",
    [
        ("a\tx|y\nb x\n", None, "train.tsv, line 2: expected a text, a tab and labels, or none after the tab, got 'b x'"),
        ("a\tx|y\n\nb\tx\n", None, "train.tsv, line 2: expected a text, a tab and labels"),
        ("a\tx|y\n\t\nb\tx\n", None, "train.tsv, line 2: expected a text, a tab and labels"),
        ("a\tx\ty\n", None, "train.tsv, line 1: expected a text, a tab and labels"),
        ("text\tlabels\tlabels\na\tx\ty\n", None, "train.tsv, line 1: expected a text, a tab and labels"),
        ("a\tx|\n", None, "train.tsv, line 1: expected labels, got the empty label ''"),
        ("a\tx\nb\tx| |y\n", None, "train.tsv, line 2: expected labels, got the empty label ' '"),
        ("a\tx|y| x\n", None, "train.tsv, line 1: expected different labels, got 'x' twice"),
        ("a\tx|y\n", "a\tx\nb\ty|z\n", "test.tsv, line 2: the label 'z' is not in the training part"),
        ("a\tx\n", "index\tsentence\n1\tx\n", "test.tsv, line 1: 'index' and 'sentence' look like the header"),
        (
            "labels\ttext\nx\ta\n",
            None,
            "train.tsv, line 1: 'labels' and 'text' look like the header of a file with other columns",
        ),
        ("Zeile\ttopics\na\tx\n", None, "train.tsv, line 1: 'Zeile' and 'topics' look like the header"),
        ("a\t\nb\t\n", None, "train.tsv, line 1: expected texts with labels in the training part, but no text has one"),
        ("", None, "train.tsv: expected at least one text"),
        ("text\tlabels\n", None, "train.tsv: expected at least one text"),
        ("a\tx\n", "\t\n", "test.tsv: expected at least one text"),
    ],
)
def test_malformed_columns_are_an_error(fails, tmp_path, train, test, words):
    message = fails("convert_textcat", write(tmp_path / "in", train, test), "--separator", "|")
    assert words in message and len(message) < 1000


@pytest.mark.parametrize(
    "line, words",
    [
        ("", 'expected an object like {"text": "…", "labels": ["…"]}'),
        ("{", "Expecting property name enclosed in double quotes at column 2"),
        ('{"text": "a", "labels": ["x"]', "Expecting ',' delimiter at column"),
        ('{"text": "a", "labels": ["x"]} {}', "Extra data at column 32"),
        ('{"text": "a\tb", "labels": []}', "Invalid control character"),
        ("{'text': 'a', 'labels': []}", "expected an object like"),
        ("[" * 100_000, "expected an object like"),
        ("1" * 5000, "expected an object like"),
        ('["a", ["x"]]', "expected an object like"),
        ("null", "expected an object like"),
        ('"text"', "expected an object like"),
        ("a\tx", "expected an object like"),
        ({"labels": ["x"]}, "but it has no text, but 'labels'"),
        ({"Text": "a", "labels": ["x"]}, "but it has no text, but 'Text', 'labels'"),
        ({}, "but it has no text, but nothing"),
        ({"text": None, "labels": ["x"]}, "but its text is 'null'"),
        ({"text": ["a"], "labels": ["x"]}, "but its text is"),
        ({"text": "a"}, "neither labels nor cats, but 'text'"),
        ({"text": "a", "label": "x"}, "neither labels nor cats, but 'text', 'label'"),
        ({"text": "a", "labels": ["x"], "cats": {"x": 1}}, "both labels and cats"),
        ({"text": "a", "labels": "x"}, "expected a list of labels, got '\"x\"'"),
        ({"text": "a", "labels": None}, "expected a list of labels, got 'null'"),
        ({"text": "a", "labels": {"x": 1}}, "expected a list of labels"),
        ({"text": "a", "labels": ["x", 1]}, "expected labels that are strings, got '1'"),
        ({"text": "a", "labels": [None]}, "expected labels that are strings, got 'null'"),
        ({"text": "a", "labels": [["x"]]}, "expected labels that are strings"),
        ({"text": "a", "labels": ["x", " "]}, "expected labels, got the empty label ' '"),
        ({"text": "a", "labels": ["x", "x "]}, "expected different labels, got 'x' twice"),
        ({"text": "a", "cats": ["x"]}, "expected cats to be an object of labels and 0 or 1"),
        ({"text": "a", "cats": {"x": 0.5}}, "expected 0 or 1 for the label 'x', got '0.5'"),
        ({"text": "a", "cats": {"x": "1"}}, "expected 0 or 1 for the label 'x'"),
        ({"text": "a", "cats": {"x": None}}, "expected 0 or 1 for the label 'x', got 'null'"),
        ({"text": "a", "cats": {"x": float("nan")}}, "expected 0 or 1 for the label 'x', got 'NaN'"),
        ({"text": "a", "cats": {"x": 2}}, "expected 0 or 1 for the label 'x', got '2'"),
        ({"text": "a", "cats": {"x": [1]}}, "expected 0 or 1 for the label 'x'"),
        ({"text": "a", "cats": {"": 1}}, "expected labels, got the empty label ''"),
        ({"text": "a", "cats": {"x": 1, " x": 0}}, "expected different labels, got 'x' twice"),
        ('{"text": "a", "text": "b", "labels": ["x"]}', "the key 'text' is there twice"),
        ('{"text": "a", "cats": {"x": 1, "x": 0}}', "the key 'x' is there twice"),
        ('{"text": "a \\ud83d", "labels": ["x"]}', "expected Unicode text, got half a surrogate pair in 'a \\ud83d'"),
        ('{"text": "a", "labels": ["\\ude00"]}', "expected Unicode text, got half a surrogate pair"),
        ({"text": "a" * 1_000_001, "labels": ["x"]}, "[E088]"),
    ],
)
def test_malformed_json_lines_are_an_error(fails, tmp_path, line, words):
    good = {"text": "a", "labels": ["x"]}
    folder = write(tmp_path / "in", lines(good), lines(good, line, good), name="jsonl")
    message = fails("convert_textcat", folder)
    assert f"{folder}/test.jsonl, line 2: " in message and words in message
    assert len(message) < 1000


@pytest.mark.parametrize("found", [{"labels": ["x", "z"]}, {"cats": {"x": 1, "z": 1}}, {"cats": {"x": 1, "z": 0}}])
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_the_training_part_does_not_have_is_an_error(fails, tmp_path, found, split):
    folder = write(tmp_path / "in", lines({"text": "a", "labels": ["x", "y"]}), name="jsonl")
    (folder / f"{split}.jsonl").write_text(lines({"text": "a", "labels": []}, {"text": "b", **found}))
    expected = f"{split}.jsonl, line 2: the label 'z' is not in the training part"
    assert expected in fails("convert_textcat", folder)
    assert "line 1: the label 'x' has no name" in fails("convert_textcat", folder, "--name", "z=last")


@pytest.mark.parametrize("found", [{"labels": ["1", "yes"]}, {"cats": {"1": 0, "yes": 1}}])
def test_two_labels_of_one_name_are_an_error(fails, tmp_path, found):
    folder = write(tmp_path / "in", lines({"text": "a", **found}), name="jsonl")
    assert "train.jsonl, line 1: expected different labels, got 'yes' twice" in fails(
        "convert_textcat", folder, "--name", "1=yes"
    )


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "train.jsonl: expected at least one text, the file has none"),
        ("\n \n", "train.jsonl: expected at least one text, the file has none"),
        (lines({"text": "a", "labels": []}), "train.jsonl, line 1: expected texts with labels in the training part"),
        (lines({"text": "a", "cats": {}}), "train.jsonl, line 1: expected texts with labels in the training part"),
    ],
)
def test_json_lines_without_texts_or_labels_are_an_error(fails, tmp_path, content, words):
    assert words in fails("convert_textcat", write(tmp_path / "in", content, name="jsonl"))


def test_a_damaged_file_of_json_lines_is_an_error(fails, tmp_path):
    folder = write(
        tmp_path / "in", lines(*[{"text": f"text {n * 7919 % 1000}", "labels": ["x"]} for n in range(500)]), name="jsonl.gz"
    )
    data = (folder / "dev.jsonl.gz").read_bytes()
    (folder / "dev.jsonl.gz").write_bytes(data[: len(data) // 2])
    assert "dev.jsonl.gz: the compressed file is damaged" in fails("convert_textcat", folder)


@pytest.mark.parametrize("separator", ["", "\t", "\n", "|\r"])
def test_what_cannot_separate_labels_is_an_error(fails, tmp_path, separator):
    message = fails("convert_textcat", write(tmp_path / "in", "a\tx\n"), "--separator", separator)
    assert f"--separator: expected what stands between labels, e.g. '|', and no tab or line break, got {separator!r}" in message


def test_a_separator_does_not_go_with_json_lines(fails, tmp_path):
    folder = write(tmp_path / "in", lines(GOOD), name="jsonl")
    assert "train.jsonl: --separator is for labels in a column" in fails("convert_textcat", folder, "--separator", "|")


def test_doubtful_files_are_named(fails, tmp_path):
    folder = write(tmp_path / "in", lines(GOOD), name="jsonl")
    (folder / "train.tsv").write_text("a\tx\n")
    assert "found 2: train.tsv, train.jsonl" in fails("convert_textcat", folder)
