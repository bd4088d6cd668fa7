"""Every architecture has its name in spaCy's registry."""

from importlib.metadata import distribution

import pytest
import spacy

TESTED = {
    "spacy_rnn.RNNEncoder.v1",
    "spacy_rnn.BiLSTMEncoder.v1",
    "spacy_rnn.CNN.v1",
    "spacy_rnn.TextCat.v1",
    "spacy_rnn.TextCatCNN.v1",
    "spacy_rnn.NGrams.v1",
    "spacy_rnn.RNNLM.v1",
    "spacy_rnn.FeedForwardLM.v1",
    "spacy_rnn.NGramLM.v1",
    "spacy_rnn.CacheLM.v1",
    "spacy_rnn.MixtureLM.v1",
    "spacy_rnn.Seq2Seq.v1",
    "spacy_rnn.VectorDecoder.v1",
    "spacy_rnn.Tok2Vec.v1",
    "spacy_rnn.Embed.v1",
    "spacy_rnn.LMEmbed.v1",
    "spacy_rnn.HashEmbed.v1",
    "spacy_rnn.CharEmbed.v1",
    "spacy_rnn.Truncate.v1",
    "spacy_rnn.CRF.v1",
    "spacy_rnn.PretrainLM.v1",
}


def test_every_architecture_is_tested_here():
    entry_points = distribution("spacy-rnn").entry_points.select(group="spacy_architectures")
    assert {entry_point.name for entry_point in entry_points} == TESTED


@pytest.mark.parametrize("name", sorted(TESTED))
def test_spacy_finds_the_architecture_without_an_import(name):
    assert spacy.registry.architectures.get(name).__module__.startswith("spacy_rnn.")
