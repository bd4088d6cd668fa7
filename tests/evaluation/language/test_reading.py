"""How texts are read for a language model: as it was trained on them."""

import pytest
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_rnn.evaluation.language.documents import find_reading


@pytest.mark.parametrize("name, tokens", [("lm_char", "whitespace"), ("lm_word", "pipeline")])
def test_variables_of_the_config_count(name, tokens, pytestconfig):
    path = pytestconfig.rootpath / "configs" / f"{name}.cfg"
    config = Config().from_disk(path, interpolate=False, overrides={"vars.unit": "paragraph"})
    nlp = load_model_from_config(config, auto_fill=False)
    assert nlp.config["corpora"]["train"]["unit"] == "${vars.unit}"
    assert find_reading(nlp, nlp.get_pipe("lm")) == ("paragraph", tokens)
