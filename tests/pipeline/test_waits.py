"""Where the host waits for a GPU in an update and in a prediction, on a stand-in for CuPy that writes it down."""

import re
from pathlib import Path

import emulated_gpu
import numpy
import pytest
import spacy
from device_arrays import record
from emulated_cuda import COMPILER
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import fix_random_seed, use_ops

from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(COMPILER is None or library is None, reason="needs g++ and the compiled engine")

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"
WORDS, TAGS = ["They", "book", "a", "room"], ["PRON", "VERB", "DET", "NOUN"]

HASH_EMBED = {
    "@architectures": "spacy_rnn.HashEmbed.v1",
    "width": 16,
    "attrs": ["NORM", "SHAPE"],
    "rows": [100, 50],
    "include_static_vectors": False,
}
MULTI_HASH_EMBED = {**HASH_EMBED, "@architectures": "spacy.MultiHashEmbed.v2"}
VECTORS = {**HASH_EMBED, "include_static_vectors": True}
CHAR_EMBED = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 16, "char_width": 8}
EMBED = {"@architectures": "spacy_rnn.Embed.v1", "width": 16, "word_dropout": 0.1}
RNN = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16, "depth": 2, "dropout": 0.1, "recurrent_dropout": 0.1}
TRUNCATE = {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 2, "encode": RNN}
CNN = {"@architectures": "spacy_rnn.CNN.v1", "width": 16}
NGRAMS = {"@architectures": "spacy_rnn.NGrams.v1", "size": 64}

SOFTMAX = {"pipeline/heads.py:loss": 1}
CRF = {"crf/host.py:fetch": 1, "layers/output/crf.py:crf_log_likelihood": 1}
CATEGORIES = {"pipeline/textcat.py:get_loss": 1}
MAXOUT = {"backends/_custom_kernels.py:_check_which_maxout": 1}
OF_SPACY = {**MAXOUT, "backends/_custom_kernels.py:_check_indices": 2, "backends/ops.py:unflatten": 2}
# Each member has a loss of its own.
ENSEMBLE = {"pipeline/textcat.py:get_loss": 2, "layers/plain/cpu_only.py:backprop": 1}


LANGUAGE_MODEL = {"pipeline/language_model/component.py:run_update": 1}


def language_model(name="RNNLM", **settings):
    symbols = {"@misc": "spacy_rnn.Characters.v1"}
    return {"model": {"@architectures": f"spacy_rnn.{name}.v1", "width": 8, "hidden_width": 16, "symbols": symbols, **settings}}


def tok2vec(embed=HASH_EMBED, encode=RNN, **settings):
    return {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": {**encode, **settings}}


def tagger(*parts, **settings):
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec(*parts, **settings)}}


def textcat(*parts, exclusive=True, linear=None):
    model = {
        "@architectures": "spacy_rnn.TextCat.v1",
        "tok2vec": tok2vec(*parts),
        "pooling": ["last", "mean", "max", "attention"],
        "exclusive_classes": exclusive,
        "hidden_width": 8,
        "dropout": 0.1,
        "linear_model": linear,
    }
    return {"model": model}


# The factory, its config, and how often the host waits where in one update.
UPDATES = {
    "tagger": ("rnn_tagger", {}, SOFTMAX),
    "tagger with CRF": ("rnn_tagger", {"use_crf": True}, CRF),
    "ner": ("rnn_ner", {}, CRF),
    "textcat": ("rnn_textcat", {}, ENSEMBLE),
    "poolings": ("rnn_textcat", textcat(), {**CATEGORIES, **MAXOUT}),
    "multilabel": ("rnn_textcat_multilabel", textcat(exclusive=False), {**CATEGORIES, **MAXOUT}),
    "n-grams": ("rnn_textcat", textcat(linear=NGRAMS), {**ENSEMBLE, **MAXOUT}),
    "truncated": ("rnn_textcat", textcat(HASH_EMBED, TRUNCATE), {**CATEGORIES, **MAXOUT}),
    "convolution": ("rnn_textcat", textcat(HASH_EMBED, CNN), {**CATEGORIES, **MAXOUT}),
    "static vectors": ("rnn_tagger", tagger(VECTORS), {**SOFTMAX, **MAXOUT}),
    "characters": ("rnn_tagger", tagger(CHAR_EMBED), SOFTMAX),
    "a vocabulary": ("rnn_tagger", tagger(EMBED), SOFTMAX),
    "spaCy's embedding": ("rnn_tagger", tagger(MULTI_HASH_EMBED), {**SOFTMAX, **OF_SPACY}),
    "GRU, pieces": ("rnn_tagger", tagger(cell="gru", checkpoint_rows=3), {**SOFTMAX, **MAXOUT}),
    "language model": (
        "rnn_lm",
        language_model(depth=2, dropout=0.2, input_dropout=0.2, recurrent_dropout=0.1, weight_dropout=0.1, symbol_dropout=0.1),
        LANGUAGE_MODEL,
    ),
    "tied": ("rnn_lm", language_model(tied=True), LANGUAGE_MODEL),
    "adaptive": ("rnn_lm", language_model(output="adaptive", cutoffs=[6, 9]), LANGUAGE_MODEL),
    "sampled": ("rnn_lm", language_model(output="sampled", n_samples=5), LANGUAGE_MODEL),
    "feed-forward": ("rnn_lm", language_model("FeedForwardLM", direct=True), LANGUAGE_MODEL),
    "between layers": (
        "rnn_tagger",
        tagger(layer_norm=True, highway=True, residual=False, variational_dropout=0.1, train_initial_state=True),
        {**SOFTMAX, **MAXOUT},
    ),
}


def make_examples(nlp):
    """Make texts of 4 to 0 tokens, with tags, entities and categories."""
    examples = []
    for i in range(len(WORDS) + 1):
        doc = Doc(nlp.vocab, words=WORDS[i:], tags=TAGS[i:], ents=["B-X", "O", "O", "O"][: len(WORDS) - i])
        doc.cats = {"a": float(i > 0), "b": float(i == 0)}
        examples.append(Example(Doc(nlp.vocab, words=WORDS[i:]), doc))
    return examples


def begin(factory, config):
    """Make a pipeline, and learn a batch."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.vocab.vectors = Vectors(data=numpy.eye(3, 5, dtype="float32"), keys=WORDS[:3])
    nlp.add_pipe(factory, config=config)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp, examples, optimizer


def update(factory, config):
    """Learn a second batch, and give its loss."""
    nlp, examples, optimizer = begin(factory, config)
    record.clear()
    return nlp.update(examples, sgd=optimizer, drop=0.1)[factory]


def predict(factory, config):
    """Annotate two batches of the same texts; the record is that of the second one."""
    nlp, examples, _ = begin(factory, config)
    for _ in range(2):
        record.clear()
        list(nlp.pipe([Doc(nlp.vocab, words=[token.text for token in example.x]) for example in examples]))


# Where it waits in one prediction, when the one before has seen the same words.
CACHE = {"layers/embedding/sources.py:_all_true": 1}
PREDICTED = {"pipeline/heads.py:predict": 1}
PREDICTIONS = {
    "tagger": ("rnn_tagger", {}, {**CACHE, **PREDICTED}),
    "ner": ("rnn_ner", {}, {**CACHE, "crf/host.py:fetch": 1, **PREDICTED}),
    "textcat": ("rnn_textcat", {}, {"pipeline/textcat.py:set_annotations": 1}),
    "characters": ("rnn_tagger", tagger(CHAR_EMBED), {**CACHE, **PREDICTED}),
    "a vocabulary": ("rnn_tagger", tagger(EMBED), PREDICTED),
    "language model": (
        "rnn_lm",
        {**language_model(), "store_surprisal": True},
        {"pipeline/language_model/component.py:_score": 1},
    ),
}


@pytest.mark.parametrize(
    "name", [name if name in ("tagger", "static vectors") else pytest.param(name, marks=pytest.mark.slow) for name in UPDATES]
)
def test_an_update_waits_only_where_it_is_known_to(name, monkeypatch):
    factory, config, waits = UPDATES[name]
    expected = update(factory, config)
    emulated_gpu.install(monkeypatch)
    with use_ops("cupy"):
        loss = update(factory, config)
    assert record.waits == waits
    # Otherwise something else was computed than on a CPU.
    assert loss == pytest.approx(expected, rel=1e-3)
    assert record.launches > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_prediction_waits_only_where_it_is_known_to(name, monkeypatch):
    factory, config, waits = PREDICTIONS[name]
    emulated_gpu.install(monkeypatch)
    with use_ops("cupy"):
        predict(factory, config)
    assert record.waits == waits


def test_the_documentation_names_every_wait():
    (section,) = re.findall(r"^## What waits for the device\n(.*?)(?=^## )", PAGE.read_text(encoding="utf8"), re.M | re.S)
    named = re.findall(r"^\| `([\w/.]+:\w+)` \|", section, re.MULTILINE)
    known = [waits for _, _, waits in (*UPDATES.values(), *PREDICTIONS.values())]
    assert sorted(set(named)) == sorted({site for waits in known for site in waits})
