"""What is wrong is refused, and the error says what it is."""

import shutil
from functools import cache
from itertools import pairwise

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from thinc.api import Config
from thinc.config import ConfigValidationError

from spacy_rnn.recurrence import CELLS

COMPONENTS = ["rnn_tagger", "rnn_pos_tagger", "rnn_ner", "rnn_textcat", "rnn_textcat_multilabel"]

every = pytest.mark.parametrize("factory", COMPONENTS)


@pytest.fixture(scope="module", params=COMPONENTS)
def whole(request, make_nlp, tmp_path_factory):
    """A component's name, and the folder of a pipeline that has it."""
    folder = tmp_path_factory.mktemp(request.param)
    make_nlp(request.param)[0].to_disk(folder)
    return request.param, folder


@pytest.fixture
def saved(whole, tmp_path):
    """The folder of a pipeline that a test may damage, and the file of its component's model."""
    factory, folder = whole
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path, tmp_path / factory / "model"


def test_a_missing_model_file_is_named(saved):
    folder, model = saved
    model.unlink()
    with pytest.raises(FileNotFoundError) as error:
        spacy.load(folder)
    assert str(model) in str(error.value)


def test_a_missing_settings_file_is_named(saved):
    folder, model = saved
    (model.parent / "cfg").unlink()
    with pytest.raises(FileNotFoundError, match="cfg is missing"):
        spacy.load(folder)


@pytest.mark.parametrize("kept", [0, 0.5, -1], ids=["empty", "half", "all but one byte"])
def test_a_truncated_model_file_is_refused(kept, saved):
    folder, model = saved
    data = model.read_bytes()
    model.write_bytes(data[: int(len(data) * kept) if kept == 0.5 else kept])
    with pytest.raises(ValueError, match="incomplete"):
        spacy.load(folder)


def test_a_file_that_is_no_model_is_refused(saved):
    folder, model = saved
    model.write_bytes(b"This is a text.")
    with pytest.raises(ValueError, match="unpack"):
        spacy.load(folder)


@pytest.fixture(scope="module")
def tagger_of(make_nlp, component_config, tok2vec_config, tmp_path_factory):
    """(cell) -> a tagger, and the folder it is saved in."""

    @cache
    def make(cell):
        nlp, _ = make_nlp("rnn_tagger", config=component_config("rnn_tagger", tok2vec_config(cell=cell)))
        folder = tmp_path_factory.mktemp(cell)
        nlp.to_disk(folder)
        return nlp, folder

    return make


def vectors(pipeline):
    return pipeline.get_pipe("rnn_tagger").model.get_ref("tok2vec").predict([Doc(pipeline.vocab, words=["They", "book"])])[0]


@pytest.mark.parametrize("cell", CELLS)
def test_weights_are_those_of_their_cell(cell, tagger_of):
    nlp, folder = tagger_of(cell)
    numpy.testing.assert_array_equal(vectors(spacy.load(folder)), vectors(nlp))


# Neighbours in the table: cells whose weights have the same shapes, others, and both ways.
NEIGHBOURS = [pair for one, two in pairwise(CELLS) for pair in ((one, two), (two, one))]


@pytest.mark.parametrize("cell, other", [*NEIGHBOURS, ("gru", "lstm")])
def test_weights_are_never_read_as_those_of_another_cell(cell, other, tagger_of, tmp_path):
    nlp, folder = tagger_of(cell)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = (tmp_path / "config.cfg").read_text()
    assert config.count(f'cell = "{cell}"') == 1
    (tmp_path / "config.cfg").write_text(config.replace(f'cell = "{cell}"', f'cell = "{other}"'))
    with pytest.raises(ValueError, match="rnn_tagger.*could not be loaded") as error:
        spacy.load(tmp_path)
    assert cell in str(error.value) and other in str(error.value)
    with pytest.raises(ValueError, match="rnn_tagger.*could not be loaded"):
        spacy.util.load_model_from_config(Config().from_disk(tmp_path / "config.cfg")).from_bytes(nlp.to_bytes())


def test_a_tagger_cannot_leave_tokens_out(make_nlp, component_config, tok2vec_config):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 2, "encode": tok2vec["encode"]}
    with pytest.raises(ValueError, match="Truncate"):
        make_nlp("rnn_tagger", config=component_config("rnn_tagger", tok2vec))


@every
@pytest.mark.parametrize("depth", [1, 2])
def test_widths_that_do_not_fit_are_both_named(factory, depth, make_nlp, component_config, tok2vec_config):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 12, "depth": depth, "dropout": 0.1}
    with pytest.raises(ValueError, match=r"(?s)\b12\b.*\b8\b|\b8\b.*\b12\b"):
        make_nlp(factory, config=component_config(factory, tok2vec))


# An argument of the encoder, and what the error has to name.
ARGUMENTS = [
    ({"cell": "qrnn"}, ["qrnn", *CELLS]),
    ({"cell": "LSTM"}, ["LSTM", "lstm"]),
    ({"width": 7}, ["7", "even"]),
    ({"width": 0}, ["0"]),
    ({"depth": 0}, ["depth", "0"]),
    ({"dropout": 1.0}, ["dropout", "1.0"]),
    ({"recurrent_dropout": -0.5}, ["recurrent_dropout", "-0.5"]),
    ({"bidirectional": "both"}, ["bidirectional"]),
    ({"units": 8}, ["units"]),
]


@every
@pytest.mark.parametrize("arguments, named", ARGUMENTS, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_arguments_that_cannot_be_are_named(factory, arguments, named, component_config, tok2vec_config):
    config = component_config(factory, tok2vec_config(**arguments))
    with pytest.raises((ValueError, ConfigValidationError)) as error:
        spacy.blank("xx").add_pipe(factory, config=config)
    for part in named:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"pooling": "sum"}, ["sum", "last", "mean", "max", "attention"]),
        ({"pooling": ["max", "max"]}, ["max", "once"]),
        ({"pooling": []}, ["one or several"]),
        ({"hidden_width": -1}, ["hidden_width", "-1"]),
        ({"dropout": 1.5}, ["1.5"]),
    ],
    ids=str,
)
def test_pooling_arguments_that_cannot_be_are_named(arguments, named, component_config):
    config = component_config("rnn_textcat", **arguments)
    with pytest.raises((ValueError, ConfigValidationError)) as error:
        spacy.blank("xx").add_pipe("rnn_textcat", config=config)
    for part in named:
        assert part in str(error.value)


def test_a_tagger_over_cut_texts_is_refused(make_nlp, component_config, tok2vec_config):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.Truncate.v1", "encode": tok2vec["encode"], "max_length": 3}
    with pytest.raises(ValueError):
        nlp, examples = make_nlp("rnn_tagger", n_updates=1, config=component_config("rnn_tagger", tok2vec))


@pytest.fixture(scope="module")
def train(python, make_nlp, tmp_path_factory):
    """(paths) -> the finished process of `spacy train` with a tiny tagger, and the folder of its corpus."""
    folder = tmp_path_factory.mktemp("train")
    nlp, examples = make_nlp("rnn_tagger")
    config = Config(nlp.config)
    reader = {"@readers": "spacy.Corpus.v1", "gold_preproc": False, "max_length": 0, "limit": 0, "augmenter": None}
    config["corpora"] = {name: {**reader, "path": f"${{paths.{name}}}"} for name in ("train", "dev")}
    config["training"]["max_steps"] = 2
    config["training"]["eval_frequency"] = 1
    config.to_disk(folder / "config.cfg")
    DocBin(docs=[eg.reference for eg in examples]).to_disk(folder / "corpus.spacy")
    empty = Doc(nlp.vocab, words=["A", "film"])
    DocBin(docs=[empty]).to_disk(folder / "unannotated.spacy")

    def run(train_path):
        arguments = ["--paths.train", folder / train_path, "--paths.dev", folder / "corpus.spacy", "--output", folder / "out"]
        return python("-m", "spacy", "train", folder / "config.cfg", *arguments)

    return run, folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "path, message",
    [("nowhere.spacy", "nowhere.spacy"), ("unannotated.spacy", "E143")],
    ids=["a file that is not there", "a corpus without annotation"],
)
def test_training_on_nothing_fails(path, message, train):
    run, folder = train
    process = run(path)
    assert process.returncode != 0
    assert message in process.stdout + process.stderr
    assert not (folder / "out" / "model-best").exists()


@pytest.mark.slow
def test_training_on_a_corpus_succeeds(train):
    """So that the test above fails for the reason it names."""
    run, folder = train
    process = run("corpus.spacy")
    assert process.returncode == 0, process.stdout + process.stderr
    assert [token.tag_ for token in spacy.load(folder / "out" / "model-last")("They book")] != ["", ""]


@every
def test_a_batch_that_a_gpu_has_no_memory_for_is_named(factory, make_nlp, monkeypatch):
    class OutOfMemoryError(MemoryError):
        """As CuPy raises it."""

    def run_out(model, X, is_train):
        raise OutOfMemoryError("allocating 1 byte")

    nlp, examples = make_nlp(factory)
    component = nlp.get_pipe(factory)
    forward = component.model._func
    component.model._func = run_out
    expected = f"'{factory}': the GPU's memory is not enough for 1 texts of 3 tokens, the longest of 3: lower"
    with pytest.raises(MemoryError, match=expected):
        component.predict([nlp.make_doc("one two three")])
    with pytest.raises(MemoryError, match=f"not enough for {len(examples)} texts"):
        nlp.update(examples)
    component.model._func = forward
    assert nlp("one two three")
