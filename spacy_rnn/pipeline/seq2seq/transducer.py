"""What the components share that are made of an encoder-decoder: finding it, and learning from pairs."""

from typing import Any, Dict, Iterable, Optional, Tuple

import numpy
from spacy.errors import Errors
from spacy.training import Example, validate_examples
from thinc.api import Model

from ..pipe import RNNPipe


def find_transduces(name: str, model: Model) -> Any:
    """Find out how an encoder-decoder of symbols is run.

    name (str): The component's name.
    model (Model): Its model.
    RETURNS (Transduces): What the model has declared.
    RAISES (ValueError): If it is no encoder-decoder that reads symbols.
    """
    # Imported here because importing a factory must stay cheap.
    from ...layers.capabilities import Transduces, find

    transduces = find(model, Transduces)
    if transduces is None or "source" not in model.attrs:
        raise ValueError(
            f"'{name}' needs an encoder-decoder that reads symbols, e.g. spacy_rnn.Seq2Seq.v1, but {model.name!r} is none: set "
            "components.*.model"
        )
    return transduces


class TransducerPipe(RNNPipe):
    """A component that learns from pairs of what is read and what is written."""

    _transduces: Any

    def encode_gold(self, examples: Iterable[Example], is_train: bool) -> Optional[Any]:
        """Give what a batch teaches.

        examples (Iterable[Example]): The batch.
        is_train (bool): Whether it is learned from, or only its loss is to be found.
        RETURNS (Optional[PairBatch]): Its pairs; None if there are none.
        """
        raise NotImplementedError

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch, with the model ready.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`. Dropout is the model's own.
        RETURNS (Dict[str, float]): The losses: this one's is the mean of a symbol, in nats.
        RAISES (ValueError): spaCy's E910, if the loss is not a number. The weights are as before.
        """
        losses: Dict[str, float] = {} if settings["losses"] is None else settings["losses"]
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        batch = self.encode_gold(examples, is_train=True)
        if batch is not None:
            n = len(batch.targets.inputs)
            weights = self.model.ops.xp.full(n, 1 / n, dtype="float32")
            log_probabilities, backprop = self._transduces.begin_update(self.model, batch, weights)
            loss = -float(log_probabilities.mean())
            if numpy.isnan(loss):
                raise ValueError(Errors.E910.format(name=self.name))
            backprop()
            losses[self.name] += loss
        if settings["sgd"] is not None:
            self.finish_update(settings["sgd"])
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Any) -> Tuple[float, Any]:
        """Find the loss of a batch, without learning from it.

        examples (Iterable[Example]): The batch.
        scores (Any): Not used: what is written comes one symbol after the other, and the loss is that of the gold symbols.
        RETURNS (Tuple[float, Any]): The mean loss of a symbol, in nats; and its gradient with regard to the log-probability of
            each symbol.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        self.prepare_update()
        batch = self.encode_gold(examples, is_train=False)
        if batch is None:
            return 0.0, numpy.zeros(0, dtype="float32")
        log_probabilities = self.model.predict(batch)
        return -float(log_probabilities.mean()), numpy.full(len(log_probabilities), -1 / len(log_probabilities), "float32")

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Do nothing: what is written does not depend on labels that others learn.

        examples (Iterable[Example]): A batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses, unchanged.
        """
        losses = settings.get("losses")
        return {} if losses is None else losses

    def check_labels(self) -> None:
        """Do nothing: an encoder-decoder has symbols in place of labels, which are saved and checked with its model."""
