"""The network of a hash embedding: from the attributes of tokens to their vectors."""

from typing import Any, List, NamedTuple, Optional, Union

import numpy
from spacy.attrs import intify_attr
from spacy.vocab import Vocab
from thinc.api import Model, Ops
from thinc.types import Floats2d

from ..capabilities import ExtractsFeatures, HashesRows, ProjectsVectors, find
from .network import Embedded, predict_in_pieces
from .parts import embed_ids, project_static, side_by_side
from .static import lookup_attrs, static_in_use, static_sources

# How many tokens are computed at a time when nothing is learned.
_PIECE_TOKENS = 1024


class EmbeddingNetwork(NamedTuple):
    """The layers of a `spacy.MultiHashEmbed.v2`.

    features (Model): What knows the attributes (`columns`).
    tables (List[Model]): The hash embedding of each attribute.
    static (Optional[Model]): The projection of the static vectors, if there are any.
    mixer (Model): From all embeddings of a token, side by side, to its vector.
    dropout (Model): The dropout of that vector.
    """

    features: Model
    tables: List[Model]
    static: Optional[Model]
    mixer: Model
    dropout: Model

    @classmethod
    def of(cls, model: Model) -> "EmbeddingNetwork":
        """Find the layers.

        model (Model): A model made by `spacy.MultiHashEmbed.v2` or `build_hash_embed`.
        RETURNS (EmbeddingNetwork): Its layers.
        """
        nodes = list(model.walk())
        mixer, dropout = model.layers[-2].layers[0].layers
        return cls(
            features=next(node for node in nodes if find(node, ExtractsFeatures)),
            tables=[node for node in nodes if find(node, HashesRows)],
            static=static_in_use(find_projection(model)),
            mixer=mixer,
            dropout=dropout,
        )

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the parameters."""
        return self.mixer.ops

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.mixer.get_dim("nO")

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes, last those that static vectors are looked up by if there are any.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the attributes.
        """
        columns: List[Union[int, str]] = [intify_attr(column) for column in self.features.attrs["columns"]]
        return [*columns, *lookup_attrs(self.static, vocab)]

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""
        return [*self.tables, *([self.static] if self.static else []), *self.mixer.walk()]

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): Whether there are static vectors."""
        return self.static is not None

    def sources(self, vocab: Vocab) -> Optional[List[Any]]:
        """List what vectors are computed from besides attributes and parameters.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Optional[List[Any]]): The static vectors if they are projected; None if these may change unnoticed.
        """
        return static_sources(self.static, vocab)

    def predict(self, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
        """Compute vectors when nothing is learned, some at a time.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Floats2d): The vectors [D, nO].
        RAISES (ValueError): If the static vectors have not the width the network was initialized with.
        """
        return predict_in_pieces(self, keys, vocab, numpy.ones(len(keys), dtype="int64"), _PIECE_TOKENS)

    def embed(self, keys: numpy.ndarray, vocab: Vocab, is_train: bool) -> Embedded:
        """Compute vectors, all but their dropout. That of the tables drops columns of the whole batch.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        is_train (bool): Whether to drop columns of the tables.
        RETURNS (Tuple[Floats2d, Callable]): The vectors [D, nO], and a function from their gradient that increments those of the
            parameters.
        RAISES (ValueError): If the static vectors have not the width the network was initialized with.
        """
        parts = [embed_ids(table, keys[:, table.attrs["column"]], is_train) for table in self.tables]
        if self.static is not None:
            parts.append(project_static(self.static, keys[:, len(self.features.attrs["columns"]) :], vocab.vectors, is_train))
        beside, parts_backprop = side_by_side(self.ops, parts)
        Y, mixer_backprop = self.mixer(beside, is_train)

        def backprop(dY: Floats2d) -> None:
            parts_backprop(mixer_backprop(dY))

        return Y, backprop


def find_projection(model: Model) -> Optional[Model]:
    """Find the projection of static vectors.

    model (Model): A model made by `spacy.MultiHashEmbed.v2` or `build_hash_embed`.
    RETURNS (Optional[Model]): The layer, also one that was initialized without vectors; None if there is no such layer.
    """
    return next((node for node in model.walk() if find(node, ProjectsVectors)), None)
