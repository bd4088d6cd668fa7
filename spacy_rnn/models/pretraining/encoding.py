"""What the two directions of an encoder have read, each by itself."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ...layers import embed_rows, find_mixing
from ...layers.capabilities import Chains, Directions, IsRnn, JoinsRows, SplitsRows, find, find_all
from ...layers.directions import begin_apart, find_joining
from ...layers.ragged.list2ragged import host_lengths


class Readers(NamedTuple):
    """What each direction of an encoder knows at every token of a batch.

    rows (Floats2d): [D · N, nH]: those that have read texts forward, up to a token and with it; after them, if D = 2, those
        that have read them backward.
    n_directions (int): D, 1 or 2.
    lengths (numpy.ndarray): int32 [B], the number of tokens of each text.
    """

    rows: Floats2d
    n_directions: int
    lengths: numpy.ndarray


def check_tok2vec(tok2vec: Model) -> None:
    """Refuse token vectors that cannot be learned by predicting words.

    tok2vec (Model): The model.
    RAISES (ValueError): If it is not an embedding that treats every token by itself, and an encoder of recurrent layers that
        can keep their directions apart.
    """
    other = "or use spacy.PretrainCharacters.v1 or spacy.PretrainVectors.v1 as [pretraining.objective], which take any layers"
    parts = _parts_of(tok2vec)
    if parts is None:
        raise ValueError(
            "spacy_rnn.PretrainLM.v1 pretrains spacy_rnn.Tok2Vec.v1 or spacy.Tok2Vec.v2 with a recurrent encoder, got the layer "
            f'{tok2vec.name!r}: set [pretraining] component and layer to that of such a model, e.g. layer = "tok2vec", {other}'
        )
    embed, layers = parts
    mixing = find_mixing(embed)
    if mixing is not None:
        raise ValueError(
            f"the layer {mixing.name!r} of the embedding may show a token its neighbours, so that these cannot be predicted: use "
            f"an embedding of tokens by themselves, {other}"
        )
    joining = next((found for layer in layers if (found := find_joining(layer)) is not None), None)
    if joining is not None:
        raise ValueError(
            f"the layer {joining.name!r} of the encoder cannot keep apart what was read forward and backward, so that a word "
            f"would be predicted from itself: use spacy_rnn.RNNEncoder.v1 without highway, or spacy_rnn.BiLSTMEncoder.v1, {other}"
        )
    if not any(find_all(layer, IsRnn) for layer in layers):
        raise ValueError(f"the encoder has no recurrent layer, so that it reads nothing: set depth to at least 1, {other}")


def reader_width(tok2vec: Model) -> Tuple[int, int]:
    """Say how wide the rows of a direction are.

    tok2vec (Model): A model that `check_tok2vec` takes.
    RETURNS (Tuple[int, int]): nH; and D, the number of directions.
    """
    _, layers = _require_parts(tok2vec)
    n_directions = 2 if any(rnn.attrs["bidirectional"] for layer in layers for rnn in find_all(layer, IsRnn)) else 1
    return tok2vec.get_dim("nO") // n_directions, n_directions


def read_apart(
    tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool
) -> Tuple[Readers, Callable[[Floats2d], None]]:
    """Run token vectors so that what goes forward has seen no later token, and what goes backward no earlier one.

    tok2vec (Model[List[Doc], List[Floats2d]]): A model that `check_tok2vec` takes.
    docs (List[Doc]): The texts.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Readers, Callable]): The rows; and a function from their gradient that adds to those of the parameters.
    """
    embed, layers = _require_parts(tok2vec)
    embedded, embed_backprop = embed_rows(embed, docs, is_train)
    Y, layers_backprop = begin_apart(layers, Directions(embedded, False), is_train)
    xp: Any = tok2vec.ops.xp
    rows = Y.rows.dataXd if Y.rows.data.size else tok2vec.ops.alloc2f(0, tok2vec.get_dim("nO"))
    n_directions = 2 if Y.apart else 1

    def backprop(d_rows: Floats2d) -> None:
        dY = d_rows if n_directions == 1 else xp.hstack(xp.split(d_rows, 2))
        embed_backprop(layers_backprop(Ragged(dY, Y.rows.lengths)))

    apart = rows if n_directions == 1 else xp.concatenate(xp.split(rows, 2, axis=1))
    return Readers(apart, n_directions, host_lengths(Y.rows)), backprop


def _parts_of(tok2vec: Model) -> Optional[Tuple[Model, List[Model]]]:
    """Give the embedding, and the layers of the encoder between lists and rows; None if there are no such parts."""
    if not find(tok2vec, Chains) or len(tok2vec.layers) != 2:
        return None
    embed, encode = tok2vec.layers
    if not find(encode, Chains) or not find(encode.layers[0], JoinsRows) or not find(encode.layers[-1], SplitsRows):
        return None
    return embed, list(encode.layers[1:-1])


def _require_parts(tok2vec: Model) -> Tuple[Model, List[Model]]:
    parts = _parts_of(tok2vec)
    assert parts is not None
    return parts
