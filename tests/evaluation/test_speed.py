"""Speed is that of all texts, and what cannot be measured is refused."""

import pytest
import spacy

from spacy_rnn.evaluation import measure_speed, processor


def test_speed_counts_the_tokens_of_a_pass():
    speed = measure_speed(spacy.blank("xx"), ["They book a room.", "We read."])
    assert speed.words == 8
    assert speed.passes >= 3
    assert 0 < speed.words_per_second <= speed.best
    assert processor() in speed.device


@pytest.mark.parametrize("texts", [[], "a text", ["", ""]])
def test_texts_without_a_token_are_refused(texts):
    with pytest.raises(ValueError, match="texts"):
        measure_speed(spacy.blank("xx"), texts)
