"""What encoder-decoders learn and write: words, characters and subwords, unknown ones too."""

import pytest

CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
WORDS = {"@misc": "spacy_rnn.Words.v1", "min_count": 1}
SUBWORDS = {"@misc": "spacy_rnn.Subwords.v1", "size": 262}
KINDS = {"words": WORDS, "characters": CHARACTERS, "subwords": SUBWORDS}
TEXTS = ["a b", "b", "c a", "b c"]
PAIRS = [(text, text.upper()) for text in TEXTS]


def written(nlp, texts):
    return [doc._.rnn_output.text for doc in nlp.pipe(texts)]


def test_words_from_behind(reversing, reversed_words):
    sources, targets = zip(*reversed_words, strict=True)
    assert written(reversing, sources) == list(targets)


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_symbols_of_either_side(learn_pairs, source, target):
    nlp = learn_pairs(PAIRS, 120 if target == "subwords" else 60, {"source": KINDS[source], "target": KINDS[target]}, rate=0.03)
    assert written(nlp, TEXTS) == [target for _, target in PAIRS]


@pytest.mark.parametrize("kind", KINDS)
def test_symbols_of_both_sides_are_learned_from_both(learn_pairs, kind):
    nlp = learn_pairs([("a b", "c b")], 20, {"source": KINDS[kind], "target": None}, rate=0.05)
    model = nlp.get_pipe("rnn_seq2seq").model
    assert model.attrs["source"] is model.attrs["target"]
    assert not model.attrs["source"].find_unknown("a b c")
    assert written(nlp, ["a b"]) == ["c b"]


def test_lower_case(learn_pairs):
    nlp = learn_pairs([("A B", "C"), ("b a", "D E")], 30, {"target": CHARACTERS}, lower=True)
    assert written(nlp, ["a b", "B A"]) == ["c", "d e"]


def test_lower_case_that_is_longer(learn_pairs):
    """ "İ" is two characters in lower case, so a copied symbol is where the lower case has it."""
    texts = [(f"İ{text}", text) for text in ("aab", "ba", "abb", "b")]
    nlp = learn_pairs(texts, 40, {"source": CHARACTERS, "target": CHARACTERS}, lower=True, store_attention=True)
    output = nlp("İab")._.rnn_output
    assert output.attention.sources == list("i\u0307ab")


# Each of them is seen once, so it is none of the symbols.
RARE = "éèêëàâäîïôöûüùÿçñãõ"


@pytest.fixture(scope="module")
def copying_characters(learn_pairs, draw):
    texts = ["".join(row) for row in draw("abc", len(RARE), 3)]
    texts = [text[: i % 3] + rare + text[i % 3 :] for i, (text, rare) in enumerate(zip(texts, RARE, strict=True))]
    texts += ["".join(row) for row in draw("abc", 15, 4, seed=1)]
    symbols = {**CHARACTERS, "min_count": 2}
    model = {"source": symbols, "target": None, "copy": True, "attention": "additive"}
    return learn_pairs([(text, f"{text}.") for text in texts], 80, model, rate=0.03, n_alternatives=2)


@pytest.fixture(scope="module")
def copying_words(learn_pairs, draw):
    texts = [list(row) for row in draw("abc", len(RARE), 3)]
    texts = [[*text[: i % 3], rare * 3, *text[i % 3 :]] for i, (text, rare) in enumerate(zip(texts, RARE, strict=True))]
    texts += draw("abc", 15, 4, seed=1)
    symbols = {**WORDS, "min_count": 2}
    model = {"source": symbols, "target": None, "copy": True, "attention": "additive"}
    return learn_pairs([(" ".join(text), " ".join([*text, "end"])) for text in texts], 80, model, rate=0.03)


def test_unknown_characters_are_copied(copying_characters):
    texts = ["aßb", "ø", "bcþ", "abc", "æa"]
    assert written(copying_characters, texts) == [f"{text}." for text in texts]


def test_unknown_characters_of_alternatives_are_copied(copying_characters):
    output = copying_characters("aßb")._.rnn_output
    assert len(output.alternatives) == 2
    assert "ß" in "".join(text for text, _ in output.alternatives)
    assert "\ufffd" not in "".join(text for text, _ in output.alternatives)


def test_what_is_copied_is_named_in_attention(copying_characters):
    ((output,),) = copying_characters.get_pipe("rnn_seq2seq").translate(["aßb"], with_attention=True)
    assert output.attention.targets == ["a", "ß", "b", ".", "</s>"]


def test_unknown_words_are_copied(copying_words):
    texts = ["a Haus b", "Haus", "b c Maus", "a b c"]
    assert written(copying_words, texts) == [f"{text} end" for text in texts]
    assert copying_words("a  Haus \n b")._.rnn_output.text == "a Haus b end"


def test_nothing_unknown_is_written_where_nothing_is(learn_pairs):
    """A target has unknown words that its source does not have."""
    symbols = {**WORDS, "min_count": 2}
    texts = [(f"a {letter} b", f"a {letter * 2} b") for letter in "cdcdcdcd"]
    texts = [(source, target.replace("cc", f"c{i}").replace("dd", f"d{i}")) for i, (source, target) in enumerate(texts)]
    nlp = learn_pairs(texts, 40, {"source": symbols, "target": None, "copy": True})
    known = {"a", "b", "c", "d"}
    assert set(nlp("a c b")._.rnn_output.text.split()) <= known
    output = nlp("a new b")._.rnn_output.text
    assert output == "a new b"


def test_norms_of_targets(learn_pairs):
    """The vocabulary has norms of its own for some words, which targets are not read by."""
    nlp = learn_pairs([("a", "£ Ab"), ("b", "x")], 40, {"target": {**WORDS, "attr": "NORM"}})
    assert written(nlp, ["a", "b"]) == ["£ ab", "x"]


def test_alternatives_are_written_otherwise(learn_pairs):
    """The same text can be made of several rows of subwords."""
    nlp = learn_pairs([("a", "the the"), ("b", "then the")], 12, {"target": SUBWORDS}, beam_width=20, n_alternatives=19)
    output = nlp("a")._.rnn_output
    texts = [output.text, *(text for text, _ in output.alternatives)]
    assert len(texts) == len(set(texts)) > 1
    scores = [output.score, *(score for _, score in output.alternatives)]
    assert scores == sorted(scores, reverse=True)
