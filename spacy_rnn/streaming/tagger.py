"""Taggers that read a text piece by piece, with carried state."""

from typing import Iterable, Iterator, List, NamedTuple, Optional, cast

from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..layers import find_mixing, use_engine_products
from ..layers.capabilities import Chains, IsCrf, find
from .crf import crf_decode_stream
from .encoder import check_encoder, check_sizes, encode_stream, reads_backward

Rows = List[Floats2d]


class StreamingTagger(NamedTuple):
    """The parts of a tagger's model that a stream runs through one after the other.

    embed (Model[List[Doc], List[Floats2d]]): A vector for each token, which depends on that token alone.
    encode (Model[List[Floats2d], List[Floats2d]]): Their context, by recurrent layers.
    output (List[Model[List[Floats2d], List[Floats2d]]]): Scores, for each token by itself.
    crf (Optional[Model]): What finds labels by scores, if it is a conditional random field.
    """

    embed: Model[List[Doc], Rows]
    encode: Model[Rows, Rows]
    output: List[Model[Rows, Rows]]
    crf: Optional[Model]

    @classmethod
    def of(cls, model: Model[List[Doc], Rows]) -> "StreamingTagger":
        """Find the parts.

        model (Model[List[Doc], List[Floats2d]]): An initialized model such as `spacy.Tagger.v2` makes.
        RETURNS (StreamingTagger): The parts.
        RAISES (ValueError): If the model cannot read a text piece by piece.
        """
        if any(isinstance(node, Tok2VecListener) for node in model.walk()):
            raise ValueError(
                "the tagger listens to a shared component, and cannot read a stream by itself: give it a copy of that "
                "component's model first, by nlp.replace_listeners"
            )
        crf = model if find(model, IsCrf) else None
        if crf is not None:
            model = crf.layers[0]
        # Not by references: a copy of a model has none.
        tok2vec = model.layers[0] if find(model, Chains) else None
        if tok2vec is None or not find(tok2vec, Chains) or len(tok2vec.layers) != 2:
            raise ValueError(
                "a stream needs a tagger whose token vectors are an embedding and an encoder, as spacy_rnn.Tok2Vec.v1 and "
                f"spacy.Tok2Vec.v2 make them; got the model {model.name!r}"
            )
        embed, encode = tok2vec.layers
        for layer, does in ((embed, "embeds each token"), *((layer, "scores each row") for layer in model.layers[1:])):
            mixing = find_mixing(layer)
            if mixing is not None:
                raise ValueError(
                    f"the layer {mixing.name!r} is not known to be one that {does} by itself, so the tagger cannot read a "
                    "stream; if it is one, say so: spacy_rnn.layers.declare(forward, RowWise())"
                )
        check_encoder(encode)
        use_engine_products(model)
        return cls(embed, encode, model.layers[1:], crf)

    def check_sizes(self, piece: int, lookahead: int) -> int:
        """Check the sizes that a stream is to be cut by.

        piece (int): How many tokens are encoded at a time.
        lookahead (int): How many tokens behind these are looked at.
        RETURNS (int): How many of them have to be read before a piece can be encoded: none, if no direction reads texts from
            their end.
        RAISES (ValueError): If a number is out of its range, or if there are constraints but no look ahead.
        """
        check_sizes(piece, lookahead)
        constraints = None if self.crf is None else self.crf.attrs["constraints"]
        if constraints is not None and lookahead < 1:
            raise ValueError(
                f"which labels the constraints {constraints} leave for a stream's end is only known with a look ahead: lookahead "
                f"must be at least 1, got {lookahead}"
            )
        return lookahead if reads_backward(self.encode) else 0

    def labels(self, batches: Iterable[List[Doc]], *, piece: int, lookahead: int) -> Iterator[Ints1d]:
        """Label a stream of tokens.

        batches (Iterable[List[Doc]]): The stream, cut into texts anywhere; some of them at a time.
        piece (int): How many tokens are encoded at a time.
        lookahead (int): How many tokens behind these a backward direction sees at least, and how many scores behind a label a
            conditional random field does, where the stream has as many.
        RETURNS (Iterator[Ints1d]): The numbers of the labels, in the stream's order, some at a time.
        """
        scores = self._scores(batches, piece, lookahead)
        if self.crf is not None:
            return crf_decode_stream(self.crf, scores, lookahead=lookahead)
        return (cast(Ints1d, rows.argmax(axis=1)) for rows in scores)

    def _scores(self, batches: Iterable[List[Doc]], piece: int, lookahead: int) -> Iterator[Floats2d]:
        chunks = (rows for docs in batches for rows in self.embed.predict(docs))
        for rows in encode_stream(self.encode, chunks, piece=piece, lookahead=lookahead):
            Ys = [rows]
            for layer in self.output:
                Ys = layer.predict(Ys)
            yield Ys[0]
