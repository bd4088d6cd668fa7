"""The taggers that the benchmarks compare, and the data they are made with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
from _measure import ROOT
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed


@dataclass(frozen=True)
class Tagger:
    """A pipeline of one component.

    name (str): What the pipeline is called.
    factory (Optional[str]): The component's factory; None for the tokenizer alone.
    kind (str): "ours", "torch", "spaCy" or "tokenizer".
    width (Optional[int]): The width of embedding and encoder; the factory's own if None.
    depth (int): The layers of the encoder.
    path (Optional[str]): A config of this project that has all of it, in place of factory, width and depth.
    use_crf (bool): Whether the tagger of a config predicts tags together.
    """

    name: str
    factory: Optional[str]
    kind: str
    width: Optional[int] = None
    depth: int = 1
    path: Optional[str] = None
    use_crf: bool = False

    def config(self) -> Dict[str, Any]:
        """Give what differs from the factory's default settings.

        RETURNS (Dict[str, Any]): The component's config.
        """
        if self.kind == "ours":
            default = Language.get_factory_meta(str(self.factory)).default_config or {}
            tok2vec = default["model"]["tok2vec"]
            embed = self._hash_embed("spacy_rnn.HashEmbed.v1")
            encode = {**tok2vec["encode"], "width": self.width, "depth": self.depth}
            return {"model": {**default["model"], "tok2vec": {**tok2vec, "embed": embed, "encode": encode}}}
        return {"model": self._torch_model()} if self.kind == "torch" else {}

    def _hash_embed(self, architecture: str) -> Dict[str, Any]:
        """The embedding of spaCy's default, the same for both: what differs is the encoder, and how fast embeddings are."""
        attrs, rows = ["NORM", "PREFIX", "SUFFIX", "SHAPE"], [5000, 1000, 2500, 2500]
        return {
            "@architectures": architecture,
            "width": self.width,
            "attrs": attrs,
            "rows": rows,
            "include_static_vectors": False,
        }

    def _torch_model(self) -> Dict[str, Any]:
        encode = {
            "@architectures": "spacy.TorchBiLSTMEncoder.v1",
            "width": self.width,
            "depth": self.depth,
            "dropout": 0.0,
        }
        embed = self._hash_embed("spacy.MultiHashEmbed.v2")
        tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
        return {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}


TOKENIZER = Tagger("tokenizer alone", None, "tokenizer")
CNN = Tagger("spaCy's tagger (CNN, width 96, depth 4)", "tagger", "spaCy")
TORCH_96 = Tagger("TorchBiLSTMEncoder, width 96, depth 1", "tagger", "torch", 96, 1)
TORCH_256 = Tagger("TorchBiLSTMEncoder, width 256, depth 2", "tagger", "torch", 256, 2)
OURS_96 = Tagger("rnn_tagger, width 96, depth 1", "rnn_tagger", "ours", 96, 1)
OURS_256 = Tagger("rnn_tagger, width 256, depth 2", "rnn_tagger", "ours", 256, 2)
FAST = Tagger("tagger_tag_fast.cfg", "rnn_tagger", "ours", path="configs/tagger_tag_fast.cfg")
STANDARD = Tagger("tagger_tag.cfg", "rnn_tagger", "ours", path="configs/tagger_tag.cfg")
WITH_CRF = Tagger("tagger_tag.cfg, use_crf", "rnn_tagger", "ours", path="configs/tagger_tag.cfg", use_crf=True)
ACCURATE = Tagger("tagger_tag_accurate.cfg", "rnn_tagger", "ours", path="configs/tagger_tag_accurate.cfg")


def build_tagger(tagger: Tagger, train: Path) -> Language:
    """Build a pipeline, with weights that are not trained yet.

    tagger (Tagger): Which one.
    train (Path): EWT's training part, for the labels.
    RETURNS (Language): The pipeline.
    """
    fix_random_seed(0)
    if tagger.path is not None:
        overrides = {"components.tagger.use_crf": tagger.use_crf}
        nlp = load_model_from_config(load_config(ROOT / tagger.path, overrides, interpolate=True))
    else:
        nlp = spacy.blank("en")
        if tagger.factory is not None:
            nlp.add_pipe(tagger.factory, config=tagger.config())
    if nlp.pipe_names:
        examples = read_examples(nlp, train)
        nlp.initialize(lambda: examples)
    return nlp


def read_examples(nlp: Language, path: Path) -> List[Example]:
    """Read sentences with their gold tokens, as the configs of this project do.

    nlp (Language): The pipeline.
    path (Path): A converted part of EWT.
    RETURNS (List[Example]): The sentences.
    """
    return list(Corpus(path, gold_preproc=True)(nlp))
