import math
import pickle

import numpy
import pytest
import spacy
import srsly
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_rnn.pipeline.annotation.surprisal import score_text
from spacy_rnn.pipeline.corpus.batcher import build_batch_by_streams
from spacy_rnn.pipeline.schedules import build_plateau
from spacy_rnn.recurrence import use_threads
from spacy_rnn.text.symbols import SymbolText

TEXTS = ["the cat sat on the mat .", "a cat and a hat", "the fat rat sat on a hat !", "that is that"] * 3
SMALL = {"width": 8, "hidden_width": 16}


def config(unit="Characters", architecture="RNNLM", **settings):
    model = {"@architectures": f"spacy_rnn.{architecture}.v1", "symbols": {"@misc": f"spacy_rnn.{unit}.v1"}, **SMALL}
    return {"model": model, **settings}


def examples_of(nlp, texts=TEXTS):
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def build(texts=TEXTS, steps=0, **settings):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", name="lm", config=config(**settings))
    examples = examples_of(nlp, texts)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def refused(run, *words):
    with pytest.raises(ValueError) as error:
        run()
    assert all(word in str(error.value) for word in words), str(error.value)


# Training


@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM"])
@pytest.mark.parametrize("unit", ["Characters", "Words"])
def test_texts_that_were_learned_become_probable(unit, architecture):
    nlp = build(unit=unit, architecture=architecture)
    before = nlp.evaluate(examples_of(nlp))
    optimizer = Adam(0.02)
    losses = {}
    for _ in range(60):
        losses = nlp.update(examples_of(nlp), sgd=optimizer)
    after = nlp.evaluate(examples_of(nlp))
    assert after["lm_bits_per_char"] < 0.3 * before["lm_bits_per_char"]
    assert after["lm_score"] > before["lm_score"]
    lengths = [len(nlp.get_pipe("lm").symbols.encode(nlp.make_doc(text)).numbers) + 1 for text in TEXTS]
    bits = after["lm_bits_per_char"] * sum(len(text) + 1 for text in TEXTS)
    assert_allclose(losses["lm"], bits * math.log(2) / sum(lengths), rtol=0.2)


def stream_examples(nlp, texts, n_streams, n_symbols):
    whole = [Doc(nlp.vocab, words=[text], spaces=[False]) for text in texts]
    docs = [Example(doc, doc.copy()) for doc in whole]
    return list(build_batch_by_streams(n_streams, n_symbols)(docs))


def test_streams_go_on_in_the_state_of_the_piece_before(monkeypatch):
    """Gradients but for the truncation, and losses, are those of the whole text."""
    text = "the cat sat on the mat and a rat sat on a hat"
    nlp = build([text], reset_probability=0.0)
    lm = nlp.get_pipe("lm")
    total, count = 0.0, 0
    for batch in stream_examples(nlp, [text], 1, 7):
        piece = batch[0].reference.user_data["spacy_rnn_stream_piece"].take(lm.symbols)
        total += lm.update(batch, losses={})["lm"] * len(piece[0])
        count += len(piece[0])
    scored = lm.score([text])[0]
    assert count == len(text) + 1
    assert_allclose(total / math.log(2), scored.surprisals.sum(), rtol=1e-4)


def test_each_text_of_a_stream_begins_anew_unless_state_is_carried_over():
    texts = ["the cat sat", "on the mat", "that is that"]
    losses = {}
    for carry_over in (False, True):
        lm = build(texts, steps=20, reset_probability=0.0, carry_over=carry_over).get_pipe("lm")
        total = count = 0
        for batch in stream_examples(spacy.blank("en"), texts, 1, 7):
            n = len(batch[0].reference.user_data["spacy_rnn_stream_piece"].take(lm.symbols)[0])
            total += lm.update(batch, losses={})["lm"] * n
            count += n
        losses[carry_over] = total / math.log(2)
        assert count == sum(map(len, texts)) + 3
    alone = sum(scored.surprisals.sum() for scored in lm.score(texts))
    assert_allclose(losses[False], alone, rtol=1e-4)
    assert abs(losses[True] - alone) > 0.1


def gradients(lm):
    return {(node.name, name): node.get_grad(name).copy() for node in lm.model.walk() for name in node.param_names}


def test_a_pickled_component_has_no_training_texts():
    nlp = build()
    lm = nlp.get_pipe("lm")
    size = len(pickle.dumps(lm))
    optimizer = Adam(0.01)
    for batch in stream_examples(nlp, [text * 100 for text in TEXTS], 10, 5)[:4]:
        nlp.update(batch, sgd=optimizer)
    grown = len(pickle.dumps(lm)) - size
    # Gradients.
    assert grown < 1.2 * size
    loaded = pickle.loads(pickle.dumps(lm))
    assert_array_equal(loaded.score(["the cat"])[0].surprisals, lm.score(["the cat"])[0].surprisals)


def test_rehearsing_changes_nothing():
    nlp = build()
    before = nlp.get_pipe("lm").model.to_bytes()
    for losses in ({}, {"other": 1.0}):
        assert nlp.get_pipe("lm").rehearse(examples_of(nlp), losses=losses, sgd=Adam(0.1)) is losses
    assert nlp.get_pipe("lm").rehearse(examples_of(nlp)) == {}
    assert nlp.get_pipe("lm").model.to_bytes() == before


@pytest.mark.parametrize("n_parts", [2, 3])
def test_an_update_in_parts_is_the_update(n_parts):
    """As with `training.accumulate_gradient`: each part has streams of its own, which go on in their states."""
    texts = ["the cat sat on the mat", "a hat and a rat and a cat", "that is that and this is this"]
    found = []
    for parts in (1, n_parts):
        nlp = build(texts, reset_probability=0.0)
        lm = nlp.get_pipe("lm")
        for batch in stream_examples(nlp, texts, 3, 8):
            for i in range(parts):
                part = batch[i * 3 // parts : (i + 1) * 3 // parts]
                if part:
                    lm.update(part, losses={})
        found.append(gradients(lm))
    for name, expected in found[0].items():
        assert_allclose(found[1][name], expected, rtol=1e-3, atol=1e-6, err_msg=str(name))


def test_the_state_is_forgotten_as_often_as_is_asked_for():
    text = "the cat sat on the mat and a rat sat on a hat"
    losses = []
    for probability in (0.0, 1.0):
        nlp = build([text], steps=30, reset_probability=probability)
        lm = nlp.get_pipe("lm")
        losses.append([lm.update(batch, losses={})["lm"] for batch in stream_examples(nlp, [text], 1, 7)])
    fresh = build([text], steps=30).get_pipe("lm")
    pieces = [
        batch[0].reference.user_data["spacy_rnn_stream_piece"] for batch in stream_examples(spacy.blank("en"), [text], 1, 7)
    ]
    alone = []
    for piece in pieces:
        inputs, targets = piece.take(fresh.symbols)
        alone.append(-float(fresh.begin().score(inputs, targets, numpy.asarray([len(inputs)])).log_probabilities.mean()))
    assert_allclose(losses[1], alone, rtol=1e-4)
    assert not numpy.allclose(losses[0][1:], alone[1:], rtol=1e-3)


def test_a_loss_that_is_no_number_ends_training_before_the_weights_are_changed():
    nlp = build(steps=1)
    lm = nlp.get_pipe("lm")
    layers = {node.name: node for node in lm.model.walk()}
    layers["lstm_forward"].get_param("R")[0, 0] = numpy.inf
    before = layers["symbol_embed"].get_param("E").copy()
    refused(lambda: nlp.update(examples_of(nlp), sgd=Adam(0.02)), "'lm' could not learn", "nan", "learning rate")
    assert_array_equal(layers["symbol_embed"].get_param("E"), before)


def test_an_ngram_model_is_left_alone_by_updates():
    nlp = build()
    lm = nlp.get_pipe("lm")
    lm._predicts = type(lm._predicts)(lm._predicts.begin)
    weights = lm.model.to_bytes()
    assert nlp.update(examples_of(nlp), sgd=Adam(0.1)) == {"lm": 0.0}
    assert lm.model.to_bytes() == weights


def test_the_same_seed_gives_the_same_model():
    one, other = build(steps=3), build(steps=3)
    assert one.get_pipe("lm").model.to_bytes() == other.get_pipe("lm").model.to_bytes()


# Scores


def test_scores_are_those_of_the_symbols():
    nlp = build(steps=20)
    lm = nlp.get_pipe("lm")
    text = "the cat sat"
    scored = lm.score([text])[0]
    model, numbers = lm.begin(), lm.symbols.encode(text).numbers
    state, bits = model.start(1), []
    for symbol, target in zip([1, *numbers], [*numbers, 2], strict=True):
        log_probabilities, state = model.step(numpy.asarray([symbol]), state)
        bits.append(-log_probabilities[0, target] / math.log(2))
    assert_allclose(scored.surprisals, bits, rtol=1e-4)
    assert scored.n_characters == len(text) + 1 and scored.n_words == 4
    assert_allclose(scored.bits_per_character, sum(bits) / 12, rtol=1e-4)
    assert_allclose(scored.perplexity, 2 ** (sum(bits) / 4), rtol=1e-3)


def test_the_end_of_a_text_counts_if_it_is_to():
    with_end, without = build(steps=5), build(steps=5, count_end=False)
    one, other = with_end.get_pipe("lm").score(["a cat"])[0], without.get_pipe("lm").score(["a cat"])[0]
    assert_allclose(other.bits, one.bits - one.surprisals[-1], rtol=1e-5)
    assert (other.n_characters, other.n_words) == (5, 2)


@pytest.mark.parametrize("unit, unknown, n_characters, n_words", [("Characters", "ÜÜ", 2, 1), ("Words", "zebra", 5, 1)])
def test_what_is_unknown_counts_by_the_rule(unit, unknown, n_characters, n_words):
    text = f"a cat {unknown} sat"
    scores = {}
    for rule in ("symbol", "skip", "spread"):
        lm = build(steps=5, unit=unit, unknown=rule, unknown_types=1024).get_pipe("lm")
        scores[rule] = lm.score([text])[0]
    symbol, skip, spread = scores.values()
    is_unknown = [text[start:end] in (unknown, "Ü") for start, end in zip(symbol.starts, symbol.ends, strict=True)]
    assert symbol.n_unknown == skip.n_unknown == sum(is_unknown) > 0
    assert_allclose(spread.bits, symbol.bits + 10 * sum(is_unknown), rtol=1e-5)
    assert_allclose(skip.bits, symbol.bits - symbol.surprisals[is_unknown].sum(), rtol=1e-4)
    assert (symbol.n_characters, symbol.n_words) == (len(text) + 1, 5) == (spread.n_characters, spread.n_words)
    assert (skip.n_characters, skip.n_words) == (len(text) + 1 - n_characters, 5 - n_words)


def test_an_evaluation_adds_texts_up():
    nlp = build(steps=10)
    lm = nlp.get_pipe("lm")
    scored = lm.score(TEXTS)
    scores = nlp.evaluate(examples_of(nlp))
    assert_allclose(scores["lm_bits_per_char"], sum(s.bits for s in scored) / sum(s.n_characters for s in scored), rtol=1e-5)
    assert_allclose(scores["lm_perplexity"], 2 ** (sum(s.bits for s in scored) / sum(s.n_words for s in scored)), rtol=1e-4)
    assert_allclose(scores["lm_score"], 2 ** -scores["lm_bits_per_char"])
    assert (scores["lm_unknown"], scores["lm_count_end"]) == ("symbol", True)
    other = build(count_end=False)
    assert other.evaluate(examples_of(other))["lm_count_end"] is False


@pytest.mark.parametrize("eval_streams", [0, 2])
def test_scores_of_words_as_long_as_texts_can_be_saved(tmp_path, eval_streams):
    """Of a text without white space between its words, whose perplexity has no room in a number: JSON has no infinity."""
    nlp = build(eval_streams=eval_streams)
    words = ["thecatsatonthemat" * 120, "ahat"]
    assert nlp.get_pipe("lm").score(words)[0].perplexity == math.inf
    nlp.meta["performance"] = scores = nlp.evaluate(examples_of(nlp, words))
    assert scores["lm_perplexity"] == 1e308
    assert 0 < scores["lm_score"] == pytest.approx(2 ** -scores["lm_bits_per_char"])
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).meta["performance"]["lm_perplexity"] == 1e308


def test_scores_of_impossible_texts_can_be_saved():
    model = {"@architectures": "spacy_rnn.NGramLM.v1", "symbols": {"@misc": "spacy_rnn.Characters.v1"}, "smoothing": "none"}
    nlp = spacy.blank("en")
    lm = nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
    nlp.initialize(lambda: examples_of(nlp))
    assert lm.score(["the the"])[0].bits == math.inf
    scores = nlp.evaluate(examples_of(nlp, ["the the"]))
    names = ("lm_score", "lm_bits_per_char", "lm_bits_per_word", "lm_perplexity")
    assert [scores[name] for name in names] == [0.0, 1e308, 1e308, 1e308]
    assert srsly.json_loads(srsly.json_dumps(scores))["lm_bits_per_char"] == 1e308


def test_where_nothing_counts_there_are_no_scores():
    nlp = build(unknown="skip", count_end=False)
    scores = nlp.evaluate(examples_of(nlp, ["ÜÜ"]))
    names = ("lm_score", "lm_bits_per_char", "lm_bits_per_word", "lm_perplexity")
    assert [scores[name] for name in names] == [None] * 4
    srsly.json_dumps(scores)
    nlp.update(examples_of(nlp), sgd=Adam(build_plateau(0.01)))


@pytest.mark.parametrize("n_streams", [1, 3, 1000])
def test_an_evaluation_in_streams_goes_on_from_text_to_text(n_streams):
    nlp = build(steps=10, eval_streams=n_streams, carry_over=True)
    lm = nlp.get_pipe("lm")
    numbers = [lm.symbols.encode(text).numbers for text in TEXTS]
    inputs = numpy.concatenate([numpy.append(1, each) for each in numbers])
    targets = numpy.concatenate([numpy.append(each, 2) for each in numbers])
    borders = len(inputs) * numpy.arange(min(n_streams, len(inputs)) + 1) // min(n_streams, len(inputs))
    model, parts = lm.begin(), numpy.split(numpy.arange(len(inputs)), borders[1:-1])
    total = -sum(model.score(inputs[i], targets[i], [len(i)]).log_probabilities.sum(dtype="float64") for i in parts)
    scores = nlp.evaluate(examples_of(nlp))
    assert_allclose(scores["lm_bits_per_char"], total / math.log(2) / len(inputs), rtol=1e-5)
    assert len(lm.score(TEXTS)[0].surprisals) == len(numbers[0]) + 1


def test_an_evaluation_in_streams_begins_each_text_anew_unless_state_is_carried_over():
    one, other = build(steps=10), build(steps=10, eval_streams=1)
    assert_allclose(other.evaluate(examples_of(other))["lm_bits_per_char"], one.evaluate(examples_of(one))["lm_bits_per_char"])
    # A long text is cut.
    cut = build(steps=10, eval_streams=40)
    assert cut.evaluate(examples_of(cut))["lm_bits_per_char"] != one.evaluate(examples_of(one))["lm_bits_per_char"]


def test_scores_do_not_depend_on_the_batch():
    lm = build(steps=10).get_pipe("lm")
    together = lm.score([*TEXTS, "", "a"])
    for text, expected in zip([*TEXTS, "", "a"], together, strict=True):
        assert_array_equal(lm.score([text])[0].surprisals, expected.surprisals)


def test_the_loss_is_the_mean_of_a_symbol_and_changes_nothing():
    nlp = build()
    lm, examples = nlp.get_pipe("lm"), examples_of(nlp)
    scores = lm.predict([example.predicted for example in examples])
    loss, gradients = lm.get_loss(examples, scores)
    surprisals = numpy.concatenate([each.surprisals for each in scores])
    assert_allclose(loss, surprisals.mean() * math.log(2), rtol=1e-5)
    assert_allclose(sum(gradient.sum() for gradient in gradients), -1.0, rtol=1e-5)
    assert not any(node.has_grad(name) for node in lm.model.walk() for name in node.param_names)


# Annotation


def test_nothing_is_computed_or_set_unless_it_is_asked_for(monkeypatch):
    nlp = build()
    monkeypatch.setattr(type(nlp.get_pipe("lm")), "predict", lambda self, docs: pytest.fail("it was run"))
    doc = nlp("a cat")
    assert not doc.user_data and [doc.text for doc in nlp.pipe(["a", "b"])] == ["a", "b"]


@pytest.mark.parametrize("unit", ["Characters", "Words"])
def test_surprisals_of_tokens_add_up_to_the_text(unit):
    nlp = build(steps=10, unit=unit, store_surprisal=True, store_perplexity=True)
    text = "the  cat sat, on\n the mat. "
    doc = nlp(text)
    scored = nlp.get_pipe("lm").predict([nlp.make_doc(text)])[0]
    found = [token._.rnn_surprisal for token in doc]
    assert_allclose(sum(found), scored.surprisals[:-1].sum(), rtol=1e-4)
    assert_allclose(doc._.rnn_perplexity, scored.perplexity, rtol=1e-5)
    for token, bits in zip(doc, found, strict=True):
        inside = (scored.starts[:-1] >= token.idx) & (scored.starts[:-1] < token.idx + len(token.text_with_ws))
        assert_allclose(bits, scored.surprisals[:-1][inside].sum(), rtol=1e-4, atol=1e-6)


def test_surprisals_stay_with_a_text():
    nlp = build(steps=2, store_surprisal=True)
    doc = nlp("the cat sat")
    expected = [token._.rnn_surprisal for token in doc]
    assert [token._.rnn_surprisal for token in Doc(nlp.vocab).from_bytes(doc.to_bytes())] == expected
    assert [token._.rnn_surprisal for token in doc.copy()] == expected
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert [token._.rnn_surprisal for token in doc] == [None, expected[2]]


def test_annotation_is_the_same_alone_and_in_a_pipe():
    nlp = build(steps=5, store_surprisal=True, store_perplexity=True)
    for doc in nlp.pipe([*TEXTS, ""], batch_size=5):
        alone = nlp(doc.text)
        assert [token._.rnn_surprisal for token in doc] == [token._.rnn_surprisal for token in alone]
        assert doc._.rnn_perplexity == alone._.rnn_perplexity


# Writing


def test_texts_that_were_learned_are_written():
    lm = build(["the cat sat on the mat ."], steps=150).get_pipe("lm")
    assert lm.generate("the cat", greedy=True)[0].text == " sat on the mat ."
    assert lm.search("the", width=3)[0].text == " cat sat on the mat ."
    assert "".join(lm.stream("the cat", greedy=True)) == " sat on the mat ."
    assert lm.generate("the", greedy=True, stop=["mat"])[0].text == " cat sat on the "


@pytest.mark.parametrize("stop", [["mat"], ["s"], ["at o", "at"], ["sat on", "on"], ["mat on"], ["t sat", "at sat on"]])
def test_a_text_as_it_comes_is_the_text(stop):
    lm = build(["the cat sat on the mat ."], steps=150).get_pipe("lm")
    for prompt in ("the", ""):
        expected = lm.generate(prompt, greedy=True, stop=stop)[0]
        pieces = list(lm.stream(prompt, greedy=True, stop=stop))
        assert "".join(pieces) == expected.text and all(pieces)


def test_words_are_written_with_blanks_between():
    lm = build(["the cat sat on the mat ."], steps=100, unit="Words").get_pipe("lm")
    assert lm.generate("the cat", greedy=True)[0].text == " sat on the mat ."
    assert lm.generate("", greedy=True)[0].text == "the cat sat on the mat ."
    assert "".join(lm.stream("the cat ", greedy=True)) == "sat on the mat ."


@pytest.mark.parametrize("settings", [{"max_symbols": 0}, {"stop": ["sat"], "greedy": True}])
def test_where_nothing_is_written_no_blank_is(settings):
    lm = build(["the cat sat on the mat ."], steps=100, unit="Words").get_pipe("lm")
    assert lm.generate("the cat", **settings)[0].text == ""
    assert list(lm.stream("the cat", **settings)) == []


@pytest.fixture(scope="module")
def of_subwords():
    """A model that has hardly learned anything: it writes bytes that are no characters, and words in odd pieces."""
    pytest.importorskip("tokenizers")
    model = {"@architectures": "spacy_rnn.RNNLM.v1", **SMALL, "symbols": {"@misc": "spacy_rnn.Subwords.v1", "size": 300}}
    nlp = spacy.blank("en")
    lm = nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
    examples = examples_of(nlp, [*TEXTS, "日本 😀"])
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    return lm


@pytest.mark.parametrize("stop", [(), ["."], ["t", "at"], ["e "], ["\ufffd."], ["\n"], ["日"]])
def test_a_text_of_pieces_ends_where_a_string_does(of_subwords, stop):
    """However it is spelled: most pieces have letters that are pieces of their own, too."""
    n_stopped = 0
    for seed in range(100):
        written = of_subwords.generate("the ", max_symbols=30, seed=seed, stop=stop)[0]
        pieces = list(of_subwords.stream("the ", max_symbols=30, seed=seed, stop=stop))
        assert "".join(pieces) == written.text and all(pieces)
        whole = of_subwords.generate("the ", max_symbols=30, seed=seed)[0]
        places = [(whole.text.index(each) + len(each), whole.text.index(each)) for each in stop if each in whole.text]
        if not places:
            assert written == whole
            continue
        n_stopped += 1
        assert written.text == whole.text[: min(places)[1]] and written.ended == "stop"
        short = of_subwords.generate("the ", max_symbols=written.n_symbols, seed=seed)[0]
        assert short.text.startswith(whole.text[: min(places)[0]]) and written.bits == short.bits
        less = of_subwords.generate("the ", max_symbols=written.n_symbols - 1, seed=seed)[0]
        assert not less.text.startswith(whole.text[: min(places)[0]])
    assert n_stopped > 5 or stop not in (["."], ["t", "at"], ["\n"])


def test_what_is_written_depends_on_prompt_and_seed_alone():
    lm = build(steps=10).get_pipe("lm")
    prompts = ["the", "", "a cat and", "that"]
    together = lm.generate(prompts, n=2, max_symbols=30, seed=5)
    assert [each.prompt for each in together] == [prompt for prompt in prompts for _ in range(2)]
    assert lm.generate(prompts, n=2, max_symbols=30, seed=5) == together
    for i, prompt in enumerate(prompts):
        assert lm.generate(prompt, n=2, max_symbols=30, seed=5) == together[2 * i : 2 * i + 2]
        assert "".join(lm.stream(prompt, max_symbols=30, seed=5)) == together[2 * i].text
    assert lm.generate([prompts[2], prompts[2]], max_symbols=30, seed=5) == [together[4]] * 2
    beginnings = [each.text[:5] for each in lm.generate(["", " ", "t", "a"], max_symbols=30, seed=5, temperature=1e9)]
    assert len(set(beginnings)) == 4
    assert lm.generate(prompts, n=2, max_symbols=30, seed=6) != together
    assert together[0] != together[1]


def test_the_surprisal_of_what_was_written_is_that_of_the_text():
    lm = build(steps=20).get_pipe("lm")
    for written in lm.generate("the", n=3, max_symbols=25):
        scored = lm.score([written.prompt + written.text])[0]
        own = scored.surprisals[3:] if written.ended == "stop" else scored.surprisals[3:-1]
        assert_allclose(written.bits, own.sum(), rtol=1e-3)


@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM"])
def test_texts_and_scores_are_the_same_on_one_and_two_threads(architecture):
    lm = build(steps=10, architecture=architecture).get_pipe("lm")
    found = []
    for n_threads in (1, 2):
        with use_threads(n_threads):
            written = lm.generate(["the", "a c", ""], n=30, max_symbols=40, seed=3)
            found.append((written, lm.search(["the", ""], n=2, max_symbols=20), [each.bits for each in lm.score(TEXTS * 20)]))
    assert found[0] == found[1]


@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM"])
def test_nothing_is_written_with_less_than_no_surprisal(architecture):
    lm = build(architecture=architecture).get_pipe("lm")
    for written in (lm.generate("the", max_symbols=0), lm.search("the", max_symbols=0)):
        assert [str(each.bits) for each in written] == ["0.0"]


def test_what_is_certain_has_no_surprisal():
    """And none below zero: rounding may take a probability a little above 1."""
    nlp = spacy.blank("en")
    doc = nlp.make_doc("abc")
    text = SymbolText(*(numpy.asarray(each, dtype="int32") for each in ([3, 4, 5], [0, 1, 2], [1, 2, 3])))
    log_probabilities = numpy.asarray([0.0, 5e-6, -numpy.log(2.0), -numpy.inf], dtype="float32")
    scored = score_text(doc, text, log_probabilities, "symbol", 1, True)
    assert [str(each) for each in scored.surprisals.tolist()] == ["0.0", "0.0", "1.0", "inf"]


def test_bad_prompts_and_settings_are_refused():
    lm = build().get_pipe("lm")
    refused(lambda: lm.generate("the Ü"), "never seen", "'Ü' at 4", "replace_unknown")
    assert lm.generate("the Ü", max_symbols=3, replace_unknown=True)[0].n_symbols <= 3
    of_words = build(unit="Words").get_pipe("lm")
    refused(lambda: of_words.generate("the cat."), "never seen", "'cat.' at 4", "nlp.make_doc")
    refused(lambda: lm.generate("the", temperature=0), "temperature")
    refused(lambda: lm.generate("the", top_p=1.5), "top_p")
    refused(lambda: lm.generate([3]), "a prompt is a str or a Doc", "int")
    refused(lambda: lm.generate("the", stop=[""]), "stop")
    refused(lambda: lm.stream("the Ü"), "never seen")
    refused(lambda: lm.score([3]), "scores texts", "int")
    refused(lambda: lm.score("the cat"), "a list of texts", "[text]", "str")
    refused(lambda: lm.score(spacy.blank("en").make_doc("the")), "a list of texts", "Doc")
    refused(lambda: lm.score(None), "a list of texts", "NoneType")
    for prompts, name in ((None, "NoneType"), (3, "int"), ([None], "NoneType")):
        refused(lambda prompts=prompts: lm.generate(prompts), "a prompt is a str or a Doc", name)
        refused(lambda prompts=prompts: lm.search(prompts), "a prompt is a str or a Doc")
    for prompt in (["the", "cat"], ["the"], None):
        refused(lambda prompt=prompt: lm.stream(prompt), "a prompt is a str or a Doc", type(prompt).__name__)
    for stop in ([3], 3, [None], None, [b"a"]):
        for run in (lm.generate, lm.stream, lm.search):
            refused(lambda run=run, stop=stop: run("the", stop=stop), "stop", "str")


# Saving, and what a component refuses


@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM"])
@pytest.mark.parametrize("unit", ["Characters", "Words"])
def test_saved_and_loaded(tmp_path, unit, architecture):
    nlp = build(steps=5, unit=unit, architecture=architecture)
    nlp.to_disk(tmp_path)
    for other in (spacy.load(tmp_path), spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert_array_equal(other.get_pipe("lm").score(TEXTS)[0].surprisals, nlp.get_pipe("lm").score(TEXTS)[0].surprisals)


def test_other_symbols_than_the_configs_are_refused(tmp_path):
    nlp = build(steps=1)
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match="could not be loaded"):
        spacy.load(tmp_path, config={"components": {"lm": config(unit="Words")}})


def test_a_component_that_was_not_initialized_says_so():
    nlp = spacy.blank("en")
    lm = nlp.add_pipe("rnn_lm")
    for run in (
        lambda: lm.score(["a"]),
        lambda: lm.generate("a"),
        lambda: lm.update(examples_of(nlp, ["a"])),
    ):
        refused(run, "E109")


@pytest.mark.parametrize("architecture", ["NGramLM", "CacheLM"])
def test_a_model_that_has_counted_nothing_says_so(architecture):
    nlp = spacy.blank("en")
    lm = nlp.add_pipe("rnn_lm", config={"model": mixture_of("Characters")["members"][architecture]})
    for run in (
        lambda: lm.score(["a"]),
        lambda: lm.generate("a", replace_unknown=True),
        lambda: lm.update(examples_of(nlp, ["a"])),
    ):
        refused(run, "yet")


def test_a_corpus_without_symbols_is_refused():
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", config=config())
    refused(lambda: nlp.initialize(lambda: examples_of(nlp, [""])), "no ")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"unknown": "guess"}, ["unknown must be one of", "guess"]),
        ({"unknown_types": 0}, ["unknown_types"]),
        ({"reset_probability": 1.5}, ["reset_probability"]),
        ({"eval_streams": -1}, ["eval_streams"]),
        ({"model": {"@architectures": "spacy.HashEmbedCNN.v2", **SMALL}}, []),
    ],
)
def test_bad_settings_are_refused(settings, words):
    refused(lambda: spacy.blank("en").add_pipe("rnn_lm", config=settings), *words)


def test_symbols_may_be_given_beforehand():
    nlp = build()
    data = nlp.get_pipe("lm").label_data
    other = spacy.blank("en")
    other.add_pipe("rnn_lm", name="lm", config=config())
    other.get_pipe("lm").initialize(lambda: examples_of(other, ["the cat"]), nlp=other, labels=data)
    assert other.get_pipe("lm").symbols == nlp.get_pipe("lm").symbols


def mixture_of(unit):
    members = {name: {"@architectures": f"spacy_rnn.{name}.v1"} for name in ("RNNLM", "NGramLM", "CacheLM")}
    members["RNNLM"].update(SMALL)
    for member in members.values():
        member["symbols"] = {"@misc": f"spacy_rnn.{unit}.v1"}
    return {"@architectures": "spacy_rnn.MixtureLM.v1", "members": members}


@pytest.mark.parametrize("unit", ["Characters", "Words"])
@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM", "NGramLM", "MixtureLM"])
def test_a_model_of_symbols_that_were_given_learns_the_texts(architecture, unit):
    """Of other texts than the symbols are from: what these do not have is unknown, what only these have has a number."""
    model = mixture_of(unit)
    if architecture != "MixtureLM":
        model = {**model["members"]["NGramLM"], "@architectures": f"spacy_rnn.{architecture}.v1"}
    found = []
    for texts, labels in ((["a cat sat .", "a rat"], None), (["a mat sat", "that sat"], "given")):
        nlp = spacy.blank("en")
        lm = nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
        examples = examples_of(nlp, texts)
        labels = labels and srsly.json_loads(srsly.json_dumps(found[0].label_data))
        lm.initialize(lambda examples=examples: examples, nlp=nlp, labels=labels)
        nlp.update(examples, sgd=Adam(0.01))
        found.append(lm)
    first, second = found
    assert second.symbols == first.symbols
    assert second.score(["sat .", "sat mat"])[0].n_unknown == 0
    if architecture in ("NGramLM", "MixtureLM"):
        assert first.score(["a cat sat"])[0].bits < second.score(["a cat sat"])[0].bits


def test_ngrams_of_symbols_that_were_given_are_those_of_symbols_that_were_learned():
    model = {"@architectures": "spacy_rnn.NGramLM.v1", "symbols": {"@misc": "spacy_rnn.Words.v1"}, "order": 3}
    found = []
    for _ in range(2):
        nlp = spacy.blank("en")
        lm = nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
        lm.initialize(lambda nlp=nlp: examples_of(nlp), nlp=nlp, labels=found[0].label_data if found else None)
        found.append(lm)
    assert found[0].model.to_bytes() == found[1].model.to_bytes()


def test_symbols_that_are_none_are_refused():
    labels = build().get_pipe("lm").label_data
    for given in ({**labels, "unit": "word"}, {**labels, "learned": ["a"]}, {**labels, "learned": []}, [], {"a": 1}):
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_lm", name="lm", config=config())
        with pytest.raises(ValueError):
            nlp.get_pipe("lm").initialize(lambda nlp=nlp: examples_of(nlp), nlp=nlp, labels=given)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("architecture", ["RNNLM", "FeedForwardLM"])
@pytest.mark.parametrize("output", ["full", "adaptive", "sampled", "tied"])
def test_a_component_is_initialized_again_with_other_symbols(output, architecture, given):
    settings = {"tied": True} if output == "tied" else {"output": output}
    if output == "tied" and architecture == "FeedForwardLM":
        return
    nlp = spacy.blank("en")
    model = {**config(architecture=architecture)["model"], **settings}
    lm = nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
    labels = build(["abc xyz"]).get_pipe("lm").label_data if given else None
    for texts in (TEXTS, ["abc xyz"], TEXTS):
        examples = examples_of(nlp, texts)
        lm.initialize(lambda examples=examples: examples, nlp=nlp, labels=labels if texts == ["abc xyz"] else None)
        optimizer = Adam(0.01)
        for _ in range(2):
            nlp.update(examples, sgd=optimizer)
        assert not lm.symbols.find_unknown(texts[0])
        assert lm.score([texts[0]])[0].bits > 0


def test_a_text_of_one_symbol_is_a_text():
    lm = build(["a", "b"], steps=2).get_pipe("lm")
    assert lm.score(["a"])[0].n_characters == 2 and len(lm.score([""])[0].surprisals) == 1
