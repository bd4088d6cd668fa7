"""A language model that reads backward is one that reads forward, with the same weights, on reversed texts."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_rnn.evaluation.language.positions import measure_positions
from spacy_rnn.evaluation.language.samples import write_samples
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.pipeline.annotation.surprisal import sum_by_token
from spacy_rnn.pipeline.corpus.batcher import build_batch_by_streams
from spacy_rnn.pipeline.language_model.mixing import mix_language_models
from spacy_rnn.text.symbols import Characters

TEXTS = ["the cat sat on the mat .", "a cat and a hat", "the fat rat sat on a hat !", "that is that"] * 3
# With white space before, between and after words, and unknown characters.
ODD = ["  the  cat\n\nsat ", "a quick fox", "", "!", "q"]


def make(backward, architecture="RNNLM", **settings):
    model = {"@architectures": f"spacy_rnn.{architecture}.v1", "width": 8, "hidden_width": 16}
    if architecture == "NGramLM":
        model = {"@architectures": "spacy_rnn.NGramLM.v1", "order": 3}
    model["symbols"] = {"@misc": "spacy_rnn.Characters.v1", "backward": backward}
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", name="lm", config={"model": model, **settings})
    return nlp


def learn(nlp, texts, steps=20, n_streams=0):
    fix_random_seed(0)
    examples = [Example(doc, doc.copy()) for doc in (Doc(nlp.vocab, words=[text], spaces=[False]) for text in texts)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(steps):
        for batch in build_batch_by_streams(n_streams, 9)(examples) if n_streams else [examples]:
            nlp.update(batch, sgd=optimizer)
    return nlp.get_pipe("lm")


def both(architecture="RNNLM", steps=20, n_streams=0, **settings):
    """A model that has learned texts backward, and one that has learned the reversed texts, the last one first."""
    backward = learn(make(True, architecture, **settings), TEXTS, steps, n_streams)
    reversed_texts = [text[::-1] for text in reversed(TEXTS)]
    return backward, learn(make(False, architecture, **settings), reversed_texts, steps, n_streams)


def weights(lm):
    return {(node.name, name): node.get_param(name) for node in lm.model.walk() for name in node.param_names}


@pytest.fixture(scope="module")
def pair():
    """Two models of the same weights, of which one reads backward."""
    backward = learn(make(True), TEXTS)
    forward = make(False).get_pipe("lm")
    data = {**backward.label_data, "settings": forward.symbols.settings}
    forward.initialize(lambda: [Example(Doc(forward.vocab), Doc(forward.vocab))], labels=data)
    for node, other in zip(forward.model.walk(), backward.model.walk(), strict=True):
        for name in node.param_names:
            node.set_param(name, other.get_param(name))
    return backward, forward


@pytest.mark.parametrize("n_streams", [0, 1])
@pytest.mark.parametrize("carry_over", [False, True])
def test_training_is_that_of_the_reversed_texts(n_streams, carry_over):
    backward, forward = both(steps=3, n_streams=n_streams, carry_over=carry_over, reset_probability=0.0)
    assert backward.symbols.learned == forward.symbols.learned
    for name, expected in weights(forward).items():
        # Whole texts are in another order, so that sums are rounded otherwise.
        assert_allclose(weights(backward)[name], expected, rtol=1e-3, atol=1e-4, err_msg=str(name))


@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM", "NGramLM"])
def test_a_model_that_has_learned_backward_knows_its_texts(architecture):
    fitting, other = (learn(make(backward, architecture), TEXTS, steps=60) for backward in (True, False))
    found, expected = (sum(scored.bits for scored in lm.score(TEXTS)) for lm in (fitting, other))
    assert found == pytest.approx(expected, rel=0.3)
    # It knows nothing of texts from their beginning.
    assert sum(scored.bits for scored in fitting.score([text[::-1] for text in TEXTS])) > 1.5 * found


@pytest.mark.parametrize("unknown", ["symbol", "skip", "spread"])
@pytest.mark.parametrize("count_end", [True, False])
def test_each_character_surprises_as_that_of_the_reversed_text(pair, unknown, count_end):
    backward, forward = pair
    for lm in pair:
        lm.unknown, lm.count_end = unknown, count_end
    texts = TEXTS + ODD
    for text, found, expected in zip(texts, backward.score(texts), forward.score([text[::-1] for text in texts]), strict=True):
        assert_allclose(found.surprisals, expected.surprisals, rtol=1e-5)
        assert found.starts.tolist() == [*range(len(text))][::-1] + [0]
        assert found.ends.tolist() == [*range(1, len(text) + 1)][::-1] + [0]
        assert_array_equal(found.counted, expected.counted)
        assert (found.n_unknown, found.n_characters) == (expected.n_unknown, expected.n_characters)
        is_word_left_out = [unknown == "skip" and word[0] in "qkf" and word[0] not in "".join(TEXTS) for word in text.split()]
        assert found.n_words == len(text.split()) - sum(is_word_left_out) + count_end
        assert found.bits == pytest.approx(expected.bits, rel=1e-5)
    for lm in pair:
        lm.unknown, lm.count_end = "symbol", True


def test_a_token_surprises_as_its_characters_do_and_the_white_space_after_it(pair):
    backward, _ = pair
    nlp = spacy.blank("en")
    for text in TEXTS + ODD:
        doc = nlp.make_doc(text)
        scored = backward.score([doc])[0]
        of_character = dict(zip(scored.starts[:-1].tolist(), scored.surprisals[:-1].tolist(), strict=True))
        expected = [sum(of_character[i] for i in range(token.idx, token.idx + len(token.text_with_ws))) for token in doc]
        assert_allclose(sum_by_token(doc, scored), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("carry_over", [False, True])
@pytest.mark.parametrize("n_streams", [1, 3])
def test_an_evaluation_in_streams_begins_with_the_last_text(pair, carry_over, n_streams):
    found = []
    for lm, texts in zip(pair, (TEXTS, [text[::-1] for text in reversed(TEXTS)]), strict=True):
        lm.carry_over, lm.eval_streams = carry_over, n_streams
        nlp = spacy.blank("en")
        docs = [Doc(nlp.vocab, words=[text], spaces=[False]) for text in texts]
        found.append(lm.score([Example(doc, doc) for doc in docs])["lm_bits_per_char"])
        lm.carry_over, lm.eval_streams = False, 0
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_surprisal_by_position_begins_at_the_end(pair):
    backward, forward = pair
    found, expected = measure_positions(backward, TEXTS), measure_positions(forward, [text[::-1] for text in TEXTS])
    assert_allclose(found.bits, expected.bits, rtol=1e-4)
    assert_array_equal(found.characters, expected.characters)


@pytest.mark.parametrize("settings", [{}, {"stop": ["at", "."]}, {"stop": ["sat"], "greedy": True}])
def test_what_is_written_stands_before_the_prompt(pair, settings):
    backward, forward = pair
    mirrored = {**settings, "stop": [stop[::-1] for stop in settings.get("stop", [])]}
    prompts = ["hat", "", "on the mat ."]
    options = {"n": 3, "seed": 2, "max_symbols": 25}
    found = backward.generate(prompts, **options, **settings)
    expected = forward.generate([prompt[::-1] for prompt in prompts], **options, **mirrored)
    for one, other in zip(found, expected, strict=True):
        assert one.text == other.text[::-1]
        assert (one.n_symbols, one.ended) == (other.n_symbols, other.ended)
        assert one.whole == one.text + one.prompt == other.whole[::-1]
        assert one.bits == pytest.approx(other.bits, rel=1e-4)
        assert not any(stop in one.text for stop in settings.get("stop", []))


def test_a_stream_gives_the_last_piece_first(pair):
    backward, _ = pair
    pieces = list(backward.stream("hat", seed=4, max_symbols=25))
    assert len(pieces) > 1
    assert "".join(reversed(pieces)) == backward.generate("hat", seed=4, max_symbols=25)[0].text


def test_a_search_finds_what_stands_before(pair):
    backward, forward = pair
    for one, other in zip(
        backward.search("hat", width=3, n=2, max_symbols=9), forward.search("tah", width=3, n=2, max_symbols=9), strict=True
    ):
        assert one.whole == other.whole[::-1]


def test_it_is_saved_and_loaded(tmp_path):
    nlp = make(True)
    lm = learn(nlp, TEXTS, steps=2)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("lm")
    assert loaded.symbols == lm.symbols and loaded.symbols.backward
    assert_array_equal(loaded.score(["the cat"])[0].surprisals, lm.score(["the cat"])[0].surprisals)
    with pytest.raises(ValueError, match="'backward': True"):
        spacy.load(tmp_path, config={"components.lm.model.symbols.backward": False})


def test_where_the_direction_makes_no_sense_it_is_refused(pair):
    members = {}
    for name, backward in (("one", False), ("other", True)):
        nlp = make(backward)
        learn(nlp, TEXTS, steps=1)
        members[name] = (nlp, "lm")
    with pytest.raises(ValueError, match="characters that are read forward and backward"):
        mix_language_models(members, [spacy.blank("en").make_doc("the cat")])
    with pytest.raises(ValueError, match="'lm' reads backward"):
        write_samples(pair[0], ["the cat"])
    for settings in ({"source": Characters(backward=True)}, {"source": Characters(), "target": Characters(backward=True)}):
        with pytest.raises(ValueError, match="read backward: set (source|target).backward = false"):
            build_seq2seq(**settings)
    with pytest.raises(ValueError, match="set target.backward = false"):
        build_vector_decoder(Characters(backward=True))


def test_the_numbers_of_symbols_are_those_of_the_reversed_text(pair):
    backward, forward = pair
    for text in ODD:
        expected = forward.symbols.encode(text[::-1]).numbers
        assert_array_equal(backward.symbols.encode(spacy.blank("en").make_doc(text)).numbers, expected)
        assert numpy.array_equal(backward.symbols.encode(text).numbers, expected)
