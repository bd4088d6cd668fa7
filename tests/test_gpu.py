"""What runs on NumPy arrays gives the same on CuPy arrays. Skipped where there is no GPU."""

import importlib.util
from functools import cache
from pathlib import Path

import fields
import numpy
import pytest
import spacy
from problems import TOLERANCES, assert_close, draw, find_tolerance, run_directions, run_reference, slices, solve_directions
from problems import run as run_sweep
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, CupyOps, Linear, NumpyOps, Ragged, chain, fix_random_seed, ragged2list, use_ops, with_array

from spacy_rnn.crf import Crf, viterbi
from spacy_rnn.cuda import find_device, find_problem, require_gpu
from spacy_rnn.cuda.segments import max_segments, sum_segments
from spacy_rnn.layers import (
    build_convolution,
    build_crf,
    build_list2ragged,
    build_pool,
    build_rnn,
    crf_decode,
    crf_log_likelihood,
    set_labels,
)
from spacy_rnn.recurrence import CELLS, Backpropagation, select_engine, sweep, use_engine
from spacy_rnn.streaming import encode_stream

cupy = pytest.importorskip("cupy", reason="needs CuPy")


def has_device():
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # noqa: BLE001 - what CuPy raises without a driver differs from version to version
        return False


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_device(), reason="needs a CUDA device")]

LENGTHS = numpy.asarray([5, 0, 1, 9, 3], dtype="int32")

# The shapes of benchmarks/gpu/matrix.py.
_spec = importlib.util.spec_from_file_location("shapes", Path(__file__).parent.parent / "benchmarks" / "gpu" / "shapes.py")
_shapes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shapes)
SHAPES = {"no sequences": ([], 3, 4), **_shapes.MATRIX}

solve = cache(solve_directions)


def run_on_gpu(p, **settings):
    """Execute a sweep on the device and go back; give all results by name, as NumPy arrays."""
    p = p.mapped(lambda array: cupy.asarray(array))
    assert select_engine(p.cell, p.X, p.params).name == "cuda"
    return {key: cupy.asnumpy(array) for key, array in run_sweep(p, **settings).items()}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sweeps_are_those_of_the_reference(shape, name, precision):
    """Both directions in one launch."""
    device = find_device()
    if precision == "bfloat16" and not device.rounds:
        pytest.skip("needs compute capability 8.0")
    lengths, nI, nH = SHAPES[shape]
    problems, expected = solve(name, tuple(lengths), nI, nH, precision != "float32")
    tolerance = find_tolerance(precision, len(problems[0].X))
    found, dX = run_directions([p.mapped(cupy.asarray) for p in problems], device, precision=precision)
    for one, other in zip((*found, {"dX": dX}), expected, strict=True):
        assert_close({key: cupy.asnumpy(array) for key, array in one.items()}, other, tolerance)


@pytest.mark.parametrize("reverse, truncate", [(False, 0), (True, 50)], ids=["forward", "backward and truncated"])
@pytest.mark.parametrize("name", CELLS)
def test_pieces_that_are_computed_again_give_the_same(name, reverse, truncate):
    p = draw(name, [400, 3, 0, 250], 33, 48, reverse)
    found = run_on_gpu(p, backpropagation=Backpropagation(checkpoint_rows=100, truncate_gradient=truncate))
    assert_close(found, run_reference(p, backpropagation=Backpropagation(truncate_gradient=truncate)))


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_does_not_depend_on_its_batch(name):
    lengths = [9, 1, 30, 0, 4, 200, 2] + [5, 1, 0, 3, 8, 2] * 18
    p = draw(name, lengths, 21, 130).mapped(lambda array: cupy.asarray(array))
    whole, _, _ = sweep(p.cell, p.params, p.X, lengths, initial=p.initial, mask=p.mask)
    for i, rows in list(enumerate(slices(lengths)))[:10]:
        initial = {s: array[i : i + 1] for s, array in p.initial.items()}
        alone, _, _ = sweep(p.cell, p.params, p.X[rows], [lengths[i]], initial=initial, mask=p.mask[i : i + 1])
        # Products of other sizes may be summed in another order.
        cupy.testing.assert_allclose(alone, whole[rows], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_the_same_again_to_the_last_bit(name):
    p = draw(name, [25] * 32 + [3, 0, 60], 128, 128)
    for one, other in zip(run_on_gpu(p).values(), run_on_gpu(p).values(), strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_the_same_weights_after_a_hundred_steps_to_the_last_bit():
    words, pos = ["They", "book", "a", "room"], ["PRON", "VERB", "DET", "NOUN"]
    # Not spaCy's embedding, whose gradients are added in any order.
    embed = {
        "@architectures": "spacy_rnn.HashEmbed.v1",
        "width": 16,
        "attrs": ["NORM"],
        "rows": [100],
        "include_static_vectors": False,
    }
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16, "depth": 2}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}

    def train():
        with use_ops("cupy"):
            fix_random_seed(0)
            nlp = spacy.blank("en")
            nlp.add_pipe("rnn_pos_tagger", config={"model": {"tok2vec": tok2vec}})
            examples = [Example(Doc(nlp.vocab, words=words[i:]), Doc(nlp.vocab, words=words[i:], pos=pos[i:])) for i in range(3)]
            optimizer = nlp.initialize(lambda: examples)
            for _ in range(100):
                nlp.update(examples, sgd=optimizer, drop=0.2)
            return nlp.get_pipe("rnn_pos_tagger").model.to_bytes()

    assert train() == train()


def test_the_reference_can_be_asked_for():
    p = draw("lstm", [3, 0, 5], 6, 8).mapped(lambda array: cupy.asarray(array))
    with use_engine("reference"):
        assert select_engine(p.cell, p.X, p.params).name != "cuda"
        expected, _, _ = sweep(p.cell, p.params, p.X, p.lengths)
    cupy.testing.assert_allclose(sweep(p.cell, p.params, p.X, p.lengths)[0], expected, atol=1e-5)


def test_memory_that_runs_out_names_the_batch_and_the_process_goes_on():
    p = draw("lstm", [40] * 50, 64, 64).mapped(lambda array: cupy.asarray(array))
    expected, _, _ = sweep(p.cell, p.params, p.X, p.lengths)
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 2**20)
    try:
        with pytest.raises(MemoryError, match="2000 rows in 50 sequences"):
            sweep(p.cell, p.params, p.X, p.lengths)
    finally:
        pool.set_limit(size=0)
    found, _, _ = sweep(p.cell, p.params, p.X, p.lengths)
    cupy.testing.assert_array_equal(found, expected)


def test_there_is_no_problem():
    assert find_problem() is None
    with use_ops("numpy"):
        require_gpu()


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
@pytest.mark.parametrize("nO", [8, 520])
def test_a_recurrent_layer_gives_the_same_on_both(cell, nO):
    def build():
        return build_rnn(nO=nO, cell=cell, bidirectional=True, depth=2, train_initial_state=True)

    for on_cpu, on_gpu in zip(run(NumpyOps(), build), run(CupyOps(), build), strict=True):
        numpy.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


def test_a_convolution_gives_the_same_on_both():
    def build():
        return build_convolution(nO=8, filter_widths=[2, 5])

    for on_cpu, on_gpu in zip(run(NumpyOps(), build), run(CupyOps(), build), strict=True):
        numpy.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


def test_sums_and_maxima_of_rows():
    rows = numpy.random.default_rng(0).standard_normal((1000, 37), "float32")
    rows[400, 3] = numpy.nan
    index, ends = numpy.random.default_rng(0).integers(0, 400, 1000), numpy.asarray([0, 5, 300, 300, 1000])
    sums = cupy.asnumpy(sum_segments(cupy, cupy.asarray(rows), index, ends))
    expected = [rows[part].sum(axis=0) for part in numpy.split(index, ends[:-1])]
    numpy.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-4)
    maxima, which = max_segments(cupy, cupy.asarray(rows), ends[[1, 2, 4]])
    parts = numpy.split(rows, [5, 300])
    numpy.testing.assert_array_equal(cupy.asnumpy(maxima), [part.max(axis=0) for part in parts])
    firsts = [start + part.argmax(axis=0) for start, part in zip([0, 5, 300], parts, strict=True)]
    numpy.testing.assert_array_equal(cupy.asnumpy(which), firsts)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_pooling_layer_gives_the_same_on_both(pooling):
    def build():
        return build_pool(pooling, bidirectional=True)

    for on_cpu, on_gpu in zip(run(NumpyOps(), build), run(CupyOps(), build), strict=True):
        numpy.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4, rtol=1e-3)


def test_a_stream_gives_the_same_on_both():
    model = build_rnn(8, 6, bidirectional=True, depth=2, train_initial_state=True)
    encoder = chain(build_list2ragged(), model, ragged2list()).initialize()
    rows = numpy.random.default_rng(0).normal(size=(30, 6)).astype("float32")
    on_cpu = list(encode_stream(encoder, [rows], piece=7, lookahead=3))
    encoder.to_gpu(0)
    on_gpu = list(encode_stream(encoder, [cupy.asarray(rows)], piece=7, lookahead=3))
    for found, expected in zip(on_gpu, on_cpu, strict=True):
        numpy.testing.assert_allclose(cupy.asnumpy(found), expected, atol=1e-4)


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
        optimizer.learn_rate = 0.01
        losses = [nlp.update(examples, sgd=optimizer)[factory] for _ in range(30)]
        # With dropout each one is a throw of dice.
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
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


@pytest.mark.parametrize("annotation", fields.ANNOTATIONS)
@pytest.mark.parametrize("forbidden", [0.0, 0.5])
@pytest.mark.parametrize("name", ["auto", "reference"])
def test_a_field_gives_the_same_on_the_gpu(annotation, forbidden, name):
    p = fields.draw(17, [9, 0, 1, 30, 4], annotation, forbidden=forbidden)
    on_gpu = p._replace(
        crf=Crf(*map(cupy.asarray, p.crf)),
        scores=cupy.asarray(p.scores),
        allowed=cupy.asarray(p.allowed),
        weights=cupy.asarray(p.weights),
    )
    # By itself on the host, by the reference on the device.
    with use_engine(name):
        results, paths = fields.run(on_gpu), viterbi(*on_gpu[:3])
    assert all(isinstance(array, cupy.ndarray) for array in (*results.values(), *paths))
    fields.assert_close({key: cupy.asnumpy(array) for key, array in results.items()}, fields.run(p.astype("float64")))
    for array, expected in zip(paths, viterbi(*p[:3]), strict=True):
        numpy.testing.assert_array_equal(cupy.asnumpy(array), expected)


def test_a_field_of_labels_for_spans_learns_on_the_gpu():
    labels = ["O", "B-X", "I-X"]
    paths = [[1, 2, 2, 0], [], [0, 1, 2]]
    with use_ops("cupy"):
        model = build_crf(with_array(Linear(3, 5)), constraints="BIO")
        model.initialize()
        set_labels(model, labels)
        rng = numpy.random.default_rng(0)
        X = [model.ops.asarray2f(rng.normal(size=(len(path), 5)).astype("float32")) for path in paths]
        allowed = [numpy.eye(3, dtype=bool)[path] for path in paths]
        optimizer = Adam(0.1)
        for _ in range(50):
            scores, backprop = model.begin_update(X)
            loss, d_scores = crf_log_likelihood(model, scores, allowed)
            backprop(d_scores)
            model.finish_update(optimizer)
        assert loss < 0.1
        assert [found.tolist() for found in crf_decode(model, model.predict(X))] == paths
