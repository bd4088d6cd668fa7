"""Thinc layers."""

from .capabilities import GivesRows, Recurrent, RowWise, Truncates, declare
from .embedding.char_embed import build_char_embed
from .embedding.embed import build_embed
from .embedding.hash_embed import build_hash_embed, clear_cache
from .embedding.rows import as_lists, as_rows, embed_rows, predict_rows
from .foreign import declare_foreign
from .initializers import build_orthogonal_init, orthogonal_init
from .learning import learn_vocabulary, take_vocabulary
from .ops import EngineOps, use_engine_products
from .output.adaptive_softmax import build_adaptive_softmax
from .output.crf import CRFGradient, build_crf, crf_decode, crf_log_likelihood, crf_marginals, set_labels
from .output.divergence import crf_divergence
from .output.ensemble import build_ensemble, init_ensemble
from .output.full_softmax import build_full_softmax
from .output.ngram_linear import build_ngram_linear, resize_ngram_linear
from .output.sampled_softmax import build_sampled_softmax
from .output.softmax import build_softmax
from .parameters import count_parameters, summary
from .plain.convolution import build_convolution
from .plain.cpu_only import on_cpu
from .plain.dropout import build_dropout, check_rate, drop_nothing
from .plain.filled_texts import on_filled_texts
from .plain.highway import build_highway
from .plain.layer_norm import build_layer_norm
from .plain.pool import attention_weights, build_pool
from .plain.residual import build_residual
from .plain.sequence_dropout import build_sequence_dropout
from .plain.truncate import build_truncate
from .ragged.list2ragged import build_list2ragged, join_rows
from .ragged.split import split_array, split_rows
from .ragged.wrapper import with_rows
from .recurrent.precision import set_precision
from .recurrent.rnn import build_rnn
from .recurrent.scanning import begin_scan, initial_state, scan
from .recurrent.session import RnnSession
from .recurrent.stack import require_weights
from .row_wise import find_mixing
from .saved import Saved

declare_foreign()

__all__ = [
    "CRFGradient",
    "EngineOps",
    "GivesRows",
    "Recurrent",
    "RnnSession",
    "RowWise",
    "Saved",
    "Truncates",
    "as_lists",
    "as_rows",
    "attention_weights",
    "begin_scan",
    "build_adaptive_softmax",
    "build_char_embed",
    "build_convolution",
    "build_crf",
    "build_dropout",
    "build_embed",
    "build_ensemble",
    "build_full_softmax",
    "build_hash_embed",
    "build_highway",
    "build_layer_norm",
    "build_list2ragged",
    "build_ngram_linear",
    "build_orthogonal_init",
    "build_pool",
    "build_residual",
    "build_rnn",
    "build_sequence_dropout",
    "build_sampled_softmax",
    "build_softmax",
    "build_truncate",
    "check_rate",
    "clear_cache",
    "count_parameters",
    "crf_decode",
    "crf_divergence",
    "crf_log_likelihood",
    "crf_marginals",
    "declare",
    "drop_nothing",
    "embed_rows",
    "find_mixing",
    "init_ensemble",
    "initial_state",
    "join_rows",
    "learn_vocabulary",
    "on_cpu",
    "on_filled_texts",
    "orthogonal_init",
    "predict_rows",
    "require_weights",
    "resize_ngram_linear",
    "scan",
    "set_labels",
    "set_precision",
    "split_array",
    "split_rows",
    "summary",
    "take_vocabulary",
    "use_engine_products",
    "with_rows",
]
