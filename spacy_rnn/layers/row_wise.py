"""Which layers treat every row of a sequence by itself, so that a sequence may be cut anywhere between them."""

from importlib import import_module
from typing import Any, Callable, Collection, Optional, Set

from spacy.ml.featureextractor import forward as extract_features
from spacy.ml.staticvectors import forward as look_up_static_vectors
from thinc.api import Model
from thinc.layers.array_getitem import forward as get_item

from .embedding import char_embed, embed, hash_embed
from .plain import dropout, highway, sequence_dropout
from .ragged import list2ragged, wrapper

# Containers treat rows by themselves if the layers in them do.
_THINC = """
    add chain clipped_linear concatenate dish dropout embed gelu hard_swish hard_swish_mobilenet hashembed layernorm linear
    list2ragged logistic maxout mish multisoftmax noop ragged2list relu residual resizable sigmoid sigmoid_activation softmax
    softmax_activation swish uniqued with_array with_array2d with_list with_ragged
""".split()
_row_wise: Set[Callable] = {
    *(import_module(f"thinc.layers.{name}").forward for name in _THINC),
    import_module("spacy.ml._character_embed").forward,
    extract_features,
    look_up_static_vectors,
    char_embed.forward,
    dropout.forward,
    embed.forward,
    hash_embed.forward,
    highway.forward,
    list2ragged.forward,
    sequence_dropout.forward,
    wrapper.forward,
}


def declare_row_wise(forward: Callable) -> None:
    """Declare that a layer of your own treats every row, or every token of a text, by itself when it predicts; or, if there are
    layers in it, that it does apart from what these do.

    forward (Callable): The layer's forward function, as given to Thinc's `Model`.
    """
    _row_wise.add(forward)


def find_mixing(model: Model, allowed: Collection[Callable] = ()) -> Optional[Model]:
    """Find a layer that is not known to treat every row, or every token of a text, by itself when it predicts.

    model (Model): Any model.
    allowed (Collection[Callable]): Forward functions of layers that need not.
    RETURNS (Optional[Model]): The first such layer in it; None if there is none.
    """
    if model._func in allowed or (model._func is get_item and _takes_columns(model.attrs["index"])):
        return None
    if model._func not in _row_wise:
        return model
    # The recurrent layer of a character embedding mixes the characters of one word.
    layers = char_embed.beside(model) if model._func is char_embed.forward else model.layers
    found = (find_mixing(layer, allowed) for layer in layers)
    return next((layer for layer in found if layer is not None), None)


def _takes_columns(index: Any) -> bool:
    return isinstance(index, tuple) and index[:1] in ((slice(None),), (slice(0, None),))
