"""A pipeline of a forward and a backward language model."""

import pytest
import spacy
from thinc.api import Config

from spacy_rnn.pipeline.language_model.both_directions import CONFIG, Settings, check_config, join_directions, save_pipeline

SETTINGS = Settings(CONFIG, "en_pair", "en", "line", None, None, 0, -1, None, 1)


def make(backward):
    nlp = spacy.blank("en")
    symbols = {"@misc": "spacy_rnn.Characters.v1", "backward": backward}
    model = {"@architectures": "spacy_rnn.RNNLM.v1", "width": 8, "hidden_width": 16, "symbols": symbols}
    nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
    nlp.config["corpora"]["train"] = {"@readers": "spacy_rnn.TextCorpus.v1", "path": "mine.txt", "unit": "paragraph"}
    return nlp


def test_directions_are_joined_and_saved_without_what_they_were_trained_with(tmp_path):
    nlp = join_directions({"forward": make(False), "backward": make(True)}, SETTINGS)
    nlp.meta["language_models"] = {}
    save_pipeline(nlp, tmp_path)
    loaded = spacy.load(tmp_path)
    assert [(name, pipe.name, pipe.symbols.backward) for name, pipe in loaded.pipeline] == [
        ("lm_forward", "lm_forward", False),
        ("lm_backward", "lm_backward", True),
    ]
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    assert config["corpora"]["train"]["path"] == "${paths.train}" and config["corpora"]["train"]["unit"] == "paragraph"
    assert loaded.meta["name"] == "pair" and loaded.meta["language_models"]["megabytes"] > 0


def test_a_model_of_the_other_direction_is_refused():
    with pytest.raises(ValueError, match=r"the backward model are not read backward.* backward = \$\{vars.backward\}"):
        join_directions({"forward": make(False), "backward": make(False)}, SETTINGS)


def test_configs_of_another_kind_are_refused(tmp_path):
    check_config(CONFIG)
    path = tmp_path / "other.cfg"
    for name, value, message in (
        ("nlp", {"pipeline": ["lm", "tagger"]}, "one component rnn_lm called 'lm'"),
        ("components", {"lm": {"factory": "tagger"}}, "one component rnn_lm called 'lm'"),
        ("vars", {"cell": "gru"}, "expected backward and unit in"),
    ):
        config = Config().from_disk(CONFIG, interpolate=False)
        config[name] = value
        path.write_text(config.to_str(interpolate=False))
        with pytest.raises(ValueError, match=message):
            check_config(path)
    with pytest.raises(FileNotFoundError, match="no config"):
        check_config(tmp_path / "missing.cfg")
