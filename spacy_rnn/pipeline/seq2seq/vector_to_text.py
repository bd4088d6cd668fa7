"""From vectors of a user's own to texts: what a notebook calls."""

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Union

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, Ragged

from ...generation import LengthNormalization, Stopping, beam_search
from ...layers import use_engine_products
from ...layers.capabilities import Transduces, find
from ...layers.weights import load_weights
from ...models.encoder_decoder.vectors import VectorBatch, as_vectors, count_vectors, split_vectors
from ...text.symbols import Symbols, batch_texts
from ..corpus.reader import split_text

# Vectors that texts are written from at a time: their states are what takes memory.
_BATCH = 256


class Written(NamedTuple):
    """A text that was written.

    text (str): The text.
    log_probability (float): Its log-probability, with its end, in nats.
    """

    text: str
    log_probability: float


class VectorToText:
    """Learn to write texts from vectors, and write them.

    Vectors are an array [B, C], one for each text. For a model whose encoder reads rows they are a list of B arrays [n, C], or a
    `Ragged`. A text is a str, whose words are what stands between white space, or a `Doc`.
    """

    def __init__(self, model: Model) -> None:
        """Begin with a model.

        model (Model): A `spacy_rnn.VectorDecoder.v1`.
        RAISES (ValueError): If it is another one.
        """
        transduces = find(model, Transduces)
        if transduces is None or "source" in model.attrs:
            raise ValueError(f"texts are written from vectors by a spacy_rnn.VectorDecoder.v1, but {model.name!r} is none")
        self.model, self._transduces = model, transduces
        use_engine_products(model)

    @property
    def symbols(self) -> Symbols:
        """RETURNS (Symbols): What texts are made of."""
        return self.model.attrs["target"]

    def learn(self, vectors: Any, texts: Sequence[Union[str, Doc]]) -> None:
        """Learn the symbols of texts and the width of the vectors, and make new weights, at random.

        vectors (Any): B vectors, at least one; a part of those to be learned from is enough if all symbols are in its texts.
        texts (Sequence[Union[str, Doc]]): A text for each.
        RAISES (ValueError): If there are none, their numbers differ, or one is bad.
        """
        vectors = _as_vectors(vectors)
        _check_texts(vectors, texts)
        # Nothing is to be changed if they are bad.
        as_vectors(self.model.ops, vectors, self.model.maybe_get_dim("nI"), isinstance(vectors, Ragged), "float32")
        vocab, counter = Vocab(), self.symbols.begin()
        for text in texts:
            counter.add(split_text(text, vocab) if isinstance(text, str) else text)
        self.symbols.end(counter)
        self.model.initialize(X=self._batch(vectors, texts))

    def update(self, vectors: Any, texts: Sequence[Union[str, Doc]], optimizer: Optional[Optimizer] = None) -> float:
        """Learn from a batch.

        vectors (Any): B vectors, at least one.
        texts (Sequence[Union[str, Doc]]): A text for each.
        optimizer (Optional[Optimizer]): The optimizer; without one, gradients are only accumulated. Call its `step_schedules`
            where rates follow a schedule.
        RETURNS (float): The loss before, in nats a symbol.
        RAISES (ValueError): If there are none, their numbers differ, or one is bad; or if the loss is not a number.
        """
        batch = self._batch(_as_vectors(vectors), texts)
        n_symbols = len(batch.targets.inputs)
        weights = self.model.ops.xp.full(n_symbols, 1 / n_symbols, dtype="float32")
        log_probabilities, backprop = self._transduces.begin_update(self.model, batch, weights)
        loss = -float(log_probabilities.mean())
        if numpy.isnan(loss):
            raise ValueError("the loss is not a number, and nothing is learned from it: use a lower learning rate, or grad_clip")
        backprop()
        if optimizer is not None:
            self.model.finish_update(optimizer)
        return loss

    def score(self, vectors: Any, texts: Sequence[Union[str, Doc]]) -> List[float]:
        """Say how probable texts are.

        vectors (Any): B vectors.
        texts (Sequence[Union[str, Doc]]): A text for each.
        RETURNS (List[float]): The log-probability of each text, with its end, in nats.
        RAISES (ValueError): If their numbers differ, or one is bad.
        """
        vectors, found = _as_vectors(vectors), []
        _check_texts(vectors, texts, least=0)
        for first, part in zip(range(0, len(texts), _BATCH), split_vectors(vectors, _BATCH), strict=True):
            batch = self._batch(part, texts[first : first + _BATCH], first)
            log_probabilities = self.model.ops.to_numpy(self._transduces.score(self.model, batch)[0])
            starts = numpy.cumsum(batch.targets.lengths) - batch.targets.lengths
            found.extend(numpy.add.reduceat(log_probabilities.astype("float64"), starts).tolist())
        return found

    def write(self, vectors: Any, *, width: int = 5, max_symbols: int = 200) -> List[str]:
        """Write the most probable text for each vector, as far as a beam search finds it.

        vectors (Any): B vectors.
        width (int): That of the beam; 1 is greedy.
        max_symbols (int): How many symbols a text has at most, its end included.
        RETURNS (List[str]): The texts. `nlp.make_doc(text)` makes a `Doc` of one.
        RAISES (ValueError): If a vector is bad, or a number out of its range.
        """
        found = self.search(vectors, width=width, max_symbols=max_symbols)
        return [texts[0].text if texts else "" for texts in found]

    def search(
        self,
        vectors: Any,
        *,
        width: int = 5,
        n_best: int = 1,
        max_symbols: int = 200,
        normalization: Optional[LengthNormalization] = None,
    ) -> List[List[Written]]:
        """Find the best texts for each vector. What is found for one does not depend on the others.

        vectors (Any): B vectors.
        width (int): That of the beam; 1 is greedy.
        n_best (int): How many texts are wanted for a vector, at most `width`.
        max_symbols (int): How many symbols a text has at most, its end included.
        normalization (Optional[LengthNormalization]): How texts of different lengths are ranked; by their probability if None.
        RETURNS (List[List[Written]]): For each vector the best texts, the best first.
        RAISES (ValueError): If a vector is bad, or a number out of its range.
        """
        decoder, found = self._transduces.begin(self.model), []
        for part in split_vectors(_as_vectors(vectors), _BATCH):
            prompts: List[List[int]] = [[]] * count_vectors(part)
            ranking = normalization or LengthNormalization(alpha=0.0)
            stopping = Stopping(max_symbols)
            settings: Any = {"width": width, "n_best": n_best, "stopping": stopping, "normalization": ranking}
            for hypotheses in beam_search(decoder, prompts, context=part, **settings):
                sums = [float(one.log_probabilities.sum(dtype="float64")) for one in hypotheses]
                texts = [self.symbols.decode(one.content.tolist()) for one in hypotheses]
                found.append([Written(*pair) for pair in zip(texts, sums, strict=True)])
        return found

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The weights and symbols, for `from_bytes`."""
        return self.model.to_bytes()

    def from_bytes(self, data: bytes) -> "VectorToText":
        """Load weights and symbols, into a model that was built with the same arguments.

        data (bytes): What `to_bytes` has made.
        RETURNS (VectorToText): This.
        RAISES (ValueError): If the bytes are damaged, or were made by another model.
        """
        return self._load(data, "the bytes")

    def to_disk(self, path: Union[str, Path]) -> None:
        """Save the weights and symbols.

        path (Union[str, Path]): The file. Its folder is made if there is none.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.to_bytes())

    def from_disk(self, path: Union[str, Path]) -> "VectorToText":
        """Load weights and symbols, into a model that was built with the same arguments.

        path (Union[str, Path]): A file that `to_disk` has made.
        RETURNS (VectorToText): This.
        RAISES (OSError): If it cannot be read.
        RAISES (ValueError): If it is damaged, or was made by another model.
        """
        return self._load(Path(path).read_bytes(), str(path))

    def _load(self, data: bytes, source: str) -> "VectorToText":
        try:
            load_weights(self.model, data)
        # Reading damaged data can raise anything.
        except Exception as error:
            raise ValueError(f"the model of vectors could not be loaded: {source}: {error}") from error
        use_engine_products(self.model)
        return self

    def _batch(self, vectors: Any, texts: Sequence[Union[str, Doc]], first: int = 0) -> VectorBatch:
        """Give vectors and texts as the model learns from them. The first is of a number that errors name."""
        _check_texts(vectors, texts)
        numbers = [self.symbols.encode(text).numbers for text in texts]
        for i, symbols in enumerate(numbers, first):
            if not len(symbols):
                raise ValueError(f"text {i} is empty: expected a {self.symbols.unit} at least; leave it out, and its vector")
        return VectorBatch(vectors, batch_texts(numbers))


def _as_vectors(vectors: Any) -> Any:
    """Put sequences of rows side by side; what else is wrong, the model says."""
    if isinstance(vectors, Ragged) or hasattr(vectors, "shape"):
        return vectors
    each = list(vectors)
    if not any(getattr(one, "ndim", None) == 2 for one in each):
        return numpy.asarray(each)
    rows = [numpy.asarray(one) for one in each]
    for i, one in enumerate(rows):
        if one.ndim != 2 or one.shape[1] != rows[0].shape[1]:
            raise ValueError(f"sequence {i}: expected rows [n, {rows[0].shape[-1]}] as those of the first, got {one.shape}")
    lengths: Any = numpy.asarray([len(one) for one in rows], dtype="int32")
    joined: Any = numpy.concatenate(rows)
    return Ragged(joined, lengths)


def _check_texts(vectors: Any, texts: Sequence[Union[str, Doc]], least: int = 1) -> None:
    if isinstance(texts, (str, Doc)):
        raise ValueError(f"expected a list of texts, got one {type(texts).__name__}: put it into a list")
    n = len(vectors.lengths) if isinstance(vectors, Ragged) else len(vectors)
    if n != len(texts):
        raise ValueError(f"expected a text for each vector, got {n} vectors and {len(texts)} texts")
    if n < least:
        raise ValueError("expected a vector and a text at least, got none")
    for i, text in enumerate(texts):
        if not isinstance(text, (str, Doc)):
            raise ValueError(f"text {i}: expected a str or a Doc, got {type(text).__name__}")
