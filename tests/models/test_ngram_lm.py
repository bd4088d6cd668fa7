"""N-gram models, caches and mixtures as architectures."""

import copy
import gzip
import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Linear

from spacy_rnn.backoff import NGramCounter, estimate
from spacy_rnn.generation import LanguageModel
from spacy_rnn.layers import learn_vocabulary
from spacy_rnn.layers.capabilities import PredictsSymbols, find
from spacy_rnn.models.cache_lm import build_cache_lm
from spacy_rnn.models.mixture_lm import build_mixture_lm, interpolate
from spacy_rnn.models.ngram_lm import build_ngram_lm, load_arpa, save_arpa
from spacy_rnn.models.rnn_lm import build_rnn_lm
from spacy_rnn.text.symbols import END, START, SymbolBatch, build_characters, build_subwords, build_words

TEXTS = ["the cat sat on the mat", "a cat", "that hat, the fat  rat!\n", "", "the end é\u00a0\U0001f600"]


def docs_of(texts):
    vocab = Vocab()
    nlp = spacy.blank("en", vocab=vocab)
    return [nlp(text) for text in texts]


def learn(model, texts=TEXTS):
    learn_vocabulary(model, docs_of(texts))
    model.initialize()
    return model


def batch_of(model, texts=TEXTS):
    numbers = [model.attrs["symbols"].encode(doc).numbers for doc in docs_of(texts)]
    inputs = numpy.concatenate([numpy.append(START, each) for each in numbers])
    targets = numpy.concatenate([numpy.append(each, END) for each in numbers])
    return SymbolBatch(inputs, targets, numpy.asarray([len(each) + 1 for each in numbers], dtype="int32"))


def begin(model) -> LanguageModel:
    return find(model, PredictsSymbols).begin(model)


BUILDERS = {
    "characters": lambda: build_ngram_lm(build_characters(), order=4),
    "words": lambda: build_ngram_lm(build_words(attr="LOWER"), order=3, smoothing="witten_bell"),
    "cache": lambda: build_cache_lm(build_characters(), size=10, order=2),
    "mixture": lambda: build_mixture_lm(
        {
            "ngrams": build_ngram_lm(build_words(), order=2),
            "cache": build_cache_lm(build_words()),
            "rnn": build_rnn_lm(build_words(), width=4, hidden_width=5),
        }
    ),
}
every_model = pytest.mark.parametrize("name", BUILDERS)


@every_model
def test_scores(name):
    model = learn(BUILDERS[name]())
    lm, batch = begin(model), batch_of(model)
    assert lm.n_symbols == len(model.attrs["symbols"])
    found = lm.score(*batch).log_probabilities
    assert found.dtype == numpy.float32
    assert (found < 0).all()
    assert_array_equal(model.predict(batch), found)


@every_model
def test_a_context_that_would_be_ignored_is_refused(name):
    lm = begin(learn(BUILDERS[name]()))
    with pytest.raises(ValueError, match="knows no context but the symbols before"):
        lm.start(1, "the weather")


@every_model
def test_saved_and_loaded(name):
    model = learn(BUILDERS[name]())
    expected = model.predict(batch_of(model))
    loaded = BUILDERS[name]().from_bytes(model.to_bytes())
    assert loaded.attrs["symbols"] == model.attrs["symbols"]
    assert_allclose(loaded.predict(batch_of(loaded)), expected, rtol=1e-6)
    assert loaded.to_bytes() == model.to_bytes()
    assert_allclose(copy.deepcopy(model).predict(batch_of(model)), expected, rtol=1e-6)


@every_model
def test_nothing_learned_yet(name):
    model = BUILDERS[name]()
    with pytest.raises(ValueError, match="yet"):
        model.initialize()
    with pytest.raises(ValueError, match="yet"):
        begin(model)
    assert not BUILDERS[name]().from_bytes(model.to_bytes()).attrs["symbols"].names()[3:]


@pytest.mark.parametrize("symbols", [build_characters, lambda: build_words(attr="LOWER"), lambda: build_words(min_count=2)])
def test_what_is_counted(symbols):
    """The texts that a counter has kept are those that were given."""
    model = learn(build_ngram_lm(symbols(), order=3, smoothing="witten_bell"))
    counter = NGramCounter(3, len(model.attrs["symbols"]))
    for doc in docs_of(TEXTS):
        counter.add(model.attrs["symbols"].encode(doc).numbers)
    expected = estimate(counter.finish(), "witten_bell")
    assert begin(model).to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("attr", ["ORTH", "LOWER", "NORM"])
def test_norms_of_tokens_are_counted(attr):
    """A tokenizer, or anybody, may give a token another norm than the word has."""
    docs = docs_of(["I can't see it", "You can't don't it"])
    docs[1][0].norm_ = "they"
    model = build_ngram_lm(build_words(attr=attr), order=2, smoothing="witten_bell")
    learn_vocabulary(model, docs)
    symbols = model.attrs["symbols"]
    assert ("not" in symbols.names()) == ("they" in symbols.names()) == (attr == "NORM")
    counter = NGramCounter(2, len(symbols))
    for doc in docs:
        numbers = symbols.encode(doc).numbers
        assert (numbers > END).all()
        counter.add(numbers)
    assert begin(model).to_bytes() == estimate(counter.finish(), "witten_bell").to_bytes()


def test_texts_of_several_vocabularies():
    model = build_ngram_lm(build_words(attr="NORM"), order=2, smoothing="witten_bell")
    learn_vocabulary(model, [*docs_of(["can't see"]), *docs_of(["can't see"]), Doc(Vocab(), words=["See", "it"])])
    assert begin(model).trie.sizes[0] == len(model.attrs["symbols"])


def test_learned_again():
    model = learn(build_ngram_lm(build_characters(), order=2), ["abcab"])
    learn(model, ["xy", "xyz"])
    assert model.attrs["symbols"].names()[3:] == ["x", "y", "z"]
    assert begin(model).n_symbols == 6


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"order": 0}, "order"),
        ({"smoothing": "x"}, "smoothing must be one of"),
        ({"smoothing": "add_k", "k": -1}, "k must be"),
        ({"smoothing": "add_k", "k": "1"}, "k must be"),
        ({"smoothing": "add_k", "k": float("nan")}, "k must be"),
        ({"prune": [0, 1, 0]}, "prune must be"),
        ({"prune": [0, None]}, "prune must be"),
        ({"prune": [0, "1"]}, "prune must be"),
        ({"prune": [0, 0.5]}, "prune must be"),
        ({"prune": [-1]}, "prune must be"),
        ({"discount_fallback": ["a", 1, 1]}, "discount_fallback must be"),
        ({"discount_fallback": [2, 2, 2]}, "discount_fallback must be"),
    ],
)
def test_bad_arguments(arguments, what):
    with pytest.raises(ValueError, match=what):
        build_ngram_lm(build_characters(), **arguments)


def test_without_a_fallback():
    model = build_ngram_lm(build_characters(), discount_fallback=None)
    with pytest.raises(ValueError, match=r"discounts of order \d: .*discount_fallback"):
        learn_vocabulary(model, docs_of(TEXTS))


def test_damaged_ngrams():
    model = learn(build_ngram_lm(build_characters(), order=2))
    data = bytearray(model.to_bytes())
    at = bytes(data).index(b"log_probabilities")
    data[at : at + 3] = b"xxx"
    with pytest.raises(ValueError, match="the attribute ngrams of layer 'ngram_lm'"):
        build_ngram_lm(build_characters(), order=2).from_bytes(bytes(data))


@pytest.mark.parametrize("symbols", [build_characters, build_words])
def test_arpa(tmp_path, symbols):
    model = learn(build_ngram_lm(symbols(), order=3))
    path = tmp_path / "lm.arpa.gz"
    save_arpa(model, path)
    assert b"ngram 3=" in gzip.decompress(path.read_bytes())
    other = build_ngram_lm(symbols(), order=3)
    other.attrs["symbols"].from_data(model.attrs["symbols"].to_data())
    load_arpa(other, path)
    assert_allclose(other.predict(batch_of(model)), model.predict(batch_of(model)), rtol=1e-5)


def test_characters_of_an_arpa_file(tmp_path):
    model = learn(build_ngram_lm(build_characters(), order=3), [*TEXTS, "\\ <s>\t\u2028"])
    save_arpa(model, tmp_path / "lm.arpa")
    other = build_ngram_lm(build_characters())
    load_arpa(other, tmp_path / "lm.arpa")
    assert other.attrs["symbols"] == model.attrs["symbols"]
    assert_allclose(other.predict(batch_of(other)), model.predict(batch_of(model)), rtol=1e-5)


def test_subwords_are_not_learned_from_an_arpa_file(tmp_path):
    pytest.importorskip("tokenizers")
    save_arpa(learn(build_ngram_lm(build_words(), order=3)), tmp_path / "lm.arpa")
    with pytest.raises(ValueError, match="subwords cannot be learned from an ARPA file"):
        load_arpa(build_ngram_lm(build_subwords()), tmp_path / "lm.arpa")


def test_words_of_an_arpa_file(tmp_path):
    model = learn(build_ngram_lm(build_words(), order=3))
    save_arpa(model, tmp_path / "lm.arpa")
    other = build_ngram_lm(build_words())
    load_arpa(other, tmp_path / "lm.arpa")
    assert other.attrs["symbols"] == model.attrs["symbols"]
    assert_allclose(other.predict(batch_of(other)), model.predict(batch_of(model)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"lm\.arpa: expected characters, but '\w{2,}' is none"):
        load_arpa(build_ngram_lm(build_characters()), tmp_path / "lm.arpa")
    with pytest.raises(ValueError, match="is none of the"):
        load_arpa(learn(build_ngram_lm(build_words()), ["cat dog"]), tmp_path / "lm.arpa")


def test_weights_are_found_on_dev():
    model = learn(
        build_mixture_lm({"ngrams": build_ngram_lm(build_words(), order=2), "cache": build_cache_lm(build_words(), size=20)})
    )
    dev = [batch_of(model, ["the rat sat on a hat", "a cat sat"]), batch_of(model, ["the rat"])]

    def bits():
        return -numpy.concatenate([model.predict(batch) for batch in dev]).mean()

    before = bits()
    weights = interpolate(model, dev)
    assert model.attrs["weights"] == weights
    assert sum(weights.values()) == pytest.approx(1)
    assert bits() < before
    loaded = build_mixture_lm({"ngrams": build_ngram_lm(build_words(), order=2), "cache": build_cache_lm(build_words(), size=20)})
    assert loaded.from_bytes(model.to_bytes()).attrs["weights"] == weights
    with pytest.raises(ValueError, match="got none"):
        interpolate(model, [])


def test_members_of_other_symbols():
    words, characters = build_ngram_lm(build_words(), order=2), build_ngram_lm(build_characters(), order=2)
    with pytest.raises(ValueError, match="the members a and b of a mixture have other symbols: words and characters"):
        learn(build_mixture_lm({"a": words, "b": characters}))
    one, other = (learn(build_ngram_lm(build_words(), order=2), [text]) for text in ("the cat", "the dog"))
    with pytest.raises(ValueError, match="the word number 3 is 'cat' in one and 'dog' in the other"):
        begin(build_mixture_lm({"a": one, "b": other}))
    other = learn(build_ngram_lm(build_words(), order=2), ["the cat sat"])
    with pytest.raises(ValueError, match="5 and 6 words, e.g. 'sat' in one only"):
        begin(build_mixture_lm({"a": one, "b": other}))
    other = learn(build_ngram_lm(build_words(attr="LOWER"), order=2), ["the cat"])
    with pytest.raises(ValueError, match="words with other settings"):
        begin(build_mixture_lm({"a": one, "b": other}))


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        ({"a": 1.0}, "of a mixture of a, b are for a"),
        ({"a": 0.9, "b": 0.9}, "sum to 1"),
        ({"a": -1.0, "b": 2.0}, "at least 0"),
    ],
)
def test_bad_weights(weights, what):
    with pytest.raises(ValueError, match=what):
        build_mixture_lm({"b": build_cache_lm(build_words()), "a": build_cache_lm(build_words())}, weights)


def test_bad_members():
    with pytest.raises(ValueError, match="needs members"):
        build_mixture_lm({})
    with pytest.raises(ValueError, match=r"x \(linear\) does not predict symbols"):
        build_mixture_lm({"x": Linear()})


CONFIG = """
[model]
@architectures = "spacy_rnn.MixtureLM.v1"

[model.members]

[model.members.ngrams]
@architectures = "spacy_rnn.NGramLM.v1"
order = 3

[model.members.ngrams.symbols]
@misc = "spacy_rnn.Characters.v1"

[model.members.cache]
@architectures = "spacy_rnn.CacheLM.v1"

[model.members.cache.symbols]
@misc = "spacy_rnn.Characters.v1"

[model.members.rnn]
@architectures = "spacy_rnn.RNNLM.v1"
hidden_width = 8

[model.members.rnn.symbols]
@misc = "spacy_rnn.Characters.v1"
"""


def add_mixture(nlp):
    model = spacy.util.Config().from_str(CONFIG)["model"]
    return nlp.add_pipe("rnn_lm", config={"model": model})


def test_in_a_pipeline():
    nlp = spacy.blank("en")
    component = add_mixture(nlp)
    examples = [Example(doc, doc.copy()) for doc in map(nlp.make_doc, filter(None, TEXTS))]
    optimizer = nlp.initialize(lambda: examples)
    before = component.score(examples)["lm_perplexity"]
    for _ in range(5):
        losses = nlp.update(examples, sgd=optimizer)
    assert 0 < losses["rnn_lm"] < 10
    assert component.score(examples)["lm_perplexity"] < before
    loaded = pickle.loads(pickle.dumps(nlp.to_bytes()))
    other = spacy.blank("en")
    add_mixture(other)
    other.from_bytes(loaded)
    assert other.get_pipe("rnn_lm").score(examples) == component.score(examples)
    assert (
        other.get_pipe("rnn_lm").generate("the ", max_symbols=20, seed=3)[0].text
        == component.generate("the ", max_symbols=20, seed=3)[0].text
    )


def test_ngrams_in_a_pipeline():
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy_rnn.NGramLM.v1", "order": 4, "symbols": {"@misc": "spacy_rnn.Characters.v1"}}
    component = nlp.add_pipe("rnn_lm", config={"model": model})
    examples = [Example(doc, doc.copy()) for doc in map(nlp.make_doc, filter(None, TEXTS))]
    nlp.initialize(lambda: examples)
    assert nlp.update(examples)["rnn_lm"] == 0
    assert component.score(examples)["lm_bits_per_char"] < 3
    assert component.search("the ", max_symbols=10)


def test_words_that_others_have_written(tmp_path):
    """KenLM and SRILM write words as they are, also those that look like our escapes."""
    words = ["\\", "\\n", "\\u0041", "\\Uffffffff", "A", "می\u200cخواهم"]
    lines = ["\\data\\", f"ngram 1={3 + len(words)}", "", "\\1-grams:", "-1\t<unk>", "-99\t<s>", "-1\t</s>"]
    path = tmp_path / "theirs.arpa"
    path.write_text("\n".join([*lines, *(f"-1\t{word}" for word in words), "", "\\end\\", ""]), encoding="utf8")
    model = build_ngram_lm(build_words())
    load_arpa(model, path)
    assert model.attrs["symbols"].learned == words
    known = build_ngram_lm(build_words())
    known.attrs["symbols"].from_data(model.attrs["symbols"].to_data())
    load_arpa(known, path)
    assert begin(known).to_bytes() == begin(model).to_bytes()
    save_arpa(model, tmp_path / "ours.arpa")
    assert sum(f"\t{word}\n" in (tmp_path / "ours.arpa").read_text(encoding="utf8") for word in words) == len(words) - 1
