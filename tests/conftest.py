"""What the tests of several rooms share."""

import os
import re
import subprocess
import sys

import numpy
import pytest
from hypothesis import settings
from thinc.api import Ragged

from spacy_rnn.native import library

# Of the compiled engine, daily the one that it chooses.
INSTRUCTION_SETS = [
    isa if isa == library.selected() else pytest.param(isa, marks=pytest.mark.slow)
    for isa in (() if library is None else library.instruction_sets())
]
# Cells and components that differ from another one in little. Daily, tests that take each in turn leave them out; those that draw
# cells at random, or add all components to one pipeline, do not.
VARIANTS = {"elman_relu", "gru_reset_before", "lstm_peephole", "rnn_pos_tagger", "rnn_textcat_multilabel"}
# Files whose tests start processes, compile, or train pipelines. Daily, the first test of each has to do.
LONG_FILES = {
    "annotation": ("test_attention", "test_probabilities"),
    "benchmarks": ("test_defaults", "test_gpu_matrix", "test_gpu_parts", "test_workers"),
    "cli": (
        "test_app",
        "test_calibrate",
        "test_compare",
        "test_gradients",
        "test_loading",
        "test_report",
        "test_train",
        "test_translate",
    ),
    "cuda": ("test_compile",),
    "engines": ("test_cuda", "test_engine"),
    "evaluation": ("test_calibration", "test_components", "test_decisions", "test_extras", "test_speed"),
    "language_models": ("test_generate", "test_perplexity", "test_samples", "test_train_lm"),
    "interop": ("test_pipelines",),
    "native": ("test_checked_batches", "test_interrupts"),
    "pages": ("test_plots", "test_report"),
    "pipeline": ("test_entry_points", "test_heads", "test_ner", "test_saving", "test_stream", "test_with_spacy"),
    "recurrent": ("test_memory",),
    "scripts": (
        "test_convert_conll",
        "test_convert_conllu",
        "test_convert_imdb",
        "test_convert_textcat",
        "test_several_labels",
        "test_set_threshold",
    ),
    "seq2seq": ("test_learning", "test_saving"),
    "tests": ("test_docs", "test_layer_names"),
    "text": ("test_tweets",),
}
settings.register_profile("thorough", max_examples=20_000)
# What wasabi colors its output with.
COLOR = re.compile(r"\x1b\[[\d;]*m")


def pytest_configure(config):
    """Let each of several processes (pytest-xdist) multiply in one thread: the processors are taken."""
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each process whole files, the tests of which share what takes long to make, in the order of the collection."""
    from xdist.scheduler import LoadFileScheduling

    if config.option.dist != "load":
        return None
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests of variants, and of files that take long, as slow. Begin with files that have slow tests, so that in the end no
    process is left with one."""
    seen = set()
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        is_variant = any(isinstance(value, str) and value in VARIANTS for value in values)
        is_long = item.path.stem in LONG_FILES.get(item.path.parent.name, ())
        if is_variant or (is_long and item.path in seen):
            item.add_marker(pytest.mark.slow)
        elif not item.get_closest_marker("slow"):
            seen.add(item.path)
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(params=INSTRUCTION_SETS)
def isa(request):
    """Use an instruction set of the compiled engine."""
    before = library.selected()
    library.select(request.param)
    yield request.param
    library.select(before)


@pytest.fixture
def difference_error():
    """The distance of a gradient from central differences of the loss, relative to their size."""

    def error(loss, array, gradient, eps=1e-6):
        assert gradient.shape == array.shape
        numeric = numpy.zeros_like(array)
        for i in numpy.ndindex(*array.shape):
            value = array[i]
            array[i] = value + eps
            above = loss()
            array[i] = value - eps
            below = loss()
            array[i] = value
            numeric[i] = (above - below) / (2 * eps)
        scale = max(numpy.linalg.norm(gradient), numpy.linalg.norm(numeric))
        return 0.0 if scale == 0 else numpy.linalg.norm(gradient - numeric) / scale

    return error


@pytest.fixture(scope="session")
def python():
    """(code or arguments) -> the finished process of a fresh interpreter."""

    def run(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)

    return run


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """(kind, split) -> the path of a corpus."""
    from spacy.tokens import DocBin
    from trained_pipelines import make_docs

    folder = tmp_path_factory.mktemp("corpora")

    def find(kind, split="test"):
        path = folder / f"{kind}-{split}.spacy"
        if not path.exists():
            DocBin(docs=make_docs(kind, split), store_user_data=True).to_disk(path)
        return path

    return find


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory):
    """(factory, n_updates) -> the directory of a pipeline of one component, trained so long."""
    from trained_pipelines import SETTINGS, train

    folder = tmp_path_factory.mktemp("pipelines")

    def find(factory, n_updates=12):
        path = folder / f"{factory}-{n_updates}" / "model-best"
        if not path.exists():
            path.parent.mkdir()
            train(factory, *SETTINGS[factory], n_updates).to_disk(path)
        return path

    return find


@pytest.fixture(scope="session")
def language_models(tmp_path_factory):
    """(settings of `train_language_model`) -> the directory of a pipeline with a language model."""
    from trained_pipelines import train_language_model

    folder = tmp_path_factory.mktemp("language_models")

    def find(*settings):
        path = folder / "-".join(("lm", *settings)) / "model-best"
        if not path.exists():
            path.parent.mkdir()
            train_language_model(*settings).to_disk(path)
        return path

    return find


@pytest.fixture(scope="session")
def run():
    """(arguments) -> the exit code of a command, and what it printed in one line."""
    from typer.testing import CliRunner

    from spacy_rnn.cli.app import rnn_cli

    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(rnn_cli, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, " ".join(COLOR.sub("", result.output).split())

    return invoke


@pytest.fixture(scope="session")
def read_page():
    """(path) -> what is on a page."""
    from trained_pipelines import Page

    return Page


@pytest.fixture
def as_ragged():
    """Join rows [n, width] of several sequences to a batch."""

    def join(sequences):
        lengths = numpy.asarray([len(rows) for rows in sequences], dtype="int32")
        return Ragged(numpy.concatenate(sequences), lengths)

    return join


@pytest.fixture
def make_batch(as_ragged):
    """Draw a batch of rows with given lengths."""

    def make(lengths, width, dtype="float64", seed=0):
        rng = numpy.random.default_rng(seed)
        return as_ragged([rng.normal(size=(n, width)).astype(dtype) for n in lengths])

    return make


@pytest.fixture
def randomize():
    """Give a model's parameters random values, in float64 unless told otherwise."""

    def draw(model, dtype="float64", seed=0, scale=0.6):
        rng = numpy.random.default_rng(seed)
        for node in model.walk():
            for name in node.param_names:
                shape = node.get_param(name).shape
                node.set_param(name, rng.normal(scale=scale, size=shape).astype(dtype))
        return model

    return draw
