"""What the components' default models have in common."""

from typing import Any, Dict


def tok2vec_config(width: int) -> Dict[str, Any]:
    """Configure the token vectors of a default model: hashed features of words, and one bidirectional layer of LSTMs.

    width (int): The width of embedding and encoder.
    RETURNS (Dict[str, Any]): The block `[model.tok2vec]` of a config.
    """
    return {
        "@architectures": "spacy_rnn.Tok2Vec.v1",
        "embed": {
            "@architectures": "spacy_rnn.HashEmbed.v1",
            "width": width,
            "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
            "rows": [5000, 1000, 2500, 2500],
            "include_static_vectors": "auto",
            "cache_size": 100000,
        },
        "encode": {
            "@architectures": "spacy_rnn.RNNEncoder.v1",
            "width": width,
            "depth": 1,
            "cell": "lstm",
            "bidirectional": True,
        },
    }
