"""spaCy architectures."""

from .encoder import build_bilstm_encoder, build_rnn_encoder
from .stream import StreamingTagger
from .textcat import build_textcat
from .tok2vec import build_tok2vec

__all__ = ["StreamingTagger", "build_bilstm_encoder", "build_rnn_encoder", "build_textcat", "build_tok2vec"]
