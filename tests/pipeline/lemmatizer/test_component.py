"""The lemmatizer in a pipeline."""

import pickle
import random
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.vocab import Vocab
from srsly import cloudpickle
from thinc.api import Adam, fix_random_seed

from spacy_rnn.pipeline.lemmatizer.network import LemmaNetwork

NEW = [
    ("bokakats", "NOUN", "bokakat"),
    ("limuted", "VERB", "limut"),
    ("Tisamims", "PROPN", "Tisamims"),
    ("kareped", "VERB", "karep"),
]


def lemmatizer(nlp):
    return nlp.get_pipe("rnn_lemmatizer")


def make_doc(nlp, words, tagged=True):
    return Doc(nlp.vocab, words=[word[0] for word in words], pos=[word[1] for word in words] if tagged else None)


def lemmas(doc):
    return [token.lemma_ for token in doc]


def refused(run, *words):
    with pytest.raises(ValueError) as error:
        run()
    assert all(word in str(error.value) for word in words), str(error.value)


# Lemmas


def test_words_that_were_never_seen(trained, toy_words, lemmas_of):
    seen = {word[:2] for word in toy_words(400)}
    words = [word for word in toy_words(300, seed=5) if word[:2] not in seen]
    found = lemmas_of(trained, words)
    assert len(words) > 100
    assert numpy.mean([lemma == word[2] for lemma, word in zip(found, words, strict=True)]) > 0.97


def test_the_tag_decides(trained):
    found = lemmatizer(trained).lemmatize([("noreped", ["VERB"]), ("noreped", ["PROPN"]), ("Norets", ["PROPN"])])
    assert found[0] == "norep"
    assert found[2] == "Norets"


def test_what_was_seen_is_looked_up(make_lemmatizer, lemmas_of):
    words = [("is", "AUX", "be"), ("is", "AUX", "be"), ("is", "AUX", "BE"), ("is", "NOUN", "is"), ("s", "PART", "'s")]
    nlp = make_lemmatizer(words=words)
    assert lemmas_of(nlp, [("is", "AUX"), ("is", "NOUN"), ("s", "PART")]) == ["be", "is", "'s"]
    found = lemmatizer(nlp)
    found.use_dictionary = False
    # The network has learned nothing.
    assert lemmas_of(nlp, [("is", "AUX"), ("s", "PART")]) != ["be", "'s"]
    found.use_dictionary = True
    assert lemmas_of(nlp, [("is", "AUX"), ("s", "PART")]) == ["be", "'s"]


def test_white_space_is_its_own_lemma(trained):
    doc = trained(
        Doc(trained.vocab, words=["bokakats", "\n\n", "limuted", " ", "\u00a0"], pos=["NOUN", "SPACE", "VERB", "SPACE", ""])
    )
    assert lemmas(doc) == ["bokakat", "\n\n", "limut", " ", "\u00a0"]
    assert doc.has_annotation("LEMMA", require_complete=True)


def test_empty_texts_and_batches(trained):
    docs = [Doc(trained.vocab), make_doc(trained, NEW), Doc(trained.vocab)]
    assert [lemmas(doc) for doc in trained.pipe(docs)] == [[], [word[2] for word in NEW], []]
    assert lemmatizer(trained).predict([]) == []
    assert [len(each) for each in lemmatizer(trained).predict([Doc(trained.vocab)] * 2)] == [0, 0]
    assert lemmatizer(trained).lemmatize([]) == []


def test_longer_forms_stay_as_they_are(make_lemmatizer, lemmas_of):
    nlp = make_lemmatizer(words=[("bats", "NOUN", "bat"), ("sitters", "NOUN", "sitter")], max_length=5)
    assert lemmas_of(nlp, [("sitters", "NOUN"), ("x" * 100, "NOUN"), ("bats", "NOUN")]) == ["sitters", "x" * 100, "bat"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_lemmas_that_are_there(make_lemmatizer, overwrite):
    nlp = make_lemmatizer(words=[("bats", "NOUN", "bat")], overwrite=overwrite)
    doc = nlp(Doc(nlp.vocab, words=["bats", "bats"], pos=["NOUN", "NOUN"], lemmas=["", "flying mouse"]))
    assert lemmas(doc) == ["bat", "bat" if overwrite else "flying mouse"]


def test_the_same_alone_and_in_any_batch(trained, toy_words):
    words = toy_words(120, seed=6)
    texts = [words[start : start + 1 + start % 7] for start in range(100)]
    alone = []
    for text in texts:
        lemmatizer(trained).clear_cache()
        alone.append(lemmas(trained(make_doc(trained, text))))
    lemmatizer(trained).clear_cache()
    assert [lemmas(doc) for doc in trained.pipe([make_doc(trained, text) for text in reversed(texts)])] == alone[::-1]


def test_texts_of_other_vocabularies(trained):
    others = [Vocab(), Vocab(), trained.vocab]
    words = [("mumumukims", "NOUN"), ("Żżżż", "PROPN"), ("rererered", "VERB")]
    docs = [Doc(vocab, words=[word[0]], pos=[word[1]]) for vocab, word in zip(others, words, strict=True)]
    list(lemmatizer(trained).pipe(docs, batch_size=3))
    assert [lemmas(doc) for doc in docs] == [[lemma] for lemma in lemmatizer(trained).lemmatize([(f, [t]) for f, t in words])]


def test_strings_that_a_memory_zone_has_forgotten(make_lemmatizer):
    nlp = make_lemmatizer(words=[("bats", "NOUN", "bat")])
    form = "stabstabs"
    with nlp.memory_zone():
        first = lemmas(nlp(Doc(nlp.vocab, words=[form], pos=["NOUN"])))
    assert lemmas(nlp(Doc(nlp.vocab, words=[form], pos=["NOUN"]))) == first


def test_lemmatize_needs_a_value_for_each_tag(trained):
    refused(lambda: lemmatizer(trained).lemmatize([("a", ["NOUN"]), ("bats", [])]), "rnn_lemmatizer", "POS", "0 tags", "bats")
    refused(lambda: lemmatizer(trained).lemmatize([("bats", "X")]), "rnn_lemmatizer", "a list", "['X']", "bats")
    assert lemmatizer(trained).lemmatize([("", ["X"]), (" ", ["X"])]) == ["", " "]


# Attributes


@pytest.mark.parametrize("attr, key", [("NORM", "norm_acc"), ("_.toy_spelling", "toy_spelling_acc")])
def test_other_attributes(attr, key, trained, toy_words):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    config = {"gold_tags": True, "tags": [], "attr": attr, "model": trained.get_pipe_config("rnn_lemmatizer")["model"]}
    component = nlp.add_pipe("rnn_lemmatizer", config=config)
    examples = []
    for form, _, lemma in toy_words(50):
        reference = Doc(nlp.vocab, words=[form, "x"])
        if attr == "NORM":
            reference[0].norm_ = lemma
        else:
            reference[0]._.toy_spelling = lemma
        examples.append(Example(Doc(nlp.vocab, words=[form, "x"]), reference))
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    assert nlp.evaluate(examples)[key] == 1.0
    doc = nlp(Doc(nlp.vocab, words=[toy_words(50)[3][0]]))
    value = doc[0].norm_ if attr == "NORM" else doc[0]._.toy_spelling
    assert value == toy_words(50)[3][2]
    assert doc[0].lemma == 0
    assert component.scorer is not None


def test_gold_values_that_are_no_strings(trained):
    nlp = spacy.blank("xx")
    config = {"tags": [], "attr": "_.toy_number", "model": trained.get_pipe_config("rnn_lemmatizer")["model"]}
    nlp.add_pipe("rnn_lemmatizer", config=config)
    doc = Doc(nlp.vocab, words=["one"])
    doc[0]._.toy_number = 1
    refused(lambda: nlp.initialize(lambda: [Example(doc.copy(), doc)]), "rnn_lemmatizer", "toy_number", "string", "'one'")


# The cache


def test_the_cache_is_bounded(make_lemmatizer, toy_words):
    nlp = make_lemmatizer(words=toy_words(30), cache_size=20)
    for words in (toy_words(15, seed=1), toy_words(15, seed=2), toy_words(200, seed=3)):
        nlp(make_doc(nlp, words))
        assert 0 < len(lemmatizer(nlp)._cache) <= 20
    words = toy_words(15, seed=4)
    once = lemmas(nlp(make_doc(nlp, words)))
    assert lemmas(nlp(make_doc(nlp, words))) == once


def test_no_cache(make_lemmatizer, toy_words):
    nlp = make_lemmatizer(words=toy_words(30), cache_size=0)
    assert lemmas(nlp(make_doc(nlp, toy_words(30)))) == [word[2] for word in toy_words(30)]
    assert len(lemmatizer(nlp)._cache) == 0


def test_a_cached_word_is_not_written_again(make_lemmatizer, toy_words, monkeypatch):
    nlp = make_lemmatizer(words=toy_words(30))
    component = lemmatizer(nlp)
    written = []
    write = component.network.write
    monkeypatch.setattr(component.network, "write", lambda keys, width: written.append(list(keys)) or write(keys, width))
    doc = [("zub", "NOUN"), ("zub", "VERB"), ("zub", "NOUN"), toy_words(30)[0]]
    list(nlp.pipe([make_doc(nlp, doc), make_doc(nlp, doc)]))
    nlp(make_doc(nlp, doc))
    assert [sorted(keys) for keys in written if keys] == [[("zub", ("NOUN",)), ("zub", ("VERB",))]]


def change_by_update(nlp, examples, folder):
    nlp.update(examples, sgd=Adam(0.5))


def change_by_late_update(nlp, examples, folder):
    lemmatizer(nlp).update(examples, sgd=None)
    nlp(make_doc(nlp, NEW))
    lemmatizer(nlp).finish_update(Adam(0.5))


def change_by_disk(nlp, examples, folder):
    lemmatizer(nlp).from_disk(folder / "other")


def change_by_model(nlp, examples, folder):
    lemmatizer(nlp).from_disk(folder / "other", exclude=["dictionary", "vocab", "cfg"])


def change_by_dictionary(nlp, examples, folder):
    lemmatizer(nlp).from_disk(folder / "other", exclude=["model"])


def change_by_bytes(nlp, examples, folder):
    lemmatizer(nlp).from_bytes((folder / "bytes").read_bytes())


def change_by_initialize(nlp, examples, folder):
    fix_random_seed(9)
    nlp.initialize(lambda: examples[:3])


def change_by_max_length(nlp, examples, folder):
    lemmatizer(nlp).max_length = 3


def change_nothing(nlp, examples, folder):
    nlp.evaluate(examples[:2])


CHANGES = [
    change_by_update,
    change_by_late_update,
    change_by_disk,
    change_by_model,
    change_by_dictionary,
    change_by_bytes,
    change_by_initialize,
    change_by_max_length,
    change_nothing,
]


@pytest.fixture
def write_weights(monkeypatch):
    """Let a network write its weights, so that lemmas show by which they were found."""

    def write(network, keys, width):
        weights = [node.get_param(name).sum(dtype="float64") for node in network.model.walk() for name in node.param_names]
        return [f"{key.form} {sum(weights):.12g}" for key in keys]

    monkeypatch.setattr(LemmaNetwork, "write", write)


@pytest.mark.parametrize("change", CHANGES)
def test_no_lemma_outlives_what_it_was_found_by(change, make_lemmatizer, as_examples, toy_words, tmp_path, write_weights):
    other = make_lemmatizer(2, words=toy_words(60))
    data = lemmatizer(other).dictionary.to_data()
    lemmatizer(other).dictionary.from_data([[form, tags, lemma + "x", n] for form, tags, lemma, n in data], 1)
    lemmatizer(other).to_disk(tmp_path / "other")
    (tmp_path / "bytes").write_bytes(lemmatizer(other).to_bytes())
    nlp = make_lemmatizer(words=toy_words(60))
    words = toy_words(60)[:5] if change is change_by_dictionary else NEW
    before = lemmas(nlp(make_doc(nlp, words)))
    change(nlp, as_examples(nlp, toy_words(60)), tmp_path)
    after = lemmas(nlp(make_doc(nlp, words)))
    lemmatizer(nlp).clear_cache()
    assert after == lemmas(nlp(make_doc(nlp, words)))
    assert (after == before) == (change is change_nothing)


def test_averages_are_used_for_a_while(make_lemmatizer, as_examples, toy_words, write_weights):
    """Evaluation goes by averaged weights, after which training goes on."""
    nlp = make_lemmatizer(words=toy_words(60))
    examples = as_examples(nlp, toy_words(60))
    optimizer = Adam(0.1, use_averages=True)
    found = []
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
        own = lemmas(nlp(make_doc(nlp, NEW)))
        with nlp.use_params(optimizer.averages):
            averaged = lemmas(nlp(make_doc(nlp, NEW)))
        assert lemmas(nlp(make_doc(nlp, NEW))) == own
        found += [own, averaged]
    assert len({tuple(each) for each in found}) == 6


def test_a_copy_has_no_cache(trained):
    trained(make_doc(trained, NEW))
    assert len(lemmatizer(trained)._cache) > 0
    assert len(pickle.loads(pickle.dumps(lemmatizer(trained)._cache))) == 0


# Training and evaluation


def test_evaluation_with_gold_tags(trained, as_examples, toy_words):
    scores = trained.evaluate(as_examples(trained, toy_words(100, seed=11)))
    assert scores["lemma_acc"] > 0.97


def test_evaluation_with_predicted_tags(trained, as_examples, toy_words):
    component = lemmatizer(trained)
    component.gold_tags = False
    try:
        untagged = trained.evaluate(as_examples(trained, toy_words(100, seed=11)))["lemma_acc"]
        tagged = trained.evaluate(as_examples(trained, toy_words(100, seed=11), tagged=True))["lemma_acc"]
    finally:
        component.gold_tags = True
    assert tagged > 0.97
    assert untagged < tagged


def test_evaluation_leaves_what_others_have_written(trained, as_examples, toy_words):
    examples = as_examples(trained, toy_words(10, seed=11))
    for token in examples[0].predicted:
        token.lemma_ = "other"
    assert trained.evaluate(examples)["lemma_acc"] == 0.0


def test_evaluation_of_another_tokenization(trained):
    reference = Doc(Vocab(), words=["bokakats", "cannot"], pos=["NOUN", "AUX"], lemmas=["bokakat", "cannot"])
    predicted = Doc(trained.vocab, words=["bokakats", "can", "not"])
    scores = trained.evaluate([Example(predicted, reference)])
    assert 0 < scores["lemma_acc"] < 1


def test_evaluation_of_nothing(trained):
    assert trained.evaluate([])["lemma_acc"] is None
    doc = Doc(trained.vocab, words=["a"], pos=["DET"])
    assert trained.evaluate([Example(doc.copy(), doc)])["lemma_acc"] is None


def test_no_scorer(make_lemmatizer, as_examples, toy_words):
    nlp = make_lemmatizer(words=toy_words(20), scorer=None)
    assert lemmatizer(nlp).score(as_examples(nlp, toy_words(20))) == {}


def test_the_loss_falls_and_is_a_mean(make_lemmatizer, as_examples, toy_words):
    nlp = make_lemmatizer(words=toy_words(60))
    examples, optimizer = as_examples(nlp, toy_words(60)), Adam(0.01)
    fix_random_seed(0)
    losses = [nlp.update(examples, sgd=optimizer)["rnn_lemmatizer"] for _ in range(30)]
    n_symbols = len(lemmatizer(nlp).network.symbols)
    assert losses[0] == pytest.approx(numpy.log(n_symbols), rel=0.5)
    assert losses[-1] < losses[0] / 2


def test_the_loss_leaves_no_trace(make_lemmatizer, as_examples, toy_words):
    nlp = make_lemmatizer(words=toy_words(60))
    examples, component = as_examples(nlp, toy_words(60)), lemmatizer(nlp)
    loss, gradient = component.get_loss(examples, None)
    assert loss > 0 and gradient.sum() == pytest.approx(-1)
    assert not any(
        node.has_grad(name) and node.get_grad(name).any() for node in component.model.walk() for name in node.param_names
    )
    assert component.get_loss([], None)[0] == 0.0


def test_a_batch_without_lemmas_teaches_nothing(make_lemmatizer, toy_words, parameters):
    nlp = make_lemmatizer(words=toy_words(20))
    before = parameters(lemmatizer(nlp).model)
    doc = Doc(nlp.vocab, words=["a", "\n"], pos=["DET", "SPACE"])
    blank = Doc(nlp.vocab, words=["\n"], lemmas=["\n"])
    for examples in ([], [Example(doc.copy(), doc)], [Example(blank.copy(), blank)], [Example(Doc(nlp.vocab), Doc(nlp.vocab))]):
        assert lemmatizer(nlp).update(examples, sgd=Adam(0.1)) == {"rnn_lemmatizer": 0}
    after = parameters(lemmatizer(nlp).model)
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_a_corpus_without_lemmas(trained):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_lemmatizer")
    doc = Doc(nlp.vocab, words=["a", "b"], pos=["DET", "NOUN"])
    refused(lambda: nlp.initialize(lambda: [Example(doc.copy(), doc)]), "rnn_lemmatizer", "LEMMA")


def test_a_loss_that_is_no_number(make_lemmatizer, as_examples, toy_words, parameters):
    nlp = make_lemmatizer(words=toy_words(20))
    bias = lemmatizer(nlp).model.get_ref("head").param_names
    node = lemmatizer(nlp).model.get_ref("head")
    node.set_param(bias[-1], node.get_param(bias[-1]) * numpy.nan)
    before = parameters(lemmatizer(nlp).model)
    refused(lambda: nlp.update(as_examples(nlp, toy_words(20)), sgd=Adam(0.1)), "rnn_lemmatizer", "E910")
    after = parameters(lemmatizer(nlp).model)
    assert all(numpy.array_equal(one, other, equal_nan=True) for one, other in zip(before, after, strict=True))


def test_before_initialization():
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_lemmatizer")
    doc = Doc(nlp.vocab, words=["bats"], lemmas=["bat"])
    refused(lambda: nlp(doc.copy()), "E109", "rnn_lemmatizer")
    refused(lambda: component.lemmatize([("bats", ["NOUN"])]), "E109")
    refused(lambda: nlp.update([Example(doc.copy(), doc)]), "E109")


def test_training_without_tags_is_said_once(make_lemmatizer, as_examples, toy_words):
    nlp = make_lemmatizer(words=toy_words(20))
    lemmatizer(nlp).gold_tags = False
    with pytest.warns(UserWarning, match="'rnn_lemmatizer' reads POS.*annotating_components.*gold_tags"):
        nlp.update(as_examples(nlp, toy_words(20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.update(as_examples(nlp, toy_words(20)))
        nlp.update(as_examples(nlp, toy_words(20), tagged=True))


@pytest.mark.parametrize("repetition, least, most", [(1.0, 100, 100), (0.5, 4, 20), (0.0, 0, 6)])
def test_frequent_forms_are_repeated_less(make_lemmatizer, as_examples, repetition, least, most, monkeypatch):
    words = [("the", "DET", "the")] * 100
    nlp = make_lemmatizer(words=[*words, ("bats", "NOUN", "bat")], repetition=repetition)
    component, seen = lemmatizer(nlp), []
    encode = component.network.encode_pairs
    monkeypatch.setattr(component.network, "encode_pairs", lambda keys, *rest: seen.extend(keys) or encode(keys, *rest))
    random.seed(1)
    nlp.update(as_examples(nlp, words))
    assert least <= len(seen) <= most


def test_again_on_another_corpus(make_lemmatizer, as_examples, toy_words, lemmas_of, tmp_path):
    """A loaded pipeline is initialized again, on a corpus of other characters."""
    make_lemmatizer(words=toy_words(20)).to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    words = [("Żuży", "NOUN", "żuż"), ("мыши", "NOUN", "мышь"), ("字字", "VERB", "字")]
    examples = as_examples(nlp, words)
    optimizer = nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=optimizer)["rnn_lemmatizer"] > 0
    assert lemmas_of(nlp, words) == ["żuż", "мышь", "字"]
    assert lemmatizer(nlp).lemmatize([(toy_words(20)[0][0], ["NOUN"])])


def test_rehearsal_changes_nothing(make_lemmatizer, as_examples, toy_words):
    nlp = make_lemmatizer(words=toy_words(20))
    nlp.resume_training()
    assert nlp.rehearse(as_examples(nlp, toy_words(20))) == {}


# Behind a tagger


@pytest.fixture(scope="module")
def joint(component_config, tok2vec_config, as_examples, toy_words, make_lemmatizer):
    """A tagger and a lemmatizer, trained together by spaCy's own loop."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    tok2vec = tok2vec_config()
    tok2vec["embed"]["attrs"] = ["SUFFIX", "SHAPE"]
    nlp.add_pipe("rnn_pos_tagger", config=component_config("rnn_pos_tagger", tok2vec=tok2vec))
    model = make_lemmatizer(words=toy_words(10)).get_pipe_config("rnn_lemmatizer")["model"]
    nlp.add_pipe("rnn_lemmatizer", config={"model": model})
    words = toy_words(400)
    config = nlp.config.copy()
    config["training"].update(
        {
            "annotating_components": ["rnn_pos_tagger"],
            "max_steps": 150,
            "eval_frequency": 75,
            "batcher": {"@batchers": "spacy.batch_by_words.v1", "size": 100, "tolerance": 0.2},
            "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.01},
            "score_weights": {"lemma_acc": 0.5, "pos_acc": 0.5},
        }
    )
    config["corpora"] = {"train": {"@readers": "toy_words.v1", "seed": 0}, "dev": {"@readers": "toy_words.v1", "seed": 5}}

    def read(seed):
        return lambda nlp: as_examples(nlp, words if seed == 0 else toy_words(60, seed=seed))

    spacy.registry.readers("toy_words.v1")(read)
    made = init_nlp(config)
    train(made)
    return made


@pytest.mark.slow
def test_a_tagger_and_a_lemmatizer_in_one_config(joint, as_examples, toy_words):
    scores = joint.evaluate(as_examples(joint, toy_words(200, seed=5)))
    assert scores["pos_acc"] > 0.95
    assert scores["lemma_acc"] > 0.95
    doc = joint(Doc(joint.vocab, words=["bokakats", "limuted"]))
    assert [(token.pos_, token.lemma_) for token in doc] == [("NOUN", "bokakat"), ("VERB", "limut")]


@pytest.mark.slow
def test_a_pipeline_is_saved_and_loaded(joint, toy_words, tmp_path):
    joint.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    words = toy_words(80, seed=12)
    expected = lemmas(joint(make_doc(joint, words, tagged=False)))
    assert lemmas(loaded(make_doc(loaded, words, tagged=False))) == expected
    again = spacy.blank("xx").from_config(joint.config).from_bytes(joint.to_bytes())
    assert lemmas(again(make_doc(again, words, tagged=False))) == expected


@pytest.mark.slow
def test_two_processes(joint, toy_words):
    texts = [" ".join(word[0] for word in toy_words(6, seed=seed)) for seed in range(20, 32)]
    expected = [lemmas(doc) for doc in joint.pipe(texts)]
    assert [lemmas(doc) for doc in joint.pipe(texts, n_process=2, batch_size=3)] == expected


# Saving


def test_a_component_is_saved_whole(trained, lemmas_of, tmp_path):
    component = lemmatizer(trained)
    component.to_disk(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cfg", "dictionary", "model", "vocab"]
    data = component.to_bytes()
    for load in (lambda other: other.from_disk(tmp_path), lambda other: other.from_bytes(data)):
        other = spacy.blank("xx")
        other.add_pipe("rnn_lemmatizer", config={"model": trained.get_pipe_config("rnn_lemmatizer")["model"]})
        load(lemmatizer(other))
        assert lemmatizer(other).dictionary.to_data() == component.dictionary.to_data()
        assert lemmas_of(other, NEW) == lemmas_of(trained, NEW) == [word[2] for word in NEW]


def test_parts_may_be_left_out(trained, tmp_path):
    component, data = lemmatizer(trained), lemmatizer(trained).dictionary.to_data()
    component.to_disk(tmp_path / "all")
    component.to_disk(tmp_path / "some", exclude=["dictionary", "vocab"])
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == ["cfg", "model"]
    nlp = spacy.blank("xx")
    other = nlp.add_pipe("rnn_lemmatizer", config={"model": trained.get_pipe_config("rnn_lemmatizer")["model"]})
    other.from_disk(tmp_path / "some", exclude=["dictionary", "vocab"])
    other.from_bytes(component.to_bytes(exclude=["dictionary"]), exclude=["dictionary"])
    assert len(other.dictionary) == 0
    assert other.lemmatize([("bokakats", ["NOUN"])]) == ["bokakat"]
    other.from_disk(tmp_path / "all", exclude=["model", "vocab"])
    assert other.dictionary.to_data() == data


def test_a_missing_dictionary(trained, tmp_path):
    lemmatizer(trained).to_disk(tmp_path)
    (tmp_path / "dictionary").unlink()
    with pytest.raises(FileNotFoundError, match="'rnn_lemmatizer' could not be loaded: .*dictionary is missing"):
        lemmatizer(trained).from_disk(tmp_path)
    data = lemmatizer(trained).to_bytes(exclude=["dictionary"])
    refused(lambda: lemmatizer(trained).from_bytes(data), "rnn_lemmatizer", "dictionary")


@pytest.mark.parametrize("damaged", [b"", b"\x93", b"\x81\xa1a\x01", b"\x91\x91\xa1a", b"\xc1", b"\x01", bytes(range(200))])
def test_a_damaged_dictionary_changes_nothing(trained, make_lemmatizer, toy_words, lemmas_of, tmp_path, damaged):
    lemmatizer(trained).to_disk(tmp_path)
    (tmp_path / "dictionary").write_bytes(damaged)
    nlp = make_lemmatizer(words=toy_words(20))
    before = lemmas_of(nlp, NEW)
    refused(lambda: lemmatizer(nlp).from_disk(tmp_path), "rnn_lemmatizer", str(tmp_path / "dictionary"))
    assert lemmas_of(nlp, NEW) == before


@pytest.mark.parametrize("settings", [{"tags": ["TAG"]}, {"tags": []}, {"attr": "NORM"}])
def test_saved_under_another_config(trained, settings, tmp_path):
    lemmatizer(trained).to_disk(tmp_path)
    nlp = spacy.blank("xx")
    other = nlp.add_pipe("rnn_lemmatizer", config={"model": trained.get_pipe_config("rnn_lemmatizer")["model"], **settings})
    refused(lambda: other.from_disk(tmp_path), "rnn_lemmatizer", next(iter(settings)))


def test_overwrite_is_the_configs(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path, config={"components": {"rnn_lemmatizer": {"overwrite": True}}})
    doc = nlp(Doc(nlp.vocab, words=["bokakats"], pos=["NOUN"], lemmas=["x"]))
    assert lemmas(doc) == ["bokakat"]


def test_a_pickle(trained, lemmas_of):
    trained(make_doc(trained, NEW))
    loaded = pickle.loads(cloudpickle.dumps(trained))
    assert lemmas_of(loaded, NEW) == [word[2] for word in NEW]


# Settings


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"attr": "TEXT"}, ["attr", "LEMMA, NORM", "TEXT"]),
        ({"tags": ["UPOS"]}, ["tags", "POS, TAG", "UPOS"]),
        ({"tags": ["POS", "POS"]}, ["tags", "once"]),
        ({"beam_width": 0}, ["beam_width", "at least 1", "0"]),
        ({"max_length": 0}, ["max_length", "at least 1"]),
        ({"cache_size": -1}, ["cache_size", "at least 0"]),
        ({"repetition": 1.5}, ["repetition", "0 to 1"]),
        (
            {"model": {"@architectures": "spacy_rnn.RNNLM.v1", "symbols": {"@misc": "spacy_rnn.Characters.v1"}}},
            ["encoder-decoder"],
        ),
        (
            {"model": {"@architectures": "spacy_rnn.Seq2Seq.v1", "source": {"@misc": "spacy_rnn.Words.v1"}, "target": None}},
            ["Characters"],
        ),
        (
            {
                "model": {
                    "@architectures": "spacy_rnn.Seq2Seq.v1",
                    "copy": False,
                    "source": {"@misc": "spacy_rnn.Characters.v1"},
                    "target": {"@misc": "spacy_rnn.Characters.v1"},
                }
            },
            ["target = null"],
        ),
    ],
)
def test_settings_that_are_refused(settings, words):
    refused(lambda: spacy.blank("en").add_pipe("rnn_lemmatizer", config=settings), "rnn_lemmatizer", *words)


def test_what_spacy_knows_of_it():
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lemmatizer")
    meta = nlp.get_pipe_meta("rnn_lemmatizer")
    assert meta.assigns == ["token.lemma"]
    assert meta.default_score_weights == {"lemma_acc": 1.0}
    assert nlp.get_pipe("rnn_lemmatizer").labels == ()
    assert nlp.get_pipe("rnn_lemmatizer").is_trainable


@pytest.mark.slow
def test_damaged_files_are_refused_or_do_no_harm(make_lemmatizer, toy_words, tmp_path):
    nlp = make_lemmatizer(words=toy_words(12))
    component, rng = lemmatizer(nlp), numpy.random.default_rng(0)
    component.to_disk(tmp_path, exclude=["vocab"])
    n_refused = 0
    for part in ("dictionary", "cfg", "model"):
        data = (tmp_path / part).read_bytes()
        for at in rng.integers(min(len(data), 600), size=40).tolist():
            (tmp_path / part).write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            try:
                component.from_disk(tmp_path, exclude=["vocab"])
            except ValueError as error:
                assert str(tmp_path / part) in str(error), part
                n_refused += 1
            else:
                assert all(isinstance(lemma, str) for lemma in lemmas(nlp(make_doc(nlp, [*NEW, *toy_words(12)]))))
        (tmp_path / part).write_bytes(data)
    assert n_refused > 30
