import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy import util
from spacy.lookups import Lookups
from spacy.training import Example
from thinc.api import Config, fix_random_seed

from spacy_rnn.pipeline.language_model.mixing import mix_language_models

TEXTS = ["the cat sat on the mat .", "a cat and a hat", "the fat rat sat on a hat !", "that is that"]
DEV = ["the rat sat on that mat", "a fat cat"]
CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
MODELS = {
    "rnn": {"@architectures": "spacy_rnn.RNNLM.v1", "width": 8, "hidden_width": 16},
    "ngram": {"@architectures": "spacy_rnn.NGramLM.v1", "order": 3, "smoothing": "witten_bell"},
    "window": {"@architectures": "spacy_rnn.FeedForwardLM.v1", "width": 8, "hidden_width": 16, "window": 2},
}


def train(name, symbols=CHARACTERS, texts=TEXTS, **settings):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", name=f"own_{name}", config={"model": {**MODELS[name], "symbols": symbols}, **settings})
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp, f"own_{name}"


def bits(nlp, name, texts=DEV):
    return sum(scored.bits for scored in nlp.get_pipe(name).score(texts))


def test_a_mixture_fits_texts_better_than_each_of_its_members(tmp_path):
    members = {name: train(name) for name in MODELS}
    nlp, weights = mix_language_models(members, [spacy.blank("en").make_doc(text) for text in DEV])
    assert set(weights) == set(MODELS) and sum(weights.values()) == pytest.approx(1)
    own = {name: bits(*member) for name, member in members.items()}
    assert bits(nlp, "lm") < min(own.values())
    surprisals = [member.get_pipe(name).score(DEV[:1])[0].surprisals for member, name in members.values()]
    expected = -numpy.log2(
        sum(weights[key] * 2.0 ** -each.astype("float64") for key, each in zip(members, surprisals, strict=True))
    )
    assert_allclose(nlp.get_pipe("lm").score(DEV[:1])[0].surprisals, expected, rtol=1e-4)
    nlp.to_disk(tmp_path)
    assert bits(spacy.load(tmp_path), "lm") == pytest.approx(bits(nlp, "lm"))
    assert nlp.get_pipe("lm").generate("the", max_symbols=5)[0].n_symbols <= 5


def test_settings_are_those_of_the_first_member():
    members = {name: train(name, unknown=rule) for name, rule in (("rnn", "skip"), ("ngram", "symbol"))}
    nlp, _ = mix_language_models(members, [spacy.blank("en").make_doc(text) for text in DEV])
    assert nlp.get_pipe("lm").unknown == "skip"


def test_variables_of_the_members_configs_are_settled(pytestconfig):
    members = {}
    for name in ("lm_char", "lm_ngram"):
        config = Config().from_disk(pytestconfig.rootpath / "configs" / f"{name}.cfg", interpolate=False)
        nlp = util.load_model_from_config(config, auto_fill=False)
        assert nlp.config["corpora"]["train"]["path"] == "${paths.train}"
        examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]
        nlp.config["initialize"]["before_init"] = None
        nlp.initialize(lambda examples=examples: examples)
        members[name] = nlp, "lm"
    mixed, weights = mix_language_models(members, [spacy.blank("en").make_doc(text) for text in DEV])
    assert set(weights) == set(members)
    assert "${" not in str(mixed.get_pipe_config("lm"))


def test_norms_are_those_of_the_first_member(tmp_path):
    """They say which word it is, and a pipeline may have a table of them."""
    words = {"@misc": "spacy_rnn.Words.v1", "attr": "NORM"}
    members = {name: train(name, words) for name in ("rnn", "ngram")}
    first, name = members["rnn"]
    lookups = Lookups()
    lookups.add_table("lexeme_norm", {"feline": "cat"})
    first.vocab.lookups = lookups
    mixed, _ = mix_language_models(members, [spacy.blank("en").make_doc(text) for text in DEV])
    mixed.to_disk(tmp_path)
    for nlp, component in ((first, name), (mixed, "lm"), (spacy.load(tmp_path), "lm")):
        assert not nlp.get_pipe(component).symbols.find_unknown(nlp.make_doc("the feline"))


@pytest.mark.parametrize("name", MODELS)
def test_a_member_that_has_learned_nothing_says_so(name):
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", name="lm", config={"model": {**MODELS[name], "symbols": CHARACTERS}})
    for members in ({"a": train("rnn"), "b": (nlp, "lm")}, {"b": (nlp, "lm"), "a": train("rnn")}):
        with pytest.raises(ValueError, match="(E109.*'lm'|no n-grams yet)"):
            mix_language_models(members, [nlp.make_doc(text) for text in DEV])


@pytest.mark.parametrize(
    "members, texts, words",
    [
        (lambda: {"one": train("rnn")}, DEV, ["two language models", "got 1"]),
        (lambda: {"one": train("rnn"), "other": train("ngram")}, [], ["texts"]),
        (lambda: {"one": train("rnn"), "other": train("ngram", {"@misc": "spacy_rnn.Words.v1"})}, DEV, ["characters and words"]),
        (lambda: {"one": train("rnn"), "other": train("ngram", texts=[*TEXTS, "zebra"])}, DEV, ["other symbols", "in one only"]),
    ],
)
def test_what_cannot_be_mixed_is_refused(members, texts, words):
    with pytest.raises(ValueError) as error:
        mix_language_models(members(), [spacy.blank("en").make_doc(text) for text in texts])
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_cache_stands_beside_members_of_other_names():
    texts = [spacy.blank("en").make_doc(text) for text in DEV]
    with pytest.raises(ValueError, match="called 'cache'"):
        mix_language_models({"cache": train("rnn")}, texts, cache={"size": 5})
    with pytest.raises(ValueError, match="got 0"):
        mix_language_models({}, texts, cache={"size": 5})
    _, weights = mix_language_models({"own": train("rnn")}, texts, cache={"size": 5, "share": 0.5})
    assert list(weights) == ["cache", "own"]
