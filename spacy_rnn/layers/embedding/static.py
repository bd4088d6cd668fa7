"""The vocabulary's static vectors as an input of an embedding: never, always, or if there are some at initialization."""

from typing import Any, List, Literal, Optional, Union

from spacy.attrs import LOWER, ORTH
from spacy.ml.staticvectors import StaticVectors, forward
from spacy.ml.staticvectors import init as init_projection
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

IncludeStatic = Union[bool, Literal["auto"]]


def build_static(width: int, include: IncludeStatic) -> Optional[Model]:
    """Build the projection of static vectors.

    With "auto" its dimensions stay open until it is initialized: the width of the vocabulary's vectors, and its own; or both 0 if
    the vocabulary has none, or there are no texts. They are saved with the weights, so a trained model is loaded as it was
    trained, whatever vectors there are then.

    width (int): The width of the projections.
    include (Union[bool, str]): True, False or "auto".
    RETURNS (Optional[Model]): spaCy's `StaticVectors`; None with False.
    RAISES (ValueError): If include is something else.
    """
    if include not in (True, False, "auto"):
        raise ValueError(f'include_static_vectors must be true, false or "auto", got {include!r}')
    if include != "auto":
        return StaticVectors(nO=width) if include else None
    layer = StaticVectors()
    layer.attrs["width_with_vectors"] = width
    layer.replace_callbacks(forward, init=_init)
    return layer


def size_static(static: Model, X: Optional[List[Doc]]) -> None:
    """Settle at initialization whether static vectors are projected, and the dimensions of the projection.

    static (Model): What `build_static` made, or spaCy's `StaticVectors`.
    X (Optional[List[Doc]]): Sample texts, or none.
    RAISES (ValueError): If the vocabulary has no vectors, unless "auto" leaves that open; or if the model has been initialized
        with vectors of another width.
    """
    optional = "width_with_vectors" in static.attrs
    nM = X[0].vocab.vectors.shape[1] if X and _has_vectors(X[0].vocab) else 0
    if X and not nM and not optional:
        raise ValueError(
            "the embedding projects the vocabulary's static vectors, but it has none: set initialize.vectors to a pipeline "
            'that has some, e.g. from `spacy init vectors`, or set include_static_vectors = false or "auto"'
        )
    if not X and (not optional or static.has_dim("nM")):
        return
    old = static.maybe_get_dim("nM")
    if old not in (None, nM):
        raise ValueError(
            f"the embedding was initialized with {_name(old)}, but the vocabulary now has {_name(nM)}: initialize a "
            "new pipeline, e.g. by `spacy train`"
        )
    static.set_dim("nM", nM)
    if optional:
        static.set_dim("nO", static.attrs["width_with_vectors"] if nM else 0)


def static_in_use(static: Optional[Model]) -> Optional[Model]:
    """Leave out a projection that was initialized without vectors.

    static (Optional[Model]): What `build_static` made.
    RETURNS (Optional[Model]): The projection, None if there is nothing to project.
    """
    return None if static is None or static.maybe_get_dim("nM") == 0 else static


def lookup_attrs(static: Optional[Model], vocab: Vocab) -> List[int]:
    """List the attributes that the static vectors of a token are looked up by.

    static (Optional[Model]): The projection in use.
    vocab (Vocab): The vocabulary of the texts.
    RETURNS (List[int]): spaCy's numbers of the attributes: that of the vectors, as spaCy does; with "auto" the lower-cased word
        as well, for those that have no vector as they are written. Nothing if there is no projection.
    """
    if static is None:
        return []
    return [getattr(vocab.vectors, "attr", ORTH), *([LOWER] if "width_with_vectors" in static.attrs else [])]


def static_sources(static: Optional[Model], vocab: Vocab) -> Optional[List[Any]]:
    """List what tells whether static vectors are still the same.

    static (Optional[Model]): The projection in use.
    vocab (Vocab): The vocabulary of the texts.
    RETURNS (Optional[List[Any]]): The table, its array and the number of keys; nothing if there is no projection; None if the
        table is of another kind than spaCy's.
    """
    if static is None:
        return []
    vectors = vocab.vectors
    return [vectors, vectors.data, vectors.n_keys] if isinstance(vectors, Vectors) else None


def check_static(static: Optional[Model]) -> None:
    """Refuse dimensions that a projection cannot have.

    static (Optional[Model]): A projection that has been loaded.
    RAISES (ValueError): If it has not the width that goes with its vectors.
    """
    if static is None:
        return
    nO, nM = static.maybe_get_dim("nO"), static.maybe_get_dim("nM")
    expected = static.attrs.get("width_with_vectors", nO) if nM else 0
    if None not in (nO, nM) and nO != expected:
        raise ValueError(f"it projects {_name(nM)} to width {nO}, expected {expected}")


def _init(model: Model[List[Doc], Ragged], X: Optional[List[Doc]] = None, Y: Optional[Ragged] = None) -> None:
    size_static(model, X)
    if model.get_dim("nM"):
        init_projection(glorot_uniform_init, model)
    else:
        model.set_param("W", model.ops.alloc2f(0, 0))


def _has_vectors(vocab: Vocab) -> bool:
    return 0 not in vocab.vectors.shape


def _name(width: Optional[int]) -> str:
    return f"static vectors of width {width}" if width else "no static vectors"
