"""Token vectors from language models of characters."""

from pathlib import Path
from typing import Callable, List, Optional, Tuple, Union, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Linear, Model
from thinc.types import Floats2d, Ints1d, Ragged

from ..capabilities import GivesRows, HoldsLayers, declare
from ..embedding.parts import side_by_side
from ..embedding.rows import as_lists, embed_rows
from ..ops import use_engine_products
from ..recurrent.precision import as_precision
from ..saved import Saved, no_parameters
from .language_models import LanguageModels
from .shim import LanguageModelShim


def build_lm_embed(
    lm: Optional[Union[str, Path]],
    *,
    forward: Optional[str] = "lm_forward",
    backward: Optional[str] = "lm_backward",
    trainable: bool = False,
    width: Optional[int] = None,
    embed: Optional[Model[List[Doc], List[Floats2d]]] = None,
    save: bool = True,
    precision: str = "float32",
    cache_size: int = 50_000,
    training_cache_size: int = 300_000,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed words by what language models of characters know where they have read them.

    A word's vector is the state of a forward model after its last character, and that of a backward model, which has read the
    text from its end, after its first (Akbik et al. 2018, "Contextual string embeddings for sequence labeling"). A text's
    vectors do not depend on other texts of the batch.

    lm (Optional[Union[str, Path]]): The pipeline that has the language models: the name of an installed package, or a path. It is
        read when the layer is initialized, and where save is false also when it is loaded.
    forward (Optional[str]): The component that reads forward; None for none.
    backward (Optional[str]): The component that reads backward; None for none.
    trainable (bool): Whether the language models are trained further with what reads them. Otherwise they stay as they are, and
        all layers of a process that read the same ones share them.
    width (Optional[int]): The width that the states are projected to, by a dense layer that is trained; None to give them as they
        are.
    embed (Optional[Model[List[Doc], List[Floats2d]]]): Another embedding whose vectors stand beside these, e.g. of words.
    save (bool): Whether the language models are saved with what is trained. Otherwise lm has to be there when it is loaded, with
        the same models.
    precision (str): As in `spacy_rnn.RNN.v1`, of the language models.
    cache_size (int): How many tokens' vectors are kept at most, for texts that come again; with 0 none. Those of models that are
        trained are not kept.
    training_cache_size (int): The same from the first update on, as long as the process lives: every epoch reads the same texts.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer, from texts of n tokens to rows [n, nO], nO = width, or the units of the
        language models, + the width of embed.
    RAISES (ValueError): If an argument is out of its range. When the layer is initialized: if lm has no such language models.
    RAISES (OSError): When the layer is initialized: spaCy's E050 or E052, if there is no such pipeline.
    """
    names = [name for name in (forward, backward) if name is not None]
    if not names:
        raise ValueError(
            "set forward, backward or both to components of the pipeline lm: without a language model there is no vector"
        )
    if width is not None and width < 1:
        raise ValueError(f"width must be at least 1, or null for the states as they are, got {width}")
    for name, size in (("cache_size", cache_size), ("training_cache_size", training_cache_size)):
        if size < 0:
            raise ValueError(f"{name} must be at least 0, got {size}")
    if trainable and not save:
        raise ValueError("language models that are trained have to be saved with what reads them: set save = true")
    as_precision(precision)
    shim = LanguageModelShim(
        lm,
        names,
        trainable=trainable,
        save=save,
        precision=precision,
        cache_size=cache_size,
        training_cache_size=training_cache_size,
    )
    projection: List[Model] = [] if width is None else [Linear(nO=width)]
    return Model(
        "lm_embed",
        forward_lists,
        init=init,
        layers=[*projection, *([] if embed is None else [embed])],
        shims=[shim],
        dims={"nO": None},
        attrs={"projected": width is not None, "trainable": trainable},
    )


def init(model: Model[List[Doc], List[Floats2d]], X: Optional[List[Doc]] = None, Y: object = None) -> None:
    states = _shim(model).load().width
    projection, embed = _projection(model), _beside(model)
    width = states
    if projection is not None:
        projection.set_dim("nI", states, force=True)
        projection.initialize()
        width = projection.get_dim("nO")
    if embed is not None:
        embed.initialize(X=X)
        width += embed.get_dim("nO")
    model.set_dim("nO", width, force=True)


def forward_lists(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return as_lists(model.ops, *forward_rows(model, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    use_engine_products(model)
    embed = _beside(model)
    lengths = cast(Ints1d, numpy.asarray([len(doc) for doc in docs], dtype="int32"))
    parts = [_embed_states(model, _models(model), docs, is_train)]
    if embed is not None:
        other, other_backprop = embed_rows(embed, docs, is_train)
        parts.append((cast(Floats2d, other.dataXd), lambda d_rows: other_backprop(Ragged(d_rows, lengths))))
    Y, parts_backprop = side_by_side(model.ops, parts)

    def backprop(dY: Ragged) -> List[Doc]:
        # The gradient of a batch without rows may have lost its width.
        if Y.size:
            parts_backprop(cast(Floats2d, dY.dataXd))
        return []

    return Ragged(Y, lengths), backprop


def _embed_states(
    model: Model, models: LanguageModels, docs: List[Doc], is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], None]]:
    """Give the states of a batch, projected if the layer does that."""
    trains = is_train and model.attrs["trainable"]
    if is_train and not trains:
        models.cache.grow(_shim(model).training_cache_size)
    states, states_backprop = models.begin_update(docs) if trains else (models.embed(docs), None)
    projection = _projection(model)
    if projection is None:
        return states, states_backprop or _backprop_nothing
    Y, projection_backprop = projection(states, is_train)

    def backprop(dY: Floats2d) -> None:
        d_states = projection_backprop(dY)
        if states_backprop is not None:
            states_backprop(d_states)

    return Y, backprop


def _backprop_nothing(d_rows: Floats2d) -> None:
    """Leave models as they are that are not trained."""


def _models(model: Model) -> LanguageModels:
    models = _shim(model).models
    if models is None:
        raise ValueError("the embedding has no language models yet: initialize it, or load weights")
    return models


def _shim(model: Model) -> LanguageModelShim:
    return cast(LanguageModelShim, model.shims[0])


def _projection(model: Model) -> Optional[Model]:
    return model.layers[0] if model.attrs["projected"] else None


def _beside(model: Model) -> Optional[Model]:
    others = model.layers[1:] if model.attrs["projected"] else model.layers
    return others[0] if others else None


def _check(model: Model) -> None:
    """Compare widths that have been loaded."""
    nO, models, projection, embed = model.maybe_get_dim("nO"), _shim(model).models, _projection(model), _beside(model)
    if models is None or nO is None:
        return
    width: Optional[int] = models.width
    if projection is not None:
        if projection.maybe_get_dim("nI") not in (None, width):
            raise ValueError(f"it projects {projection.get_dim('nI')} states, but its language models have {width}")
        width = projection.maybe_get_dim("nO")
    other = 0 if embed is None else embed.maybe_get_dim("nO")
    if None not in (width, other) and nO != cast(int, width) + cast(int, other):
        raise ValueError(f"its width nO = {nO} is not that of its vectors, {width}, and those beside them, {other}")


def _held(model: Model) -> Optional[List[Model]]:
    models = _shim(model).models
    return None if models is None else models.layers()


declare(forward_lists, GivesRows(forward_rows), HoldsLayers(_held), Saved(no_parameters, _check))
