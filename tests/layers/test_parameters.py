"""The table of a model's layers and their parameters."""

import re

import pytest
from spacy import registry
from thinc.api import Linear, chain, ragged2list

from spacy_rnn.layers import build_embed, build_list2ragged, build_rnn, count_parameters, summary
from spacy_rnn.models import build_textcat


def cells(text):
    """The table's lines that are no rules, split at two spaces or more."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip(" -")]


def build_film_reviews():
    rnn = build_rnn(32, 32, cell="elman_tanh")
    tok2vec = chain(build_embed(32, size=10000), build_list2ragged(), rnn, ragged2list())
    tok2vec.set_dim("nO", 32)
    return build_textcat(tok2vec, exclusive_classes=False, pooling="last", nO=1)


def test_classic_film_review_model(make_docs):
    model = build_film_reviews()
    model.initialize(X=make_docs("a good film"))
    assert cells(summary(model)) == [
        ["layer", "output width", "parameters", "number"],
        ["rnn_embed", "32", "E 10000x32", "320,000"],
        ["elman_tanh_forward", "32", "W 32x32, R 32x32, b 32", "2,080"],
        ["linear", "1", "W 1x32, b 1", "33"],
        ["sum", "322,113"],
    ]


def test_parameters_of_spacys_layers_are_counted_too(make_docs):
    embed = registry.get("architectures", "spacy.MultiHashEmbed.v2")(
        width=8, attrs=["LOWER"], rows=[20], include_static_vectors=False
    )
    embed.initialize(X=make_docs("a good film"))
    expected = sum(node.get_param(name).size for node in embed.walk() for name in node.param_names)
    assert cells(summary(embed))[-1] == ["sum", str(expected)]


def test_every_direction_has_a_line():
    model = build_rnn(4, 3, cell="lstm", bidirectional=True, depth=2, train_initial_state=True)
    model.initialize()
    table = cells(summary(model))
    assert [line[0] for line in table[1:-1]] == ["lstm_forward", "lstm_backward"] * 2
    assert table[1][2:] == ["W 8x3, R 8x2, b 8, h0 2, c0 2", "52"]
    assert table[-1][-1] == str(2 * 52 + 2 * (8 * (4 + 2 + 1) + 4))


@pytest.mark.parametrize(
    "model, line",
    [
        (build_rnn(4, cell="gru"), ["gru_forward", "?", "W ?, R ?, b ?, bR ?", "0"]),
        (Linear(2), ["linear", "2", "W ?, b ?", "0"]),
    ],
    ids=["rnn", "linear"],
)
def test_uninitialized_parameters_are_unknown_and_not_counted(model, line):
    _, shown, footer = cells(summary(model))
    assert shown == line
    assert footer == ["sum", "0"]


def test_parameters_are_counted_as_far_as_they_are_allocated(make_docs):
    model = build_film_reviews()
    assert count_parameters(model) == (0, False)
    model.initialize(X=make_docs("a good film"))
    assert count_parameters(model) == (322_113, True)


def test_many_parameters_of_a_layer_keep_the_columns_straight():
    model = build_rnn(512, 1024, cell="lstm_peephole", train_initial_state=True)
    model.initialize()
    header, rule, line, *_ = [line for line in summary(model).splitlines() if line.strip()]
    assert len(header) == len(rule) == len(line)
