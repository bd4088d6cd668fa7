"""A language model of two directions around the token vectors that it trains."""

from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Floats2d

from ...layers.capabilities import ScoresSymbols, find
from .encoding import Readers, read_apart, reader_width
from .rates import Rates
from .targets import Targets, neighbours


class Prediction(NamedTuple):
    """How probable the neighbours of the tokens of a batch were.

    log_probabilities (Floats1d): [D · N], in nats: those of the next token, then, if D = 2, those of the previous one.
    n_directions (int): D.
    """

    log_probabilities: Floats1d
    n_directions: int


class PretrainingModel(Model[List[Doc], Prediction]):
    """Token vectors and what predicts the next and the previous token from them.

    spaCy says in one way alone that an epoch or the training is over: it saves weights, for which it puts the averages of the
    optimizer in their place. `before_saving` is called then, and layers are left without dropout rates, which belong to the
    config of each training."""

    before_saving: Optional[Callable[[], None]] = None
    rates: Rates

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        # Of an optimizer without averages spaCy gives None.
        with super().use_params(params or {}):
            if self.before_saving is not None:
                self.before_saving()
            with self.rates.left_out():
                yield

    def save_tok2vec(self) -> bytes:
        """Save the token vectors as spaCy does.

        RETURNS (bytes): The weights, without the dropout rates of the layers.
        """
        with self.rates.left_out():
            return self.get_ref("tok2vec").to_bytes()


def build_language_model(
    tok2vec: Model[List[Doc], List[Floats2d]], targets: Targets, layer_dropout: float = 1.0
) -> PretrainingModel:
    """Build the model.

    tok2vec (Model[List[Doc], List[Floats2d]]): The token vectors, initialized.
    targets (Targets): What is predicted, already learned.
    layer_dropout (float): What dropout rates of the layers are multiplied by, from 0 to 1.
    RETURNS (PretrainingModel): The model, from texts to predictions. Both directions share the layers that predict.
    """
    heads = targets.build_heads(reader_width(tok2vec)[0])
    model = PretrainingModel(
        "pretrain_lm",
        forward,
        init=init,
        layers=[tok2vec, *heads],
        refs={"tok2vec": tok2vec, "output_layer": heads[0]},
        attrs={"targets": targets},
    )
    model.rates = Rates(tok2vec, layer_dropout)
    return model


def init(model: PretrainingModel, X: object = None, Y: object = None) -> None:
    # The token vectors have been initialized, and have learned words of more texts than X has.
    for head in model.layers[1:]:
        head.initialize()


def forward(model: PretrainingModel, docs: List[Doc], is_train: bool) -> Tuple[Prediction, Callable]:
    if not is_train:
        return predict(model, docs), _no_backprop
    model.rates.reduce()
    tok2vec, *heads = model.layers
    readers, read_backprop = read_apart(tok2vec, docs, True)
    H, columns = readers.rows, _targets(model, docs, readers)
    weights = model.ops.xp.full(len(H), 1 / max(1, len(H)), dtype=H.dtype)
    begun = [_scores(head).begin_update(head, H, symbols, weights) for head, symbols in zip(heads, columns, strict=True)]

    def backprop(dY: Any) -> List[Doc]:
        read_backprop(sum(head_backprop() for _, head_backprop in begun))
        return []

    return Prediction(sum(log_probabilities for log_probabilities, _ in begun), readers.n_directions), backprop


def predict(model: PretrainingModel, docs: List[Doc]) -> Prediction:
    """Find how probable the neighbours of tokens are.

    model (PretrainingModel): The model.
    docs (List[Doc]): The texts.
    RETURNS (Prediction): The exact probabilities, whatever they are estimated from in training.
    """
    tok2vec, *heads = model.layers
    readers, _ = read_apart(tok2vec, docs, False)
    columns = _targets(model, docs, readers)
    scores = [_scores(head).score(head, readers.rows, symbols) for head, symbols in zip(heads, columns, strict=True)]
    return Prediction(sum(scores), readers.n_directions)


def _targets(model: PretrainingModel, docs: List[Doc], readers: Readers) -> List[numpy.ndarray]:
    """Give what the rows are to predict, int64 [D · N] for each layer that predicts."""
    targets: Targets = model.attrs["targets"]
    both = neighbours(targets.encode(docs), readers.lengths, targets.borders())
    return [numpy.ascontiguousarray(column) for column in numpy.concatenate(both[: readers.n_directions]).T]


def _scores(head: Model) -> ScoresSymbols:
    found = find(head, ScoresSymbols)
    assert found is not None
    return found


def _no_backprop(dY: Any) -> List[Doc]:
    raise ValueError("inference keeps nothing to backpropagate with: run the model with is_train=True")
