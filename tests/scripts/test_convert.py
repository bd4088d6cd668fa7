"""The converters read what they are given as it is, and say where it is wrong."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

ROOT = Path(__file__).parent.parent.parent
GOOD = """# sent_id = 1
# text = I don't.
1\tI\t_\tPRON\tPRP\t_\t_\t_\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tdo\t_\tAUX\tVBP\t_\t_\t_\t_\t_
3\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_
4\t.\t_\tPUNCT\t.\t_\t_\t_\t_\t_

# text = Go!
1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
1.1\tyou\t_\tPRON\tPRP\t_\t_\t_\t_\t_
2\t!\t!\tPUNCT\t.\t_\t1\tpunct\t_\t_

"""


def run(script, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def write_conllu(folder, text, suffix=".conllu"):
    folder.mkdir()
    for split in ("train", "dev", "test"):
        path = folder / f"xx-ud-{split}{suffix}"
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())


@pytest.mark.parametrize("suffix", [".conllu", ".conllu.gz"])
def test_conllu_keeps_words_tags_spaces_and_sentences(tmp_path, suffix):
    write_conllu(tmp_path / "in", GOOD, suffix)
    result = run("convert_conllu.py", tmp_path / "in", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    (doc,) = read(tmp_path / "out" / "train.spacy")
    assert doc.text == "I don't. Go! "
    assert [token.tag_ for token in doc] == ["PRP", "VBP", "RB", ".", "VB", "."]
    assert [token.pos_ for token in doc] == ["PRON", "AUX", "PART", "PUNCT", "VERB", "PUNCT"]
    assert [sentence.text for sentence in doc.sents] == ["I don't.", "Go!"]


def test_conllu_documents_have_as_many_sentences_as_asked(tmp_path):
    write_conllu(tmp_path / "in", GOOD)
    run("convert_conllu.py", tmp_path / "in", tmp_path / "out", "--n-sents", 1)
    assert len(read(tmp_path / "out" / "dev.spacy")) == 2


@pytest.mark.parametrize(
    "old, new, line, expected",
    [
        ("1\tI\t_\tPRON", "1\tI\tPRON", 3, "10 columns"),
        ("3\tn't", "4\tn't", 6, "word number 3"),
        ("2\t!\t!", "x\t!\t!", 12, "word number 2"),
        ("\t.\t_\t_\t_\t_\t_\n\n#", "\t.\t_\tX\t_\t_\t_\n\n#", 7, "head"),
        ("4\t.\t_", "4\t\t_", 7, "word form"),
        ("\tPRON\tPRP", "\tPRONOUN\tPRP", 3, "'PRONOUN' (column 4)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tgarbage", 10, "features (column 6)"),
        ("\t1\tpunct", "\t99\tpunct", 12, "the sentence has 2 words"),
        ("2-3\tdon't", "7-9\tdon't", 4, "word number 2"),
        ("2-3\tdon't", "2-1\tdon't", 4, "word number 2"),
        ("# text = Go!\n", "# text = Go!\n\n", 9, "comments only"),
    ],
)
def test_a_malformed_line_is_named_with_file_and_number(tmp_path, old, new, line, expected):
    assert old in GOOD
    write_conllu(tmp_path / "in", GOOD.replace(old, new, 1))
    result = run("convert_conllu.py", tmp_path / "in", tmp_path / "out")
    assert result.returncode == 1
    assert f"xx-ud-train.conllu, line {line}:" in result.stderr
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "content, expected", [(b"", "at least one sentence"), (b"1\t\xff", "codec"), (b"\x1f\x8b\x08\x00truncated", "gz")]
)
def test_a_file_that_is_no_treebank_is_named(tmp_path, content, expected):
    suffix = "conllu.gz" if expected == "gz" else "conllu"
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.{suffix}").write_bytes(content)
    result = run("convert_conllu.py", tmp_path, tmp_path / "out")
    assert result.returncode == 1
    assert f"train.{suffix}" in result.stderr and expected in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("script", ["convert_conllu.py", "convert_textcat.py"])
def test_a_folder_without_the_corpus_is_an_error(tmp_path, script):
    result = run(script, tmp_path / "nowhere", tmp_path / "out")
    assert result.returncode == 1
    assert str(tmp_path / "nowhere") in result.stderr
    assert "Traceback" not in result.stderr


def test_tab_separated_texts(tmp_path):
    for split, text in (("train", "good\t1\nbad\t0\n"), ("dev", "good\t1\n"), ("test", "bad\u2028line\t0\n")):
        (tmp_path / f"{split}.tsv").write_text(text, encoding="utf8")
    result = run("convert_textcat.py", tmp_path, tmp_path / "out", "--name", "0=negative", "--name", "1=positive")
    assert result.returncode == 0, result.stderr
    good, bad = read(tmp_path / "out" / "train.spacy")
    assert good.cats == {"negative": 0.0, "positive": 1.0}
    assert bad.cats == {"negative": 1.0, "positive": 0.0}
    assert [doc.text for doc in read(tmp_path / "out" / "test.spacy")] == ["bad\u2028line"]


def test_texts_and_labels_in_two_files_with_a_mapping(tmp_path):
    (tmp_path / "mapping.txt").write_text("0\tno\n1\tyes\n")
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}_text.txt").write_text("one \ntwo \n")
        (tmp_path / f"{split}_labels.txt").write_text("1\n0\n")
    result = run("convert_textcat.py", tmp_path, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert [doc.cats for doc in read(tmp_path / "out" / "dev.spacy")] == [{"no": 0.0, "yes": 1.0}, {"no": 1.0, "yes": 0.0}]


def test_a_line_without_a_label_is_named(tmp_path):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("good\t1\nno label here\n")
    result = run("convert_textcat.py", tmp_path, tmp_path / "out")
    assert result.returncode == 1
    assert "train.tsv, line 2:" in result.stderr


def test_files_of_different_length_are_an_error(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}_text.txt").write_text("one\ntwo\n")
        (tmp_path / f"{split}_labels.txt").write_text("1\n")
    result = run("convert_textcat.py", tmp_path, tmp_path / "out")
    assert result.returncode == 1
    assert "2 lines" in result.stderr and "1" in result.stderr


def test_a_name_without_a_label_is_an_error(tmp_path):
    result = run("convert_textcat.py", tmp_path, tmp_path / "out", "--name", "positive")
    assert result.returncode == 1
    assert "--name" in result.stderr and "'positive'" in result.stderr
