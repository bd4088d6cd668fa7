"""A logistic regression over n-grams of words: what a categorizer has to be better than."""

import pickle
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy
import spacy
from spacy.tokens import DocBin

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
"""The strengths of regularisation that are tried: scikit-learn's C, a larger one regularises less."""


class Texts(NamedTuple):
    """Annotated texts.

    texts (List[str]): Their words, separated by spaces.
    labels (numpy.ndarray): bool [B, classes], which classes are true of them.
    """

    texts: List[str]
    labels: numpy.ndarray


class BagOfWords(NamedTuple):
    """A trained categorizer.

    vectorizer (Any): scikit-learn's, from texts to counts or weights of n-grams.
    classifier (Any): scikit-learn's logistic regression, one for each class if they do not exclude each other.
    exclusive (bool): Whether exactly one class is true of each text.
    strength (float): The strength of regularisation, C.
    """

    vectorizer: Any
    classifier: Any
    exclusive: bool
    strength: float

    @property
    def n_parameters(self) -> int:
        """The number of weights."""
        members = [self.classifier] if self.exclusive else self.classifier.estimators_
        # A class that all or none of the training texts have takes no weights.
        return sum(int(member.coef_.size + member.intercept_.size) for member in members if hasattr(member, "coef_"))

    @property
    def n_bytes(self) -> int:
        """The size when it is saved, with the n-grams it knows."""
        return len(pickle.dumps((self.vectorizer, self.classifier)))

    def predict(self, texts: List[str]) -> numpy.ndarray:
        """Predict probabilities.

        texts (List[str]): B texts, their words separated by spaces.
        RETURNS (numpy.ndarray): float64 [B, classes].
        """
        return self.classifier.predict_proba(self.vectorizer.transform(texts))


def read_parts(folder: Path, splits: Sequence[str] = ("train", "dev", "test")) -> Dict[str, Texts]:
    """Read a converted corpus.

    folder (Path): The folder of train, dev and test.
    splits (Sequence[str]): The parts to read.
    RETURNS (Dict[str, Texts]): The texts of each part. The classes are those of the training part, in alphabetical order.
    """
    vocab = spacy.blank("en").vocab
    docs = {
        split: list(DocBin().from_disk(folder / f"{split}.spacy").get_docs(vocab)) for split in dict.fromkeys(("train", *splits))
    }
    classes = sorted({label for doc in docs["train"] for label in doc.cats})
    return {
        split: Texts(
            [" ".join(token.text for token in doc) for doc in docs[split]],
            numpy.array([[doc.cats.get(label, 0.0) > 0.5 for label in classes] for doc in docs[split]]),
        )
        for split in splits
    }


def fit(train: Texts, dev: Texts, ngrams: int, tfidf: bool, exclusive: bool, score: str) -> BagOfWords:
    """Train a categorizer, its strength of regularisation chosen on dev.

    train (Texts): The training part.
    dev (Texts): The development part.
    ngrams (int): The most words of an n-gram.
    tfidf (bool): Whether n-grams have TF-IDF weights in place of counts.
    exclusive (bool): Whether exactly one class is true of each text.
    score (str): The score, as named by `score_texts`, that is to be as high as possible.
    RETURNS (BagOfWords): The categorizer.
    """
    # Imported here because only some of the benchmarks need it.
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    vectorizer = (TfidfVectorizer if tfidf else CountVectorizer)(
        ngram_range=(1, ngrams), tokenizer=str.split, token_pattern=None, lowercase=True
    )
    vectors = vectorizer.fit_transform(train.texts)
    candidates = []
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=2000)
        if exclusive:
            classifier = regression.fit(vectors, train.labels.argmax(axis=1))
        else:
            classifier = OneVsRestClassifier(regression).fit(vectors, train.labels.astype(int))
        candidates.append(BagOfWords(vectorizer, classifier, exclusive, strength))
    return max(candidates, key=lambda candidate: score_texts(candidate, dev)[score])


def score_texts(model: BagOfWords, data: Texts) -> Dict[str, float]:
    """Score a categorizer, as spaCy's `Scorer.score_cats` does.

    model (BagOfWords): The categorizer.
    data (Texts): Annotated texts.
    RETURNS (Dict[str, float]): From 0 to 1: accuracy and macro recall of exclusive classes, else macro and micro F at a
        probability of 0.5, and the macro-averaged area under the ROC curve.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

    probabilities = model.predict(data.texts)
    if model.exclusive:
        right, predicted = data.labels.argmax(axis=1), model.classifier.classes_[probabilities.argmax(axis=1)]
        return {
            "accuracy": float(accuracy_score(right, predicted)),
            "macro recall": float(recall_score(right, predicted, average="macro")),
        }
    predicted = probabilities >= 0.5
    columns = zip(data.labels.T, probabilities.T, strict=True)
    # A class that all or none of the texts have counts as 0, as in spaCy.
    areas = [float(roc_auc_score(right, found)) if 0 < right.sum() < len(right) else 0.0 for right, found in columns]
    return {
        **{
            f"{average} F": float(f1_score(data.labels, predicted, average=average, zero_division=0))
            for average in ("macro", "micro")
        },
        "macro AUC": sum(areas) / len(areas),
    }
