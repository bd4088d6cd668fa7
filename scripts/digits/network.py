"""The network that reads a row of digits, and writes it in words."""

from typing import List

import numpy
from thinc.api import Model, Relu, chain, concatenate, with_array
from thinc.types import Floats2d, Ragged

from spacy_rnn.layers import build_dropout, build_pool, build_rnn
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText
from spacy_rnn.text.symbols import build_words

from .images import SIDE
from .strips import with_strips


def build_network(width: int = 128) -> VectorToText:
    """Build the network, without weights.

    Of each image a dense layer reads all pixels, and recurrent layers its lines and its columns (Visin et al. 2015, "ReNet"). A
    recurrent layer of two directions reads what they have made of the images of a row, and its last states are the vector from
    which the words are written.

    width (int): The width of the layers, an even number.
    RETURNS (VectorToText): The network.
    RAISES (ValueError): If the width is out of its range.
    """
    if width < 2 or width % 2:
        raise ValueError(f"the width must be even, and at least 2, got {width}")
    rate = 0.3
    pixels: Model[Floats2d, Floats2d] = chain(Relu(4 * width), build_dropout(rate), Relu(width))
    readers: Model[Floats2d, Floats2d] = concatenate(
        pixels, *(with_strips(_build_reader(width), SIDE, are_columns) for are_columns in (False, True))
    )
    images: Model[Floats2d, Floats2d] = chain(readers, build_dropout(rate), Relu(width), build_dropout(rate))
    rows: Model[Ragged, Ragged] = with_array(images)
    encoder: Model[Ragged, Floats2d] = chain(rows, _build_reader(width))
    decoder = build_vector_decoder(
        build_words(), SIDE * SIDE, encoder, width=32, hidden_width=width, cell="gru", dropout=0.1, label_smoothing=0.05
    )
    return VectorToText(decoder)


def _build_reader(width: int) -> Model[Ragged, Floats2d]:
    """Read sequences in two directions, and give the last state of each."""
    return chain(build_rnn(width, cell="gru", bidirectional=True), build_pool("last", bidirectional=True))


def as_inputs(images: List[numpy.ndarray]) -> List[numpy.ndarray]:
    """Give rows of images as the network reads them.

    images (List[numpy.ndarray]): Of each row the images, float32 [n, 8, 8].
    RETURNS (List[numpy.ndarray]): Of each row the pixels, [n, 64].
    """
    return [each.reshape(len(each), SIDE * SIDE) for each in images]
