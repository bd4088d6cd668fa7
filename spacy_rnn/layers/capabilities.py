"""What layers can do, declared by the layers themselves.

What a layer does is what its forward function does, so that is what a capability is declared for, where the function is
defined. Thinc has no better place: names are the user's to choose, attributes are saved with the weights and may be anybody's.
It keeps the function under a private name, `Model._func`, and this is the only file that reads it.
"""

import copy
import sys
from collections.abc import Hashable
from dataclasses import dataclass
from inspect import getclosurevars
from types import FunctionType
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats3d, Ragged

Capability = TypeVar("Capability")
State = Dict[str, Floats3d]

_declared: Dict[Callable, Dict[type, Any]] = {}
_declared_by_name: Dict[str, Dict[type, Any]] = {}
# These put a function of theirs around that of a layer, and call it with the same arguments.
_OBSERVERS = ("thinc.layers.with_debug", "thinc.layers.with_nvtx_range", "thinc.layers.with_signpost_interval")


@dataclass(frozen=True)
class RowWise:
    """Treat every row, or every token of a text, by itself in prediction.

    A layer with layers inside does so apart from what these do.

    layers (Callable[[Model], Sequence[Model]]): Gives the layers inside that have to be of this kind as well; all if left out.
    holds (Callable[[Model], bool]): Tells whether it is true of a layer, if that depends on its settings.
    """

    layers: Callable[[Model], Sequence[Model]] = lambda model: model.layers
    holds: Callable[[Model], bool] = lambda model: True


@dataclass(frozen=True)
class Recurrent:
    """Carry a state from row to row of each sequence.

    scan (Callable): (layer, X, state, n_ahead, session) -> (Y, state), as `spacy_rnn.layers.scan`: from rows [N, nI] and the
        state before the first rows, or None, to rows [N, nO] and the state before the n_ahead [B] last rows.
    restart_backward (Callable): (layer, state, B) -> state: what forward directions go on with, while backward ones start anew.
    is_bidirectional (Callable): (layer) -> bool: whether there is a backward direction.
    begin (Callable): (layer) -> what `scan` takes as its last argument, `session`: what the calls for many pieces have in common,
        e.g. packed weights; None if there is nothing.
    """

    scan: Callable[[Model, Ragged, Optional[State], Optional[Sequence[int]], Any], Tuple[Ragged, State]]
    restart_backward: Callable[[Model, State, int], State]
    is_bidirectional: Callable[[Model], bool]
    begin: Callable[[Model], Any] = lambda layer: None


class Directions(NamedTuple):
    """Rows of a batch, of which it is known what has read what.

    rows (Any): [N, width], a `Ragged` or, inside of layers on arrays, an array.
    apart (bool): Whether the first half of the columns has seen no row after its own, and the second half none before. If not, no
        row has seen another one.
    """

    rows: Any
    apart: bool


@dataclass(frozen=True)
class KeepsDirectionsApart:
    """Be able to run on rows of two directions that know nothing of each other: see `spacy_rnn.layers.directions.begin_apart`.

    begin (Callable): (layer, Directions, is_train) -> (Directions, backprop): from the parameters that the layer's forward
        function uses, but no column of the one half depends on one of the other. `backprop` is as that of the forward function,
        from the gradient of the rows to that of the rows.
    layers (Callable[[Model], Sequence[Model]]): Gives the layers inside that have to have it as well; all if left out.
    """

    begin: Callable[[Model, Directions, bool], Tuple[Directions, Callable]]
    layers: Callable[[Model], Sequence[Model]] = lambda model: model.layers


@dataclass(frozen=True)
class IsRnn:
    """Be a stack of directions as `build_rnn` makes them, with its attributes: `cell`, `bidirectional`, `depth`, …"""


@dataclass(frozen=True)
class HoldsLayers:
    """Hold layers that Thinc does not know to be parts of it, e.g. because others hold them as well.

    layers (Callable): layer -> those that have parameters; None if it has none yet.
    """

    layers: Callable[[Model], Optional[Sequence[Model]]]


@dataclass(frozen=True)
class GivesRows:
    """Embed texts, and be able to give the rows of a batch together.

    forward (Callable): (layer, texts, is_train) -> (rows [N, nO], backprop), in place of the layer's forward function, which
        gives a list.
    """

    forward: Callable[[Model, List[Doc], bool], Tuple[Ragged, Callable]]


@dataclass(frozen=True)
class TakesRows:
    """Take a batch as a list of sequences or as one array of rows, and give the same of it.

    holds (Callable[[Model], bool]): Tells whether it is true of a layer, if that depends on its settings.
    """

    holds: Callable[[Model], bool] = lambda model: True


@dataclass(frozen=True)
class ReadsCharacters:
    """Embed words by recurrent layers over their characters."""


@dataclass(frozen=True)
class LearnsVocabulary:
    """Have parameters for the most frequent words, or n-grams of words, of the training data.

    begin (Callable): (layer) -> what counts them: it has a method `add` that takes a text.
    end (Callable): (layer, what has counted all texts): sets the vocabulary.
    take (Optional[Callable]): (layer, a vocabulary in plain data, what gives the training texts): sets that vocabulary, and
        learns from the texts what else the layer learns from a corpus. None if the layer takes no vocabulary from elsewhere.
    """

    begin: Callable[[Model], Any]
    end: Callable[[Model, Any], None]
    take: Optional[Callable[[Model, Any, Callable[[], Iterable[Doc]]], None]] = None


@dataclass(frozen=True)
class PredictsSymbols:
    """Be a language model over the symbols in the attribute `symbols` (`spacy_rnn.text.symbols.Symbols`).

    The layer's forward function takes a `spacy_rnn.text.symbols.SymbolBatch` and gives the log-probability of each target,
    float32 [N].

    begin (Callable): (layer) -> a `spacy_rnn.generation.LanguageModel` with the weights as they are.
    carry (Optional[Callable]): (layer, state or None, index [B], into or None) -> the state in which B sequences go on: from the
        sequence of the given state that the index names; where that is -1, as `into` has it, or from the beginning of a text.
    begin_update (Optional[Callable]): (layer, batch, state or None, weights [N] or None) -> (Scores, backprop), for training:
        `backprop()` adds the gradients of the sum of all losses, each times its weight (1 if None), to those of the parameters.
        This and `carry` are None if the model learns only from a corpus as a whole (`LearnsVocabulary`).
    network (Optional[Callable]): (layer) -> (the embedding of its symbols, the recurrent layer over them), whose states others
        can read; None if there are no such layers.
    """

    begin: Callable[[Model], Any]
    carry: Optional[Callable[..., Any]] = None
    begin_update: Optional[Callable[..., Tuple[Any, Callable[[], None]]]] = None
    network: Optional[Callable[[Model], Tuple[Model, Model]]] = None


@dataclass(frozen=True)
class Transduces:
    """Be an encoder-decoder, from the symbols in the attribute `source` to those in `target` (`spacy_rnn.text.symbols.Symbols`).

    The layer's forward function takes a `spacy_rnn.text.symbols.PairBatch` and gives the log-probability of each target, float32
    [M]. What may stand before the symbols of a source, such as the tag of a word, is in the attribute `features`, a list: the
    first is numbered V, the number of source symbols. One that reads vectors has neither `source` nor `features`, and vectors in
    place of a source in its batches.

    begin (Callable): (layer, counts_coverage) -> a `spacy_rnn.generation.NextSymbol` with the weights as they are, whose `start`
        takes a `spacy_rnn.text.symbols.SourceBatch`, or vectors, as its context.
    begin_update (Callable): (layer, batch, weights [M] or None) -> (log-probabilities [M], backprop), for training: `backprop()`
        adds the gradients of the sum of all losses, each times its weight (1 if None), to those of the parameters.
    score (Callable): (layer, batch) -> (log-probabilities [M], attention [P] or None): the attention of each target to each
        symbol of its source, target after target.
    copies (Callable): (layer) -> bool: whether symbols are copied from the source, unknown ones too.
    attends (Callable): (layer) -> bool: whether there is attention, so that coverage can be counted.
    """

    begin: Callable[..., Any]
    begin_update: Callable[[Model, Any, Optional[Any]], Tuple[Any, Callable[[], Any]]]
    score: Callable[[Model, Any], Tuple[Any, Optional[Any]]]
    copies: Callable[[Model], bool] = lambda layer: False
    attends: Callable[[Model], bool] = lambda layer: False


@dataclass(frozen=True)
class ScoresSymbols:
    """Turn hidden rows into the probabilities of V symbols.

    The layer's forward function takes rows [N, nI] and gives all log-probabilities [N, V]: of a few rows at a time, as it keeps
    them. These functions keep those of a piece of the rows only.

    score (Callable): (layer, H [N, nI], targets [N]) -> the log-probability of each target, in nats, [N].
    begin_update (Callable): (layer, H [N, nI], targets [N], weights [N] or None) -> (log-probabilities [N], backprop): for
        training. `backprop()` adds the gradients of the sum of all losses, each times its weight (1 if None), to those of the
        parameters, and gives that of H. Nothing is added before.
    weights (Optional[Callable]): layer -> (W [V, nI], b [V]), if the log-probabilities are log softmax(H Wᵀ + b).
    """

    score: Callable[[Model, Any, Any], Any]
    begin_update: Callable[[Model, Any, Any, Optional[Any]], Tuple[Any, Callable[[], Any]]]
    weights: Optional[Callable[[Model], Tuple[Any, Any]]] = None


@dataclass(frozen=True)
class JoinsRows:
    """Join a list of sequences to one array of rows, with lengths on the host."""


@dataclass(frozen=True)
class SplitsRows:
    """Take one array of rows apart to a list of sequences."""


@dataclass(frozen=True)
class Chains:
    """Run the layers inside one after the other."""


@dataclass(frozen=True)
class Pads:
    """Run the layer inside on a padded batch."""


@dataclass(frozen=True)
class Pools:
    """Make one vector of each sequence, in the ways that the attribute `pooling` names."""


@dataclass(frozen=True)
class Truncates:
    """Give fewer rows than there are."""


@dataclass(frozen=True)
class Drops:
    """Drop values in training, at rates that belong to the architecture.

    rates (Tuple[str, ...]): The attributes that they are in.
    """

    rates: Tuple[str, ...]


@dataclass(frozen=True)
class IsCrf:
    """Be a conditional random field over the scores that the layer gives."""


@dataclass(frozen=True)
class IsSoftmax:
    """Be a dense layer with a softmax over its output, by Thinc's attributes `softmax_normalize` and `softmax_temperature`."""


@dataclass(frozen=True)
class Averages:
    """Average the probabilities of the layers inside, each of which has a loss of its own.

    begin (Callable): (layer, X) -> (the probabilities [B, nO] of each layer inside, backprop): that takes a gradient for each.
    """

    begin: Callable[[Model, Any], Tuple[List[Any], Callable[[Sequence[Any]], None]]]


@dataclass(frozen=True)
class GivesProbabilities:
    """Turn scores into probabilities."""


@dataclass(frozen=True)
class ExtractsFeatures:
    """Give the attributes of tokens, as spaCy's `FeatureExtractor`."""


@dataclass(frozen=True)
class HashesRows:
    """Embed numbers by their hashes, as Thinc's `HashEmbed`."""


@dataclass(frozen=True)
class ProjectsVectors:
    """Project the static vectors of tokens, as spaCy's `StaticVectors`."""


def declare(forward: Callable, *capabilities: Any) -> None:
    """Declare what a layer can do, e.g. `declare(forward, RowWise())` for a layer of your own that treats every row by itself.

    forward (Callable): The layer's forward function, as given to Thinc's `Model`.
    capabilities (Any): What it can do, e.g. `RowWise`, `Recurrent`, `GivesRows`.
    """
    _declared[forward] = {**_capabilities_of(forward), **{type(capability): capability for capability in capabilities}}


def declare_by_name(forward: str, *capabilities: Any) -> None:
    """Declare what a layer of another package can do, without importing it.

    forward (str): The dotted name of the layer's forward function.
    capabilities (Any): What it can do.
    """
    declared = _declared_by_name.setdefault(forward, {})
    declared.update({type(capability): capability for capability in capabilities})


def find(model: Model, kind: Type[Capability]) -> Optional[Capability]:
    """Find what a layer can do.

    model (Model): Any layer, whatever its name.
    kind (Type): The kind of capability.
    RETURNS (Optional[Any]): What was declared; None if nothing was.
    """
    return _capabilities_of(_forward_of(model)).get(kind)


def find_all(model: Model, kind: type) -> List[Model]:
    """List the layers of a model that can do something.

    model (Model): Any model.
    kind (type): The kind of capability.
    RETURNS (List[Model]): The layers, each before those inside it and these in their order.
    """
    return [node for node in model.walk(order="dfs_pre") if find(node, kind)]


def is_observed(model: Model) -> bool:
    """Tell whether one of Thinc's wrappers observes a layer, and is to see every call of it.

    model (Model): Any layer.
    RETURNS (bool): Whether one does, e.g. `with_debug`.
    """
    return _forward_of(model) is not model._func


def package_of(model: Model) -> str:
    """Say whose a layer is.

    model (Model): Any layer.
    RETURNS (str): The package that its forward function is defined in, e.g. "thinc"; "" if that is not known.
    """
    return (getattr(_forward_of(model), "__module__", None) or "").partition(".")[0]


def with_forwards(model: Model, choose: Callable[[Model], Optional[Callable]]) -> Model:
    """Give a model a twin with other forward functions in some of its layers.

    The two share parameters, gradients and attributes; the model itself stays as it is.

    model (Model): Any model.
    choose (Callable[[Model], Optional[Callable]]): Gives another forward function for a layer, or None to look at the layers
        inside.
    RETURNS (Model): The model.
    """
    return _with_forwards(model, choose, {})


def _with_forwards(model: Model, choose: Callable[[Model], Optional[Callable]], made: Dict[int, Model]) -> Model:
    if id(model) not in made:
        forward = choose(model)
        layers = model.layers if forward else [_with_forwards(layer, choose, made) for layer in model.layers]
        made[id(model)] = model
        if forward or any(one is not other for one, other in zip(layers, model.layers, strict=True)):
            # Thinc's own copies have copies of the parameters.
            changed = copy.copy(model)
            changed._layers = list(layers)
            changed._refs = {name: ref and made.get(id(ref), ref) for name, ref in model._refs.items()}
            changed.replace_callbacks(forward or _forward_of(model), init=model.init)
            made[id(model)] = changed
    return made[id(model)]


def _forward_of(model: Model) -> Callable:
    forward = model._func
    while isinstance(forward, FunctionType) and forward.__module__ in _OBSERVERS:
        observed = getclosurevars(forward).nonlocals.get("orig_forward")
        if observed is None:
            break
        forward = observed
    return forward


def _capabilities_of(forward: Callable) -> Mapping[type, Any]:
    if not isinstance(forward, Hashable):
        return {}
    if forward not in _declared:
        module, name = getattr(forward, "__module__", None), getattr(forward, "__qualname__", None)
        declared = _declared_by_name.get(f"{module}.{name}")
        # A function that wraps another one (`functools.wraps`) has its name.
        if declared is None or getattr(sys.modules.get(str(module)), str(name), None) is not forward:
            return {}
        _declared[forward] = declared
    return _declared[forward]
