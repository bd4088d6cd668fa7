"""The labels of a stream, by a conditional random field."""

from typing import Iterable, Iterator, List, Optional

from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..crf import Crf, viterbi
from ..layers.output.crf import get_field
from .encoder import join_parts


def crf_decode_stream(model: Model, pieces: Iterable[Floats2d], *, lookahead: int) -> Iterator[Ints1d]:
    """Find the labels of a stream, in memory for a piece and the look ahead.

    The labels of a piece begin the best path from the label before it to the end of the look ahead (Viterbi decoding with a fixed
    lag). What comes after the look ahead cannot change them; if the first piece's look ahead reaches to the end of the stream,
    they are those of the best path through the whole.

    model (Model): A layer made by `build_crf`.
    pieces (Iterable[Floats2d]): The scores of the labels as they come, some rows [n, nO] at a time.
    lookahead (int): How many rows behind a label are looked at, where the stream has as many. With constraints at least 1, so
        that what the last label may be is known before it is given.
    RETURNS (Iterator[Ints1d]): int64 [n], the labels, some at a time.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number, or constraints leave no path of labels.
    """
    field, last = get_field(model), None
    waiting: List[Floats2d] = []
    for rows in pieces:
        waiting = [join_parts(model, [*waiting, rows])]
        n = len(waiting[0]) - int(lookahead)
        if n > 0:
            labels = _find(model, field, last, waiting[0], at_end=False)[:n]
            last, waiting = int(labels[-1]), [waiting[0][n:]]
            yield labels
    if waiting and len(waiting[0]):
        yield _find(model, field, last, waiting[0], at_end=True)


def _find(model: Model, field: Crf, last: Optional[int], rows: Floats2d, at_end: bool) -> Ints1d:
    """Find the best path through some rows of a stream."""
    start = field.start if last is None else field.transitions[last]
    end = field.end if at_end else model.ops.xp.zeros_like(field.end)
    return viterbi(Crf(start, field.transitions, end), rows, [len(rows)])[0]
