"""The network that reads a row of digits, and writes it in words."""

from typing import List

import numpy
from thinc.api import Relu, chain, with_array

from spacy_rnn.layers import build_dropout, build_pool, build_rnn
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText
from spacy_rnn.text.symbols import build_words

from .images import SIDE


def build_network(width: int = 256) -> VectorToText:
    """Build the network, without weights.

    Two dense layers read the pixels of each image, a recurrent layer of two directions the images of a row, and its last states
    are the vector from which the words are written.

    width (int): The width of the layers; the first one is twice as wide.
    RETURNS (VectorToText): The network.
    """
    rate = 0.2
    pixels = chain(Relu(2 * width), build_dropout(rate), Relu(width), build_dropout(rate))
    rows = build_rnn(width, cell="gru", bidirectional=True)
    encoder = chain(with_array(pixels), rows, build_pool("last", bidirectional=True))
    decoder = build_vector_decoder(
        build_words(), SIDE * SIDE, encoder, width=32, hidden_width=width, cell="gru", dropout=0.1, label_smoothing=0.05
    )
    return VectorToText(decoder)


def as_inputs(images: List[numpy.ndarray]) -> List[numpy.ndarray]:
    """Give rows of images as the network reads them.

    images (List[numpy.ndarray]): Of each row the images, float32 [n, 8, 8].
    RETURNS (List[numpy.ndarray]): Of each row the pixels, [n, 64].
    """
    return [each.reshape(len(each), SIDE * SIDE) for each in images]
