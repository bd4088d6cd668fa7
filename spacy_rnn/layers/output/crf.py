"""A linear-chain conditional random field around a model that scores labels."""

from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy
from thinc.api import Model, zero_init
from thinc.layers.linear import forward as forward_linear
from thinc.types import Floats2d, Ints1d
from thinc.util import get_array_module, get_width

from ...crf import AllowedTransitions, Crf, allowed_transitions, check_scheme, log_likelihood, marginals, viterbi
from ..capabilities import IsCrf, IsSoftmax, declare, find
from ..ragged.split import split_array
from ..saved import Saved, Shapes, require_same

# The references that spaCy's tagger sets.
REFS = ("tok2vec", "softmax", "output_layer")


def build_crf(
    scores: Model[Any, List[Floats2d]], nO: Optional[int] = None, constraints: Optional[str] = None
) -> Model[Any, List[Floats2d]]:
    """Build a linear-chain conditional random field (Lafferty, McCallum & Pereira 2001).

    The layer's output is that of the model inside, the score of each label at each row; `crf_decode`, `crf_log_likelihood` and
    `crf_marginals` turn it into statements about whole sequences.

    scores (Model[Any, List[Floats2d]]): The model that scores labels, to [n, nO] for each sequence of n rows. If its last layer
        is a softmax, as that of `spacy.Tagger.v2`, it gives the scores before the softmax from now on.
    nO (Optional[int]): The number of labels. Inferred from the model or the data if None.
    constraints (Optional[str]): "BIO" or "BILUO" if labels stand for spans and must be well-formed; then `set_labels` says what
        they are. None if any label may follow any other.
    RETURNS (Model[Any, List[Floats2d]]): The layer.
    RAISES (ValueError): If constraints are unknown, or if nO is not that of the model.
    """
    _without_softmax(scores)
    model: Model[Any, List[Floats2d]] = Model(
        "crf",
        forward,
        init=init,
        layers=[scores],
        dims={"nO": nO},
        params={"start": None, "transitions": None, "end": None},
        refs={name: scores.get_ref(name) for name in REFS if scores.has_ref(name)},
        attrs={
            "constraints": None if constraints is None else check_scheme(constraints),
            "allowed_start": None,
            "allowed_transitions": None,
            "allowed_end": None,
        },
    )
    _agree_on_width(model, scores)
    return model


def set_labels(model: Model, labels: Sequence[str]) -> None:
    """Tell a layer what its labels are, for its constraints. It is saved with the layer.

    model (Model): A layer made by `build_crf`.
    labels (Sequence[str]): The labels, in the order of the scores. Without constraints they do not matter.
    RAISES (ValueError): If a label is none of the scheme, or there are not as many as scores.
    """
    _require_crf(model)
    if model.attrs["constraints"] is None:
        return
    _check_labels(model, labels)
    for name, allowed in zip(Crf._fields, allowed_transitions(labels, model.attrs["constraints"]), strict=True):
        model.attrs[f"allowed_{name}"] = allowed


class CRFGradient(List[Floats2d]):
    """The gradient of a layer's scores, with that of the layer's own parameters.

    The scores' gradient is [n, nO] for each sequence; the layer's backpropagation adds the parameters' gradient to what they
    have."""

    def __init__(self, rows: Iterable[Floats2d], parameters: Crf) -> None:
        """Put the two together.

        rows (Iterable[Floats2d]): The gradient of the scores.
        parameters (Crf): That of the parameters.
        """
        super().__init__(rows)
        self.parameters = parameters


def crf_log_likelihood(model: Model, scores: List[Floats2d], allowed: Union[Any, Sequence[Any]]) -> Tuple[float, CRFGradient]:
    """Find the loss of annotation and its gradient. The model stays as it is until its backpropagation is given the gradient.

    model (Model): A layer made by `build_crf`.
    scores (List[Floats2d]): Its output, [n, nO] for each sequence.
    allowed (Union[Array, Sequence[Array]]): bool or uint8 [n, nO] for each sequence, or those of all in one [N, nO]: which labels
        each row may have, as `spacy_rnn.crf.log_likelihood` says.
    RETURNS (Tuple[float, CRFGradient]): The negative log-likelihood, summed over the sequences, and its gradient in the shape of
        the scores.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number, or what is allowed is impossible.
    """
    crf, rows, lengths = get_field(model), _rows(model, scores), _lengths(scores)
    log_likelihoods, backprop = log_likelihood(crf, rows, lengths, _joined(allowed, rows))
    d_rows, grads = backprop(numpy.full(len(lengths), -1.0, dtype=rows.dtype))
    return -float(log_likelihoods.sum()), CRFGradient(split_array(d_rows, lengths), Crf(*grads))


def crf_decode(model: Model, scores: List[Floats2d]) -> List[Ints1d]:
    """Find the most probable labels of each sequence.

    model (Model): A layer made by `build_crf`.
    scores (List[Floats2d]): Its output, [n, nO] for each sequence.
    RETURNS (List[Ints1d]): int64 [n] for each sequence.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number, or constraints leave no path of labels.
    """
    lengths = _lengths(scores)
    return split_array(viterbi(get_field(model), _rows(model, scores), lengths)[0], lengths)


def crf_marginals(model: Model, scores: List[Floats2d], temperature: float = 1.0) -> List[Floats2d]:
    """Find the probability of each label at each row, all paths of labels considered.

    model (Model): A layer made by `build_crf`.
    scores (List[Floats2d]): Its output, [n, nO] for each sequence.
    temperature (float): What the scores of paths are divided by, above 0. The best path is the same at all temperatures.
    RETURNS (List[Floats2d]): [n, nO] for each sequence.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number, or constraints leave no path of labels; or if
        the temperature is no finite number above 0.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"a temperature is a finite number above 0, got {temperature!r}")
    field, rows, lengths = get_field(model), _rows(model, scores), _lengths(scores)
    if temperature != 1:
        field, rows = Crf(*(param / temperature for param in field)), rows / temperature
    return split_array(marginals(field, rows, lengths), lengths)


def forward(model: Model[Any, List[Floats2d]], X: Any, is_train: bool) -> Tuple[List[Floats2d], Callable]:
    Y, scores_backprop = model.layers[0](X, is_train)

    def backprop(dY: List[Floats2d]) -> Any:
        if isinstance(dY, CRFGradient):
            for name, grad in zip(Crf._fields, dY.parameters, strict=True):
                model.inc_grad(name, grad)
        return scores_backprop(dY)

    return Y, backprop


def init(model: Model[Any, List[Floats2d]], X: Optional[Any] = None, Y: Optional[Any] = None) -> None:
    scores = model.layers[0]
    if Y is None and model.has_dim("nO"):
        # A layer deep inside finds its width in a sample.
        Y = [model.ops.alloc2f(1, model.get_dim("nO"))]
    scores.initialize(X=X, Y=Y)
    _agree_on_width(model, scores)
    if model.has_dim("nO") is None and Y is not None:
        model.set_dim("nO", get_width(Y))
    if model.has_dim("nO") is None:
        raise ValueError("the CRF does not know its number of labels: set nO, or initialize it with a sample of the output")
    nO = model.get_dim("nO")
    _check_labels(model, model.attrs["allowed_start"])
    for name, shape in zip(Crf._fields, ((nO,), (nO, nO), (nO,)), strict=True):
        model.set_param(name, zero_init(model.ops, shape))


def _without_softmax(scores: Model) -> None:
    last = scores
    while last.layers:
        last = last.layers[-1]
    if find(last, IsSoftmax):
        # A field is normalized over whole sequences, so scores must not be so row by row. Thinc's softmax layer always is in
        # training, whatever it does in prediction; its parameters are those of a linear layer.
        last.replace_callbacks(forward_linear, init=last.init)


def _agree_on_width(model: Model, scores: Model) -> None:
    """Let a layer and the model inside it have the same number of labels, as soon as one of them knows it."""
    nO, inner_nO = model.maybe_get_dim("nO"), scores.maybe_get_dim("nO")
    if nO is None and inner_nO is not None:
        model.set_dim("nO", inner_nO)
    elif inner_nO not in (None, nO):
        raise ValueError(f"the CRF has nO = {nO} labels, but the model that scores them has nO = {inner_nO}")


def _check_labels(model: Model, labels: Optional[Sequence[Any]]) -> None:
    if labels is not None and model.has_dim("nO") and len(labels) != model.get_dim("nO"):
        raise ValueError(f"the CRF has {model.get_dim('nO')} labels, but its constraints were told of {len(labels)}")


def get_field(model: Model) -> Crf:
    """Give the parameters, what is forbidden being -inf.

    model (Model): A layer made by `build_crf`.
    RETURNS (Crf): The parameters.
    RAISES (ValueError): If the model is none of these, has not been initialized, or has constraints but was not told its labels.
    """
    _require_crf(model)
    if model.has_param("start") is None:
        raise ValueError("the CRF has no parameters yet: initialize it first, with data or with nO")
    params = Crf(*(model.get_param(name) for name in Crf._fields))
    if model.attrs["constraints"] is None:
        return params
    allowed = AllowedTransitions(*(model.attrs[f"allowed_{name}"] for name in Crf._fields))
    if allowed.start is None:
        raise ValueError(f"the CRF has constraints ({model.attrs['constraints']}), but was not told its labels: call set_labels")
    xp = model.ops.xp
    return Crf(*(xp.where(xp.asarray(mask), param, -numpy.inf) for mask, param in zip(allowed, params, strict=True)))


def _require_crf(model: Model) -> None:
    if not find(model, IsCrf):
        raise ValueError(f"only a layer made by build_crf is a CRF, got the model {model.name!r}")


def _lengths(scores: Sequence[Any]) -> numpy.ndarray:
    return numpy.asarray([len(rows) for rows in scores], dtype="int32")


def _rows(model: Model, scores: List[Floats2d]) -> Floats2d:
    """Join the rows of all sequences; without any they would have lost their width."""
    filled = [rows for rows in scores if len(rows)]
    return model.ops.flatten(filled) if filled else model.ops.alloc2f(0, model.get_dim("nO"))


def _joined(allowed: Any, rows: Floats2d) -> Any:
    """Give what is allowed in all sequences as one array."""
    if hasattr(allowed, "shape"):
        return allowed
    filled = [each for each in allowed if len(each)]
    return get_array_module(filled[0]).concatenate(filled) if filled else numpy.zeros(rows.shape, dtype=bool)


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    nO = dims["nO"]
    return {"start": (nO,), "transitions": (nO, nO), "end": (nO,)}


def _check_saved(model: Model) -> None:
    """Refuse constraints that are not those of so many labels."""
    require_same(model, "nO", model.layers[0], "nO")
    masks = {name: model.attrs[f"allowed_{name}"] for name in Crf._fields}
    if all(mask is None for mask in masks.values()):
        return
    for name, shape in _shapes({"nO": model.get_dim("nO")}, model.attrs).items():
        if getattr(masks[name], "dtype", None) != numpy.dtype(bool) or masks[name].shape != shape:
            raise ValueError(f"its attribute allowed_{name} does not say of {shape} labels whether they are allowed")


declare(forward, IsCrf(), Saved(_shapes, _check_saved, learned=[f"allowed_{name}" for name in Crf._fields]))
