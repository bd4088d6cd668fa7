"""spaCy architectures."""

from .encoder import build_bilstm_encoder, build_cnn, build_rnn_encoder
from .ngrams import build_ngrams
from .textcat import build_textcat, build_textcat_cnn
from .tok2vec import build_tok2vec

__all__ = [
    "build_bilstm_encoder",
    "build_cnn",
    "build_ngrams",
    "build_rnn_encoder",
    "build_textcat",
    "build_textcat_cnn",
    "build_tok2vec",
]
