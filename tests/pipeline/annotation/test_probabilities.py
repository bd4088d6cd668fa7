"""Probabilities of labels that taggers keep with a text."""

import itertools
import json

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Token

from spacy_rnn.pipeline.annotation.probabilities import store_probabilities

WORDS = ["They", "book", "a", "small", "room"]
EXTENSION = {"rnn_tagger": "rnn_tag_probs", "rnn_pos_tagger": "rnn_pos_probs"}

both = pytest.mark.parametrize("factory", EXTENSION)
every_head = pytest.mark.parametrize("use_crf", [False, True], ids=["softmax", "crf"])


@pytest.fixture(
    scope="module",
    params=itertools.product(EXTENSION, [False, True]),
    ids=lambda pair: f"{pair[0]}-{'crf' if pair[1] else 'softmax'}",
)
def trained(request, make_nlp):
    factory, use_crf = request.param
    nlp, _ = make_nlp(factory, n_updates=20, use_crf=use_crf, store_probs=True)
    return factory, use_crf, nlp


def read(doc, factory="rnn_tagger"):
    return [token._.get(EXTENSION[factory]) for token in doc]


def same(found, expected):
    assert len(found) == len(expected)
    for probabilities, others in zip(found, expected, strict=True):
        assert probabilities == pytest.approx(others, abs=1e-6)


@both
@every_head
def test_each_token_has_the_probability_of_each_label(factory, use_crf, make_nlp):
    nlp, _ = make_nlp(factory, n_updates=20, use_crf=use_crf, store_probs=True)
    component = nlp.get_pipe(factory)
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    for probabilities in read(doc, factory):
        assert list(probabilities) == list(component.labels)
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    # In training a softmax is a softmax; a field without transitions is one as well.
    for name in ("start", "transitions", "end"):
        if use_crf:
            component.model.set_param(name, numpy.zeros_like(component.model.get_param(name)))
    scores = component.model.begin_update([doc])[0][0]
    expected = component.model.ops.softmax(scores) if use_crf else scores
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    numpy.testing.assert_allclose([list(each.values()) for each in read(doc, factory)], expected, atol=1e-5)


@both
def test_without_a_crf_the_label_is_the_most_probable_one(factory, make_nlp):
    nlp, _ = make_nlp(factory, n_updates=20, store_probs=True)
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    labels = [token.tag_ if factory == "rnn_tagger" else token.pos_ for token in doc]
    assert labels == [max(each, key=each.get) for each in read(doc, factory)]


@both
@every_head
def test_labels_are_the_same_with_probabilities_and_without(factory, use_crf, make_nlp, output):
    nlp, _ = make_nlp(factory, n_updates=3, use_crf=use_crf)
    with_them, without = Doc(nlp.vocab, words=WORDS), nlp(Doc(nlp.vocab, words=WORDS))
    assert not without.user_data
    nlp.get_pipe(factory).store_probs = True
    assert output(nlp(with_them)) == output(without)
    assert None not in read(with_them, factory)


def test_a_text_does_not_change_those_of_another(trained):
    factory, _, nlp = trained
    texts = [WORDS, [], ["room"], WORDS[::-1], []]
    docs = list(nlp.pipe(Doc(nlp.vocab, words=words) for words in texts))
    for doc, words in zip(docs, texts, strict=True):
        alone = nlp(Doc(nlp.vocab, words=words))
        for probabilities, others in zip(read(doc, factory), read(alone, factory), strict=True):
            assert probabilities == pytest.approx(others, abs=1e-5)


def test_no_text_keeps_the_rows_of_its_batch(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", store_probs=True)
    for doc in nlp.pipe(Doc(nlp.vocab, words=WORDS) for _ in range(3)):
        (stored,) = doc.user_data.values()
        assert stored["rnn_tagger"]["probs"].base is None


def test_a_text_without_tokens_has_none(trained):
    factory, _, nlp = trained
    assert nlp("")._.rnn_probs[factory]["probs"] == []


def test_where_nothing_is_stored_there_is_nothing(trained):
    factory, _, nlp = trained
    doc = Doc(nlp.vocab, words=WORDS)
    assert read(doc, factory) == [None] * 5
    assert doc._.rnn_probs is None
    other = {"rnn_tagger": "rnn_pos_tagger", "rnn_pos_tagger": "rnn_tagger"}[factory]
    assert read(nlp(doc), other) == [None] * 5


def to_bytes(nlp, doc):
    return Doc(nlp.vocab).from_bytes(doc.to_bytes())


def to_doc_bin(nlp, doc):
    return next(DocBin().from_bytes(DocBin(docs=[doc], store_user_data=True).to_bytes()).get_docs(nlp.vocab))


def copied(nlp, doc):
    return doc.copy()


def to_json(nlp, doc):
    return Doc(nlp.vocab).from_json(json.loads(json.dumps(doc.to_json(underscore=["rnn_probs"]))))


@pytest.mark.parametrize("save", [to_bytes, to_doc_bin, copied, to_json], ids=lambda f: f.__name__)
def test_they_are_saved_with_the_text(save, trained):
    factory, _, nlp = trained
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    same(read(save(nlp, doc), factory), read(doc, factory))


def test_json_has_them_by_token_and_label(trained):
    factory, _, nlp = trained
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    (stored,) = doc.to_json(underscore=["rnn_probs"])["_"]["rnn_probs"].values()
    for token, row, start, end in zip(doc, stored["probs"], stored["starts"], stored["ends"], strict=True):
        assert doc.text[start:end] == token.text
        assert dict(zip(stored["labels"], row, strict=True)) == token._.get(EXTENSION[factory])
    for empty in (nlp(""), Doc(nlp.vocab, words=WORDS)):
        assert read(to_json(nlp, empty), factory) == [None] * len(empty)


def test_a_doc_bin_without_user_data_leaves_them_out(trained):
    factory, _, nlp = trained
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    loaded = next(DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(nlp.vocab))
    assert read(loaded, factory) == [None] * 5


def test_two_processes_give_them_as_well(trained):
    factory, _, nlp = trained
    texts = [" ".join(WORDS), "", "They book"]
    for one, two in zip(nlp.pipe(texts), nlp.pipe(texts, n_process=2, batch_size=2), strict=True):
        same(read(two, factory), read(one, factory))


def test_tokens_that_were_merged_or_split_have_none_and_the_others_keep_theirs(trained):
    factory, _, nlp = trained
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    they, book, a, small, room = read(doc, factory)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:3])
    assert read(doc, factory) == [they, None, small, room]
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[2], ["sm", "all"], heads=[(doc[2], 1), doc[0]])
    assert read(doc, factory) == [they, None, None, None, room]
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[1], ["book", " ", "a"], heads=[doc[0], doc[0], doc[0]])
    assert [token.text for token in doc] == ["They", "book", " ", "a", "sm", "all", "room"]
    assert read(doc, factory) == [they, book, None, a, None, None, room]


@pytest.mark.filterwarnings("ignore:.*W101.*")
def test_another_text_made_of_this_one_has_none(trained):
    factory, _, nlp = trained
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    assert read(doc[1:3].as_doc(copy_user_data=True), factory) == [None, None]
    assert read(Doc.from_docs([doc, doc]), factory) == [None] * 10


@every_head
def test_two_taggers_keep_their_own(use_crf, make_examples, component_config):
    nlp = spacy.blank("xx")
    names = {"first": "rnn_tagger", "second": "rnn_tagger", "third": "rnn_pos_tagger"}
    for name, factory in names.items():
        config = {**component_config(factory), "use_crf": use_crf, "store_probs": True}
        nlp.add_pipe(factory, name=name, config=config)
    nlp.initialize(lambda: make_examples(nlp))
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    stored = doc._.rnn_probs
    assert list(stored) == list(names)
    for name in names:
        assert tuple(stored[name]["labels"]) == nlp.get_pipe(name).labels
        alone = nlp.get_pipe(name)(Doc(nlp.vocab, words=WORDS))
        numpy.testing.assert_allclose(alone._.rnn_probs[name]["probs"], stored[name]["probs"], atol=1e-6)
    # Of two that predict the same, the last one.
    same(read(doc), read(nlp.get_pipe("second")(Doc(nlp.vocab, words=WORDS))))
    nlp.get_pipe("first")(doc)
    same(read(doc), read(nlp.get_pipe("first")(Doc(nlp.vocab, words=WORDS))))


def test_a_setting_changes_what_a_saved_pipeline_stores(make_nlp, tmp_path):
    nlp, _ = make_nlp("rnn_tagger", store_probs=True)
    nlp.to_disk(tmp_path)
    assert None not in read(spacy.load(tmp_path)("They book"))
    off = spacy.load(tmp_path, config={"components.rnn_tagger.store_probs": False})
    assert read(off("They book")) == [None, None]


def test_an_extension_of_the_users_stays(make_nlp):
    kept = Token.get_extension("rnn_tag_probs") if Token.has_extension("rnn_tag_probs") else None
    Token.set_extension("rnn_tag_probs", default="mine", force=True)
    try:
        nlp, _ = make_nlp("rnn_tagger", store_probs=True)
        doc = nlp("They book")
        assert [token._.rnn_tag_probs for token in doc] == ["mine", "mine"]
        assert len(doc._.rnn_probs["rnn_tagger"]["probs"]) == 2
    finally:
        Token.remove_extension("rnn_tag_probs")
        if kept:
            Token.set_extension("rnn_tag_probs", getter=kept[2])


def test_no_extension_is_registered_before_it_is_asked_for(python):
    code = """
import spacy
from spacy.tokens import Doc, Token
nlp = spacy.blank("xx")
component = nlp.add_pipe("rnn_tagger")
assert not Doc.has_extension("rnn_probs") and not Token.has_extension("rnn_tag_probs")
component.store_probs = True
assert Doc.has_extension("rnn_probs") and Token.has_extension("rnn_tag_probs")
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr


def test_a_temperature_counts(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", n_updates=10, store_probs=True)
    last = nlp.get_pipe("rnn_tagger").model.get_ref("output_layer")
    sharp = read(nlp("They book"))[0]
    last.attrs["softmax_temperature"] = 5.0
    soft = read(nlp("They book"))[0]
    assert max(soft.values()) < max(sharp.values())
    assert sum(soft.values()) == pytest.approx(1, abs=1e-5)


def test_a_model_that_normalizes_is_not_normalized_again(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", n_updates=10, store_probs=True)
    expected = read(nlp("They book"))
    nlp.get_pipe("rnn_tagger").model.get_ref("output_layer").attrs["softmax_normalize"] = True
    same(read(nlp("They book")), expected)


def test_rows_of_another_number_of_tokens_are_refused(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", store_probs=True)
    component = nlp.get_pipe("rnn_tagger")
    docs = [Doc(nlp.vocab, words=WORDS)]
    with pytest.raises(ValueError):
        component.set_annotations([*docs, *docs], component.predict(docs))
    with pytest.raises(ValueError, match="5 tokens"):
        store_probabilities(docs[0], "a", "TAG", ["X"], numpy.ones((4, 1), "f"))
