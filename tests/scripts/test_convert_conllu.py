"""Treebanks become the documents that the file describes, or one message says where it is wrong."""

import gzip

import pytest

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
WORDS = [["I", "do", "n't", "."], ["Go", "!"]]
COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


def sentence(*words, text=None):
    """Write a sentence: each word a form, or the columns that are not missing."""
    lines = [] if text is None else [f"# text = {text}"]
    number = 0
    for word in words:
        columns = {"form": word} if isinstance(word, str) else dict(word)
        number += "id" not in columns
        columns.setdefault("id", str(number))
        lines.append("\t".join(str(columns.get(name, "_")) for name in COLUMNS))
    return "\n".join(lines) + "\n\n"


def with_heads(text, heads):
    rows = [
        {"form": form, "head": head, "deprel": "root" if head == 0 else "dep"} for form, head in zip(text, heads, strict=True)
    ]
    return sentence(*({key: value for key, value in row.items() if row["head"] != "_" or key == "form"} for row in rows))


def write(folder, text, suffix=".conllu"):
    folder.mkdir(exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode()
    for split in ("train", "dev", "test"):
        (folder / f"xx-ud-{split}{suffix}").write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    return folder


@pytest.fixture
def convert(run, read, tmp_path):
    """Convert a treebank and read its training part."""

    def convert_text(text, *arguments, warning=None, suffix=".conllu"):
        result = run("convert_conllu", write(tmp_path / "in", text, suffix), tmp_path / "out", *arguments)
        assert result.returncode == 0, result.stderr
        assert (warning is None and result.stderr == "") or (warning and warning in result.stderr), result.stderr
        return read(tmp_path / "out" / "train.spacy")

    return convert_text


def words_of(docs):
    return [[token.text for token in sent] for doc in docs for sent in doc.sents]


@pytest.mark.parametrize("suffix", [".conllu", ".conllu.gz"])
def test_words_tags_spaces_and_sentences_are_kept(convert, suffix):
    (doc,) = convert(GOOD, suffix=suffix)
    assert doc.text == "I don't. Go! "
    assert [token.tag_ for token in doc] == ["PRP", "VBP", "RB", ".", "VB", "."]
    assert [token.pos_ for token in doc] == ["PRON", "AUX", "PART", "PUNCT", "VERB", "PUNCT"]
    assert [token.lemma_ for token in doc] == ["", "", "", "", "go", "!"]
    assert [sent.text for sent in doc.sents] == ["I don't.", "Go!"]
    assert [(token.dep_, token.head.text) for token in doc[4:]] == [("ROOT", "Go"), ("punct", "Go")]


def test_documents_have_as_many_sentences_as_asked(convert):
    assert len(convert(GOOD, "--n-sents", 1)) == 2


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n\n#", "\n\n\n\n#"),
        "\n\n" + GOOD + "\n \n\t\n",
        GOOD.replace("\n\n#", "\n \t\n#"),
        GOOD.replace("4\t.", "# comment\n#\n4\t."),
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        GOOD.rstrip("\n") + "\r",
        "\ufeff" + GOOD,
        GOOD.replace("# text = Go!", "\ufeff# text = Go!"),
        GOOD.rstrip("\n")[:-1],
        GOOD.rstrip("\n")[:-1] + "\n\n",
        GOOD.rstrip("\n") + "\t",
        GOOD.replace("\tSpaceAfter=No\n", "\tSpaceAfter=No\t\t\n"),
        GOOD.replace("PRON\tPRP\t_\t_", "PRON\tPRP\t\t"),
        GOOD.replace("1\tGo", "0.1\ty\t_\t_\t_\t_\t_\t_\t_\t_\n0.2\ty\t_\t_\t_\t_\t_\t_\t_\t_\n1\tGo"),
    ],
    ids=[
        "blank lines",
        "blank lines around",
        "white space lines",
        "comments between words",
        "windows",
        "no last line end",
        "carriage return at the end",
        "mark",
        "mark in the middle",
        "empty last column",
        "empty last column of a sentence",
        "last tab",
        "two tabs more",
        "empty columns",
        "empty nodes before",
    ],
)
def test_what_is_odd_in_form_only_is_read(convert, text):
    docs = convert(text)
    assert words_of(docs) == WORDS
    assert docs[0].text == "I don't. Go! "


@pytest.mark.parametrize(
    "old, new, line, expected",
    [
        ("1\tI\t_\tPRON", "1\tI\tPRON", 3, "10 columns"),
        ("1\tI\t_\tPRON", "1\tI\t_\t_\tPRON", 3, "10 columns"),
        ("1\tI\t_\tPRON", "1 I _ PRON", 3, "10 columns"),
        ("3\tn't", "4\tn't", 6, "word number 3"),
        ("3\tn't", "2\tn't", 6, "word number 3"),
        ("3\tn't", "٣\tn't", 6, "word number 3"),
        ("3\tn't", "\tn't", 6, "word number 3"),
        ("2\t!\t!", "x\t!\t!", 12, "word number 2"),
        ("1.1\tyou", "2.1\tyou", 11, "word number 2"),
        ("1.1\tyou", "1.0\tyou", 11, "word number 2"),
        ("\t.\t_\t_\t_\t_\t_\n\n#", "\t.\t_\tX\t_\t_\t_\n\n#", 7, "head"),
        ("\t.\t_\t_\t_\t_\t_\n\n#", "\t.\t_\t-1\t_\t_\t_\n\n#", 7, "head"),
        ("\t.\t_\t_\t_\t_\t_\n\n#", f"\t.\t_\t{'9' * 5000}\t_\t_\t_\n\n#", 7, "head"),
        ("4\t.\t_", "4\t\t_", 7, "word form"),
        ("4\t.\t_", "4\t \t_", 7, "word form"),
        ("\tPRON\tPRP", "\tPRONOUN\tPRP", 3, "'PRONOUN' (column 4)"),
        ("\tPRON\tPRP", "\tpron\tPRP", 3, "'pron' (column 4)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tgarbage", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tA=b=c", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tA=b|", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tA=b||C=d", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tA=", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\t=b", 10, "features (column 6)"),
        ("\tVERB\tVB\t_", "\tVERB\tVB\tA=b|A=c", 10, "features (column 6)"),
        ("\t1\tpunct", "\t99\tpunct", 12, "the sentence has 2 words"),
        ("\t1\tpunct", "\t2\tpunct", 12, "lead back to it"),
        ("\t0\troot", "\t2\troot", 10, "lead back to it"),
        ("2-3\tdon't", "7-9\tdon't", 4, "word number 2"),
        ("2-3\tdon't", "2-1\tdon't", 4, "word number 2"),
        ("2-3\tdon't", "2-2\tdon't", 4, "word number 2"),
        ("2-3\tdon't", "2-5\tdon't", 4, "the multiword token is 2-5, but the sentence has 4 words"),
        ("3\tn't", "3-4\tn't\t_\t_\t_\t_\t_\t_\t_\t_\n3\tn't", 6, "overlaps with the one of line 4"),
        ("2-3\tdon't", "2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_\n2-3\tdon't", 5, "overlaps with the one of line 4"),
        ("# text = Go!\n", "# text = Go!\n\n", 9, "comments only"),
        ("# text = Go!\n", "# text = Go!\n0.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n\n", 9, "no words"),
    ],
)
def test_a_malformed_line_is_named_with_file_and_number(fails, tmp_path, old, new, line, expected):
    assert old in GOOD
    message = fails("convert_conllu", write(tmp_path / "in", GOOD.replace(old, new, 1)))
    assert f"xx-ud-train.conllu, line {line}:" in message
    assert expected in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    "content, expected",
    [(b"", "at least one sentence"), (b"1\t\xff", "codec"), (b"\x1f\x8b\x08\x00truncated", "gz")],
    ids=["empty", "bytes", "compressed"],
)
def test_a_file_that_is_no_treebank_is_named(fails, tmp_path, content, expected):
    suffix = "conllu.gz" if expected == "gz" else "conllu"
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.{suffix}").write_bytes(content)
    message = fails("convert_conllu", tmp_path)
    assert f"train.{suffix}" in message and expected in message


def test_a_treebank_without_its_words_is_an_error(fails, tmp_path):
    assert "without its words" in fails("convert_conllu", write(tmp_path / "in", sentence("_", "_")))


def test_a_fault_of_the_last_file_leaves_nothing_written(fails, tmp_path):
    folder = write(tmp_path / "in", GOOD)
    (folder / "xx-ud-test.conllu").write_text("1\tI\n")
    assert "xx-ud-test.conllu, line 1" in fails("convert_conllu", folder)


def test_two_files_of_a_split_are_named(fails, tmp_path):
    folder = write(tmp_path / "in", GOOD)
    (folder / "b-train.conllu").write_text(GOOD)
    assert "found 2: b-train.conllu, xx-ud-train.conllu" in fails("convert_conllu", folder)


TREE = with_heads("abc", [2, 0, 2])


@pytest.mark.parametrize("n_sents", [1, 10])
@pytest.mark.parametrize(
    "text, warning",
    [
        (TREE + with_heads("abc", [0, 0, 2]) + TREE, "1 of 3 sentences have roots that are left out"),
        (TREE + with_heads("abc", [3, 0, 0]) + TREE, "1 of 3 sentences have roots that are left out"),
        (TREE + with_heads("abc", [0, 0, 0]), "1 of 2 sentences have roots that are left out"),
        (with_heads("abc", [0, 0, 0]) + TREE, "1 of 2 sentences have roots that are left out"),
        (TREE + with_heads("abc", [2, 0, "_"]) + TREE, None),
        (TREE + with_heads("abc", ["_", 0, 2]) + TREE, "have no heads"),
        (TREE + with_heads("abc", [2, "_", 2]) + TREE, "have no heads"),
        (TREE + sentence(*"abc") + TREE, "have no heads"),
        (sentence(*"abc") + TREE, None),
        (sentence(*"abc") + sentence(*"abc"), None),
        (with_heads("abcde", [3, 4, 0, 3, 2]) + with_heads("abcd", [4, 4, 1, 0]), None),
    ],
    ids=[
        "two roots",
        "two roots, the second first",
        "roots only",
        "roots only, first",
        "no head last",
        "no head first",
        "no head in the middle",
        "no tree between",
        "no tree first",
        "no trees",
        "crossing",
    ],
)
def test_sentences_are_those_of_the_file_whatever_the_heads(run, read, tmp_path, text, warning, n_sents):
    folder = write(tmp_path / "in", text)
    result = run("convert_conllu", folder, tmp_path / "out", "--n-sents", n_sents)
    assert result.returncode == 0
    docs = read(tmp_path / "out" / "train.spacy")
    expected = [[line.split("\t")[1] for line in block.split("\n")] for block in text.strip().split("\n\n")]
    assert words_of(docs) == expected
    if n_sents == 10 and warning:
        assert warning in result.stderr
    if n_sents == 10:
        assert len(docs) == 1


def test_of_several_roots_one_stays_and_all_other_heads_are_kept(convert):
    (doc,) = convert(TREE + with_heads("abcd", [2, 0, 0, 3]), warning="have roots that are left out")
    assert [token.dep_ for token in doc] == ["dep", "ROOT", "dep", "dep", "ROOT", "", "dep"]
    assert [token.head.i for token in doc] == [1, 1, 1, 4, 4, 5, 5]


def test_a_missing_head_is_missing_and_the_others_are_kept(convert):
    (doc,) = convert(with_heads("abc", [2, 0, "_"]))
    assert [(token.dep_, token.has_head()) for token in doc] == [("dep", True), ("ROOT", True), ("", False)]


def test_a_root_that_would_begin_a_sentence_is_missing_and_the_others_are_kept(convert):
    (doc,) = convert(with_heads("abc", ["_", 0, 2]), warning="have roots that are left out")
    assert [(token.dep_, token.has_head()) for token in doc] == [("", False), ("", False), ("dep", True)]
    assert words_of([doc]) == [["a", "b", "c"]]


def test_a_long_chain_of_heads_keeps_the_sentences(convert):
    forward = [i + 2 for i in range(199)] + [0]
    # From both ends to the middle, which spaCy does not follow to the end.
    zigzag = [201 - i if i <= 100 else 202 - i for i in range(1, 201)]
    zigzag[100] = 0
    chain = with_heads("a" * 200, forward)
    assert [len(words) for words in words_of(convert(chain + TREE))] == [200, 3]
    docs = convert(chain + with_heads("b" * 200, zigzag) + TREE, warning="1 of 1 documents have no heads")
    assert [len(words) for words in words_of(docs)] == [200, 200, 3]


@pytest.mark.parametrize(
    "misc, space",
    [
        ("SpaceAfter=No", False),
        ("A=b|SpaceAfter=No|C=d", False),
        ("CorrectSpaceAfter=No", True),
        ("CorrectSpaceAfter=Yes|SpaceAfter=No", False),
        ("SpaceAfter=Normal", True),
        ("SpaceAfter=Yes", True),
        ("SpaceAfter", True),
        ("SpacesAfter=No", True),
        ("SpacesAfter=", True),
        ("Gloss=SpaceAfter=No", True),
        ("NoSpaceAfter=Yes", True),
        ("_", True),
    ],
)
def test_a_space_is_missing_by_the_value_of_its_key_alone(convert, misc, space):
    (doc,) = convert(sentence({"form": "a", "misc": misc}, "b"))
    assert doc.text == ("a b " if space else "ab ")


def test_without_marks_of_spaces_the_text_says_where_they_are(convert):
    (doc,) = convert(sentence(*"(Hà Nội)|.".split("|"), text="(Hà Nội).") + sentence("a", "b", "c", text="a bc"))
    assert doc.text == "(Hà Nội). a bc "


DU = [{"id": "2-3", "form": "du"}, "de", "le"]


def test_multiword_tokens_keep_their_words_and_do_not_glue_them(convert):
    text = sentence("parle", *DU, "chat", text="parle du chat")
    (doc,) = convert(text + GOOD, warning="1 of 3 sentences have multiword tokens that are written otherwise")
    assert words_of([doc])[0] == ["parle", "de", "le", "chat"]
    assert doc.text == "parle de le chat I don't. Go! "


def test_a_space_after_a_multiword_token_is_that_of_the_token(convert):
    token = {"id": "1-2", "form": "du", "misc": "SpaceAfter=No"}
    (doc,) = convert(sentence(token, "de", "le", "!", text="du!"), warning="written otherwise")
    assert doc.text == "de le! "


@pytest.mark.parametrize("text, differs", [("a, b", False), ("a ,b", True), ("a, c", True), ("a,  b", False), ("a, b c", True)])
def test_a_text_that_differs_is_reported(convert, text, differs):
    warning = "1 of 1 sentences read otherwise than their # text" if differs else None
    (doc,) = convert(sentence({"form": "a", "misc": "SpaceAfter=No"}, ",", "b", text=text), warning=warning)
    assert doc.text == "a, b "


def test_placeholders_are_no_annotation(convert):
    rows = [{"form": "a", "upos": "NOUN", "xpos": "NN", "lemma": "_a_", "feats": "Number=Sing"}, {"form": "b"}, {"form": "_"}]
    (doc,) = convert(sentence(*rows, {"form": "c", "upos": "X"}, {"form": "d", "xpos": "D"}))
    assert [token.tag_ for token in doc] == ["NN", "", "", "", "D"]
    assert [token.pos_ for token in doc] == ["NOUN", "", "", "X", ""]
    assert [token.lemma_ for token in doc] == ["_a_", "", "_", "", ""]
    assert [token.has_morph() for token in doc] == [True, False, False, True, False]
    assert str(doc[0].morph) == "Number=Sing"
    assert not doc.has_annotation("DEP")


def test_universal_tags_take_the_place_of_tags_that_a_treebank_does_not_have(convert):
    (doc,) = convert(sentence({"form": "a", "upos": "NOUN"}, {"form": "b"}))
    assert [token.tag_ for token in doc] == ["NOUN", ""]


def test_relations_without_labels_are_missing(convert):
    (doc,) = convert(sentence({"form": "a", "head": 2}, {"form": "b", "head": 0}), warning="heads without a relation")
    assert [(token.dep_, token.has_head()) for token in doc] == [("", False), ("", False)]


def test_features_are_read_as_they_are(convert):
    (doc,) = convert(sentence({"form": "a", "upos": "NOUN", "feats": "Number[psor]=Sing|Case=Nom,Acc|9=8"}))
    assert doc[0].morph.to_dict() == {"Number[psor]": "Sing", "Case": "Acc,Nom", "9": "8"}


@pytest.mark.parametrize(
    "miscs, entities",
    [
        (["name=B-PER", "name=I-PER", "name=O"], [("a b", "PER")]),
        (["B-PER", "I-PER", "O"], [("a b", "PER")]),
        (["SpaceAfter=No|NE=U-Person_1", "_", "NE=U-PER"], [("a", "Person_1"), ("c", "PER")]),
        (["NE=B-PER", "NE=L-PER", "NE=U-PER"], [("a b", "PER"), ("c", "PER")]),
        (["NE=B-PER", "NE=E-PER", "NE=S-PER"], [("a b", "PER"), ("c", "PER")]),
        (["name=Anna", "_", "_"], None),
    ],
)
@pytest.mark.parametrize("parsed", [False, True])
def test_entities_are_kept_with_and_without_heads(convert, miscs, entities, parsed):
    heads = [{"head": 0, "deprel": "root"}, {"head": 1, "deprel": "dep"}, {"head": 1, "deprel": "dep"}]
    rows = [
        {"form": form, "misc": misc, **(head if parsed else {})} for form, misc, head in zip("abc", miscs, heads, strict=True)
    ]
    (doc,) = convert(sentence(*rows))
    assert [(ent.text.replace("ab", "a b"), ent.label_) for ent in doc.ents] == (entities or [])
    assert doc.has_annotation("ENT_IOB") == (entities is not None)


@pytest.mark.parametrize(
    "first, second, words",
    [("B-PER", "U-PER", "expected the entity of 'B-PER'"), ("S-PER", "U-PER", "expected the tags of a file to be of one")],
)
def test_entities_that_cannot_follow_are_named(fails, tmp_path, first, second, words):
    text = sentence({"form": "a", "misc": f"NE={first}"}, {"form": "b", "misc": f"NE={second}"})
    assert f"xx-ud-train.conllu, line 2: {words}" in fails("convert_conllu", write(tmp_path / "in", text))


@pytest.mark.parametrize(
    "form", ["10\u00a0000", "\u00a0", "Hà Nội", "a\u2028b", "\u3000", "a\x85", "#", "-", "1-2", "\ufeff", "’"]
)
def test_words_are_cut_at_tabs_only(convert, form):
    (doc,) = convert(sentence(form, {"form": "b", "lemma": form}))
    assert [token.text for token in doc] == [form, "b"]
    assert doc[1].lemma_ == form
