"""Token vectors: an embedding and an encoder."""

from enum import Enum
from typing import Callable, List, Optional, Tuple

from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import forward as forward_chain
from thinc.layers.chain import init as init_chain
from thinc.types import Floats2d, Ragged

from ..layers import as_lists, as_rows, embed_rows
from ..layers.capabilities import Chains, GivesRows, JoinsRows, SplitsRows, Truncates, declare, find, find_all
from ..layers.saved import Saved, check_chain, no_parameters


class Reader(Enum):
    """Which rows the model needs that reads token vectors: no plain data, so it is not saved with the weights."""

    EVERY_TOKEN = "every token"
    FIRST_TOKENS = "first tokens"


def build_tok2vec(
    embed: Model[List[Doc], List[Floats2d]],
    encode: Model[List[Floats2d], List[Floats2d]],
) -> Model[List[Doc], List[Floats2d]]:
    """Embed tokens and encode their context, as `spacy.Tok2Vec.v2` does, with the same parameters.

    Between an embedding of this package and its encoders, the batch stays one array of rows.

    embed (Model[List[Doc], List[Floats2d]]): The embedding, from texts of n tokens to rows [n, any width].
    encode (Model[List[Floats2d], List[Floats2d]]): The encoder, from these to rows [n, nO].
    RETURNS (Model[List[Doc], List[Floats2d]]): The model, from texts of n tokens to rows [n, nO].
    RAISES (ValueError): When the model is initialized or run, if the encoder leaves rows out: `spacy_rnn.TextCat.v1` and the
        text categorizers of this package take fewer.
    """
    model = build_Tok2Vec_model(embed, encode)
    model.replace_callbacks(forward, init=init)
    model.attrs["reader"] = Reader.EVERY_TOKEN
    return model


def allow_truncation(model: Model) -> None:
    """Let token vectors have fewer rows than there are tokens, for a model that pools them.

    model (Model): The model that has them inside.
    """
    for node in model.walk():
        if isinstance(node.attrs.get("reader"), Reader):
            node.attrs["reader"] = Reader.FIRST_TOKENS


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: Optional[List[Floats2d]] = None,
) -> None:
    embed, encode = model.layers
    if find_all(encode, Truncates) and model.attrs["reader"] is Reader.EVERY_TOKEN:
        raise _truncated()
    if _takes_rows(encode) and embed.has_dim("nO"):
        # It cannot be inferred from texts without tokens.
        first = next((layer for layer in encode.layers[1:-1] if layer.has_dim("nI") is not False), None)
        if first is not None and first.has_dim("nI") is None:
            first.set_dim("nI", embed.get_dim("nO"))
    init_chain(model, X, Y)


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    embed, encode = model.layers
    if not _takes_rows(encode):
        Y, chain_backprop = forward_chain(model, docs, is_train)
        cut = any(len(rows) < len(doc) for rows, doc in zip(Y, docs, strict=True))
        if cut and model.attrs["reader"] is Reader.EVERY_TOKEN:
            raise _truncated()
        return Y, chain_backprop
    return as_lists(model.ops, *_run(embed, encode, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    embed, encode = model.layers
    if _takes_rows(encode):
        return _run(embed, encode, docs, is_train)
    return as_rows(model.ops, *forward(model, docs, is_train))


def _run(embed: Model, encode: Model, docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Run an encoder of rows on those of an embedding."""
    rows, embed_backprop = embed_rows(embed, docs, is_train)
    backprops = []
    for layer in encode.layers[1:-1]:
        rows, layer_backprop = layer(rows, is_train)
        backprops.append(layer_backprop)

    def backprop(d_rows: Ragged) -> List[Doc]:
        for layer_backprop in reversed(backprops):
            d_rows = layer_backprop(d_rows)
        return embed_backprop(d_rows)

    return rows, backprop


def _truncated() -> ValueError:
    return ValueError(
        "spacy_rnn.Truncate.v1 leaves tokens out, but what reads these token vectors needs one for each token, as shared "
        "encoders and all components but text categorizers do: take it out of the encoder. A text categorizer with a model "
        "spacy_rnn.TextCat.v1 may have it in an encoder of its own"
    )


def _takes_rows(encode: Model) -> bool:
    """Tell whether the encoder only joins lists to rows, works on these, and takes them apart again."""
    if not find(encode, Chains):
        return False
    return bool(find(encode.layers[0], JoinsRows) and find(encode.layers[-1], SplitsRows))


declare(forward, Chains(), GivesRows(forward_rows), Saved(no_parameters, check_chain))
