"""Thinc layers."""

from .char_embed import build_char_embed
from .convolution import build_convolution
from .crf import build_crf, crf_decode, crf_log_likelihood, crf_marginals, set_labels
from .crf_divergence import crf_divergence
from .crf_stream import crf_decode_stream
from .dropout import build_dropout, check_rate
from .embed import build_embed, learn_vocabulary
from .embed_rows import embed_rows
from .filled_texts import on_filled_texts
from .hash_embed import build_hash_embed, clear_cache
from .highway import build_highway
from .initializers import build_orthogonal_init, orthogonal_init
from .list2ragged import build_list2ragged, join_rows
from .ngram_dropout import build_ngram_dropout
from .on_cpu import on_cpu
from .ops import EngineOps, use_engine_products
from .pool import attention_weights, build_pool
from .precision import set_precision
from .rnn import begin_scan, build_rnn, initial_state, require_weights, scan
from .row_wise import declare_row_wise, find_mixing
from .sequence_dropout import build_sequence_dropout
from .softmax import build_softmax
from .split_rows import split_rows
from .stream import check_encoder, check_sizes, encode_stream, reads_backward, scan_encoder
from .summary import count_parameters, summary
from .truncate import build_truncate
from .with_rows import with_rows

__all__ = [
    "EngineOps",
    "attention_weights",
    "begin_scan",
    "build_char_embed",
    "build_convolution",
    "build_crf",
    "build_dropout",
    "build_embed",
    "build_hash_embed",
    "build_highway",
    "build_list2ragged",
    "build_ngram_dropout",
    "build_orthogonal_init",
    "build_pool",
    "build_rnn",
    "build_sequence_dropout",
    "build_softmax",
    "build_truncate",
    "check_encoder",
    "check_rate",
    "check_sizes",
    "clear_cache",
    "count_parameters",
    "crf_decode",
    "crf_decode_stream",
    "crf_divergence",
    "crf_log_likelihood",
    "crf_marginals",
    "declare_row_wise",
    "embed_rows",
    "encode_stream",
    "find_mixing",
    "initial_state",
    "is_hash_embed",
    "join_rows",
    "learn_vocabulary",
    "on_cpu",
    "on_filled_texts",
    "orthogonal_init",
    "reads_backward",
    "require_weights",
    "scan",
    "scan_encoder",
    "set_labels",
    "set_precision",
    "split_rows",
    "summary",
    "use_engine_products",
    "with_rows",
]
