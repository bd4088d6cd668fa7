"""Small corpora, pipelines that are trained on them, and a reader of pages."""

from html.parser import HTMLParser
from pathlib import Path

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.converters import conllu_to_docs
from spacy.util import minibatch
from thinc.api import fix_random_seed

ROOT = Path(__file__).parent.parent.parent
TOK2VEC = {
    "@architectures": "spacy_rnn.Tok2Vec.v1",
    "embed": {
        "@architectures": "spacy_rnn.HashEmbed.v1",
        "width": 16,
        "attrs": ["NORM", "SHAPE"],
        "rows": [500, 100],
        "include_static_vectors": False,
    },
    "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16},
}
TAGGER = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": TOK2VEC}}
NER = {
    "model": {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": True,
        # With normalized outputs it would learn too soon to make errors, which are to be shown.
        "tok2vec": {**TOK2VEC, "encode": {**TOK2VEC["encode"], "layer_norm": False, "residual": False}},
    }
}


def textcat(exclusive):
    return {
        "model": {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": exclusive, "tok2vec": TOK2VEC, "dropout": 0.0}
    }


SETTINGS = {
    "rnn_textcat": ("reviews", textcat(True)),
    "rnn_textcat_multilabel": ("topics", textcat(False)),
    "rnn_tagger": ("tags", TAGGER),
    "tagger": ("tags", TAGGER),
    "ner": ("entities", NER),
}


def read_reviews(split):
    """Give texts and labels. The last text would be markup, if it were not escaped; one of its labels is predicted wrongly."""
    lines = (ROOT / "assets" / "reviews" / f"{split}.tsv").read_text(encoding="utf8").splitlines()
    return [line.split("\t") for line in lines] + [["<b>Ugly & broken</b> <script>", label] for label in ("positive", "negative")]


def make_docs(kind, split):
    """Give annotated texts: "reviews", "topics" (several classes, some unknown), "tags" or "entities"."""
    nlp = spacy.blank("en")
    if kind == "tags":
        text = (ROOT / "assets" / "pos" / f"{split}.conllu").read_text(encoding="utf8")
        return list(conllu_to_docs(text, n_sents=2, no_print=True))
    docs = []
    for number, (text, label) in enumerate(read_reviews(split)):
        doc = nlp.make_doc(text)
        if kind == "reviews":
            doc.cats = {name: float(name == label) for name in ("negative", "positive")}
        elif kind == "topics":
            doc.cats = {"liked": float(label == "positive"), "long": float(len(doc) > 12)}
            if number % 5 == 0:
                del doc.cats["long"]
        else:
            doc.ents = [
                Span(doc, i, i + 1, "ADJ" if word.text in ("old", "new") else "BE")
                for i, word in enumerate(doc)
                if word.text in ("is", "are", "was", "old", "new")
            ]
        docs.append(doc)
    return docs


def train(factory, kind, config, n_updates):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=config)
    examples = [
        Example(Doc(nlp.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc]), doc)
        for doc in make_docs(kind, "train")[:300]
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(n_updates):
        for batch in minibatch(examples, 40):
            nlp.update(batch, sgd=optimizer)
    return nlp


def train_language_model(unit="Characters", architecture="RNNLM", name="lm", n_updates=40, **settings):
    """Train a language model on the reviews, a line each. A unit may be "Characters backward"."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    kind, *settings_of_symbols = unit.split()
    symbols = {"@misc": f"spacy_rnn.{kind}.v1", **dict.fromkeys(settings_of_symbols, True)}
    model = {"@architectures": f"spacy_rnn.{architecture}.v1", "symbols": symbols, "width": 16, "hidden_width": 32}
    nlp.add_pipe("rnn_lm", name=name, config={"model": model, **settings})
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text, _ in read_reviews("train")[:60]]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(n_updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


class Page(HTMLParser):
    """What is on a page: its text, tables by section, the sources of images; and whether the HTML is sound."""

    EMPTY = {"meta", "img", "br", "link", "hr", "input"}

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.tags, self.images, self.links, self.tables, self.faults = [], [], set(), [], [], {}, []
        self.words, self.section, self.cell = [], "", None
        self.feed(path.read_text(encoding="utf8"))
        self.text = " ".join("".join(self.words).split())
        self.faults += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "section":
            self.section = attrs.get("id", "")
        elif tag == "img":
            self.images.append(attrs)
        elif tag == "a":
            self.links.append(attrs["href"])
        elif tag == "table":
            self.tables.setdefault(self.section, []).append([])
        elif tag == "tr":
            self.tables[self.section][-1].append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()
        if tag in ("td", "th"):
            self.tables[self.section][-1][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)
        if self.cell is not None:
            self.cell.append(data)
