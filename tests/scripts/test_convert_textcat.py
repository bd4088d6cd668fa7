"""Labelled texts keep their texts, and their labels are checked."""

import gzip

import pytest

SPLITS = ("train", "dev", "test")


def write_tsv(folder, train, dev=None, test=None):
    folder.mkdir(exist_ok=True)
    for split, text in zip(SPLITS, (train, dev or train, test or train), strict=True):
        (folder / f"{split}.tsv").write_bytes(text.encode())
    return folder


def write_pair(folder, texts, labels, dev="val"):
    folder.mkdir(exist_ok=True)
    for split in ("train", dev, "test"):
        (folder / f"{split}_text.txt").write_bytes(texts.encode())
        (folder / f"{split}_labels.txt").write_bytes(labels.encode())
    return folder


@pytest.fixture
def convert(run, read, tmp_path):
    """Convert a corpus and read texts and classes of a split."""

    def convert_folder(folder, *arguments, split="train"):
        result = run("convert_textcat", folder, tmp_path / "out", *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        docs = read(tmp_path / "out" / f"{split}.spacy")
        assert all(sum(doc.cats.values()) == 1 for doc in docs)
        return [(doc.text, max(doc.cats, key=doc.cats.get), sorted(doc.cats)) for doc in docs]

    return convert_folder


def test_tab_separated_texts(convert, tmp_path):
    folder = write_tsv(tmp_path / "in", "good\t1\nbad\t0\n", "good\t1\n", "bad\u2028line\t0\n")
    names = ("--name", "0=negative", "--name", " 1 = positive ")
    classes = ["negative", "positive"]
    assert convert(folder, *names) == [("good", "positive", classes), ("bad", "negative", classes)]
    assert convert(folder, *names, split="test") == [("bad\u2028line", "negative", classes)]


@pytest.mark.parametrize("dev", ["dev", "val", "valid", "validation"])
def test_texts_and_labels_in_two_files_with_a_mapping(convert, tmp_path, dev):
    folder = write_pair(tmp_path / "in", "one \ntwo \n", "1\n0\n", dev)
    (folder / "mapping.txt").write_text("0\tno\n1\tyes\n")
    assert convert(folder, split="dev") == [("one ", "yes", ["no", "yes"]), ("two ", "no", ["no", "yes"])]


@pytest.mark.parametrize(
    "text",
    [
        "a\t1\nb\t0\n",
        "\ufeffa\t1\r\n\ufeffb\t0\r\n",
        "a\t1 \nb\t 0\u00a0",
        "a\t1\t\nb\t0\t\t\n\n \n\t\n",
        "sentence\tlabel\na\t1\nb\t0\n",
        "Text\tLabel\r\na\t1\r\nb\t0\r\n",
    ],
    ids=["plain", "windows with marks", "blanks at labels", "trailing tabs and lines", "header", "header with capitals"],
)
@pytest.mark.parametrize("names", [(), ("--name", "0=0", "--name", "1=1")])
def test_labels_are_read_without_what_surrounds_them(convert, tmp_path, text, names):
    assert convert(write_tsv(tmp_path / "in", text), *names) == [("a", "1", ["0", "1"]), ("b", "0", ["0", "1"])]


@pytest.mark.parametrize(
    "texts, labels, expected",
    [
        ("a\nb\n", "1 \n0\n", ["a", "b"]),
        ("a\nb\n\n", "1\n0\n\n", ["a", "b"]),
        ("a\nb", "1\n0\n\n\n", ["a", "b"]),
        ("a\nb\n\n\n", "1\n0", ["a", "b"]),
        ("a\n\n", "1\n0\n", ["a", ""]),
        ("text\na\nb\n", "label\n1\n0\n", ["a", "b"]),
        ("a\r\nb\r\n", "1\r\n\ufeff0\r\n", ["a", "b"]),
    ],
    ids=["plain", "both end with an empty line", "labels do", "texts do", "an empty text", "headers", "windows"],
)
def test_lines_of_two_files_belong_together(convert, tmp_path, texts, labels, expected):
    rows = convert(write_pair(tmp_path / "in", texts, labels))
    assert rows == [(text, label, ["0", "1"]) for text, label in zip(expected, "10", strict=True)]


def test_files_may_be_compressed(convert, tmp_path):
    for split in SPLITS:
        (tmp_path / f"{split}.tsv.gz").write_bytes(gzip.compress(b"a\t1\n"))
    assert convert(tmp_path) == [("a", "1", ["1"])]


def test_labels_may_be_called_as_they_are_named(convert, tmp_path):
    folder = write_tsv(tmp_path / "in", "a\tyes\nb\t0\n")
    classes = ["no", "yes"]
    assert convert(folder, "--name", "0=no", "--name", "1=yes") == [("a", "yes", classes), ("b", "no", classes)]


def test_all_names_are_classes(convert, tmp_path):
    folder = write_tsv(tmp_path / "in", "a\t1\n")
    (folder / "mapping.txt").write_text("label\tname\n0\tno\t\n\n1\tyes\n")
    assert convert(folder, "--name", "1=indeed") == [("a", "indeed", ["indeed", "no"])]
    assert convert(folder, "--name", "2=no") == [("a", "yes", ["no", "yes"])]


@pytest.mark.parametrize(
    "train, test, words",
    [
        ("good\t1\nno label here\n", None, "train.tsv, line 2: expected a text, a tab and a label, got 'no label here'"),
        ("good\t1\n\nbad\t0\n", None, "train.tsv, line 2: expected a text"),
        ("good\t1\nbad\t \n", None, "got 'bad\\t '. If a text may have several labels or none, use --separator"),
        ("1\tgood\t1\n", None, "train.tsv, line 1: expected a text"),
        (
            "good\t1\nbad\t0\n",
            "index\tsentence\n0\tuneasy mishmash\n",
            "test.tsv, line 1: 'index' and 'sentence' look like the header",
        ),
        (
            "good\t1\nbad\t0\n",
            "0\tuneasy mishmash\n",
            "test.tsv, line 1: the label 'uneasy mishmash' is not in the training part",
        ),
        (
            "label\tsentence\n1\tgood\n",
            None,
            "train.tsv, line 1: 'label' and 'sentence' look like the header of a file with other",
        ),
        ("Zeile\tlabel\ngood\t1\n", None, "train.tsv, line 1: 'Zeile' and 'label' look like the header"),
        ("good\t1\n", "good\t2\n", "test.tsv, line 1: the label '2' is not in the training part"),
        ("\n", None, "train.tsv: expected at least one text"),
        ("sentence\tlabel\n", None, "train.tsv: expected at least one text"),
        ("good\t1\n", "\n\n", "test.tsv: expected at least one text"),
        (f"good\t1\n{'a' * 1_000_001}\t0\n", None, "train.tsv, line 2: [E088]"),
    ],
)
def test_what_is_no_label_is_an_error(fails, tmp_path, train, test, words):
    message = fails("convert_textcat", write_tsv(tmp_path / "in", train, test=test))
    assert words in message and len(message) < 1000


@pytest.mark.parametrize(
    "texts, labels, words",
    [
        ("one\ntwo\n", "1\n", "train_text.txt has 2 lines, but {folder}/train_labels.txt has 1"),
        ("one\n", "1\n0\n", "has 1 lines, but"),
        ("one\ntwo\nthree\n", "1\n\n0\n", "train_labels.txt, line 2: expected a label"),
        ("", "", "train_text.txt: expected at least one text"),
        ("\n", "\n", "train_text.txt: expected at least one text"),
    ],
)
def test_files_that_do_not_belong_together_are_an_error(fails, tmp_path, texts, labels, words):
    folder = write_pair(tmp_path / "in", texts, labels)
    assert words.format(folder=folder) in fails("convert_textcat", folder)


@pytest.mark.parametrize(
    "label, words", [("2", "train.tsv, line 1: the label '2' has no name"), ("maybe", "expected one of '0', '1', 'n")]
)
def test_no_other_labels_than_the_named_ones(fails, tmp_path, label, words):
    folder = write_tsv(tmp_path / "in", f"good\t{label}\nbad\t0\n")
    assert words in fails("convert_textcat", folder, "--name", "0=negative", "--name", "1=positive")
    (folder / "mapping.txt").write_text("0\tno\n1\tyes\n")
    assert words in fails("convert_textcat", folder)


@pytest.mark.parametrize(
    "mapping, words",
    [
        ("0\tno\n1\t❤\t_red_heart_\t\n", "mapping.txt, line 2: expected a label, '\\t' and a name"),
        ("0\n", "mapping.txt, line 1: expected"),
        ("0 no\n", "mapping.txt, line 1: expected"),
        ("0\t \n", "mapping.txt, line 1: expected"),
        ("\tno\n", "mapping.txt, line 1: expected"),
        ("0\tno\n0\tyes\n", "mapping.txt, line 2: the label '0' is called 'yes', but before it was called 'no'"),
        ("\n", "mapping.txt: expected labels and their names"),
    ],
)
def test_a_mapping_that_is_none_is_an_error(fails, tmp_path, mapping, words):
    folder = write_tsv(tmp_path / "in", "good\t1\nbad\t0\n")
    (folder / "mapping.txt").write_text(mapping, encoding="utf8")
    assert words in fails("convert_textcat", folder)


@pytest.mark.parametrize("name", ["positive", "=positive", "1=", "=", "", "1= "])
def test_a_name_without_a_label_is_an_error(fails, tmp_path, name):
    message = fails("convert_textcat", write_tsv(tmp_path / "in", "good\t1\n"), "--name", name)
    assert "--name" in message and repr(name) in message


@pytest.mark.parametrize("lang", ["zz", "", "en.punctuation", "../en", "lex_attrs", "char_classes", "EN"])
def test_a_language_that_spacy_does_not_have_is_an_error(fails, tmp_path, lang):
    assert f"--lang {lang}: " in fails("convert_textcat", write_tsv(tmp_path / "in", "good\t1\n"), "--lang", lang)


def test_missing_and_doubtful_files_are_named(fails, tmp_path):
    folder = write_pair(tmp_path / "in", "a\n", "1\n")
    (folder / "test_labels.txt").unlink()
    assert "expected one of test.tsv, test.jsonl, or test_text.txt and test_labels.txt" in fails("convert_textcat", folder)
    (folder / "val.tsv").write_text("a\t1\n")
    assert "found 2: val.tsv, val_text.txt with val_labels.txt" in fails("convert_textcat", folder)


@pytest.mark.parametrize("name", ["train.tsv", "train.jsonl", "train_text.txt", "train_labels.txt"])
def test_a_file_that_is_there_plain_and_compressed_is_doubtful(fails, tmp_path, name):
    folder = write_pair(tmp_path / "in", "a\n", "1\n")
    for path in (folder / name, folder / f"{name}.gz"):
        path.write_bytes(gzip.compress(b"a\t1\n") if path.suffix == ".gz" else b"a\t1\n")
    assert f"expected either {name} or {name}.gz in {folder}, found both" in fails("convert_textcat", folder)
