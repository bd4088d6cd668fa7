"""Pipelines with a forward and a backward language model of characters."""

import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

TEXTS = ["The cat sat on the mat.", "A dog, a cat and a rat!", "He said: so it was.", "   white  space ", "x"]
WIDTHS = {"lm_forward": 6, "lm_backward": 5}


def make_pipeline(widths=None, depth=2, cell="lstm", seed=0, **settings):
    """Make a pipeline whose language models have learned their characters, and have random weights."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    for name, width in (widths or WIDTHS).items():
        symbols = {"@misc": "spacy_rnn.Characters.v1", "backward": name == "lm_backward"}
        model = {"@architectures": "spacy_rnn.RNNLM.v1", "width": 4, "hidden_width": width, "depth": depth, "cell": cell}
        nlp.add_pipe("rnn_lm", name=name, config={"model": {**model, "symbols": symbols, **settings}})
    nlp.initialize(lambda: [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS])
    return nlp
