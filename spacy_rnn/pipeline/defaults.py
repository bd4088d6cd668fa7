"""The components' default models."""

from typing import Any, Dict


def tagger_tok2vec(width: int) -> Dict[str, Any]:
    """Configure the token vectors of a default tagger: words and their characters, and one bidirectional layer of LSTMs.

    A quarter of the words counts as unknown in training, so that the row of unknown words is learned, and their characters.

    width (int): The width of the encoder.
    RETURNS (Dict[str, Any]): The block `[model.tok2vec]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.Tok2Vec.v1",
        "embed": {
            "@architectures": "spacy_rnn.CharEmbed.v1",
            "width": 64,
            "char_width": 24,
            "include_static_vectors": "auto",
            "embed": _words(width=64, word_dropout=0.25),
        },
        "encode": {**_encoder(width), "recurrent_dropout": 0.2, "layer_norm": True},
    }


def categorizer_model(exclusive_classes: bool) -> Dict[str, Any]:
    """Configure a default categorizer: one bidirectional layer of LSTMs over words, and a linear model of n-grams.

    exclusive_classes (bool): Whether exactly one class is true of a text.
    RETURNS (Dict[str, Any]): The block `[model]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.TextCat.v1",
        "exclusive_classes": exclusive_classes,
        "pooling": ["max", "mean"],
        "hidden_width": 0,
        "dropout": 0.5,
        "tok2vec": {
            "@architectures": "spacy_rnn.Tok2Vec.v1",
            "embed": {**_words(width=200, word_dropout=0.3), "include_static_vectors": "auto"},
            "encode": {**_encoder(width=64), "recurrent_dropout": 0.2, "variational_dropout": 0.5},
        },
        "linear_model": {"@architectures": "spacy_rnn.NGrams.v1"},
    }


def _words(width: int, word_dropout: float) -> Dict[str, Any]:
    return {
        "@architectures": "spacy_rnn.Embed.v1",
        "width": width,
        "size": 20_000,
        "attr": "LOWER",
        "min_count": 1,
        "word_dropout": word_dropout,
    }


def _encoder(width: int) -> Dict[str, Any]:
    return {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": width,
        "depth": 1,
        "cell": "lstm",
        "bidirectional": True,
        "residual": False,
        "layer_norm": False,
    }


def language_model() -> Dict[str, Any]:
    """Configure a default language model: characters, and one layer of LSTMs.

    RETURNS (Dict[str, Any]): The block `[model]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.RNNLM.v1",
        "width": 64,
        "hidden_width": 256,
        "cell": "lstm",
        "depth": 1,
        "symbols": {"@misc": "spacy_rnn.Characters.v1"},
    }


def lemmatizer_model() -> Dict[str, Any]:
    """Configure a default lemmatizer: characters, one layer of LSTMs in each direction, and attention.

    RETURNS (Dict[str, Any]): The block `[model]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.Seq2Seq.v1",
        "width": 64,
        "hidden_width": 192,
        "cell": "lstm",
        "attention": "general",
        "copy": True,
        "dropout": 0.3,
        "source": {"@misc": "spacy_rnn.Characters.v1"},
        "target": None,
    }


def seq2seq_model() -> Dict[str, Any]:
    """Configure a default encoder-decoder: words of both sides, one layer of GRUs in each direction, and attention.

    RETURNS (Dict[str, Any]): The block `[model]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.Seq2Seq.v1",
        "width": 256,
        "hidden_width": 256,
        "cell": "gru",
        "attention": "general",
        "tied": True,
        "dropout": 0.3,
        "label_smoothing": 0.1,
        "source": {"@misc": "spacy_rnn.Words.v1", "size": 10_000, "min_count": 2},
        "target": {"@misc": "spacy_rnn.Words.v1", "size": 10_000, "min_count": 2},
    }
