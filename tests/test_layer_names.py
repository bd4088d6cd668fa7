"""Layers of a user's own may have any name, also those of layers of this package and of Thinc."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Linear, Model, chain, fix_random_seed, softmax_activation, with_array
from typer.testing import CliRunner

from spacy_rnn.cli.app import rnn_cli
from spacy_rnn.interop import convert_pipeline
from spacy_rnn.layers import RowWise, declare
from spacy_rnn.pages import render_states

NAMES = [
    *("rnn", "crf", "truncate", "list2ragged_host", "ragged2list", "softmax", "pool", "char_embed", "rnn_embed"),
    *("logistic", "softmax_activation", "extract_features", "hashembed", "static_vectors"),
]
WIDTH = 8
SENTENCES = [
    ("They book a small room", "PRON VERB DET ADJ NOUN", "good"),
    ("A good book sleeps there", "DET ADJ NOUN VERB ADV", "bad"),
    ("Anna paints old boats quickly", "PROPN VERB ADJ NOUN ADV", "good"),
]
WORDS = [word for words, _, _ in SENTENCES for word in words.split()]


def forward_scaled(model, X, is_train):
    """Run the layer inside on lists or arrays, and scale what it gives."""
    Y, layer_backprop = model.layers[0](X, is_train) if model.layers else (X, lambda dY: dY)
    scale = model.get_param("scale")

    def backprop(dY):
        pairs = zip(dY, Y, strict=True)
        model.inc_grad("scale", numpy.asarray([sum((d * y).sum() for d, y in pairs)], dtype="float32"))
        return layer_backprop([d * scale for d in dY] if isinstance(dY, list) else dY * scale)

    return [y * scale for y in Y] if isinstance(Y, list) else Y * scale, backprop


def init_scaled(model, X=None, Y=None):
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
        if layer.has_dim("nO"):
            model.set_dim("nO", layer.get_dim("nO"))
    model.set_param("scale", numpy.ones(1, dtype="float32"))


def forward_probable(model, Xs, is_train):
    """A softmax over lists, with cross-entropy's way back."""
    return [model.ops.softmax(X) for X in Xs], lambda dY: dY


declare(forward_scaled, RowWise())
declare(forward_probable, RowWise())


@spacy.registry.architectures("layer_names.Around.v1")
def around(name: str, layer: Model) -> Model:
    return Model(
        name,
        forward_scaled,
        init=init_scaled,
        layers=[layer],
        dims={"nO": layer.maybe_get_dim("nO")},
        params={"scale": None},
        # As ours have, but other values.
        attrs={"depth": "deep", "precision": "high", "constraints": "none"},
        refs={name: layer.get_ref(name) for name in ("tok2vec", "pool", "output_layer") if layer.has_ref(name)},
    )


@spacy.registry.architectures("layer_names.Tagger.v1")
def tagger(name: str, tok2vec: Model) -> Model:
    return chain(tok2vec, with_array(Linear(nI=WIDTH)), Model(name, forward_probable))


def inside(layer, *names):
    for name in names:
        layer = {"@architectures": "layer_names.Around.v1", "name": name, "layer": layer}
    return layer


def tok2vec(encode=None):
    """An embedding and an encoder, in layers of all names."""
    embed = {"@architectures": "spacy_rnn.HashEmbed.v1", "width": WIDTH, "attrs": ["NORM"], "rows": [50]}
    embed["include_static_vectors"] = False
    encode = encode or {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": WIDTH, "cell": "gru"}
    return {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": inside(embed, *NAMES), "encode": inside(encode, *NAMES)}


def make_nlp(factory, model, **settings):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe(factory, config={"model": model, **settings})
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.02
    before = [numpy.array(node.get_param(name)) for node in pipe.model.walk() for name in node.param_names]
    nlp.update(examples(nlp), sgd=optimizer)
    after = [node.get_param(name) for node in pipe.model.walk() for name in node.param_names]
    assert any((one != other).any() for one, other in zip(before, after, strict=True))
    return nlp, pipe


def examples(nlp):
    found = []
    for text, pos, label in SENTENCES:
        cats = {each: float(each == label) for each in ("good", "bad")}
        reference = Doc(nlp.vocab, words=text.split(), pos=pos.split(), tags=pos.split())
        reference.cats = cats
        found.append(Example(Doc(nlp.vocab, words=text.split()), reference))
    return found


def check_saving(nlp, path):
    """Load what was saved, which predicts and learns as before."""
    nlp.to_disk(path)
    loaded = spacy.load(path)
    name = nlp.pipe_names[-1]
    docs = [example.predicted for example in examples(nlp)]
    for one, other in zip(nlp.get_pipe(name).model.predict(docs), loaded.get_pipe(name).model.predict(docs), strict=True):
        assert_allclose(one, other, atol=1e-6)
    assert loaded.from_bytes(nlp.to_bytes()).evaluate(examples(loaded)) is not None
    loaded.update(examples(loaded), sgd=loaded.resume_training())
    return loaded


@pytest.mark.parametrize("use_crf", [False, True])
def test_in_a_tagger(use_crf, tmp_path):
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec()}
    nlp, pipe = make_nlp("rnn_pos_tagger", model, use_crf=use_crf, store_probs=True)
    loaded = check_saving(nlp, tmp_path / "saved")
    sums = [sum(token._.rnn_pos_probs.values()) for token in nlp(Doc(nlp.vocab, words=WORDS))]
    assert_allclose(sums, 1, rtol=1e-5)
    nlp.rehearse(examples(nlp), sgd=nlp.resume_training())
    whole = [token.pos_ for token in loaded(Doc(loaded.vocab, words=WORDS))]
    for piece in (3, 1000):
        assert [label for _, label in loaded.get_pipe("rnn_pos_tagger").stream(WORDS, piece=piece, lookahead=99)] == whole


@pytest.mark.slow
@pytest.mark.parametrize("use_crf", [False, True])
@pytest.mark.parametrize("name", ["crf", "rnn", "truncate"])
def test_as_the_outermost_layer_of_a_tagger(name, use_crf, tmp_path):
    model = inside({"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec()}, name)
    nlp, _ = make_nlp("rnn_tagger", model, use_crf=use_crf)
    check_saving(nlp, tmp_path / "saved")


@pytest.mark.slow
@pytest.mark.parametrize("use_crf", [False, True])
@pytest.mark.parametrize("name", ["softmax", "crf", "rnn"])
def test_as_the_last_layer_of_a_tagger(name, use_crf, tmp_path):
    model = {"@architectures": "layer_names.Tagger.v1", "name": name, "tok2vec": tok2vec()}
    nlp, pipe = make_nlp("rnn_tagger", model, use_crf=use_crf, store_probs=True)
    check_saving(nlp, tmp_path / "saved")
    doc = nlp("They book")
    assert_allclose([sum(token._.rnn_tag_probs.values()) for token in doc], 1, rtol=1e-5)
    if not use_crf:
        (rows,) = pipe.model.predict([doc])
        assert_allclose(sorted(doc[0]._.rnn_tag_probs.values()), sorted(rows[0].tolist()), rtol=1e-6)


def test_in_a_categorizer(tmp_path):
    model = {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": True, "pooling": ["last", "attention"]}
    nlp, _ = make_nlp("rnn_textcat", {**model, "tok2vec": tok2vec()}, store_attention=True)
    loaded = check_saving(nlp, tmp_path / "saved")
    # Only the recurrent layer's width says that it has a backward direction.
    assert loaded.get_pipe("rnn_textcat").model.get_ref("pool").attrs["bidirectional"]
    page = render_states(loaded, loaded("A good book"), jupyter=False)
    assert "Change of state, backward" in page


def test_in_the_linear_model_of_a_categorizer():
    """It has to give scores, which a name does not tell."""
    config = {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": True, "pooling": "mean", "tok2vec": tok2vec()}
    ngrams = {"@architectures": "spacy_rnn.NGrams.v1", "size": 64}
    for name in ("softmax_activation", "logistic"):
        assert spacy.registry.resolve({"model": {**config, "linear_model": inside(ngrams, name)}})
    bag = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "ngram_size": 1, "no_output_layer": False}
    with pytest.raises(ValueError, match="no_output_layer"):
        spacy.registry.resolve({"model": {**config, "linear_model": inside(bag, "scores")}})


@spacy.registry.architectures("layer_names.TextCat.v1")
def categorizer(tok2vec: Model) -> Model:
    """A model of one's own that calls what it makes a vector of tokens with "pool", as ours does."""
    pool = Model("pool", forward_mean)
    model = chain(tok2vec, pool, Linear(nI=WIDTH), softmax_activation())
    model.set_ref("pool", pool)
    return model


def forward_mean(model, Xs, is_train):
    Y = model.ops.asarray2f([X.mean(axis=0) for X in Xs])
    return Y, lambda dY: [numpy.repeat(d[None] / len(X), len(X), axis=0) for d, X in zip(dY, Xs, strict=True)]


def test_a_pool_of_ones_own(tmp_path):
    nlp, pipe = make_nlp("rnn_textcat", {"@architectures": "layer_names.TextCat.v1", "tok2vec": tok2vec()})
    loaded = check_saving(nlp, tmp_path / "saved")
    assert sum(loaded("A good book").cats.values()) == pytest.approx(1)
    assert set(loaded(loaded.make_doc("")).cats.values()) == {0.0}
    with pytest.raises(ValueError, match="attention"):
        pipe.store_attention = True
    with pytest.raises(ValueError, match="expected one text categorizer"):
        render_states(nlp, nlp.make_doc("A book"), jupyter=False)


def test_in_the_command_gradients(tmp_path):
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec()}
    nlp, _ = make_nlp("rnn_pos_tagger", model)
    nlp.to_disk(tmp_path / "saved")
    spacy.tokens.DocBin(docs=[example.reference for example in examples(nlp)]).to_disk(tmp_path / "corpus.spacy")
    arguments = ["gradients", str(tmp_path / "saved"), str(tmp_path / "corpus.spacy"), "--distance", "3", "--samples", "2"]
    result = CliRunner().invoke(rnn_cli, arguments)
    assert result.exception is None, result.output
    # One recurrent layer, so it has no number, and reads no characters.
    assert "rnn_pos_tagger (gru), forward" in " ".join(result.output.split())


def test_in_a_pipeline_that_is_converted():
    pytest.importorskip("torch")
    encode = {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": WIDTH, "depth": 1, "dropout": 0.0}
    encode.update({"layer_norm": False, "residual": False})
    nlp, pipe = make_nlp("rnn_tagger", {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec(encode)})
    there = convert_pipeline(nlp, "torch")
    back = convert_pipeline(there)
    docs = [nlp.make_doc("They book a room")]
    for converted in (there, back):
        (rows,) = converted.get_pipe("rnn_tagger").model.predict(docs)
        assert_allclose(rows, pipe.model.predict(docs)[0], atol=1e-5)
