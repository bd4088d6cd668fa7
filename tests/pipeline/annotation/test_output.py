"""`doc._.rnn_output`: what it is, what is kept with it, and what is refused."""

import json
import pickle

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_rnn.pipeline.annotation.output import (
    OUTPUT_KEY,
    Attention,
    Output,
    get_output,
    register_output,
    set_output,
)

WEIGHTS = numpy.asarray([[0.75, 0.25, 0.0], [0.1, 0.2, 0.7]], dtype="float32")
FULL = Output("a dog", -0.5, [("the dog", -0.75), ("", -9.0)], Attention(["ein", "Hund", "</s>"], ["a", "dog"], WEIGHTS))


def make_doc(text="ein Hund"):
    return spacy.blank("de")(text)


def check_equal(found, expected):
    assert isinstance(found, Output)
    assert found[:3] == expected[:3]
    if expected.attention is None:
        assert found.attention is None
        return
    assert found.attention[:2] == expected.attention[:2]
    assert found.attention.weights.dtype == "float32"
    numpy.testing.assert_array_equal(found.attention.weights, expected.attention.weights)


def test_a_text_without_output():
    register_output()
    doc = make_doc()
    assert get_output(doc) is None and doc._.rnn_output is None
    set_output(doc, None)
    assert not doc.user_data


@pytest.mark.parametrize("output", [Output("a dog", 0.0, [], None), Output("", -1.5, [("x", -2.0)], None), FULL], ids=str)
def test_what_is_set_is_got(output):
    doc = make_doc()
    set_output(doc, output)
    check_equal(get_output(doc), output)
    assert doc._.rnn_output.text == output.text
    set_output(doc, None)
    assert get_output(doc) is None and not doc.user_data


def test_a_gold_output_needs_the_text_alone():
    doc = make_doc()
    set_output(doc, Output("a dog"))
    assert get_output(doc) == ("a dog", 0.0, [], None)


def test_the_attribute_sets_it_too_and_is_plain():
    register_output()
    doc = make_doc()
    doc._.rnn_output = FULL
    check_equal(get_output(doc), FULL)
    assert doc._.rnn_output.score == -0.5
    assert doc._.rnn_output.attention.weights == WEIGHTS.tolist()
    doc._.rnn_output = None
    assert get_output(doc) is None


def test_numbers_of_numpy_become_plain():
    doc = make_doc()
    set_output(doc, Output("a", numpy.float32(-0.5), [("b", numpy.float64(-1.0)), ("c", numpy.int64(-2))], None))
    doc.to_bytes()
    found = get_output(doc)
    assert type(found.score) is float and [type(score) for _, score in found.alternatives] == [float, float]


def test_a_change_of_what_was_given_changes_nothing():
    doc, weights, alternatives = make_doc(), WEIGHTS.copy(), [("x", -1.0)]
    set_output(doc, FULL._replace(alternatives=alternatives, attention=FULL.attention._replace(weights=weights)))
    weights[:] = 0.0
    alternatives.clear()
    check_equal(get_output(doc), FULL._replace(alternatives=[("x", -1.0)]))


@pytest.mark.parametrize("targets, sources", [(0, 3), (3, 0), (0, 0)])
def test_attention_of_no_symbols(targets, sources):
    empty = Attention(["s"] * sources, ["t"] * targets, numpy.zeros((targets, sources), dtype="float32"))
    doc = make_doc()
    set_output(doc, Output("", 0.0, [], empty))
    other = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert get_output(other).attention.weights.shape == (targets, sources)


@pytest.mark.parametrize("output", [Output("a dog", 0.0, [], None), FULL], ids=["text", "full"])
def test_it_survives_being_stored_with_the_text(output):
    nlp = spacy.blank("de")
    doc = nlp("ein Hund")
    set_output(doc, output)
    docs = [
        Doc(nlp.vocab).from_bytes(doc.to_bytes()),
        *DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab),
        doc.copy(),
        pickle.loads(pickle.dumps(doc)),
        Doc(nlp.vocab).from_json(json.loads(json.dumps(doc.to_json(underscore=["rnn_output"])))),
    ]
    for other in docs:
        check_equal(get_output(other), output)
    (without,) = DocBin(docs=[doc]).get_docs(nlp.vocab)
    assert get_output(without) is None


def test_a_part_of_the_text_does_not_have_the_output_of_the_whole():
    doc = make_doc()
    set_output(doc, FULL)
    assert get_output(doc[:1].as_doc(copy_user_data=True)) is None


@Language.component("write_reversed")
def write_reversed(doc):
    set_output(doc, FULL._replace(text=doc.text[::-1]))
    return doc


def test_two_processes_give_what_one_gives():
    nlp = spacy.blank("de")
    nlp.add_pipe("write_reversed")
    texts = ["ein Hund", "", "zwei"] * 3
    for text, doc in zip(texts, nlp.pipe(texts, batch_size=2, n_process=2), strict=True):
        check_equal(get_output(doc), FULL._replace(text=text[::-1]))


def test_a_new_process_reads_what_another_has_stored(tmp_path, python):
    doc = make_doc()
    set_output(doc, FULL)
    DocBin(store_user_data=True, docs=[doc]).to_disk(tmp_path / "docs.spacy")
    code = f"""
import spacy
from spacy.tokens import DocBin
from spacy_rnn.pipeline.annotation.output import register_output
register_output()
(doc,) = DocBin().from_disk({str(tmp_path / "docs.spacy")!r}).get_docs(spacy.blank("xx").vocab)
print(doc._.rnn_output.text)
"""
    process = python("-c", code)
    assert process.stdout == "a dog\n", process.stderr


BAD = {
    "a string": ("a dog", "expected the values text, score, alternatives, attention"),
    "too few values": (["a dog", 0.0], "expected the values"),
    "no string": (Output(3), "expected a text as a string, got 3"),
    "bytes": (Output(b"a"), "expected a text as a string"),
    "half a pair": (Output("a\ud800"), "half of a surrogate pair"),
    "score is nan": (Output("a", float("nan")), "finite number, got nan"),
    "score is inf": (Output("a", float("-inf")), "finite number, got -inf"),
    "score is text": (Output("a", "0"), "finite number, got '0'"),
    "score is bool": (Output("a", True), "finite number, got True"),
    "alternatives is a dict": (Output("a", 0.0, {"b": 1.0}), "expected alternatives as a list"),
    "an alternative without score": (Output("a", 0.0, [("b", 0.0), ("c",)]), "expected alternative 1 as a text and its score"),
    "an alternative's score": (Output("a", 0.0, [("b", float("nan"))]), "finite number"),
    "an alternative's text": (Output("a", 0.0, [(None, 0.0)]), "expected a text as a string, got None"),
    "attention is a matrix": (Output("a", 0.0, [], WEIGHTS), "expected attention as sources, targets, weights"),
    "attention turned": (Output("a", 0.0, [], Attention(["x"] * 3, ["y"] * 2, WEIGHTS.T)), r"2 targets and 3 sources.*\[3, 2\]"),
    "attention of one row": (Output("a", 0.0, [], Attention(["x"] * 3, ["y"], WEIGHTS[0])), r"1 targets and 3 sources.*\[3\]"),
    "attention ragged": (Output("a", 0.0, [], Attention(["x"] * 2, ["y"] * 2, [[1.0], [1.0, 0.0]])), "matrix of numbers"),
    "attention of words": (Output("a", 0.0, [], Attention(["x"], ["y"], [["z"]])), "matrix of numbers"),
    "attention of digits": (Output("a", 0.0, [], Attention(["x"], ["y"], [["0.5"]])), "matrix of numbers, got"),
    "attention of truths": (Output("a", 0.0, [], Attention(["x"], ["y"], [[True]])), "matrix of numbers, got"),
    "attention of nothing": (Output("a", 0.0, [], Attention(["x"], ["y"], None)), "matrix of numbers, got None"),
    "attention is nan": (Output("a", 0.0, [], Attention(["x"], ["y"], [[float("nan")]])), "not all finite"),
    "symbols as a string": (Output("a", 0.0, [], Attention("xyz", ["y"] * 2, WEIGHTS)), "sources .* list of strings, got 'xyz'"),
    "symbols as numbers": (Output("a", 0.0, [], Attention(["x"] * 3, [1, 2], WEIGHTS)), "expected a text as a string, got 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_output_is_refused_and_the_old_one_stays(name):
    output, message = BAD[name]
    doc = make_doc()
    set_output(doc, FULL)
    with pytest.raises(ValueError, match=message):
        set_output(doc, output)
    check_equal(get_output(doc), FULL)


DAMAGED = {
    "a string": lambda stored: "a dog",
    "a list": lambda stored: list(stored.values()),
    "a key is missing": lambda stored: {key: stored[key] for key in ("text", "score", "attention")},
    "a key too many": lambda stored: {**stored, "other": 1},
    "no text": lambda stored: {**stored, "text": None},
    "score": lambda stored: {**stored, "score": "x"},
    "alternatives": lambda stored: {**stored, "alternatives": [["a"]]},
    "attention's keys": lambda stored: {**stored, "attention": {"weights": [[1.0]]}},
    "attention's type": lambda stored: {**stored, "attention": 5},
    "attention's shape": lambda stored: {**stored, "attention": {**stored["attention"], "weights": [[1.0]]}},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_data_is_refused_with_its_place(name):
    doc = make_doc()
    set_output(doc, FULL)
    doc.user_data[OUTPUT_KEY] = DAMAGED[name](doc.user_data[OUTPUT_KEY])
    for read in (get_output, lambda doc: doc._.rnn_output):
        with pytest.raises(ValueError, match="doc.user_data.*rnn_output_data.*expected"):
            read(doc)
