"""A page of images, of what a model has written about each, and of its errors."""

import base64
from io import BytesIO
from typing import List, NamedTuple, Sequence

import numpy

from ..evaluation.extras import requires_extra
from .environment import render_page


class WrittenImage(NamedTuple):
    """An image and its texts.

    image (numpy.ndarray): [height, width], from 0 (white) to 1 (black).
    text (str): What it shows.
    written (str): What was written.
    probability (float): How probable the model finds that, from 0 to 1.
    """

    image: numpy.ndarray
    text: str
    written: str
    probability: float


class Group(NamedTuple):
    """A line of the table of scores.

    name (str): What is counted.
    n (int): How many images.
    n_right (int): About how many of them the right text was written.
    """

    name: str
    n: int
    n_right: int


def render_written(
    examples: Sequence[WrittenImage], groups: Sequence[Group], *, title: str, note: str, command: str, n_shown: int = 100
) -> str:
    """Make the page.

    examples (Sequence[WrittenImage]): Images with their texts.
    groups (Sequence[Group]): The scores.
    title (str): What the page is called.
    note (str): What has been done.
    command (str): What has written the page.
    n_shown (int): How many errors are shown at most, those that the model was surest of, and how many of those that are right,
        of which it was least sure.
    RETURNS (str): An HTML page that needs no other file.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    RAISES (ValueError): If an image is none.
    """
    errors = sorted((one for one in examples if one.text != one.written), key=lambda one: -one.probability)
    right = sorted((one for one in examples if one.text == one.written), key=lambda one: one.probability)
    return render_page(
        "written.html",
        title=title,
        note=note,
        command=command,
        groups=groups,
        n_errors=len(errors),
        n_right=len(right),
        errors=_with_pictures(errors[:n_shown]),
        right=_with_pictures(right[:n_shown]),
    )


def as_png(image: numpy.ndarray) -> str:
    """Give an image as the source of one in a page.

    image (numpy.ndarray): [height, width], from 0 (white) to 1 (black).
    RETURNS (str): A data URL with a PNG.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    RAISES (ValueError): If it is no image.
    """
    # Imported here because the rest of the room needs no matplotlib.
    with requires_extra():
        from matplotlib.image import imsave

    if image.ndim != 2 or not image.size or not numpy.isfinite(image).all():
        raise ValueError(f"an image is an array [height, width] of finite numbers, got one of shape {image.shape}")
    buffer = BytesIO()
    imsave(buffer, image, cmap="gray_r", vmin=0, vmax=1, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _with_pictures(examples: Sequence[WrittenImage]) -> List[dict]:
    return [{"source": as_png(one.image), "height": 4 * one.image.shape[0], "example": one} for one in examples]
