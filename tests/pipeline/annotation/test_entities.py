"""Entities as a label for each token, there and back."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn.crf import allowed_transitions
from spacy_rnn.pipeline.annotation.entities import entity_labels, forbid_spaces, gold_entities, possible_labels, set_entities

PREDICTED, REFERENCE = spacy.blank("xx").vocab, spacy.blank("xx").vocab
TYPES = ("LOC", "PER")
for name in TYPES:
    # A component's vocabulary has them, and spaCy aligns no others.
    PREDICTED.strings.add(name)
LABELS = entity_labels(TYPES)


def labels_of(mask):
    """The labels that each token may have."""
    return [{LABELS.names[i] for i in numpy.flatnonzero(row)} for row in mask]


def numbers(names):
    return numpy.asarray([LABELS.numbers[name] for name in names.split()], dtype="int64")


def ents(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_labels_are_those_of_the_scheme():
    assert LABELS.names == ("O", "B-LOC", "I-LOC", "L-LOC", "U-LOC", "B-PER", "I-PER", "L-PER", "U-PER")
    assert [LABELS.names[i] for i in numpy.flatnonzero(LABELS.is_edge)] == [n for n in LABELS.names if n[0] in "BLU"]
    assert [LABELS.names[i] for i in numpy.flatnonzero(LABELS.goes_on)] == [n for n in LABELS.names if n[0] in "IL"]


def cut(draw, text):
    """A text in words, cut anywhere."""
    words = [text[0]]
    for character in text[1:]:
        if draw(st.booleans()):
            words.append(character)
        else:
            words[-1] += character
    return words


@st.composite
def examples(draw, same):
    """Words with entities, missing, outside and blocked tokens; and the same words or other ones of the same text."""
    gold = cut(draw, draw(st.text("aB.\n ", min_size=1, max_size=12)))
    words = gold if same else cut(draw, "".join(gold))
    reference = Doc(REFERENCE, words=gold, spaces=[False] * len(gold))
    groups = {kind: [] for kind in ("entity", "blocked", "missing", "outside")}
    start = 0
    while start < len(gold):
        end = draw(st.integers(start + 1, len(gold)))
        kind = draw(st.sampled_from(sorted(groups)))
        groups[kind].append(Span(reference, start, end, label=draw(st.sampled_from(TYPES)) if kind == "entity" else ""))
        start = end
    reference.set_ents(
        groups["entity"], blocked=groups["blocked"], missing=groups["missing"], outside=groups["outside"], default="missing"
    )
    return Example(Doc(PREDICTED, words=words, spaces=[False] * len(words)), reference)


@pytest.mark.filterwarnings("ignore:.*W030.*")
@pytest.mark.parametrize("same", [True, False], ids=["the same tokens", "other tokens"])
def test_the_alignment_is_that_of_spacy(same):
    @settings(deadline=None, database=None, max_examples=150)
    @given(examples(same))
    def check(example):
        assert list(gold_entities(example)) == example.get_aligned_ner()

    check()


def test_a_text_without_annotation_has_none():
    docs = [Doc(PREDICTED, words=["a", " "]), Doc(REFERENCE, words=["a", " "])]
    assert list(gold_entities(Example(*docs))) == [None, None]
    assert list(gold_entities(Example(Doc(PREDICTED), Doc(REFERENCE)))) == []


def test_a_plain_text_may_have_any_labels():
    assert possible_labels(Doc(PREDICTED, words=["a", "b"]), TYPES, LABELS) is None
    assert possible_labels(Doc(PREDICTED), TYPES, LABELS) is None
    assert forbid_spaces(Doc(PREDICTED, words=["a", "b"]), LABELS) is None


def test_whitespace_is_no_edge_of_an_entity():
    doc = Doc(PREDICTED, words=["a", "\n", "b"])
    inner = {"O", "I-LOC", "I-PER"}
    for mask in (possible_labels(doc, TYPES, LABELS), forbid_spaces(doc, LABELS)):
        assert labels_of(mask)[1:] == [inner, set(LABELS.names)]


def test_no_entity_goes_on_where_a_sentence_begins():
    doc = Doc(PREDICTED, words=["a", "b", "c"], sent_starts=[True, False, True])
    start = {name for name in LABELS.names if name[0] in "OBU"}
    assert labels_of(possible_labels(doc, TYPES, LABELS)) == [start, set(LABELS.names), start]


def test_entities_that_are_set_stay():
    doc = Doc(PREDICTED, words=["a", "b", "c", "d", "e", "f", "g", "h"])
    entities = [Span(doc, 0, 3, "PER"), Span(doc, 3, 4, "LOC"), Span(doc, 5, 7, "OTHER")]
    doc.set_ents(entities, blocked=[doc[7:8]], default="outside")
    expected = [{"B-PER"}, {"I-PER"}, {"L-PER"}, {"U-LOC"}, set(LABELS.names), {"O"}, {"O"}, {"O"}]
    assert labels_of(possible_labels(doc, TYPES, LABELS)) == expected


@st.composite
def texts(draw):
    """A text of words and whitespace, with sentences, entities and blocked tokens."""
    words = draw(st.lists(st.sampled_from(["a", "b", " ", "\n"]), min_size=1, max_size=10))
    sentences = draw(st.lists(st.sampled_from([None, False, True]), min_size=len(words), max_size=len(words)))
    doc = Doc(PREDICTED, words=words, sent_starts=sentences)
    entities, blocked, start = [], [], 0
    while start < len(words):
        end = draw(st.integers(start + 1, min(start + 4, len(words))))
        kind = draw(st.sampled_from(["LOC", "OTHER", "blocked", None, None]))
        if kind == "blocked":
            blocked.append(doc[start:end])
        elif kind:
            entities.append(Span(doc, start, end, label=kind))
        start = end
    doc.set_ents(entities, blocked=blocked, default=draw(st.sampled_from(["missing", "outside"])))
    return doc


@settings(deadline=None, database=None, max_examples=150)
@given(texts(), st.integers(0, 2**32 - 1))
def test_every_path_that_is_left_is_written_and_keeps_what_was_set(doc, seed):
    """A random walk along allowed labels never gets stuck, and what it says becomes the text's entities."""
    rules = allowed_transitions(LABELS.names, "BILUO")
    mask = possible_labels(doc, TYPES, LABELS)
    mask = numpy.ones((len(doc), len(LABELS.names)), dtype=bool) if mask is None else mask
    # Which labels lead to the end of the text.
    leads_on = [rules.end & mask[-1]]
    for row in mask[-2::-1]:
        leads_on.insert(0, row & (rules.transitions @ leads_on[0]))
    rng = numpy.random.default_rng(seed)
    path, options = [], rules.start
    for row in leads_on:
        path.append(rng.choice(numpy.flatnonzero(options & row)))
        options = rules.transitions[path[-1]]
    before, blocked = ents(doc), [token.i for token in doc if token.ent_iob == 3 and not token.ent_type]
    set_entities(doc, TYPES, numpy.asarray(path))
    assert set(before) <= set(ents(doc))
    for start, end, label in set(ents(doc)) - set(before):
        assert label in TYPES
        assert not doc[start].is_space and not doc[end - 1].is_space
        assert not any(token.is_sent_start for token in doc[start + 1 : end])
    assert all(doc[i].ent_iob == 3 and not doc[i].ent_type for i in blocked)
    assert all(token.ent_iob in (1, 2, 3) for token in doc)
    doc.ents = doc.ents


def test_entities_are_written():
    doc = Doc(PREDICTED, words=["a"] * 7)
    doc.spans["other"] = [doc[0:2]]
    set_entities(doc, TYPES, numbers("B-PER I-PER L-PER U-LOC O B-LOC L-LOC"))
    assert ents(doc) == [(0, 3, "PER"), (3, 4, "LOC"), (5, 7, "LOC")]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "I", "B", "O", "B", "I"]
    assert [(span.start, span.end) for span in doc.spans["other"]] == [(0, 2)]


def test_what_an_entity_ruler_set_keeps_its_identity():
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PRODUCT", "pattern": "thing", "id": "thing-1"}])
    doc = nlp("a thing in York")
    set_entities(doc, TYPES, numbers("O O O U-LOC"))
    assert [(ent.text, ent.label_, ent.ent_id_) for ent in doc.ents] == [("thing", "PRODUCT", "thing-1"), ("York", "LOC", "")]


@pytest.mark.parametrize("names", ["O", "O O O", "O B-LOC", "L-LOC O"])
def test_labels_that_are_no_entities_of_the_text_are_refused(names):
    with pytest.raises(ValueError):
        set_entities(Doc(PREDICTED, words=["a", "b"]), TYPES, numbers(names))
