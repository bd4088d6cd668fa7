"""How well words are predicted on texts apart, and the weights that do it best."""

import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, cast

import numpy
import srsly
from spacy.tokens import Doc
from wasabi import Printer

from .language_model import Prediction, PretrainingModel, predict

# Tokens that are evaluated at a time, about.
_PIECE = 20_000
_NAMES = ("forward", "backward")


class Progress:
    """Evaluates a model while it is trained, and keeps the best weights."""

    def __init__(self, model: PretrainingModel, docs: Sequence[Doc], eval_frequency: int, best: Optional[Path]) -> None:
        """Begin.

        model (PretrainingModel): The model.
        docs (Sequence[Doc]): The texts apart.
        eval_frequency (int): After how many updates the model is evaluated; 0 for only when weights are saved.
        best (Optional[Path]): Where the weights of the token vectors are written whenever they are the best so far, as
            `spacy pretrain` writes them; beside it, as `.jsonl`, a line for each evaluation.
        """
        self._model, self._docs, self._frequency, self._best_path = model, docs, eval_frequency, best
        if best is not None:
            best.parent.mkdir(parents=True, exist_ok=True)
        self._n_updates = self._n_words = 0
        self._loss = self._loss_words = 0.0
        self._evaluated: Any = None
        self._best = numpy.inf
        self._start = time.monotonic()

    def add(self, loss: float, n_words: int) -> None:
        """Take note of a batch, before its update.

        loss (float): The loss, in nats, summed over words.
        n_words (int): The number of words.
        """
        if self._frequency and self._n_updates and self._n_updates % self._frequency == 0:
            self.evaluate()
        self._n_updates += 1
        self._n_words += n_words
        self._loss += loss
        self._loss_words += n_words

    def evaluate(self) -> None:
        """Evaluate the model as it is, print the result and write it down, unless nothing was learned since the last time."""
        if self._evaluated == self._n_updates:
            return
        self._evaluated = self._n_updates
        scores = perplexities(self._model, self._docs)
        is_best = scores["perplexity"] < self._best
        self._report(scores, is_best)
        self._loss = self._loss_words = 0.0
        if is_best:
            self._best = scores["perplexity"]
            if self._best_path is not None:
                self._best_path.write_bytes(self._model.save_tok2vec())

    def _report(self, scores: Dict[str, float], is_best: bool) -> None:
        line = {
            "updates": self._n_updates,
            "words": self._n_words,
            "seconds": round(time.monotonic() - self._start, 1),
            "loss": self._loss / self._loss_words if self._loss_words else None,
            **scores,
            "best": is_best,
        }
        directions = ", ".join(f"{name} {scores[name]:.1f}" for name in _NAMES if name in scores)
        best = ", best" if is_best else ""
        Printer().info(f"{self._n_updates} updates: dev perplexity {scores['perplexity']:.2f} ({directions}){best}")
        if self._best_path is not None:
            srsly.write_jsonl(self._best_path.with_suffix(".jsonl"), [line], append=True, append_new_line=False)


def check_best(path: Path) -> None:
    """Refuse a path that the best weights cannot be written to.

    path (Path): The path.
    RAISES (ValueError): If it has no name or is a folder, or its name is that of the evaluations.
    """
    if not path.name or path.is_dir():
        raise ValueError(f"best = {str(path)!r} is a folder: expected a file for the best weights, e.g. pretrained/best.bin")
    if path.suffix == ".jsonl":
        raise ValueError(
            f"best = {str(path)!r} ends with .jsonl, as the file of evaluations beside it: use another ending, e.g. .bin"
        )


def perplexities(model: PretrainingModel, docs: Sequence[Doc]) -> Dict[str, float]:
    """Find how well a model predicts the words of texts.

    model (PretrainingModel): The model.
    docs (Sequence[Doc]): The texts.
    RETURNS (Dict[str, float]): "perplexity", e to the mean loss of all predictions, or 2 to the bits a word; and that of each
        direction.
    RAISES (ValueError): If there are no words.
    """
    sums, n_words = numpy.zeros(2), 0
    for piece in _pieces(docs):
        prediction = predict(model, piece)
        n_words += sum(len(doc) for doc in piece)
        sums[: prediction.n_directions] += by_direction(prediction)
        n_directions = prediction.n_directions
    if not n_words:
        raise ValueError("the dev texts of [pretraining.objective] have no words")
    losses = -sums[:n_directions] / n_words
    return {"perplexity": float(numpy.exp(losses.mean())), **dict(zip(_NAMES, numpy.exp(losses).tolist(), strict=False))}


def by_direction(prediction: Prediction) -> numpy.ndarray:
    """Sum log-probabilities.

    prediction (Prediction): Those of a batch.
    RETURNS (numpy.ndarray): float64 [D], in nats.
    """
    sums = cast(Any, prediction.log_probabilities).reshape((prediction.n_directions, -1)).sum(axis=1, dtype="float64")
    return numpy.asarray(sums.get() if hasattr(sums, "get") else sums)


def _pieces(docs: Sequence[Doc]) -> Iterable[List[Doc]]:
    """Share texts out, so many tokens at a time."""
    piece: List[Doc] = []
    n_words = 0
    for doc in docs:
        piece.append(doc)
        n_words += len(doc)
        if n_words >= _PIECE:
            yield piece
            piece, n_words = [], 0
    if n_words:
        yield piece
