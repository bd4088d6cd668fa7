"""What computes vectors from the attributes of tokens, and from nothing else of a text."""

from dataclasses import dataclass
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Tuple, Union

import numpy
from spacy.vocab import Vocab
from thinc.api import Model, Ops
from thinc.types import Floats2d

Embedded = Tuple[Floats2d, Callable[[Floats2d], None]]


class TokenNetwork(Protocol):
    """What computes vectors from attributes when nothing is learned.

    ops (Ops): The backend of its parameters.
    width (int): The width of a vector.
    """

    @property
    def ops(self) -> Ops: ...

    @property
    def width(self) -> int: ...

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the attributes.
        """

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""

    def sources(self, vocab: Vocab) -> Optional[List[Any]]:
        """List what vectors are computed from besides the attributes and the parameters.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Optional[List[Any]]): Arrays, other objects, and integers, as `VectorCache` takes them; None if it may change
            unnoticed.
        """

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): Whether a vector depends on more than the attributes, on what the vocabulary of a text has for them."""

    def predict(self, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
        """Compute vectors in bounded memory, apart from these.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Floats2d): The vectors [D, width].
        """


class TrainedNetwork(TokenNetwork, Protocol):
    """What computes the vector of each distinct token once in training, too.

    dropout (Model): The dropout of the vectors, drawn for each token.
    """

    @property
    def dropout(self) -> Model: ...

    def embed(self, keys: numpy.ndarray, vocab: Vocab, is_train: bool) -> Embedded:
        """Compute vectors, all but their dropout.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        is_train (bool): Whether there is going to be a gradient.
        RETURNS (Tuple[Floats2d, Callable]): The vectors [D, width], and a function from their gradient that increments those of
            the parameters.
        """


@dataclass(frozen=True)
class EmbedsAttributes:
    """Embed tokens, when nothing is learned, as a function of their attributes alone.

    network (Callable): (layer) -> what computes it; None if a layer inside is of another kind.
    """

    network: Callable[[Model], Optional[TokenNetwork]]


class SideBySide(NamedTuple):
    """Networks whose vectors stand side by side.

    parts (Tuple[TokenNetwork, ...]): The networks, at least one.
    """

    parts: Tuple[TokenNetwork, ...]

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the parameters."""
        return self.parts[0].ops

    @property
    def width(self) -> int:
        """RETURNS (int): The width of all vectors of a token together."""
        return sum(part.width for part in self.parts)

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes that a network reads, each once.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the attributes.
        """
        return list(dict.fromkeys(column for part in self.parts for column in part.columns(vocab)))

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""
        return [layer for part in self.parts for layer in part.layers()]

    def sources(self, vocab: Vocab) -> Optional[List[Any]]:
        """List what the networks compute from besides attributes and parameters.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Optional[List[Any]]): Arrays, other objects, and integers; None if it may change unnoticed.
        """
        sources: List[Any] = []
        for part in self.parts:
            own = part.sources(vocab)
            if own is None:
                return None
            sources.extend(own)
        return sources

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): Whether the vocabulary of a text matters to a network."""
        return any(part.reads_vocabulary() for part in self.parts)

    def predict(self, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
        """Compute vectors.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Floats2d): The vectors [D, width].
        """
        columns = self.columns(vocab)
        return self.ops.xp.hstack(
            [part.predict(keys[:, [columns.index(column) for column in part.columns(vocab)]], vocab) for part in self.parts]
        )


def predict_in_pieces(network: TrainedNetwork, keys: numpy.ndarray, vocab: Vocab, costs: numpy.ndarray, limit: int) -> Floats2d:
    """Compute vectors some at a time.

    network (TrainedNetwork): What computes them.
    keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
    vocab (Vocab): The vocabulary of the texts.
    costs (numpy.ndarray): int64 [D], how many rows go through the network for each vector, e.g. one for each character.
    limit (int): How many rows go through it at a time, or more for one vector only.
    RETURNS (Floats2d): The vectors [D, width].
    """
    ends = numpy.cumsum(costs)
    pieces = []
    start, before = 0, 0
    while start < len(keys):
        stop = max(start + 1, int(numpy.searchsorted(ends, before + limit, side="right")))
        pieces.append(network.embed(keys[start:stop], vocab, False)[0])
        start, before = stop, int(ends[stop - 1])
    return network.ops.xp.concatenate(pieces)
