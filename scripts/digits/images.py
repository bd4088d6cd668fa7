"""Handwritten digits, in parts that share no writer, and rows of them."""

from typing import Dict, List, NamedTuple

import numpy

SIDE = 8
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LONGEST = 5
# scikit-learn names no writers, but the images stand in the order of the forms that they were cut out of: a form has about 130,
# and begins with 0 to 9, three times. These are the first images of the forms with which the parts begin.
FIRST = {"train": 0, "dev": 1287, "test": 1415}
_N_IMAGES = 1797


class Images(NamedTuple):
    """Images of digits.

    pixels (numpy.ndarray): float32 [N, 8, 8], from 0 (paper) to 1 (ink).
    digits (numpy.ndarray): int64 [N].
    """

    pixels: numpy.ndarray
    digits: numpy.ndarray


class Rows(NamedTuple):
    """Rows of digits.

    images (List[numpy.ndarray]): Of each row the images, float32 [n, 8, 8].
    texts (List[str]): What each reads, e.g. "three eight one".
    """

    images: List[numpy.ndarray]
    texts: List[str]


def read_images() -> Dict[str, Images]:
    """Read the images that scikit-learn brings: 1,797 by 13 people (Alpaydin & Kaynak 1998).

    RETURNS (Dict[str, Images]): The parts train (1,287 images), dev (128) and test (382).
    RAISES (ModuleNotFoundError): If scikit-learn is not installed.
    RAISES (ValueError): If these are other images.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('scikit-learn is not installed: python -m pip install -e ".[cli]"') from error
    data = load_digits()
    if data.images.shape != (_N_IMAGES, SIDE, SIDE):
        raise ValueError(f"expected {_N_IMAGES} images of {SIDE} x {SIDE} pixels, got the shape {data.images.shape}")
    pixels, firsts = (data.images / 16).astype("float32"), [*FIRST.values(), _N_IMAGES]
    ranges = zip(FIRST, firsts, firsts[1:], strict=False)
    return {name: Images(pixels[first:end], data.target[first:end].astype("int64")) for name, first, end in ranges}


def draw_rows(images: Images, n: int, rng: numpy.random.Generator, distortion: float = 0.0) -> Rows:
    """Draw rows of one to five digits; each length is as probable.

    images (Images): The images that they are drawn from.
    n (int): How many rows.
    rng (numpy.random.Generator): What draws.
    distortion (float): How much images are distorted: see `distort`.
    RETURNS (Rows): The rows.
    """
    lengths = rng.integers(1, LONGEST + 1, n)
    index = rng.integers(len(images.digits), size=int(lengths.sum()))
    pixels = images.pixels[index]
    if distortion:
        pixels = distort(pixels, rng, distortion)
    ends = numpy.cumsum(lengths)[:-1]
    texts = [" ".join(WORDS[digit] for digit in digits) for digits in numpy.split(images.digits[index], ends)]
    return Rows(numpy.split(pixels, ends), texts)


def distort(pixels: numpy.ndarray, rng: numpy.random.Generator, amount: float = 1.0) -> numpy.ndarray:
    """Draw images as others might have written them: turned, slanted, scaled, moved and bent (Simard et al. 2003).

    pixels (numpy.ndarray): float32 [N, 8, 8].
    rng (numpy.random.Generator): What draws.
    amount (float): How much; 1 is up to a quarter of a radian, as much of a slant, 15 % of a scale, 0.8 pixels of a move.
    RETURNS (numpy.ndarray): float32 [N, 8, 8].
    """
    n, middle = len(pixels), (SIDE - 1) / 2
    y, x = numpy.mgrid[:SIDE, :SIDE] - middle
    turn, slant, wide, high, right, down = (
        amount * rng.uniform(-size, size, (n, 1, 1)) for size in (0.25, 0.25, 0.15, 0.15, 0.8, 0.8)
    )
    turned_x = (numpy.cos(turn) * x + numpy.sin(turn) * y) * numpy.exp(wide)
    turned_y = (numpy.cos(turn) * y - numpy.sin(turn) * x) * numpy.exp(high)
    bend_x, bend_y = (_smooth(rng.normal(0, 0.4 * amount, (n, 3, 3))) for _ in range(2))
    return _look_up(pixels, turned_x + slant * turned_y + right + bend_x + middle, turned_y + down + bend_y + middle)


def _smooth(values: numpy.ndarray) -> numpy.ndarray:
    """Interpolate [N, 3, 3] linearly to [N, 8, 8]."""
    places = numpy.linspace(0, values.shape[1] - 1, SIDE)
    below = numpy.minimum(places.astype("int64"), values.shape[1] - 2)
    share = places - below
    values = values[:, below] * (1 - share)[:, None] + values[:, below + 1] * share[:, None]
    return values[:, :, below] * (1 - share) + values[:, :, below + 1] * share


def _look_up(pixels: numpy.ndarray, x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    """Give the ink at places [N, 8, 8] between pixels, by bilinear interpolation. There is none around an image."""
    margin = 2
    padded = numpy.pad(pixels, ((0, 0), (margin, margin), (margin, margin)))
    last = padded.shape[1] - 1 - 1e-3
    x, y = (numpy.clip(place + margin, 0, last) for place in (x, y))
    left, above = x.astype("int64"), y.astype("int64")
    dx, dy, n = x - left, y - above, numpy.arange(len(pixels))[:, None, None]
    upper = padded[n, above, left] * (1 - dx) + padded[n, above, left + 1] * dx
    lower = padded[n, above + 1, left] * (1 - dx) + padded[n, above + 1, left + 1] * dx
    return (upper * (1 - dy) + lower * dy).astype("float32")
