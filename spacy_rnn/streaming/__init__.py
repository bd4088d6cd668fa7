"""Texts of any length in bounded memory, with carried state and look ahead."""

from .crf import crf_decode_stream
from .encoder import EncoderSession, check_encoder, check_sizes, encode_stream, reads_backward, scan_encoder
from .source import label_stream, read_batches, split_doc
from .tagger import StreamingTagger

__all__ = [
    "EncoderSession",
    "StreamingTagger",
    "check_encoder",
    "check_sizes",
    "crf_decode_stream",
    "encode_stream",
    "label_stream",
    "read_batches",
    "reads_backward",
    "scan_encoder",
    "split_doc",
]
