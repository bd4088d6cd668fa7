"""The network that reads a row of digits, and writes it in words."""

from typing import List

import numpy
from thinc.api import Model, Relu, chain, with_array
from thinc.types import Floats2d, Ragged

from spacy_rnn.layers import build_dropout, build_pool, build_rnn
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText
from spacy_rnn.text.symbols import build_words

from .images import SIDE


def build_network(width: int = 256) -> VectorToText:
    """Build the network, without weights.

    Two dense layers read the pixels of each image, a recurrent layer of two directions the images of a row, and its last states
    are the vector from which the words are written.

    width (int): The width of the second dense layer. The first is twice as wide, the recurrent layers are half as wide.
    RETURNS (VectorToText): The network.
    RAISES (ValueError): If the width is no multiple of 4.
    """
    if width < 4 or width % 4:
        raise ValueError(f"the width must be a multiple of 4, got {width}")
    rate, state_width = 0.2, width // 2
    pixels: Model[Floats2d, Floats2d] = chain(Relu(2 * width), build_dropout(rate), Relu(width), build_dropout(rate))
    images: Model[Ragged, Ragged] = with_array(pixels)
    rows = build_rnn(state_width, cell="gru", bidirectional=True)
    encoder: Model[Ragged, Floats2d] = chain(images, rows, build_pool("last", bidirectional=True))
    decoder = build_vector_decoder(
        build_words(), SIDE * SIDE, encoder, width=32, hidden_width=state_width, cell="gru", dropout=0.1, label_smoothing=0.05
    )
    return VectorToText(decoder)


def as_inputs(images: List[numpy.ndarray]) -> List[numpy.ndarray]:
    """Give rows of images as the network reads them.

    images (List[numpy.ndarray]): Of each row the images, float32 [n, 8, 8].
    RETURNS (List[numpy.ndarray]): Of each row the pixels, [n, 64].
    """
    return [each.reshape(len(each), SIDE * SIDE) for each in images]
