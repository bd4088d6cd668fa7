"""spaCy architectures."""

from .encoder import build_bilstm_encoder, build_rnn_encoder
from .textcat import build_textcat

__all__ = ["build_bilstm_encoder", "build_rnn_encoder", "build_textcat"]
