"""Converting named entities in columns."""

import gzip

import pytest

# A line of one tab ends a sentence as an empty line does; an entity may follow another of its type.
TEXT = """-DOCSTART- -X- O

Anna\tB-person
Smith\tI-person
met\tO
Bob\tB-person
Ann\tB-person
\t
London\tB-location

"""


def write(folder, text=TEXT):
    folder.mkdir(exist_ok=True)
    for split in ("train", "dev", "test"):
        (folder / f"corpus.{split}.conll").write_text(text, encoding="utf8")
    return folder


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_entities_and_sentences_are_kept(run, read, tmp_path):
    result = run("convert_conll", write(tmp_path / "in"), tmp_path / "out")
    assert result.returncode == 0, result.stderr
    docs = read(tmp_path / "out" / "dev.spacy")
    assert [[token.text for token in doc] for doc in docs] == [["Anna", "Smith", "met", "Bob", "Ann"], ["London"]]
    assert entities(docs[0]) == [("Anna Smith", "person"), ("Bob", "person"), ("Ann", "person")]
    assert entities(docs[1]) == [("London", "location")]
    # Where there is no entity, this is known, and not missing.
    assert docs[0][2].ent_iob_ == "O"


def test_sentences_of_a_document_keep_their_entities_apart(run, read, tmp_path):
    text = "Anna\tB-person\n\nSmith\tI-person\nsleeps\tO\n"
    assert run("convert_conll", write(tmp_path / "in", text), tmp_path / "out", "--n-sents", 2).returncode == 0
    (doc,) = read(tmp_path / "out" / "train.spacy")
    assert entities(doc) == [("Anna", "person"), ("Smith", "person")]
    assert [token.is_sent_start for token in doc] == [True, True, False]


def test_columns_may_be_four_and_separated_by_spaces_and_files_compressed(run, read, tmp_path):
    folder = write(tmp_path / "in", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n")
    plain = folder / "corpus.test.conll"
    (folder / "corpus.test.conll.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert run("convert_conll", folder, tmp_path / "out").returncode == 0
    (doc,) = read(tmp_path / "out" / "test.spacy")
    assert entities(doc) == [("EU", "ORG")]


@pytest.fixture
def convert(run, read, tmp_path):
    """Convert a text to one document for each of its documents, and give words and entities of their sentences."""

    def convert_text(text, *arguments):
        folder = write(tmp_path / "in", text)
        result = run("convert_conll", folder, tmp_path / "out", *arguments)
        assert result.returncode == 0, result.stderr
        return read(tmp_path / "out" / "train.spacy")

    return convert_text


def words_of(docs):
    return [[token.text for token in doc] for doc in docs]


def write_tags(tags):
    return "".join(f"w{i}\t{tag}\n" for i, tag in enumerate(tags.split()))


@pytest.mark.parametrize(
    "tags, spans",
    [
        ("I-A I-A O I-B", [(0, 2, "A"), (3, 4, "B")]),
        ("I-A I-B I-B", [(0, 1, "A"), (1, 3, "B")]),
        ("I-A B-A I-A B-A", [(0, 1, "A"), (1, 3, "A"), (3, 4, "A")]),
        ("B-A I-A B-A O B-B I-B", [(0, 2, "A"), (2, 3, "A"), (4, 6, "B")]),
        ("B-A I-A E-A S-A O S-B B-B E-B", [(0, 3, "A"), (3, 4, "A"), (5, 6, "B"), (6, 8, "B")]),
        ("B-A I-A L-A U-A O U-B B-B L-B", [(0, 3, "A"), (3, 4, "A"), (5, 6, "B"), (6, 8, "B")]),
        ("U-A U-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-a-b I-a-b", [(0, 2, "a-b")]),
        ("O O", []),
    ],
    ids=["IO", "IO of two types", "BIO1", "BIO2", "BIOES", "BILUO", "units", "type with a dash", "none"],
)
def test_entities_are_read_in_every_scheme(convert, tags, spans):
    (doc,) = convert(write_tags(tags))
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == spans
    assert all(token.ent_iob_ for token in doc)


@pytest.mark.parametrize(
    "tags, line, words",
    [
        ("O S-A U-A", 3, "of one scheme, BIOES or BILUO, got 'S-A' before and now 'U-A'"),
        ("U-B B-A O", 3, "expected the entity of 'B-A' to go on or to end here, got 'O'"),
        ("S-B B-A I-B E-B", 3, "to go on or to end here, got 'I-B'"),
        ("S-B B-A B-A E-A", 3, "to go on or to end here, got 'B-A'"),
        ("U-B I-A L-A", 2, "'I-A' to go on with an entity, but none was begun"),
        ("U-B L-A", 2, "'L-A' to go on with an entity, but none was begun"),
        ("B-A E-A I-A", 3, "none was begun"),
        ("U-B B-A", 2, "to end with its sentence, got 'B-A'"),
        ("O M-A", 2, "a tag is O, or B- or I- and a type, got 'M-A'"),
        ("O b-A", 2, "got 'b-A'"),
        ("O A", 2, "got 'A'"),
        ("O _", 2, "got '_'"),
        ("O B-", 2, "got 'B-'"),
    ],
)
def test_tags_that_cannot_follow_are_named(fails, tmp_path, tags, line, words):
    message = fails("convert_conll", write(tmp_path / "in", write_tags(tags)))
    assert words in message
    assert "corpus.train.conll" in message and f", line {line}: " in message


@pytest.mark.parametrize(
    "text",
    [
        "Anna B-A\nsings O\n\nYes O\n",
        "Anna\tB-A\nsings\tO\n\t\nYes\tO",
        "\ufeffAnna\tB-A\nsings\tO\n\n\ufeffYes\tO\n",
        "Anna\tB-A\r\nsings\tO\r\n\r\nYes\tO\r\n",
        "Anna\tB-A\t\nsings\tO \n  \n\n\nYes\tO\t\t\n",
        " Anna  B-A\nsings\t O\n\u00a0\nYes O ",
        "-DOCSTART- -X- O O\n\nAnna B-A\nsings O\n\n-DOCSTART-\n\nYes O\n",
        "-DOCSTART- -X- O O\nAnna B-A\nsings O\n-DOCSTART- (2 x)\nYes O\n",
        "-DOCSTART-\tO\nAnna\tB-A\nsings\tO\n-DOCSTART-\tO\nYes\tO\n",
        "1\tAnna\tB-A\n2\tsings\tO\n\n1\tYes\tO\n",
        "0 Anna NN B-A\n1 sings VB O\n\n0 Yes UH O\n",
        "1 Anna NN B-A\n2 sings VB O\n\n3 Yes UH O\n",
        "# id 5a1a-B\tdomain=en\nAnna _ _ B-A\nsings _ _ O\n\n# id 7\tdomain=en\nYes _ _ O\n",
        "# id 5a1a\nAnna _ B-A\nsings _ O\n\n# id 7\nYes _ O\n",
        "# sent_id = 3\n# text = Vitamin O\nAnna B-A\n# comment = O\nsings O\n\nYes O\n",
        "#\thttp://example.org/ [2009-10-17]\n1\tAnna\tO\tB-A\n2\tsings\tO\tO\n\n#\thttp://x\n1\tYes\tO\tO\n",
        "# newdoc\n# a comment of several words\nAnna B-A\nsings O\n\nYes O\n",
    ],
    ids=[
        "blanks",
        "no last line end",
        "mark in the middle",
        "windows",
        "trailing tabs",
        "more blanks",
        "documents",
        "documents without empty lines",
        "documents with tabs",
        "index from 1",
        "index from 0",
        "index that goes on",
        "ids",
        "ids in blanks",
        "comments with keys",
        "index and source",
        "other comments",
    ],
)
def test_layouts_that_files_have_are_read(convert, text):
    docs = convert(text)
    assert words_of(docs) == [["Anna", "sings"], ["Yes"]]
    assert [entities(doc) for doc in docs] == [[("Anna", "A")], []]


@pytest.mark.parametrize(
    "word",
    [
        "10\u00a0000",
        "a\u2003b",
        "\u00a0",
        "\u3000",
        "a\x85b",
        "a\u2028b",
        "a\x1cb",
        "#",
        "#tag",
        "-",
        "1",
        "\u200b",
        "\ufeff",
        "x\ufeff",
    ],
)
@pytest.mark.parametrize("separator", ["\t", " "])
def test_words_are_cut_at_tabs_and_blanks_only(convert, word, separator):
    (doc,) = convert(f"next{separator}O\n{word}{separator}B-A\n{word}{separator}O\n")
    assert words_of([doc]) == [["next", word, word]]
    assert entities(doc) == [(word, "A")]


def test_columns_may_have_blanks_where_tabs_separate(convert):
    (doc,) = convert("New York\tB-A\nis\tO\n")
    assert words_of([doc]) == [["New York", "is"]]


def test_numbers_are_words_where_they_do_not_count(convert):
    assert words_of(convert("2 CD O\n1 CD O\n\n1 CD O\n")) == [["2", "1"], ["1"]]
    assert words_of(convert("1 CD O\n2 CD O\n\ngo VB O\n")) == [["1", "2"], ["go"]]
    assert words_of(convert("1 O\n2 O\n")) == [["1", "2"]]


def test_no_document_has_sentences_of_two(convert):
    text = "-DOCSTART- O\n\na O\n\nb O\n\nc O\n\n-DOCSTART- O\nd O\n-DOCSTART- O\n"
    docs = convert(text, "--n-sents", 2)
    assert words_of(docs) == [["a", "b"], ["c"], ["d"]]
    assert [len(list(doc.sents)) for doc in docs] == [2, 1, 1]


@pytest.mark.parametrize(
    "text, words",
    [
        ("Anna\tB-person\nSmith\n", "line 2: expected a word and its tag, got 'Smith'"),
        ("Anna\tB-person\n\tO\n", "line 2: expected a word and its tag, got '\\tO'"),
        ("Anna\tB-person\nSmith\t\n", "line 2: expected a word and its tag, got 'Smith\\t'"),
        ("Anna\tperson\n", "line 1: a tag is O, or B- or I- and a type, got 'person'"),
        ("Anna\tB-\n", "got 'B-'"),
        ("EU NNP B-NP B-ORG\nrejects VBZ B-VP\n", "line 2: expected 4 columns as in the lines before, got 3"),
        ("# id 3\n#tag\nAnna O\n", "line 2: expected a word and its tag, got '#tag'"),
        ("Anna O\n# tag x\n", "line 2: expected 2 columns"),
        ("\n\t\n", "expected at least one sentence"),
        ("-DOCSTART- O\n\n# id 3\n", "expected at least one sentence"),
        ("", "expected at least one sentence"),
    ],
    ids=[
        "no tag",
        "no word",
        "empty tag",
        "no scheme",
        "no type",
        "column",
        "no comment",
        "word",
        "empty",
        "documents",
        "nothing",
    ],
)
def test_malformed_lines_are_named(fails, tmp_path, text, words):
    message = fails("convert_conll", write(tmp_path / "in", text))
    assert words in message
    assert "corpus.train.conll" in message


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "valid.txt", "test.txt"),
        ("eng.train", "eng.testa", "eng.testb"),
        ("esp.train", "esp.testa", "esp.testb.gz"),
        ("train.txt", "val.txt", "test.txt"),
        ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        ("NER-de-train.tsv", "NER-de-dev.tsv", "NER-de-test.tsv"),
        ("Train.TXT", "Validation.TXT", "Test.TXT"),
        ("train.txt", "testa.txt", "testb.txt"),
    ],
    ids=" ".join,
)
def test_files_have_their_usual_names(run, read, tmp_path, names):
    for name, word in zip(names, "abc", strict=True):
        data = f"{word} O\n".encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "README").write_text("no corpus")
    (tmp_path / ".train.swp").write_text("no corpus")
    # A second run finds what the first one wrote.
    for _ in range(2):
        assert run("convert_conll", tmp_path, tmp_path).returncode == 0
    docs = [read(tmp_path / f"{split}.spacy") for split in ("train", "dev", "test")]
    assert [words_of(own) for own in docs] == [[["a"]], [["b"]], [["c"]]]


def test_a_missing_or_doubtful_file_is_named(fails, tmp_path):
    folder = write(tmp_path / "in")
    (folder / "other.dev.conll").write_text(TEXT)
    message = fails("convert_conll", folder)
    assert "expected one file with 'dev' in its name" in message
    assert "found 2: corpus.dev.conll, other.dev.conll" in message
    for path in folder.glob("*.dev.*"):
        path.unlink()
    assert "found 0" in fails("convert_conll", folder)
