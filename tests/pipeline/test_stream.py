"""Taggers that read a stream, or a text too long to be annotated at once."""

from itertools import islice

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn.layers import RowWise, declare
from spacy_rnn.recurrence import CELLS

FACTORIES = ["rnn_tagger", "rnn_pos_tagger"]
WORDS = "They book a small room and We walk to London today".split() * 20
HASH_EMBED = {
    "@architectures": "spacy_rnn.HashEmbed.v1",
    "width": 8,
    "attrs": ["NORM", "SHAPE"],
    "rows": [100, 20],
    "include_static_vectors": False,
}
CHARACTER_EMBED = {
    "@architectures": "spacy.CharacterEmbed.v2",
    "width": 8,
    "rows": 100,
    "nM": 4,
    "nC": 4,
    "include_static_vectors": False,
}
CHAR_EMBED = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8, "embed": HASH_EMBED}


@pytest.fixture(scope="module")
def make_tagger(make_nlp, component_config, tok2vec_config):
    """(factory, embed, name of the tok2vec, use_crf, encoder settings) -> a pipeline whose labels differ from word to word."""

    def make(factory="rnn_tagger", embed=HASH_EMBED, tok2vec="spacy_rnn.Tok2Vec.v1", use_crf=False, **encode):
        config = {**tok2vec_config(**{"residual": False, **encode}), "@architectures": tok2vec, "embed": embed}
        nlp, _ = make_nlp(factory, config=component_config(factory, config), use_crf=use_crf)
        model = nlp.get_pipe(factory).model
        rng = numpy.random.default_rng(0)
        for node in model.walk():
            for name in node.param_names:
                node.set_param(name, rng.normal(scale=0.5, size=node.get_param(name).shape).astype("float32"))
        # What the label depends on is not what all words have in common, but word and context.
        softmax, (rows,) = model.get_ref("softmax"), model.get_ref("tok2vec").predict([Doc(nlp.vocab, words=WORDS)])
        softmax.set_param("b", -softmax.get_param("W") @ rows.mean(axis=0))
        return nlp, nlp.get_pipe(factory)

    return make


@pytest.fixture(scope="module")
def forward(make_tagger):
    return make_tagger(bidirectional=False)


@pytest.fixture(scope="module")
def both_ways(make_tagger):
    return make_tagger()


def whole(nlp, words=WORDS):
    """The words of one text, and its labels."""
    return [(token.text, token.tag_ or token.pos_) for token in nlp(Doc(nlp.vocab, words=words))]


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_forward_is_labelled_as_the_whole_text(cell, factory, make_tagger, piece):
    # Rectified states that are normalized as well hardly differ under random weights.
    nlp, tagger = make_tagger(factory, bidirectional=False, cell=cell, depth=2, layer_norm=cell != "elman_relu")
    expected = whole(nlp)
    assert len({label for _, label in expected}) > 3
    assert list(tagger.stream(iter(WORDS), piece=piece)) == expected


@pytest.mark.parametrize(
    "embed", [HASH_EMBED, {**HASH_EMBED, "@architectures": "spacy.MultiHashEmbed.v2"}, CHARACTER_EMBED, CHAR_EMBED]
)
@pytest.mark.parametrize("tok2vec", ["spacy_rnn.Tok2Vec.v1", "spacy.Tok2Vec.v2"])
def test_any_embedding_of_tokens_and_either_tok2vec(embed, tok2vec, make_tagger):
    nlp, tagger = make_tagger(embed=embed, tok2vec=tok2vec, bidirectional=False)
    expected = whole(nlp)
    assert list(tagger.stream(WORDS, piece=7)) == expected
    assert list(tagger.stream(Doc(nlp.vocab, words=WORDS), piece=7)) == expected


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_with_two_directions_a_look_ahead_to_the_end_gives_the_labels_of_the_whole_text(both_ways, piece):
    nlp, tagger = both_ways
    assert list(tagger.stream(WORDS, piece=piece, lookahead=len(WORDS))) == whole(nlp)


def test_with_two_directions_the_look_ahead_decides_how_many_labels_differ(both_ways):
    nlp, tagger = both_ways
    expected = whole(nlp)
    wrong = []
    for lookahead in (0, 2, 30):
        found = list(tagger.stream(WORDS, piece=3, lookahead=lookahead))
        assert [word for word, _ in found] == WORDS
        wrong.append(sum(one != other for one, other in zip(found, expected, strict=True)))
    assert wrong[0] > wrong[1] > wrong[2] == 0


@pytest.mark.parametrize("lengths", [[220], [3, 0, 17, 200], [1] * 20 + [200], [109, 111]])
@pytest.mark.parametrize("piece", [1, 10, 1000])
def test_texts_continue_one_another(lengths, piece, both_ways):
    nlp, tagger = both_ways
    ends = numpy.cumsum([0, *lengths])
    texts = [Doc(nlp.vocab, words=WORDS[start:end]) for start, end in zip(ends, ends[1:], strict=False)]
    assert list(tagger.stream(texts, piece=piece, lookahead=len(WORDS))) == whole(nlp)
    assert not any(token.tag_ for doc in texts for token in doc)


def test_words_and_texts_may_alternate(forward):
    nlp, tagger = forward
    source = [
        "They",
        "book",
        Doc(nlp.vocab, words=["a", "small"]),
        "room",
        Doc(nlp.vocab),
        Doc(nlp.vocab, words=["today"]),
        "and",
    ]
    assert list(tagger.stream(source, piece=2)) == whole(nlp, "They book a small room today and".split())


def test_the_tokenizers_texts_keep_their_norms(forward, monkeypatch):
    """The norm of "n't" is "not" in a text of the tokenizer's alone."""
    nlp, tagger = forward
    rules = {"don't": [{"ORTH": "do"}, {"ORTH": "n't", "NORM": "not"}]}
    monkeypatch.setattr(nlp, "tokenizer", Tokenizer(nlp.vocab, rules=rules))
    text = "We don't walk . They can't walk ."
    doc = nlp(text)
    assert [token.norm_ for token in doc[1:3]] == ["do", "not"]
    for piece in (1, 3, 100):
        labels = [(token.text, token.tag_) for token in doc]
        assert list(tagger.stream(nlp.tokenizer.pipe([text]), piece=piece)) == labels


def test_annotation_that_the_embedding_reads_is_kept_in_parts(make_tagger):
    nlp, tagger = make_tagger(embed={**HASH_EMBED, "attrs": ["POS", "ENT_TYPE"]}, bidirectional=False)
    words = WORDS[:20]
    doc = Doc(nlp.vocab, words=words, pos=["NOUN", "VERB"] * 10, heads=[0, *range(19)], deps=["dep"] * 20)
    doc.ents = [Span(doc, 3, 9, "PLACE")]
    expected = [(token.text, token.tag_) for token in nlp(doc.copy())]
    assert expected != whole(nlp, words)
    assert list(tagger.stream([doc], piece=5)) == expected


@pytest.mark.parametrize("source", [[], iter(()), "no texts", "an empty text"])
def test_an_empty_stream_has_no_labels(source, both_ways):
    nlp, tagger = both_ways
    source = {"no texts": [], "an empty text": Doc(nlp.vocab)}.get(source, source) if isinstance(source, str) else source
    assert list(tagger.stream(source)) == []


def test_a_stream_of_one_word(both_ways):
    nlp, tagger = both_ways
    assert list(tagger.stream(["walk"])) == whole(nlp, ["walk"])


@pytest.mark.parametrize("bidirectional, waits_for", [(True, 7), (False, 4)])
def test_a_label_comes_as_soon_as_the_look_ahead_allows(bidirectional, waits_for, make_tagger):
    _, tagger = make_tagger(bidirectional=bidirectional)
    read = []
    labels = tagger.stream((read.append(word) or word for word in WORDS), piece=4, lookahead=3)
    assert read == []
    for i in range(5):
        assert [word for word, _ in islice(labels, 4)] == WORDS[4 * i : 4 * i + 4]
        assert len(read) == waits_for + 4 * i


def test_an_endless_stream_needs_no_end(forward):
    nlp, tagger = forward
    endless = (WORDS[i % len(WORDS)] for i in iter(int, 1))
    assert len(list(islice(tagger.stream(endless, piece=10), 55))) == 55


def test_two_streams_of_one_tagger_do_not_mix(forward):
    nlp, tagger = forward
    first, second = tagger.stream(WORDS, piece=3), tagger.stream(reversed(WORDS), piece=3)
    pairs = list(zip(first, second, strict=True))
    assert [one for one, _ in pairs] == whole(nlp)
    assert [other for _, other in pairs] == whole(nlp, WORDS[::-1])


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_text_is_annotated_in_pieces(factory, make_tagger):
    nlp, tagger = make_tagger(factory, bidirectional=False)
    doc = Doc(nlp.vocab, words=WORDS)
    assert tagger.tag_in_pieces(doc, piece=9) is doc
    attr = "TAG" if factory == "rnn_tagger" else "POS"
    assert_array_equal(doc.to_array([attr]), nlp(Doc(nlp.vocab, words=WORDS)).to_array([attr]))
    assert len(tagger.tag_in_pieces(Doc(nlp.vocab))) == 0


def test_tags_that_are_set_stay_unless_they_are_to_be_overwritten(make_tagger):
    nlp, tagger = make_tagger(bidirectional=False)
    for overwrite in (False, True):
        tagger.cfg["overwrite"] = overwrite
        doc = Doc(nlp.vocab, words=WORDS[:5], tags=["", "SET", "", "", ""])
        tagger.tag_in_pieces(doc, piece=2)
        assert (doc[1].tag_ == "SET") != overwrite
        assert all(token.tag_ for token in doc)


def test_a_listener_is_refused_until_it_has_a_model_of_its_own(component_config, listener_config, tok2vec_config, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec_config(bidirectional=False)})
    tagger = nlp.add_pipe("rnn_tagger", config=component_config("rnn_tagger", listener_config))
    examples = make_examples(nlp, "rnn_tagger")
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    with pytest.raises(ValueError, match="replace_listeners"):
        tagger.stream(WORDS)
    expected = whole(nlp)
    nlp.replace_listeners("tok2vec", "rnn_tagger", ["model.tok2vec"])
    assert list(tagger.stream(WORDS, piece=7)) == expected


@pytest.mark.parametrize(
    "tok2vec, message",
    [
        (
            {
                "encode": {
                    "@architectures": "spacy.MaxoutWindowEncoder.v2",
                    "width": 8,
                    "window_size": 1,
                    "maxout_pieces": 2,
                    "depth": 1,
                }
            },
            "expand_window.*piece by piece",
        ),
        ({"embed": {"@architectures": "spacy.Tok2Vec.v2"}}, "embeds each token by itself"),
    ],
    ids=["convolution", "context in the embedding"],
)
def test_models_that_cannot_be_cut_are_refused(tok2vec, message, make_nlp, component_config, tok2vec_config):
    config = {**tok2vec_config(bidirectional=False), **tok2vec}
    if "embed" in tok2vec:
        config["embed"] = tok2vec_config(bidirectional=False)
    nlp, _ = make_nlp("rnn_tagger", config=component_config("rnn_tagger", config))
    with pytest.raises(ValueError, match=message):
        nlp.get_pipe("rnn_tagger").stream(WORDS)


def test_a_model_without_embedding_and_encoder_is_refused(make_nlp, component_config):
    nlp, _ = make_nlp("rnn_tagger", config=component_config("rnn_tagger", HASH_EMBED))
    with pytest.raises(ValueError, match="an embedding and an encoder"):
        nlp.get_pipe("rnn_tagger").stream(WORDS)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_with_a_crf_a_look_ahead_to_the_end_gives_the_labels_of_the_whole_text(piece, bidirectional, make_tagger):
    nlp, tagger = make_tagger(use_crf=True, bidirectional=bidirectional)
    expected = whole(nlp)
    assert len({label for _, label in expected}) > 3
    assert list(tagger.stream(WORDS, piece=piece, lookahead=len(WORDS))) == expected
    doc = tagger.tag_in_pieces(Doc(nlp.vocab, words=WORDS), piece=piece, lookahead=len(WORDS))
    assert [(token.text, token.tag_) for token in doc] == expected


def test_with_a_crf_the_look_ahead_decides_how_many_labels_differ(make_tagger):
    nlp, tagger = make_tagger(use_crf=True, bidirectional=False)
    expected = whole(nlp)
    wrong = []
    for lookahead in (0, 2, 30):
        found = list(tagger.stream(WORDS, piece=3, lookahead=lookahead))
        assert [word for word, _ in found] == WORDS
        wrong.append(sum(one != other for one, other in zip(found, expected, strict=True)))
    assert wrong[0] > wrong[1] >= wrong[2] == 0


def test_constraints_need_a_look_ahead(component_config):
    nlp = spacy.blank("xx")
    tagger = nlp.add_pipe("rnn_tagger", config={**component_config("rnn_tagger"), "use_crf": True, "constraints": "BILUO"})
    words = ["New", "York", "sleeps"]
    reference = Doc(nlp.vocab, words=words, tags=["B-LOC", "L-LOC", "O"])
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=words), reference)])
    for run in (lambda: tagger.stream(WORDS, lookahead=0), lambda: tagger.tag_in_pieces(reference, lookahead=0)):
        with pytest.raises(ValueError, match="BILUO.*lookahead.*at least 1"):
            run()
    assert len(list(tagger.stream(WORDS, piece=1, lookahead=1))) == len(WORDS)


def test_a_tagger_without_weights_is_refused():
    tagger = spacy.blank("xx").add_pipe("rnn_tagger")
    for run in (lambda: tagger.stream(WORDS), lambda: tagger.tag_in_pieces(Doc(tagger.vocab, words=WORDS))):
        with pytest.raises(ValueError, match="E109"):
            run()


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16"])
def test_words_and_sizes_may_be_those_of_numpy(dtype, make_tagger):
    nlp, tagger = make_tagger()
    number = numpy.dtype(dtype).type
    expected = list(tagger.stream(WORDS, piece=100, lookahead=100))
    for words in (numpy.asarray(WORDS), list(numpy.asarray(WORDS)), numpy.asarray(WORDS, dtype=object)):
        found = list(tagger.stream(words, piece=number(100), lookahead=number(100)))
        assert found == expected and all(type(word) is str for word, _ in found)
    doc = tagger.tag_in_pieces(Doc(nlp.vocab, words=WORDS), piece=number(100), lookahead=number(100))
    assert [(token.text, token.tag_) for token in doc] == expected


def test_what_is_no_stream_is_refused(forward):
    nlp, tagger = forward
    with pytest.raises(ValueError, match="single string"):
        tagger.stream("They book a room")
    with pytest.raises(TypeError, match="not iterable"):
        tagger.stream(None)
    with pytest.raises(ValueError, match="Token.*They"):
        list(tagger.stream(list(Doc(nlp.vocab, words=WORDS))))
    with pytest.raises(ValueError, match="Doc.*str"):
        tagger.tag_in_pieces("They book a room")
    for piece in (0, True, 2.0, numpy.float64(2), numpy.int64(0), "2"):
        with pytest.raises(ValueError, match="piece must be a whole number, at least 1, got"):
            tagger.stream(WORDS, piece=piece)
    with pytest.raises(ValueError, match="lookahead.*-1"):
        tagger.tag_in_pieces(Doc(nlp.vocab, words=WORDS), lookahead=-1)


def test_a_layer_that_is_declared_to_score_rows_alone_is_streamed(make_tagger):
    nlp, tagger = make_tagger(bidirectional=False)
    output = tagger.model.layers[1].layers[0]
    softmax = output._func

    def sharpened(model, X, is_train):
        return softmax(model, X * 2, is_train)

    output._func = sharpened
    with pytest.raises(ValueError, match="scores each row by itself"):
        tagger.stream(WORDS)
    declare(sharpened, RowWise())
    assert list(tagger.stream(WORDS, piece=7)) == whole(nlp)
