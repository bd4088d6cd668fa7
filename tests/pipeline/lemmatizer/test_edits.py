"""How a lemma comes from a form."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_rnn.pipeline.lemmatizer.edits import (
    AS_WRITTEN,
    EDITS,
    IDENTITY,
    LOWER,
    SHAPES,
    TITLE,
    TITLE_WRITTEN,
    UPPER_WRITTEN,
    apply_edit,
    capitalize,
    find_edit,
    read_form,
    shape_of,
)

TEXTS = st.text(st.characters(exclude_characters="".join(EDITS)), min_size=1)


@given(TEXTS, TEXTS)
@example("İZMİRLİLER", "İzmirli")
@example("ıslık", "ISLIK")
@example("STRASSE", "Straße")
@example("Straßen", "STRASSE")
@example("ΛΌΓΟΥΣ", "λόγος")
@example("ǆungla", "ǅungla")
@example("ﬁnds", "FIND")
@example("3rd", "3RD")
@example("ئۇيغۇرلار", "ئۇيغۇر")
@example("\u0130", "i\u0307")
def test_any_lemma_comes_back(form, lemma):
    assert apply_edit(form, find_edit(form, lemma)) == lemma


@given(TEXTS)
def test_a_form_that_is_its_lemma_is_not_written(form):
    assert find_edit(form, form) == IDENTITY


@pytest.mark.parametrize(
    "form, lemma, edit",
    [
        ("went", "go", AS_WRITTEN + "go"),
        ("The", "the", LOWER),
        ("NATO", "NATO", IDENTITY),
        ("LONDON", "London", TITLE),
        ("Londoners", "Londoner", TITLE_WRITTEN + "londoner"),
        ("NASA's", "NASA", UPPER_WRITTEN + "nasa"),
        ("I", "I", IDENTITY),
        ("iPhones", "iPhone", AS_WRITTEN + "iPhone"),
        ("2ND", "2nd", LOWER),
        ("Straßen", "Straße", TITLE_WRITTEN + "straße"),
        ("ΛΌΓΟΣ", "λόγος", LOWER),
        ("كىتابلار", "كىتاب", AS_WRITTEN + "كىتاب"),
    ],
)
def test_upper_and_lower_case_are_no_matter_of_characters(form, lemma, edit):
    assert find_edit(form, lemma) == edit


@pytest.mark.parametrize(
    "form, shape",
    [
        ("word", "lower"),
        ("Word", "title"),
        ("WORD", "upper"),
        ("wOrD", "mixed"),
        ("McDonald", "mixed"),
        ("A", "title"),
        ("3RD", "upper"),
        ("3rd", "lower"),
        ("U.S.", "upper"),
        ("Mother-in-law", "title"),
        ("2024", "caseless"),
        ("ئۇيغۇر", "caseless"),
        ("東京", "caseless"),
        ("Istanbul", "title"),
        ("İstanbul", "title"),
        ("straße", "lower"),
        ("ΛΌΓΟΣ", "upper"),
    ],
)
def test_shapes(form, shape):
    assert shape in SHAPES
    assert shape_of(form) == shape


@given(TEXTS)
def test_what_is_read_is_the_form_but_for_its_letters(form):
    assert read_form(form) in (form, form.lower())
    assert (read_form(form) == form) or shape_of(form) != "mixed"


def test_title_case_has_one_upper_letter():
    assert capitalize("o'NEILL-smith") == "O'neill-smith"
    assert capitalize("") == ""


@pytest.mark.parametrize("edit", ["", "go", AS_WRITTEN, TITLE_WRITTEN, AS_WRITTEN + IDENTITY, "\ufffd" + LOWER])
def test_what_is_no_edit_leaves_the_form(edit):
    assert apply_edit("Went", edit) == "Went"


def test_edits_within_what_is_written_are_left_out():
    assert apply_edit("went", AS_WRITTEN + "g" + LOWER + "o") == "go"
