"""Symbols in an attribute of a model, saved and loaded."""

import copy

import numpy
import pytest
import srsly
from thinc.api import Model

from spacy_rnn.layers import declare
from spacy_rnn.layers.saved import Saved, no_parameters
from spacy_rnn.layers.weights import load_weights
from spacy_rnn.text.symbols import Characters, Symbols, Words

TEXT = "a b😀 a"


def forward(model, X, is_train):
    return X, lambda dY: dY


declare(forward, Saved(no_parameters, learned=("symbols",)))


def model_with(symbols):
    return Model("has_symbols", forward, attrs={"symbols": symbols})


def learned(symbols, learn):
    return learn(symbols, [TEXT])


KINDS = {
    "characters": lambda: Characters(size=7),
    "backward characters": lambda: Characters(size=7, backward=True),
    "words": lambda: Words(attr="LOWER", min_count=1),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_symbols_are_saved_with_a_model(kind, learn):
    symbols = learned(kind(), learn)
    model = model_with(kind()).from_bytes(model_with(symbols).to_bytes())
    loaded = model.attrs["symbols"]
    assert loaded == symbols
    assert loaded is not symbols
    assert loaded.names() == symbols.names()
    assert loaded.encode(TEXT).numbers.tolist() == symbols.encode(TEXT).numbers.tolist()


def test_what_the_config_built_stays_as_it_was(kind, learn):
    built = kind()
    model_with(built).from_bytes(model_with(learned(kind(), learn)).to_bytes())
    assert built == kind()


def test_symbols_that_have_learned_nothing_can_be_saved(kind):
    assert model_with(kind()).from_bytes(model_with(kind()).to_bytes()).attrs["symbols"] == kind()


def test_copies_are_equal_and_independent(kind, learn):
    symbols = learned(kind(), learn)
    copied = model_with(symbols).copy().attrs["symbols"]
    assert copied == symbols == copy.deepcopy(symbols)
    learn(copied, ["z"])
    assert copied != symbols


def test_equal_means_the_same_numbers(learn):
    assert learn(Words(), ["a b"]) == learn(Words(size=2, min_count=1), ["a b"])
    assert learn(Words(), ["a b"]) != learn(Words(), ["b b a"])
    assert learn(Words(), ["a b"]) != learn(Words(attr="LOWER"), ["a b"])
    assert learn(Characters(), ["ab"]) != learn(Words(), ["a b"])
    assert Characters() != "characters"


def test_other_settings_are_refused(learn):
    saved = model_with(learned(Words(size=2), learn)).to_bytes()
    with pytest.raises(ValueError, match="settings .*'size': 0.*in the file .*'size': 2"):
        model_with(Words()).from_bytes(saved)
    with pytest.raises(ValueError, match="characters, but in the file 'word's"):
        model_with(Characters()).from_bytes(saved)


def test_a_component_that_loads_them_checks_the_settings(kind, learn):
    data = model_with(learned(kind(), learn)).to_bytes()
    model = model_with(kind())
    load_weights(model, data)
    assert model.attrs["symbols"] == learned(kind(), learn)
    other = model_with(Words(size=99) if kind is KINDS["words"] else Characters(min_count=9))
    with pytest.raises(ValueError, match="layer 'has_symbols'.*have the settings"):
        load_weights(other, data)
    assert other.attrs["symbols"].learned == []


@pytest.mark.parametrize(
    "learned",
    [
        5,
        "ab",
        None,
        {"a": 1},
        [1.5],
        [True],
        [-1],
        [0x110000],
        ["a", 3],
        ["a", "a"],
        ["a", ""],
        [97, 97],
        [["a"]],
        [None],
        [2**70],
    ],
)
def test_damaged_lists_are_refused(kind, learned):
    symbols = kind()
    with pytest.raises(ValueError, match="character|word"):
        symbols.from_data({**symbols.to_data(), "learned": learned})
    assert symbols == kind()


@pytest.mark.parametrize("data", [None, [], {}, {"unit": "word"}, {"unit": "word", "settings": {}, "learned": [], "more": 1}])
def test_damaged_data_are_refused(kind, data):
    with pytest.raises(ValueError, match="saved as a map"):
        kind().from_data(data)


def test_any_damaged_byte_is_refused_or_gives_symbols(kind, learn):
    model = model_with(learned(kind(), learn))
    message = srsly.msgpack_loads(model.to_bytes())
    data = message["attrs"][0]["symbols"]
    rng = numpy.random.default_rng(0)
    n_refused = 0
    for k in range(300):
        at = int(rng.integers(len(data)))
        damaged = data[:at] if k % 4 == 0 else data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
        message["attrs"][0]["symbols"] = damaged
        try:
            loaded = model_with(kind()).from_bytes(srsly.msgpack_dumps(message)).attrs["symbols"]
        except ValueError:
            n_refused += 1
        else:
            assert isinstance(loaded, Symbols)
            loaded.decode(loaded.encode(TEXT).numbers)
    assert n_refused > 100
