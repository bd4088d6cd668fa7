"""spaCy's hash embedding of several attributes, computed once for each distinct token of a batch."""

from typing import Callable, List, Optional, Tuple, Union

from spacy.attrs import intify_attr
from spacy.ml.models.tok2vec import MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import init as init_chain
from thinc.types import Floats2d, Ragged

from ..capabilities import GivesRows, RowWise, declare
from ..ops import use_engine_products
from .hash_network import EmbeddingNetwork
from .parts import require_vectors
from .per_type import embed_tokens
from .rows import as_lists
from .vector_cache import VectorCache


def build_hash_embed(
    width: int,
    attrs: Union[List[str], List[int], List[Union[str, int]]],
    rows: List[int],
    include_static_vectors: bool,
    cache_size: int = 100_000,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed tokens as `spacy.MultiHashEmbed.v2` does, computing each distinct combination of attributes once.

    Parameters, initial weights, outputs, gradients and dropout are the same. In prediction vectors are cached across batches,
    until a parameter changes. In-place writes go undetected: call `clear_cache` after writing into the array of a parameter or of
    the static vectors, as `Vocab.set_vector` does for a word that has a vector, and after giving a word another row of them
    (`Vectors.add(word, row=…)`, `Vectors.key2row`).

    width (int): The width of the vectors and of the embedding tables.
    attrs (List[Union[str, int]]): The token attributes, e.g. ["NORM", "PREFIX", "SUFFIX", "SHAPE"].
    rows (List[int]): The number of rows of each attribute's table.
    include_static_vectors (bool): Whether the vectors of the vocabulary are an input, too. A token without a vector has zeros.
    cache_size (int): How many vectors are kept at most (each takes 4 · width + 8 · (number of attributes) bytes and some more);
        with 0 none.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer, from texts of n tokens to rows [n, width].
    RAISES (ValueError): If an attribute is unknown, there is none, or not one number of rows for each; or if a size is out of
        its range. When the layer is initialized or run: if the vocabulary's vectors are missing or of another width.
    """
    unknown = [attr for attr in attrs if not intify_attr(attr)]
    if unknown or not attrs:
        raise ValueError(f"attrs takes one or several token attributes such as NORM or SHAPE, got {unknown or attrs}")
    if len(rows) != len(attrs):
        raise ValueError(f"rows has the number of rows of each attribute's table: {len(attrs)} numbers, got {len(rows)}")
    if width < 1 or min(rows) < 1:
        raise ValueError(f"width and rows must be at least 1, got {width} and {rows}")
    if cache_size < 0:
        raise ValueError(f"cache_size must be at least 0, got {cache_size}")
    model = MultiHashEmbed(width, attrs, rows, include_static_vectors)
    model.replace_callbacks(forward, init=init)
    model.set_dim("nO", width)
    # Thinc does not save an attribute that is no plain data.
    model.attrs["cache"] = VectorCache(cache_size)
    return model


def clear_cache(model: Model) -> None:
    """Clear the vectors that the `HashEmbed` and `CharEmbed` layers of a model have cached.

    It is needed only after an in-place write into the array of a parameter or of the static vectors; training, loading,
    `use_params` and `set_param` are noticed.

    model (Model): Any model, e.g. that of a component.
    """
    for node in model.walk():
        if isinstance(node.attrs.get("cache"), VectorCache):
            node.attrs["cache"].clear()


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: object = None,
) -> None:
    static = EmbeddingNetwork.of(model).static
    if X and static is not None:
        require_vectors(X[0].vocab)
    if X is not None and not any(len(doc) for doc in X):
        # Without tokens there are no widths to infer.
        if X and static is not None:
            static.set_dim("nM", X[0].vocab.vectors.shape[1])
        X = None
    init_chain(model, X)


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return as_lists(model.ops, *forward_rows(model, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    use_engine_products(model)
    return embed_tokens(EmbeddingNetwork.of(model), model.attrs["cache"], docs, is_train)


declare(forward, RowWise(), GivesRows(forward_rows))
