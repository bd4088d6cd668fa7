"""Thinc layers."""

from .dropout import build_dropout
from .embed import build_embed, learn_vocabulary
from .initializers import build_orthogonal_init, orthogonal_init
from .list2ragged import build_list2ragged
from .pool import build_pool
from .rnn import begin_scan, build_rnn, scan
from .summary import summary
from .truncate import build_truncate

__all__ = [
    "begin_scan",
    "build_dropout",
    "build_embed",
    "build_list2ragged",
    "build_orthogonal_init",
    "build_pool",
    "build_rnn",
    "build_truncate",
    "learn_vocabulary",
    "orthogonal_init",
    "scan",
    "summary",
]
