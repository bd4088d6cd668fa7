"""What layers of Thinc and spaCy can do, which cannot declare it themselves."""

from typing import Any, Dict, Tuple

from thinc.api import Model

from .capabilities import (
    Chains,
    ExtractsFeatures,
    GivesProbabilities,
    HashesRows,
    IsSoftmax,
    Pads,
    ProjectsVectors,
    RowWise,
    SplitsRows,
    TakesRows,
    declare_by_name,
)
from .saved import FOREIGN_WEIGHTS

# Modules of `thinc.layers`. Containers treat rows by themselves if the layers in them do.
_ROW_WISE = """
    add chain clipped_linear concatenate dish dropout embed gelu hard_swish hard_swish_mobilenet hashembed layernorm linear
    list2ragged logistic maxout mish multisoftmax noop ragged2list relu residual resizable sigmoid sigmoid_activation softmax
    softmax_activation swish uniqued with_array with_array2d with_list with_ragged
""".split()


def _takes_columns(model: Model) -> bool:
    index = model.attrs["index"]
    return isinstance(index, tuple) and index[:1] in ((slice(None),), (slice(0, None),))


_OTHERS: Dict[str, Tuple[Any, ...]] = {
    "spacy.ml._character_embed": (RowWise(),),
    "spacy.ml.featureextractor": (RowWise(), ExtractsFeatures()),
    "spacy.ml.staticvectors": (RowWise(), ProjectsVectors()),
    "thinc.layers.array_getitem": (RowWise(holds=_takes_columns),),
    "thinc.layers.chain": (Chains(),),
    "thinc.layers.hashembed": (HashesRows(),),
    "thinc.layers.logistic": (GivesProbabilities(),),
    "thinc.layers.ragged2list": (SplitsRows(),),
    "thinc.layers.sigmoid_activation": (GivesProbabilities(),),
    "thinc.layers.softmax": (IsSoftmax(),),
    "thinc.layers.softmax_activation": (GivesProbabilities(),),
    "thinc.layers.with_array": (TakesRows(holds=lambda model: not model.attrs["pad"]),),
    "thinc.layers.with_padded": (Pads(),),
}


def declare_foreign() -> None:
    """Declare what they can do, without importing them."""
    for name in _ROW_WISE:
        declare_by_name(f"thinc.layers.{name}.forward", RowWise())
    for name, capabilities in _OTHERS.items():
        declare_by_name(f"{name}.forward", *capabilities)
    for name, saved in FOREIGN_WEIGHTS.items():
        declare_by_name(f"{name}.forward", saved)
