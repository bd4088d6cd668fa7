"""The corpora that ship with the project read like text, and keep their splits apart."""

import json
from collections import Counter
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer
from spacy.training.converters import conllu_to_docs

from spacy_rnn.pipeline.tagger import UNIVERSAL_POS

ASSETS = Path(__file__).parent.parent / "assets"
SPLITS = ("train", "dev", "test")
UPOS = set(UNIVERSAL_POS) - {"SPACE"}
AMBIGUOUS = ("book", "run", "that", "like", "play", "light", "watch", "back", "close", "present")


@pytest.fixture(scope="module")
def sentences():
    """Give the sentences of each split as lists of (word, UPOS, Penn tag)."""
    found = {}
    for split in SPLITS:
        text = (ASSETS / "pos" / f"{split}.conllu").read_text(encoding="utf8")
        docs = conllu_to_docs(text, n_sents=1, no_print=True)
        found[split] = [[(token.text, token.pos_, token.tag_) for token in doc] for doc in docs]
    return found


@pytest.fixture(scope="module")
def reviews():
    """Give the reviews of each split as (text, label)."""
    found = {}
    for split in SPLITS:
        lines = (ASSETS / "reviews" / f"{split}.tsv").read_text(encoding="utf8").splitlines()
        found[split] = [tuple(line.split("\t")) for line in lines]
    return found


@pytest.fixture(scope="module")
def topics():
    """Give the notes of each split as (text, labels)."""
    found = {}
    for split in SPLITS:
        lines = (ASSETS / "topics" / f"{split}.jsonl").read_text(encoding="utf8").splitlines()
        found[split] = [(note["text"], note["labels"]) for note in map(json.loads, lines)]
    return found


@pytest.fixture(scope="module")
def texts(sentences, reviews, topics):
    """Give all texts of the corpora as lower-cased words, with their corpus and split."""
    found = [(("pos", split), [word.lower() for word, _, _ in sentence]) for split in SPLITS for sentence in sentences[split]]
    found += [(("reviews", split), text.lower().split()) for split in SPLITS for text, _ in reviews[split]]
    return found + [(("topics", split), text.lower().split()) for split in SPLITS for text, _ in topics[split]]


def test_the_corpora_are_large_enough(sentences, reviews, topics):
    for corpus in (sentences, reviews, topics):
        assert sum(map(len, corpus.values())) >= 400
        assert all(corpus[split] for split in SPLITS)


def test_there_are_many_words(texts):
    words = {word.strip(".,;:!?\"'()") for _, text in texts for word in text}
    assert len(words) >= 1800


def test_no_text_stands_in_two_splits(texts):
    counts = Counter(tuple(text) for _, text in texts)
    assert [text for text, n in counts.items() if n > 1] == []


def test_no_five_words_are_repeated_often(texts):
    counts = Counter(tuple(text[i : i + 5]) for _, text in texts for i in range(len(text) - 4))
    assert [gram for gram, n in counts.items() if n > 3] == []


def test_no_sequence_of_tags_is_frequent(sentences):
    counts = Counter(tuple(upos for _, upos, _ in sentence) for split in SPLITS for sentence in sentences[split])
    assert max(counts.values()) <= 0.01 * sum(counts.values())


def test_every_universal_tag_occurs_in_train(sentences):
    assert {upos for sentence in sentences["train"] for _, upos, _ in sentence} == UPOS
    assert all(xpos for split in SPLITS for sentence in sentences[split] for _, _, xpos in sentence)


@pytest.mark.parametrize("word", AMBIGUOUS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_words_have_tags_that_depend_on_context(sentences, split, word):
    tags = {xpos for sentence in sentences[split] for form, _, xpos in sentence if form.lower() == word}
    assert len(tags) >= 2


def test_the_labels_are_balanced(reviews):
    for split in SPLITS:
        counts = Counter(label for _, label in reviews[split])
        assert set(counts) == {"positive", "negative"}
        assert abs(counts["positive"] - counts["negative"]) <= 0.1 * len(reviews[split])


def test_notes_have_any_number_of_topics_up_to_three(topics):
    for split in SPLITS:
        n_notes, counts = len(topics[split]), Counter(len(labels) for _, labels in topics[split])
        assert set(counts) == {0, 1, 2, 3} and min(counts.values()) >= 0.08 * n_notes
        occurrences = Counter(label for _, labels in topics[split] for label in labels)
        assert set(occurrences) == {"culture", "health", "sport", "transport", "weather"}
        assert min(occurrences.values()) >= 0.25 * n_notes and max(occurrences.values()) <= 0.35 * n_notes
        assert all(labels == sorted(set(labels)) for _, labels in topics[split])


def test_a_bag_of_words_does_not_solve_the_reviews(reviews):
    # The LSTM of configs/textcat.cfg is right about 90 % of the test part, see benchmarks/results.
    vectorizer = CountVectorizer()
    X = vectorizer.fit_transform([text for text, _ in reviews["train"]])
    model = LogisticRegression(max_iter=1000).fit(X, [label for _, label in reviews["train"]])
    X_test = vectorizer.transform([text for text, _ in reviews["test"]])
    assert model.score(X_test, [label for _, label in reviews["test"]]) < 0.7


def test_a_bag_of_words_does_not_solve_the_topics(topics):
    vectorizer, binarizer = CountVectorizer(), MultiLabelBinarizer()
    X = vectorizer.fit_transform([text for text, _ in topics["train"]])
    Y = binarizer.fit_transform([labels for _, labels in topics["train"]])
    model = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000)).fit(X, Y)
    X_test = vectorizer.transform([text for text, _ in topics["test"]])
    Y_test = binarizer.transform([labels for _, labels in topics["test"]])
    probabilities = model.predict_proba(X_test)
    scores = [f1_score(Y_test, probabilities >= threshold, average="macro") for threshold in (0.2, 0.3, 0.4, 0.5)]
    # The threshold matters: labels are few, so that most probabilities are low.
    assert scores[3] + 0.03 < max(scores) < 0.75
