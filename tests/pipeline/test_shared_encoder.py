"""Two taggers that listen to one encoder."""

import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed

WORDS = [["They", "book", "a", "small", "room"], ["We", "walk"], ["unseen"], []]


@pytest.fixture
def make_shared(tok2vec_config, listener_config, component_config, make_examples, learn):
    """(updates, encoder=None) -> a pipeline of an encoder and both taggers, and its examples."""

    def make(n_updates, encoder=None):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        nlp.add_pipe("tok2vec", config={"model": encoder or tok2vec_config()})
        for factory in ("rnn_tagger", "rnn_pos_tagger"):
            nlp.add_pipe(factory, config=component_config(factory, listener_config))
        return learn(nlp, make_examples(nlp), n_updates)

    return make


def encoder_weights(nlp):
    return nlp.get_pipe("tok2vec").model.to_bytes()


def test_both_taggers_learn_over_one_encoder(make_shared):
    nlp, examples = make_shared(60)
    scores = nlp.evaluate(examples)
    assert scores["tag_acc"] == scores["pos_acc"] == 1.0
    assert all(nlp.get_pipe(name).model.get_ref("tok2vec").name == "tok2vec-listener" for name in nlp.pipe_names[1:])


@pytest.mark.parametrize("learning", ["rnn_tagger", "rnn_pos_tagger"])
def test_each_tagger_trains_the_encoder(make_shared, learning):
    # The output layers begin with zeros, and let no gradient through.
    nlp, examples = make_shared(3)
    before = encoder_weights(nlp)
    optimizer = nlp.resume_training()
    (other,) = {"rnn_tagger", "rnn_pos_tagger"} - {learning}
    nlp.update(examples, sgd=optimizer, exclude=[other])
    assert encoder_weights(nlp) != before


def test_a_saved_pipeline_gives_the_same_tags(make_shared, tmp_path, annotate):
    nlp, _ = make_shared(20)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for one, other in zip(annotate(nlp, WORDS), annotate(loaded, WORDS), strict=True):
        assert [(token.tag_, token.pos_) for token in one] == [(token.tag_, token.pos_) for token in other]


def test_a_tagger_taken_out_keeps_its_tags(make_shared):
    nlp, _ = make_shared(20)
    before = [[token.tag_ for token in nlp(Doc(nlp.vocab, words=words))] for words in WORDS]
    nlp.replace_listeners("tok2vec", "rnn_tagger", ["model.tok2vec"])
    alone = spacy.blank("xx", vocab=nlp.vocab)
    alone.add_pipe("rnn_tagger", source=nlp)
    assert [[token.tag_ for token in alone(Doc(alone.vocab, words=words))] for words in WORDS] == before


@pytest.mark.parametrize("architecture", ["spacy.Tok2Vec.v2", "spacy_rnn.Tok2Vec.v1"])
def test_a_copy_of_the_encoder_is_saved_and_loaded(architecture, make_shared, tok2vec_config, annotate, tmp_path):
    config = {**tok2vec_config(), "@architectures": architecture}
    nlp, _ = make_shared(20, config)
    for factory in ("rnn_tagger", "rnn_pos_tagger"):
        nlp.replace_listeners("tok2vec", factory, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    for one, other in zip(annotate(nlp, WORDS), annotate(spacy.load(tmp_path), WORDS), strict=True):
        assert [(token.tag_, token.pos_) for token in one] == [(token.tag_, token.pos_) for token in other]


# Configs of components whose listener stands at one of two paths.
PATHS = {
    "rnn_ner, tagger's model": ("rnn_ner", False, "model.tok2vec"),
    "rnn_ner, CRF": ("rnn_ner", True, "model.scores.tok2vec"),
    "rnn_tagger, use_crf": ("rnn_tagger", False, "model.tok2vec"),
    "rnn_tagger, CRF": ("rnn_tagger", True, "model.scores.tok2vec"),
}


@pytest.mark.parametrize("factory, is_crf, path", PATHS.values(), ids=PATHS)
def test_listeners_of_fields_are_replaced(
    factory, is_crf, path, tok2vec_config, listener_config, component_config, make_examples, learn, tmp_path, output
):
    config = component_config(factory, listener_config)
    if is_crf:
        constraints = "BILUO" if factory == "rnn_ner" else None
        scores = config["model"]
        config = {"model": {"@architectures": "spacy_rnn.CRF.v1", "constraints": constraints, "scores": scores}}
    if factory == "rnn_tagger":
        config["use_crf"] = True
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
    nlp.add_pipe(factory, config=config)
    nlp, _ = learn(nlp, make_examples(nlp), 30)
    before = [output(nlp(Doc(nlp.vocab, words=words))) for words in WORDS]
    wrong = {"model.tok2vec": "model.scores.tok2vec", "model.scores.tok2vec": "model.tok2vec"}[path]
    with pytest.raises(ValueError, match="E886"):
        nlp.replace_listeners("tok2vec", factory, [wrong])
    nlp.replace_listeners("tok2vec", factory, [path])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        assert [output(pipeline(Doc(pipeline.vocab, words=words))) for words in WORDS] == before
