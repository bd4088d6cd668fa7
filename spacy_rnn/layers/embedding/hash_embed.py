"""spaCy's hash embedding of several attributes, computed once for each distinct token of a batch."""

from typing import Callable, List, Optional, Tuple, Union, cast

from spacy.attrs import intify_attr
from spacy.ml.models.tok2vec import MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Maxout, Model, with_array
from thinc.layers.chain import init as init_chain
from thinc.types import Floats2d, Ragged

from ..capabilities import GivesRows, RowWise, declare
from ..ops import use_engine_products
from ..saved import Saved, no_parameters
from .hash_network import EmbeddingNetwork, find_projection
from .network import EmbedsAttributes
from .per_type import embed_tokens
from .rows import as_lists
from .static import IncludeStatic, build_static, check_static, size_static
from .vector_cache import VectorCache


def build_hash_embed(
    width: int,
    attrs: Union[List[str], List[int], List[Union[str, int]]],
    rows: List[int],
    include_static_vectors: IncludeStatic,
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
    include_static_vectors (Union[bool, str]): Whether the vectors of the vocabulary are an input, too. A token without a vector
        has zeros. With "auto" they are if there are vectors when the layer is initialized, and a word that has none as it is
        written has that of its lower case.
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
    static = build_static(width, include_static_vectors)
    model = MultiHashEmbed(width, attrs, rows, static is not None)
    if static is not None and include_static_vectors == "auto":
        _leave_open(model, static, width)
    model.replace_callbacks(forward, init=init)
    model.set_dim("nO", width)
    # Thinc does not save an attribute that is no plain data.
    model.attrs["cache"] = VectorCache(cache_size)
    return model


def _leave_open(model: Model, static: Model, width: int) -> None:
    """Let the projection of static vectors, and with it the input of the mixer, have no width before initialization."""
    model.layers[0].layers[-1] = static
    model.layers[-2] = with_array(Maxout(width, nP=3, dropout=0.0, normalize=True))


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
    static = find_projection(model)
    if static is not None:
        size_static(static, X)
    network = EmbeddingNetwork.of(model)
    if X and any(len(doc) for doc in X) and static is network.static:
        init_chain(model, X)
        return
    # There is nothing to infer widths from.
    if static is not None and static.has_dim("nO"):
        network.mixer.layers[0].set_dim("nI", sum(part.get_dim("nO") for part in [*network.tables, static]))
    for layer in model.walk(order="dfs_pre"):
        if not layer.layers:
            layer.initialize()


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return as_lists(model.ops, *forward_rows(model, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    use_engine_products(model)
    return embed_tokens(EmbeddingNetwork.of(model), model.attrs["cache"], docs, is_train)


def _check(model: Model) -> None:
    static, network = find_projection(model), EmbeddingNetwork.of(model)
    check_static(static)
    parts = [*network.tables, *([static] if static else [])]
    nI, widths = network.mixer.layers[0].maybe_get_dim("nI"), [part.maybe_get_dim("nO") for part in parts]
    if None not in (nI, *widths) and sum(cast(List[int], widths)) != nI:
        raise ValueError(f"its mixer reads width {nI}, but the vectors side by side have {widths}")


declare(forward, RowWise(), GivesRows(forward_rows), EmbedsAttributes(EmbeddingNetwork.of), Saved(no_parameters, _check))
