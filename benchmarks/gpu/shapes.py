"""The shapes that are checked and timed on a GPU.

Importable without CuPy, torch and a device, so that their kernels can be compiled beforehand.
"""

from typing import Dict, Iterator, List, NamedTuple, Tuple

from spacy_rnn.cuda.sources import CELLS, PRECISIONS


class Shape(NamedTuple):
    """A batch, and the widths of the layer that reads it.

    lengths (Tuple[int, ...]): The rows of each sequence.
    nI (int): The input width.
    nH (int): The hidden units of one direction.
    """

    lengths: Tuple[int, ...]
    nI: int
    nH: int


class Case(NamedTuple):
    """Sweeps of a layer, forward and back.

    cell (str): The cell.
    shape (Shape): The batch and the widths.
    n_directions (int): 1 or 2.
    precision (str): One of PRECISIONS.
    """

    cell: str
    shape: Shape
    n_directions: int
    precision: str


# From 64 units of an LSTM on, blocks share the units; 520 and more do not stay on chip.
MATRIX: Dict[str, Shape] = {
    "no rows": Shape((0, 0), 3, 4),
    "1 unit": Shape((3, 0, 5, 1), 1, 1),
    "5 units": Shape((3, 0, 5, 1, 0, 2), 7, 5),
    "48 units": Shape((30, 1, 12, 0, 12), 33, 48),
    "64 units": Shape((6,) * 40, 96, 64),
    "100 units": Shape((9, 2, 9), 64, 100),
    "130 units": Shape((3, 1), 4, 130),
    "128 units": Shape((*(25,) * 32, 3, 0, 60), 128, 128),
    "256 units": Shape((20, 7, 3) * 20, 256, 256),
    "512 units": Shape((12, 5) * 40, 64, 512),
    "520 units": Shape((2, 1), 4, 520),
    "600 units": Shape((12, 5, 1), 64, 600),
    "many sequences": Shape(tuple(i % 5 for i in range(1431)), 6, 128),
    "many equal sequences": Shape((25,) * 256, 64, 256),
    "a long sequence": Shape((3000,), 16, 64),
}
# What the emulator has done in seconds.
SMALLEST = ("no rows", "1 unit", "5 units", "100 units")

# The lengths of EWT's sentences (train): the middle of each of 32 equal parts.
SENTENCES = (1, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 14, 14, 15, 16, 17, 18, 19, 21, 22, 23, 25, 26, 29, 31, 35, 40, 52)
WIDTHS = (128, 256, 512)
BATCHES = (32, 256)
TIMED_CELLS = ("lstm", "gru")
TIMED_PRECISIONS = ("float32", "tf32")
# A tagger of width 128 in training, at about 1,000 words an update, and when it predicts; a categorizer; the layers of tests.
TRAINING = (
    Shape(SENTENCES * 2, 128, 64),
    Shape(SENTENCES * 8, 128, 64),
    Shape((20,), 128, 64),
    Shape(SENTENCES * 2, 200, 32),
    Shape((9, 3), 16, 8),
)


def timed_shapes() -> List[Tuple[str, Shape]]:
    """Give the shapes of the layers that are timed, the most telling first.

    RETURNS (List[Tuple[str, Shape]]): What the lengths are, and the shape.
    """
    sizes = [(B, H) for H in WIDTHS for B in BATCHES]
    return [
        *(("T 25", Shape((25,) * B, H, H)) for B, H in sizes),
        *(("sentences", Shape(_mixed(SENTENCES * (B // len(SENTENCES))), H, H)) for B, H in sizes),
        *(("T 200", Shape((200,) * B, H, H)) for B, H in sizes),
    ]


def all_cases() -> Iterator[Case]:
    """Give everything that is checked or timed: the kernels of these are needed.

    YIELDS (Case): The cases, some more than once.
    """
    for shape in MATRIX.values():
        for cell in CELLS:
            for precision in PRECISIONS:
                yield Case(cell, shape, 2, precision)
    for shape in (*(shape for _, shape in timed_shapes()), *TRAINING):
        for cell in TIMED_CELLS:
            for precision in TIMED_PRECISIONS:
                yield Case(cell, shape, 2, precision)


def _mixed(lengths: Tuple[int, ...]) -> Tuple[int, ...]:
    """Give lengths in an order that is neither rising nor falling, the same each time."""
    step = 7  # has no factor in common with a power of two
    return tuple(lengths[i * step % len(lengths)] for i in range(len(lengths)))
