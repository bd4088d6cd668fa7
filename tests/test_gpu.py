"""What runs on NumPy arrays gives the same on CuPy arrays. Skipped where there is no GPU."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import CupyOps, NumpyOps, Ragged, fix_random_seed, use_ops

from spacy_rnn.layers import build_pool, build_rnn
from spacy_rnn.recurrence import CELLS

cupy = pytest.importorskip("cupy", reason="needs CuPy")


def has_device():
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # noqa: BLE001 - what CuPy raises without a driver differs from version to version
        return False


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_device(), reason="needs a CUDA device")]

LENGTHS = numpy.asarray([5, 0, 1, 9, 3], dtype="int32")


def run(ops, build):
    """Run a layer forward and backward; give back output, input gradient and parameter gradients as NumPy arrays."""
    fix_random_seed(0)
    X = numpy.random.default_rng(0).normal(size=(int(LENGTHS.sum()), 6)).astype("float32")
    model = build()
    model.initialize(X=Ragged(X, LENGTHS))
    model.to_gpu(0) if isinstance(ops, CupyOps) else model.to_cpu()
    batch = Ragged(ops.asarray2f(X), LENGTHS)
    Y, backprop = model.begin_update(batch)
    data = Y.data if isinstance(Y, Ragged) else Y
    dX = backprop(Ragged(data, LENGTHS) if isinstance(Y, Ragged) else data)
    grads = [node.get_grad(name) for node in model.walk() for name in node.param_names]
    return [ops.to_numpy(array) for array in (data, dX.data, *grads)]


@pytest.mark.parametrize("cell", CELLS)
def test_a_recurrent_layer_gives_the_same_on_both(cell):
    def build():
        return build_rnn(nO=8, cell=cell, bidirectional=True, depth=2, train_initial_state=True)

    for on_cpu, on_gpu in zip(run(NumpyOps(), build), run(CupyOps(), build), strict=True):
        numpy.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_pooling_layer_gives_the_same_on_both(pooling):
    def build():
        return build_pool(pooling, bidirectional=True)

    for on_cpu, on_gpu in zip(run(NumpyOps(), build), run(CupyOps(), build), strict=True):
        numpy.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("embed", ["spacy.MultiHashEmbed.v2", "spacy_rnn.HashEmbed.v1", "spacy_rnn.Embed.v1"])
@pytest.mark.parametrize("factory", ["rnn_textcat", "rnn_textcat_multilabel"])
def test_a_categorizer_learns_on_the_gpu(factory, embed):
    arguments = {"width": 16}
    if "HashEmbed" in embed:
        arguments.update(attrs=["NORM"], rows=[100], include_static_vectors=False)
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16, "recurrent_dropout": 0.1, "dropout": 0.1, "depth": 2}
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": embed, **arguments},
        "encode": {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 3, "encode": encode},
    }
    with use_ops("cupy"):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        pooling = ["last", "mean", "max", "attention"]
        component = nlp.add_pipe(factory, config={"model": {"tok2vec": tok2vec, "pooling": pooling, "hidden_width": 8}})
        examples = []
        for text, label in (("good and kind words", "good"), ("bad", "bad"), ("", None)):
            doc = nlp.make_doc(text)
            doc.cats = {name: float(name == label) for name in ("good", "bad")} if label else {}
            examples.append(Example(nlp.make_doc(text), doc))
        optimizer = nlp.initialize(lambda: examples)
        losses = [nlp.update(examples, sgd=optimizer)[factory] for _ in range(30)]
        assert losses[-1] < losses[0]
        alone, together = nlp("").cats, list(nlp.pipe(["", "good"]))[0].cats
        assert alone == pytest.approx(together, abs=1e-5)
        component.add_label("neither")
        assert set(nlp("good").cats) == {"good", "bad", "neither"}


@pytest.mark.parametrize("train_ops, load_ops", [(CupyOps, NumpyOps), (NumpyOps, CupyOps)])
def test_a_pipeline_trained_on_one_runs_on_the_other(train_ops, load_ops, tmp_path):
    words, pos = ["They", "book", "a", "room"], ["PRON", "VERB", "DET", "NOUN"]
    with use_ops("cupy" if train_ops is CupyOps else "numpy"):
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_pos_tagger")
        examples = [Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, pos=pos))]
        optimizer = nlp.initialize(lambda: examples)
        for _ in range(30):
            nlp.update(examples, sgd=optimizer)
        nlp.to_disk(tmp_path)
    with use_ops("cupy" if load_ops is CupyOps else "numpy"):
        assert [token.pos_ for token in spacy.load(tmp_path)(" ".join(words))] == pos
