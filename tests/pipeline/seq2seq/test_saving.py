"""Encoder-decoders on disk and in bytes."""

import pytest
import spacy
import srsly

from spacy_rnn.pipeline.annotation.output import get_output

WORDS = {"@misc": "spacy_rnn.Words.v1", "min_count": 1}
CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
SUBWORDS = {"@misc": "spacy_rnn.Subwords.v1", "size": 262}
MODELS = {
    "words": {},
    "subwords": {"source": SUBWORDS, "target": SUBWORDS},
    "copying": {"source": CHARACTERS, "target": None, "copy": True},
    "no attention": {"attention": "none", "cell": "lstm", "decoder_depth": 2},
    "tied, fed": {"tied": True, "input_feeding": True, "attention": "additive"},
}
TEXTS = ["a b c", "d", "c b x"]


@pytest.fixture(scope="module", params=MODELS)
def nlp(request, learn_pairs, reversed_words):
    return learn_pairs(reversed_words[:20], 3, MODELS[request.param], lower=True, max_symbols=8)


def settings_of(nlp):
    config = nlp.get_pipe_config("rnn_seq2seq")
    return {name: value for name, value in config.items() if name != "factory"}


def outputs(nlp):
    return [get_output(doc) for doc in nlp.pipe(TEXTS)]


def test_disk(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert outputs(loaded) == outputs(nlp)
    assert loaded.get_pipe("rnn_seq2seq").to_bytes() == nlp.get_pipe("rnn_seq2seq").to_bytes()


def test_bytes(nlp):
    loaded = spacy.blank("xx")
    loaded.add_pipe("rnn_seq2seq", config=settings_of(nlp))
    loaded.from_bytes(nlp.to_bytes())
    assert outputs(loaded) == outputs(nlp)


@pytest.fixture
def loaded(nlp):
    other = spacy.blank("xx")
    other.add_pipe("rnn_seq2seq", config=settings_of(nlp))
    return other.from_bytes(nlp.to_bytes())


def test_what_was_loaded_learns_on(loaded, pairs, reversed_words):
    examples = pairs(loaded, reversed_words[:20])
    optimizer = loaded.resume_training()
    optimizer.learn_rate = 0.01
    losses = [loaded.update(examples, sgd=optimizer)["rnn_seq2seq"] for _ in range(6)]
    assert losses[-1] < losses[0]


def test_what_was_loaded_learns_anew(loaded, pairs):
    """Symbols of both sides are still the same."""
    examples = pairs(loaded, [("k l", "m"), ("l", "n k")])
    optimizer = loaded.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    loaded.update(examples, sgd=optimizer)
    model = loaded.get_pipe("rnn_seq2seq").model
    source, target = model.attrs["source"], model.attrs["target"]
    assert (source is target) == (model.get_ref("gate") is not None if model.has_ref("gate") else False)
    assert not target.find_unknown("m n k") and not source.find_unknown("k l")


def test_the_setting_of_the_file_is_used(nlp):
    """`lower` decides what was learned, so that it is that of the file."""
    other = spacy.blank("xx")
    given = settings_of(nlp)
    pipe = other.add_pipe("rnn_seq2seq", config={**given, "lower": False})
    pipe.from_bytes(nlp.get_pipe("rnn_seq2seq").to_bytes())
    assert pipe.translate(["A B c"]) == nlp.get_pipe("rnn_seq2seq").translate(["a b c"])


@pytest.mark.parametrize("part", ["cfg", "model"])
def test_a_missing_file(nlp, tmp_path, part):
    nlp.to_disk(tmp_path)
    (tmp_path / "rnn_seq2seq" / part).unlink()
    with pytest.raises(FileNotFoundError, match=f"'rnn_seq2seq' could not be loaded: .*{part} is missing"):
        spacy.load(tmp_path)


def test_damaged_files(nlp, tmp_path):
    """Any byte of the weights that is another one: refused with the file's name, or without a trace in the structure."""
    nlp.to_disk(tmp_path)
    file = tmp_path / "rnn_seq2seq" / "model"
    whole = file.read_bytes()
    pipe = nlp.get_pipe("rnn_seq2seq")
    pipe.to_disk(tmp_path / "pipe")
    target = tmp_path / "pipe" / "model"
    for place in (0, 40, 200, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        target.write_bytes(damaged)
        other = spacy.blank("xx")
        loading = other.add_pipe("rnn_seq2seq", config=settings_of(nlp))
        try:
            loading.from_disk(tmp_path / "pipe")
        except ValueError as error:
            assert str(target) in str(error)
    for cut in (0, 1, len(whole) // 3, len(whole) - 1):
        target.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="'rnn_seq2seq' could not be loaded from .*model"):
            loading.from_disk(tmp_path / "pipe")


CHANGES = [
    ({"width": 10}, "dimension"),
    ({"hidden_width": 20}, "dimension"),
    ({"attention": "dot"}, "layer|attribute|parameters|structure|kind"),
    ({"decoder_depth": 2}, "layers|dimension|structure"),
    ({"source": CHARACTERS}, "by the config its symbols are characters, but in the file 'word's"),
    ({"target": None}, "shares_symbols"),
    ({"input_feeding": True}, "input_feeding|dimension"),
    ({"tied": True}, "layer|structure|tied|parameters"),
]


@pytest.mark.parametrize("change, message", CHANGES)
def test_another_config(learn_pairs, config, change, message):
    nlp = learn_pairs([("a b", "c")], 1)
    other = spacy.blank("xx").add_pipe("rnn_seq2seq", config=config(change))
    with pytest.raises(ValueError, match=f"'rnn_seq2seq' could not be loaded from bytes: .*({message})"):
        other.from_bytes(nlp.get_pipe("rnn_seq2seq").to_bytes())


def test_two_sides_that_are_not_the_same(learn_pairs, config):
    """A file in which the symbols that both sides share differ."""
    model = {"source": CHARACTERS, "target": None, "copy": True}
    pipe = learn_pairs([("ab", "ba")], 1, model).get_pipe("rnn_seq2seq")
    other = learn_pairs([("ac", "ca")], 1, model).get_pipe("rnn_seq2seq")
    saved, changed = (srsly.msgpack_loads(each.model.to_bytes()) for each in (pipe, other))
    saved["attrs"][0]["target"] = changed["attrs"][0]["target"]
    data = srsly.msgpack_loads(pipe.to_bytes())
    data["model"] = srsly.msgpack_dumps(saved)
    fresh = spacy.blank("xx").add_pipe("rnn_seq2seq", config=config(model))
    with pytest.raises(ValueError, match="by the config its source and target are the same symbols, but not in the file"):
        fresh.from_bytes(srsly.msgpack_dumps(data))
