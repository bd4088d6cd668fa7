"""`Embed.v1` in a pipeline learns the words of all training texts."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

COMPONENTS = ["rnn_tagger", "rnn_pos_tagger", "rnn_textcat", "rnn_textcat_multilabel"]
# More texts than the ten that spaCy initializes a model with, each with a word of its own.
OWN_WORDS = [f"word{i}" for i in range(25)]


@pytest.fixture(scope="module")
def embed_config():
    return {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 100},
        "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    }


def examples_of(nlp):
    examples = []
    for i, word in enumerate(OWN_WORDS):
        words = ["The", word]
        reference = Doc(nlp.vocab, words=words, tags=["DT", "NN"], pos=["DET", "NOUN"])
        reference.cats = {"good": float(i % 2), "bad": float(i % 2 == 0)}
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def vectors(model, nlp, words):
    """Each word's vector in the embedding table, as something that can be compared."""
    embed = next(node for node in model.walk() if node.name == "rnn_embed")
    rows = embed.predict([Doc(nlp.vocab, words=words)])[0]
    return [tuple(row.tolist()) for row in rows]


@pytest.mark.parametrize("factory", COMPONENTS)
def test_a_component_learns_all_words(factory, embed_config, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory, embed_config))
    nlp.initialize(lambda: examples_of(nlp))
    found = vectors(component.model, nlp, [*OWN_WORDS, "unheard", "unseen"])
    assert len(set(found[:-2])) == len(OWN_WORDS)
    assert found[-1] == found[-2]
    assert found[-1] not in found[:-2]


@pytest.mark.parametrize("factory", COMPONENTS)
def test_the_words_are_saved_with_the_pipeline(factory, embed_config, component_config, tmp_path):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory, embed_config))
    nlp.initialize(lambda: examples_of(nlp))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    words = [*OWN_WORDS, "unseen"]
    assert vectors(loaded.get_pipe(factory).model, loaded, words) == vectors(component.model, nlp, words)


@pytest.mark.parametrize("with_callback", [True, False])
def test_a_shared_model_learns_all_words_by_the_callback(
    with_callback, embed_config, component_config, listener_config, tmp_path
):
    nlp = spacy.blank("xx")
    shared = nlp.add_pipe("tok2vec", config={"model": embed_config})
    nlp.add_pipe("rnn_tagger", config=component_config("rnn_tagger", listener_config))
    examples = examples_of(nlp)
    DocBin(docs=[eg.reference for eg in examples]).to_disk(tmp_path / "train.spacy")
    if with_callback:
        callback = {"@callbacks": "spacy_rnn.learn_vocabulary.v1", "path": str(tmp_path / "train.spacy")}
        nlp.config["initialize"]["after_init"] = callback
    nlp.initialize(lambda: examples)
    found = set(vectors(shared.model, nlp, OWN_WORDS))
    assert len(found) == (len(OWN_WORDS) if with_callback else 11)


@pytest.mark.parametrize("factory", ["rnn_tagger", "rnn_pos_tagger", "rnn_ner", "rnn_textcat"])
def test_texts_may_have_different_vocabularies(factory, make_nlp, output):
    embed = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8}
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
    tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
    if factory == "rnn_textcat":
        model = {"@architectures": "spacy_rnn.TextCat.v1", "tok2vec": tok2vec, "pooling": "max", "exclusive_classes": True}
    else:
        model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    nlp, _ = make_nlp(factory, n_updates=10, config={"model": model})
    component = nlp.get_pipe(factory)
    words = [["Anna", "paints", "London"], ["warm", "unheard-of"], []]
    own = [Doc(nlp.vocab, words=each) for each in words]
    foreign = [Doc(spacy.blank("xx").vocab, words=each) for each in words]
    together = [doc for pair in zip(own, foreign, strict=True) for doc in pair]
    component.set_annotations(together, component.predict(together))
    alone = [component(Doc(nlp.vocab, words=each)) for each in words]
    for expected, one, other in zip(alone, own, foreign, strict=True):
        for doc in (one, other):
            assert output(doc)[0] == output(expected)[0]
            assert doc.cats == pytest.approx(expected.cats, abs=1e-5)
