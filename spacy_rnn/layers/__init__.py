"""Thinc layers."""

from .dropout import build_dropout
from .embed import build_embed, learn_vocabulary
from .hash_embed import build_hash_embed, clear_cache, embed_rows, is_hash_embed
from .initializers import build_orthogonal_init, orthogonal_init
from .list2ragged import build_list2ragged
from .ops import EngineOps, use_engine_products
from .pool import build_pool
from .precision import set_precision
from .rnn import begin_scan, build_rnn, scan
from .split_rows import split_rows
from .summary import summary
from .truncate import build_truncate

__all__ = [
    "EngineOps",
    "begin_scan",
    "build_dropout",
    "build_embed",
    "build_hash_embed",
    "build_list2ragged",
    "build_orthogonal_init",
    "build_pool",
    "build_rnn",
    "build_truncate",
    "clear_cache",
    "embed_rows",
    "is_hash_embed",
    "learn_vocabulary",
    "orthogonal_init",
    "scan",
    "set_precision",
    "split_rows",
    "summary",
    "use_engine_products",
]
