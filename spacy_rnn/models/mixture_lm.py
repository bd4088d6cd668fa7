"""Mixtures of language models."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats1d

from ..backoff import MixtureModel, check_weights, fit_weights
from ..generation import Scores
from ..generation.sampling import to_host
from ..layers.capabilities import PredictsSymbols, declare, find
from ..layers.saved import Saved, no_parameters
from ..text.symbols import SymbolBatch
from .symbols import symbols_of


def build_mixture_lm(
    # A config that has not been resolved yet has its blocks here.
    members: Dict[str, Any],
    weights: Optional[Dict[str, float]] = None,
) -> Model[SymbolBatch, Floats1d]:
    """Build a mixture of language models: the mean of their probabilities. In training each member learns by itself.

    members (Dict[str, Model[SymbolBatch, Floats1d]]): Models over the same symbols by any names, e.g. `spacy_rnn.RNNLM.v1`,
        `spacy_rnn.NGramLM.v1` and `spacy_rnn.CacheLM.v1`.
    weights (Optional[Dict[str, float]]): The weight of each, which sum to 1; all the same if None. `interpolate` finds the best
        ones.
    RETURNS (Model[SymbolBatch, Floats1d]): The model, from N inputs and targets to the log-probability of each target [N]. Its
        layers are the members in the order of their names.
    RAISES (ValueError): If there is no member, one is no language model, or these are no weights.
    """
    if not members:
        raise ValueError("a mixture needs members, got none")
    # A config does not keep the order of its sections.
    names = sorted(members)
    for name in names:
        member = members[name]
        if not isinstance(member, Model) or find(member, PredictsSymbols) is None:
            found_instead = member.name if isinstance(member, Model) else type(member).__name__
            raise ValueError(f"members of a mixture are language models, but {name} ({found_instead}) does not predict symbols")
    if weights is not None and set(weights) != set(names):
        raise ValueError(f"the weights of a mixture of {', '.join(names)} are for {', '.join(sorted(weights)) or 'none'}")
    found = check_weights([1 / len(names) if weights is None else weights[name] for name in names], len(names))
    layers = [members[name] for name in names]
    attrs = {"symbols": symbols_of(layers[0]), "weights": dict(zip(names, found.tolist(), strict=True))}
    return Model("mixture_lm", forward, init=init, layers=layers, attrs=attrs)


def interpolate(model: Model[SymbolBatch, Floats1d], batches: Iterable[SymbolBatch]) -> Dict[str, float]:
    """Give a mixture the weights that fit texts best, by EM (Jelinek & Mercer 1980).

    model (Model[SymbolBatch, Floats1d]): The mixture, its members trained; its weights are set.
    batches (Iterable[SymbolBatch]): Whole texts that the members have not been trained on: those of dev.
    RETURNS (Dict[str, float]): The weight of each member.
    RAISES (ValueError): If there is no symbol, or one that no member thinks possible.
    """
    members = begin(model).members
    found = [[to_host(member.score(*batch).log_probabilities) for member in members] for batch in batches]
    if not found:
        raise ValueError("the weights of a mixture need texts to be fitted to, got none")
    weights = fit_weights(numpy.hstack([numpy.vstack(each) for each in found])).tolist()
    model.attrs["weights"] = dict(zip(model.attrs["weights"], weights, strict=True))
    return dict(model.attrs["weights"])


def init(model: Model[SymbolBatch, Floats1d], X: object = None, Y: object = None) -> None:
    for member in model.layers:
        member.initialize()
    _share_symbols(model)


def forward(model: Model[SymbolBatch, Floats1d], X: SymbolBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    return begin(model).score(*X).log_probabilities, _no_backprop


def begin(model: Model[SymbolBatch, Floats1d]) -> MixtureModel:
    """Give a mixture with the weights as they are.

    model (Model[SymbolBatch, Floats1d]): The mixture.
    RETURNS (MixtureModel): It, to be run.
    RAISES (ValueError): If members have other symbols, or have learned nothing yet.
    """
    _share_symbols(model)
    return MixtureModel([_predicts(member).begin(member) for member in model.layers], list(model.attrs["weights"].values()))


def begin_update(
    model: Model[SymbolBatch, Floats1d], batch: SymbolBatch, state: Any = None, weights: Optional[Floats1d] = None
) -> Tuple[Scores, Callable[[], None]]:
    """Score a batch for training by the members that learn from batches, each from its own loss; if there are none, by all.

    model (Model[SymbolBatch, Floats1d]): The mixture.
    batch (SymbolBatch): The batch.
    state (Any): The state of each of these members before the first inputs.
    weights (Optional[Floats1d]): [N], what each target's loss counts; 1 if None.
    RETURNS (Tuple[Scores, Callable]): The mean of their log-probabilities, and a function that adds the gradients.
    RAISES (ValueError): If something does not fit.
    """
    learners = _learners(model)
    if not learners:
        return Scores(begin(model).score(*batch).log_probabilities, ()), lambda: None
    states = [None] * len(learners) if state is None else state
    found = [update(member, batch, own, weights) for (member, update, _), own in zip(learners, states, strict=True)]

    def backprop() -> None:
        for _, member_backprop in found:
            member_backprop()

    mean = sum(scores.log_probabilities for scores, _ in found) / len(found)
    return Scores(mean, tuple(scores.state for scores, _ in found)), backprop


def carry(model: Model[SymbolBatch, Floats1d], state: Any, index: numpy.ndarray, into: Any = None) -> Tuple[Any, ...]:
    """Give the state in which sequences go on, as `PredictsSymbols` says.

    model (Model[SymbolBatch, Floats1d]): The mixture.
    state (Any): The state of each member that learns from batches, or None.
    index (numpy.ndarray): int64 [B], which of its sequences each goes on from; -1 for others.
    into (Any): What others go on in.
    RETURNS (Tuple[Any, ...]): The state of each of these members.
    """
    learners = _learners(model)
    none = [None] * len(learners)
    return tuple(
        carry_member(member, own, index, other)
        for (member, _, carry_member), own, other in zip(learners, state or none, into or none, strict=True)
    )


def _predicts(member: Model) -> PredictsSymbols:
    found = find(member, PredictsSymbols)
    assert found is not None
    return found


def _learners(model: Model) -> List[Tuple[Model, Callable, Callable]]:
    """List the members that learn from batches, with their functions."""
    found = []
    for member in model.layers:
        predicts = _predicts(member)
        if predicts.begin_update is not None and predicts.carry is not None:
            found.append((member, predicts.begin_update, predicts.carry))
    return found


def _share_symbols(model: Model) -> None:
    """Check that members have the same symbols, and take those.

    RAISES (ValueError): If they differ, with what does.
    """
    names = list(model.attrs["weights"])
    for name, member in zip(names[1:], model.layers[1:], strict=True):
        if symbols_of(member) != symbols_of(model.layers[0]):
            raise ValueError(
                f"the members {names[0]} and {name} of a mixture have other symbols: {_difference(model.layers[0], member)}; "
                "train them on the same texts, with the same settings of symbols"
            )
    model.attrs["symbols"] = symbols_of(model.layers[0])


def _difference(one: Model, other: Model) -> str:
    a, b = symbols_of(one), symbols_of(other)
    if a.unit != b.unit:
        return f"{a.unit}s and {b.unit}s"
    if a.backward != b.backward:
        return f"{a.unit}s that are read forward and backward"
    names, other_names = a.names(), b.names()
    if len(names) != len(other_names):
        only = sorted(set(names) ^ set(other_names))[:3]
        return f"{len(names)} and {len(other_names)} {a.unit}s, e.g. {', '.join(map(repr, only))} in one only"
    for i, (name, other_name) in enumerate(zip(names, other_names, strict=True)):
        if name != other_name:
            return f"the {a.unit} number {i} is {name!r} in one and {other_name!r} in the other"
    return f"{a.unit}s with other settings"


def _no_backprop(dY: Floats1d) -> SymbolBatch:
    raise ValueError("each member of a mixture learns from its own loss: see begin_update")


def _check(model: Model) -> None:
    weights = model.attrs["weights"]
    if not isinstance(weights, dict):
        raise ValueError(f"the weights of a mixture have names, got {weights!r}")
    check_weights(list(weights.values()), len(model.layers))


declare(
    forward,
    PredictsSymbols(begin, carry, begin_update),
    Saved(no_parameters, _check, learned=["symbols", "weights"]),
)
