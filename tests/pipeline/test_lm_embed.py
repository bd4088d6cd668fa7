"""Components that read the states of language models."""

import pickle

import numpy
import pytest
import spacy
from contextual_pipelines import make_pipeline
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.streaming import StreamingTagger

COMPONENTS = ["rnn_pos_tagger", "rnn_ner", "rnn_textcat", "tagger"]


@pytest.fixture
def lm(tmp_path):
    make_pipeline().to_disk(tmp_path / "lm")
    return str(tmp_path / "lm")


def embedding(lm, **settings):
    return {"@architectures": "spacy_rnn.LMEmbed.v1", "lm": lm, **settings}


def tok2vec(lm, **settings):
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
    return {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embedding(lm, **settings), "encode": encode}


@pytest.fixture
def train(annotated, component_config):
    """(factories, tok2vec) -> a pipeline that has learned, and its examples."""

    def run(factories, source, steps=12):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        for factory in factories:
            nlp.add_pipe(factory, config=component_config(factory, source))
        examples = annotated(nlp)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.02
        losses = [sum(nlp.update(examples, sgd=optimizer, drop=0.0).values()) for _ in range(steps)]
        assert losses[-1] < losses[0]
        return nlp, examples

    return run


def outputs(nlp, texts, **settings):
    docs = nlp.pipe(texts, **settings)
    return [([t.pos_ for t in doc], [t.tag_ for t in doc], [str(e) for e in doc.ents], doc.cats) for doc in docs]


@pytest.mark.parametrize("factory", COMPONENTS)
@pytest.mark.parametrize("settings", [{}, {"trainable": True, "width": 4}])
def test_components_learn_and_are_saved_with_their_language_models(train, lm, tmp_path, factory, settings):
    nlp, examples = train([factory], tok2vec(lm, **settings))
    texts = [example.text for example in examples]
    expected = outputs(nlp, texts)
    nlp.to_disk(tmp_path / "trained")
    make_pipeline(seed=1).to_disk(lm)
    assert outputs(spacy.load(tmp_path / "trained"), texts) == expected
    assert outputs(pickle.loads(pickle.dumps(nlp)), texts) == expected
    assert outputs(nlp, texts, n_process=2, batch_size=2) == expected


def test_all_components_of_a_pipeline_read_the_same_models(train, lm, tmp_path):
    nlp, _ = train(["rnn_pos_tagger", "rnn_ner"], tok2vec(lm))
    nlp.to_disk(tmp_path / "trained")
    for pipeline in (nlp, spacy.load(tmp_path / "trained")):
        shims = [shim for _, pipe in pipeline.pipeline for node in pipe.model.walk() for shim in node.shims]
        assert len(shims) == 2
        assert shims[0].models is shims[1].models


def test_models_that_are_referred_to_are_not_in_the_pipeline(train, lm, tmp_path):
    nlp, examples = train(["rnn_pos_tagger"], tok2vec(lm, save=False))
    nlp.to_disk(tmp_path / "trained")
    texts = [example.text for example in examples]
    assert outputs(spacy.load(tmp_path / "trained"), texts) == outputs(nlp, texts)
    make_pipeline(seed=1).to_disk(lm)
    with pytest.raises(ValueError, match="'rnn_pos_tagger' could not be loaded .* are not those"):
        spacy.load(tmp_path / "trained")
    moved = spacy.load(tmp_path / "trained", exclude=["rnn_pos_tagger"])
    assert moved.pipe_names == []


def test_one_encoder_is_shared_by_listeners(annotated, component_config, lm):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": tok2vec(lm)})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
    for factory in ("rnn_pos_tagger", "rnn_ner"):
        nlp.add_pipe(factory, config=component_config(factory, listener))
    examples = annotated(nlp)
    optimizer = nlp.initialize(lambda: examples)
    losses = [sum(nlp.update(examples, sgd=optimizer).values()) for _ in range(4)]
    assert losses[-1] < losses[0]


def test_it_stands_beside_other_embeddings(train, lm):
    other = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 4, "embed": embedding(lm, width=3)}
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
    nlp, _ = train(["tagger"], {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": other, "encode": encode})
    assert nlp.get_pipe("tagger").model.get_ref("tok2vec").layers[0].get_dim("nO") == 7


def test_spacys_encoders_read_it(train, lm):
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 6, "window_size": 1, "maxout_pieces": 2, "depth": 1}
    train(["tagger"], {"@architectures": "spacy.Tok2Vec.v2", "embed": embedding(lm, width=6), "encode": encode})


def test_a_stream_is_refused(train, lm):
    nlp, _ = train(["rnn_pos_tagger"], tok2vec(lm))
    with pytest.raises(ValueError, match="'lm_embed' is not known to be one that embeds each token by itself"):
        StreamingTagger.of(nlp.get_pipe("rnn_pos_tagger").model)


def test_texts_without_tokens(train, lm):
    nlp, _ = train(["rnn_pos_tagger"], tok2vec(lm, trainable=True))
    assert [len(doc) for doc in nlp.pipe(["", "They book", ""])] == [0, 2, 0]
    empty = [Example(nlp.make_doc(""), nlp.make_doc(""))]
    assert numpy.isfinite(sum(nlp.update(empty).values()))
