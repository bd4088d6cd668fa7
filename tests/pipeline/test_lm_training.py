"""Training language models by spaCy's own loop: how long, and at which rate."""

from importlib.util import find_spec

import pytest
import spacy
from spacy.cli.train import train
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches
from spacy.util import load_config, registry, resolve_dot_names
from thinc.api import Config

needs_tokenizers = pytest.mark.skipif(find_spec("tokenizers") is None, reason="needs the library tokenizers")
CONFIG = """
[paths]
train = null
dev = null
[nlp]
lang = "xx"
pipeline = ["lm"]
[components]
[components.lm]
factory = "rnn_lm"
[components.lm.model]
@architectures = "spacy_rnn.RNNLM.v1"
width = 4
hidden_width = 8
[components.lm.model.symbols]
@misc = "spacy_rnn.Characters.v1"
[corpora]
[corpora.train]
@readers = "spacy_rnn.TextCorpus.v1"
path = ${paths.train}
tokens = "whitespace"
[corpora.dev]
@readers = "spacy_rnn.TextCorpus.v1"
path = ${paths.dev}
tokens = "whitespace"
[training]
max_steps = 0
max_epochs = 0
patience = 0
eval_frequency = 3
[training.batcher]
@batchers = "spacy_rnn.batch_by_streams.v1"
n_streams = 4
n_symbols = 10
[training.optimizer]
@optimizers = "Adam.v1"
[training.optimizer.learn_rate]
@schedules = "spacy_rnn.warmup_linear.v1"
warmup_steps = 0
total_steps = 0
initial_rate = 0.01
constant_share = 0.5
[initialize]
"""
TEXTS = ["the night is long and the day is short", "a", "so it goes", "and nobody knows why it goes so"] * 5


@pytest.fixture
def make_config(tmp_path):
    """Makes the config of a language model, with a corpus."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))

    def make(symbols="Characters", where="before_init", epochs=3, **overrides):
        config = spacy.blank("xx").config.merge(Config().from_str(CONFIG, interpolate=False))
        fit = {"@callbacks": "spacy_rnn.fit_to_corpus.v1", "epochs": epochs, "min_steps": 1}
        config["initialize"][where] = fit
        config["components"]["lm"]["model"]["symbols"]["@misc"] = f"spacy_rnn.{symbols}.v1"
        path = str(tmp_path / "texts.txt")
        overrides = {"paths.train": path, "paths.dev": path, **overrides}
        return Config().from_str(config.to_str(), overrides=overrides, interpolate=False)

    return make


def count_batches(nlp):
    """Count the batches that move a model in one epoch, as spaCy's loop makes them."""
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, ["corpora.train"])
    batcher = registry.resolve({"batcher": config["training"]["batcher"]})["batcher"]
    return sum(bool(nlp.update(batch) or True) for _, batch in create_train_batches(nlp, corpus, batcher, 1))


@pytest.mark.parametrize(
    "symbols, where",
    [
        ("Characters", "before_init"),
        ("Words", "before_init"),
        pytest.param("Subwords", "after_init", marks=needs_tokenizers),
    ],
)
@pytest.mark.parametrize("n_streams, n_symbols, buffer", [(4, 10, 20_000_000), (1, 7, 20_000_000), (3, 2, 100), (1000, 5, 10**7)])
def test_the_steps_of_an_epoch_are_those_of_the_loop(make_config, symbols, where, n_streams, n_symbols, buffer):
    streams = {"n_streams": n_streams, "n_symbols": n_symbols, "buffer": buffer}
    overrides = {f"training.batcher.{name}": value for name, value in streams.items()}
    nlp = init_nlp(make_config(symbols, where, epochs=1, **overrides))
    assert nlp.config["training"]["max_steps"] == count_batches(nlp)
    assert nlp.config["training"]["optimizer"]["learn_rate"]["total_steps"] == nlp.config["training"]["max_steps"]


def test_the_steps_are_epochs_times_characters_by_those_of_a_batch(make_config):
    n_characters = sum(len(text) + 1 for text in TEXTS)
    nlp = init_nlp(make_config(epochs=10))
    assert nlp.config["training"]["max_steps"] == 10 * -(-n_characters // 40)


def test_bounds_and_epochs_bound_the_steps(make_config):
    assert init_nlp(make_config(epochs=10, **{"training.max_epochs": 2})).config["training"]["max_steps"] == 22
    bounds = {"initialize.before_init.min_steps": 500, "initialize.before_init.max_steps": 600}
    assert init_nlp(make_config(**bounds)).config["training"]["max_steps"] == 500
    assert init_nlp(make_config(**{"training.max_steps": 7})).config["training"]["max_steps"] == 7


@needs_tokenizers
def test_subwords_are_counted_after_they_have_been_learned(make_config):
    with pytest.raises(ValueError, match="subwords.*not been learned.*after_init"):
        init_nlp(make_config("Subwords", "before_init"))


def test_a_rate_falls_to_zero_with_the_last_step(make_config, tmp_path, capsys):
    make_config().to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "out")
    saved = load_config(tmp_path / "out" / "model-last" / "config.cfg")["training"]
    assert saved["max_steps"] == saved["optimizer"]["learn_rate"]["total_steps"] == 33


class RecordRates:
    """Keeps the learning rate of each update."""

    def __init__(self, monkeypatch):
        self.rates = []
        from spacy_rnn.pipeline.language_model.component import RNNLanguageModel

        finish_update = RNNLanguageModel.finish_update

        def record(component, sgd):
            self.rates.append(sgd.learn_rate)
            return finish_update(component, sgd)

        monkeypatch.setattr(RNNLanguageModel, "finish_update", record)


def test_a_rate_is_halved_when_the_dev_score_stalls(make_config, tmp_path, monkeypatch):
    recorded = RecordRates(monkeypatch)
    config = make_config(**{"training.max_steps": 30})
    # With a rate of almost zero the score stays as it is: it does not fail to be the best once, and then always.
    config["training"]["optimizer"]["learn_rate"] = {"@schedules": "spacy_rnn.plateau.v1", "initial_rate": 1e-12, "patience": 2}
    config.to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "out")
    relative = [round(rate / 1e-12, 6) for rate in recorded.rates]
    # The loop evaluates after steps 0, 3, 6 …; the update after that takes the score, and the one after that the rate.
    assert relative == [1.0] * 8 + [0.5] * 6 + [0.25] * 6 + [0.125] * 6 + [0.0625] * 5


def test_a_rate_stays_while_the_dev_score_rises(make_config, tmp_path, monkeypatch):
    recorded = RecordRates(monkeypatch)
    config = make_config(**{"training.max_steps": 30})
    config["training"]["optimizer"]["learn_rate"] = {"@schedules": "spacy_rnn.plateau.v1", "initial_rate": 0.003}
    config.to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "out")
    assert recorded.rates == [0.003] * 31


def test_scores_of_texts_are_no_evaluation(make_config, monkeypatch):
    nlp = init_nlp(make_config(**{"training.max_steps": 1}))
    optimizer = nlp.create_optimizer()
    schedule = registry.get("schedules", "spacy_rnn.plateau.v1")(0.5)
    optimizer.schedules["learn_rate"] = schedule
    for _ in range(5):
        nlp.get_pipe("lm").score(["the night"])
        nlp.get_pipe("lm").finish_update(optimizer)
    assert next(schedule) == 0.5
