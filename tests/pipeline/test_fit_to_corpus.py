"""Batches and steps that are set by the size of the corpus."""

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

CONFIG = """
[paths]
train = null
dev = null
[nlp]
lang = "xx"
pipeline = ["tagger"]
[components]
[components.tagger]
factory = "tagger"
[corpora]
[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}
[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}
[training]
max_steps = 0
patience = 0
eval_frequency = 5
[training.batcher]
@batchers = "spacy.batch_by_words.v1"
size = 0
tolerance = 0.2
[training.optimizer]
@optimizers = "Adam.v1"
[training.optimizer.learn_rate]
@schedules = "spacy_rnn.warmup_linear.v1"
warmup_steps = 2
total_steps = 0
initial_rate = 0.01
[initialize]
[initialize.before_init]
@callbacks = "spacy_rnn.fit_to_corpus.v1"
epochs = 20
min_steps = 3
"""


def make_config(**overrides):
    filled = spacy.blank("xx").config.merge(Config().from_str(CONFIG, interpolate=False))
    return Config().from_str(filled.to_str(), overrides=overrides, interpolate=False)


@pytest.fixture
def write(tmp_path):
    """Writes a corpus of texts of ten words."""

    def write_corpus(n_texts, name="train.spacy"):
        vocab = spacy.blank("xx").vocab
        doc = Doc(vocab, words=["word"] * 10, tags=["A", "B"] * 5)
        DocBin(docs=[doc] * n_texts, attrs=["TAG"]).to_disk(tmp_path / name)
        return tmp_path / name

    return write_corpus


@pytest.fixture
def fitted(write):
    """Initializes a pipeline for a corpus, and gives batch size and number of steps."""

    def fit(n_texts, **overrides):
        path = str(write(n_texts))
        config = make_config(**{"paths.train": path, "paths.dev": path, **overrides})
        training = init_nlp(config).config.interpolate()["training"]
        assert training["optimizer"]["learn_rate"]["total_steps"] == training["max_steps"]
        return training["batcher"]["size"], training["max_steps"]

    return fit


@pytest.mark.parametrize("n_texts, expected", [(1, (100, 3)), (180, (100, 360)), (1800, (300, 1200)), (20_000, (1000, 4000))])
def test_batches_and_steps_grow_with_the_root_of_the_corpus(fitted, n_texts, expected):
    assert fitted(n_texts) == expected


def test_steps_have_bounds(fitted):
    bounds = {"initialize.before_init.min_steps": 50, "initialize.before_init.max_steps": 300}
    assert fitted(1, **bounds) == (100, 50)
    assert fitted(180, **bounds) == (100, 300)


def test_what_the_user_has_set_stays(fitted):
    assert fitted(180, **{"training.max_steps": 7}) == (100, 7)
    assert fitted(180, **{"training.batcher.size": 200}) == (200, 180)
    assert fitted(180, **{"training.max_steps": 7, "training.batcher.size": 50}) == (50, 7)


def test_the_steps_of_a_learning_rate_stay_that_were_set(write):
    path = str(write(180))
    overrides = {"paths.train": path, "paths.dev": path, "training.optimizer.learn_rate.total_steps": 50}
    training = init_nlp(make_config(**overrides)).config["training"]
    assert training["optimizer"]["learn_rate"]["total_steps"] == 50
    assert training["max_steps"] == 360


def test_a_folder_is_counted_with_all_its_files(write, tmp_path):
    write(900, "one.spacy")
    write(900, "two.spacy")
    overrides = {"paths.train": str(tmp_path), "paths.dev": str(tmp_path)}
    training = init_nlp(make_config(**overrides)).config["training"]
    assert training["batcher"]["size"] == 300


def test_training_ends_with_the_last_step_and_keeps_the_numbers(write, tmp_path):
    path = str(write(20))
    make_config().to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "out", overrides={"paths.train": path, "paths.dev": path})
    saved = load_config(tmp_path / "out" / "model-last" / "config.cfg", interpolate=True)
    assert saved["training"]["max_steps"] == saved["training"]["optimizer"]["learn_rate"]["total_steps"] == 40
    optimizer = spacy.load(tmp_path / "out" / "model-last").resume_training()
    for _ in range(5):
        optimizer.step_schedules()
    assert 0 < optimizer.learn_rate < 0.01


def test_without_a_corpus_nothing_is_set():
    nlp = load_model_from_config(make_config(), auto_fill=True)
    before = nlp.config.to_str()
    assert spacy.registry.get("callbacks", "spacy_rnn.fit_to_corpus.v1")(epochs=3)(nlp) is nlp
    assert nlp.config.to_str() == before


def test_the_corpus_is_read_as_in_training(fitted, write):
    assert fitted(1800, **{"corpora.train.limit": 180}) == (100, 360)
    path = str(write(1800))
    # The config's own variable may be left alone.
    assert fitted(1800, **{"paths.train": None, "corpora.train.path": path}) == (300, 1200)


def test_files_that_spacy_leaves_out_do_not_count(write, tmp_path):
    (tmp_path / "folder").mkdir()
    write(1800).rename(tmp_path / "folder" / "one.spacy")
    (tmp_path / "folder" / "._one.spacy").write_bytes(b"x")
    overrides = {"paths.train": str(tmp_path / "folder"), "paths.dev": str(tmp_path / "folder")}
    assert init_nlp(make_config(**overrides)).config["training"]["batcher"]["size"] == 300


def test_epochs_bound_the_steps(fitted):
    assert fitted(1800, **{"training.max_epochs": 2}) == (300, 120)
    assert fitted(1, **{"training.max_epochs": 1}) == (100, 1)
    assert fitted(1800, **{"training.max_epochs": 30}) == (300, 1200)


@pytest.mark.parametrize(
    "name, settings", [("batch_by_sequence", {}), ("batch_by_padded", {"buffer": 9, "discard_oversize": True})]
)
def test_batches_that_are_not_counted_in_words_are_refused(write, name, settings):
    path = str(write(180))
    config = make_config(**{"paths.train": path, "paths.dev": path})
    config["training"]["batcher"] = {"@batchers": f"spacy.{name}.v1", "size": 0, **settings}
    with pytest.raises(ValueError, match=f"number of words.*{name}"):
        init_nlp(config)


@pytest.mark.parametrize("n_texts, size, expected", [(180, 40, 90), (1800, 40, 900), (1, 40, 3), (180, 1, 3600)])
def test_steps_of_batches_of_texts_are_counted_in_texts(fitted, n_texts, size, expected):
    batcher = {"training.batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": size}}
    assert fitted(n_texts, **batcher) == (size, expected)


@pytest.mark.parametrize(
    "batcher",
    [
        {"@batchers": "spacy.batch_by_padded.v1", "size": 200, "buffer": 9, "discard_oversize": True},
        {"@batchers": "spacy.batch_by_sequence.v1", "size": {"@schedules": "constant.v1", "rate": 10}},
    ],
)
def test_steps_that_cannot_be_counted_are_refused(fitted, batcher):
    with pytest.raises(ValueError, match="max_steps.*cannot be counted.*spacy.batch_by"):
        fitted(180, **{"training.batcher": batcher})
    assert fitted(180, **{"training.batcher": batcher, "training.max_steps": 7})[1] == 7


def test_a_streamed_corpus_is_refused(write):
    path = str(write(180))
    with pytest.raises(ValueError, match="streamed.*max_steps"):
        init_nlp(make_config(**{"paths.train": path, "paths.dev": path, "training.max_epochs": -1}))


def test_a_corpus_without_words_is_refused(fitted):
    with pytest.raises(ValueError, match="no words"):
        fitted(0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epochs": 0}, "epochs.*0"),
        ({"epochs": float("nan")}, "epochs.*nan"),
        ({"epochs": float("inf")}, "epochs.*inf"),
        ({"epochs": 1, "min_steps": 0}, "min_steps.*0"),
        ({"epochs": 1, "min_steps": 20, "max_steps": 10}, "20 and 10"),
        ({"epochs": 1, "min_batch": 0}, "min_batch.*0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        spacy.registry.get("callbacks", "spacy_rnn.fit_to_corpus.v1")(**arguments)
