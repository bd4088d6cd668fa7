"""Known and unknown words and entities are told apart by the annotation, and scored as spaCy scores them."""

import pytest
import spacy
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Corpus, Example
from trained_pipelines import make_docs

from spacy_rnn.evaluation import (
    compare,
    compare_by_known,
    evaluate_component,
    find_known,
    find_task,
    score_all,
    score_by_known,
    summarize,
)
from spacy_rnn.evaluation.components import Evaluation, annotate
from spacy_rnn.evaluation.decisions import CLASS, ENTITIES, TAG, Decision, Decisions
from spacy_rnn.evaluation.known import GroupScores

NOTHING = (None, None, None, 0)


@pytest.fixture(scope="module")
def one_tag():
    """A tagger that knows a single tag, X, and so predicts it of every word."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_tagger")
    doc = Doc(nlp.vocab, words=["a"], tags=["X"])
    nlp.initialize(lambda: [Example(nlp.make_doc("a"), doc)])
    return nlp


def evaluate(nlp, *texts):
    """Evaluate a tagger on texts that are given as predicted words, gold words and gold tags."""
    return evaluate_component(
        nlp,
        [
            Example(Doc(nlp.vocab, words=words, spaces=spaces(words)), Doc(nlp.vocab, words=gold, spaces=spaces(gold), tags=tags))
            for words, gold, tags in ((words.split(), gold.split(), tags.split()) for words, gold, tags in texts)
        ],
    )


def spaces(words):
    """A word that begins with an apostrophe or a hyphen, or that ends in one, is written without a space there."""
    return [not word.endswith("-") and not follows.startswith("'") for word, follows in zip(words, [*words[1:], ""], strict=True)]


def test_words_are_known_by_their_exact_text(one_tag):
    docs = [Doc(one_tag.vocab, words=["The", "cat", "sleeps"]), Doc(one_tag.vocab, words=["the", "cat"])]
    known = find_known(TAG, iter(docs))
    assert known == {"The", "the", "cat", "sleeps"}
    evaluation = evaluate(one_tag, ("the Cat sleeps The cats", "the Cat sleeps The cats", "X X Y X Y"))
    assert score_by_known(evaluation, known) == (
        GroupScores("known words", 2 / 3, 2 / 3, 2 / 3, 3),
        GroupScores("unknown words", 1 / 2, 1 / 2, 1 / 2, 2),
    )


def test_words_without_a_gold_tag_are_not_counted(one_tag):
    doc = Doc(one_tag.vocab, words=["a", "b", "c"], tags=["X", "", "Y"])
    evaluation = evaluate_component(one_tag, [Example(Doc(one_tag.vocab, words=["a", "b", "c"]), doc)])
    known, unknown = score_by_known(evaluation, {"a", "b"})
    assert known == ("known words", 1, 1, 1, 1)
    assert unknown == ("unknown words", 0, 0, 0, 1)


def test_a_group_of_nothing_has_no_scores(one_tag):
    evaluation = evaluate(one_tag, ("a b", "a b", "X Y"))
    known, unknown = score_by_known(evaluation, {"a", "b", "c"})
    assert known == ("known words", 1 / 2, 1 / 2, 1 / 2, 2)
    assert unknown == ("unknown words", *NOTHING)
    known, unknown = score_by_known(evaluation, frozenset({"c"}))
    assert known == ("known words", *NOTHING)
    assert unknown.support == 2


def test_the_group_is_that_of_the_gold_word_however_the_tokenizer_cuts(one_tag):
    # One gold word, predicted as two: one of the two stands against it.
    cut = evaluate(one_tag, ("do n't stop", "do n't stop", "X X X"), ("ice- cream", "ice-cream", "X"))
    known, unknown = score_by_known(cut, {"do", "n't", "stop", "ice-", "cream"})
    assert known == ("known words", 1, 1, 1, 3)
    assert unknown == ("unknown words", 1, 1, 1, 1)
    # Two gold words, predicted as one: nothing was predicted of either, though the word as predicted is known.
    joined = evaluate(one_tag, ("we 'll see", "we 'll see", "X X X"), ("they'll see", "they 'll see", "X X X"))
    known, unknown = score_by_known(joined, {"we", "'ll", "see", "they'll"})
    assert known == ("known words", 1, 4 / 5, 8 / 9, 5)
    assert unknown == ("unknown words", None, 0, 0, 1)


@pytest.mark.parametrize("gold_preproc", [False, True])
@pytest.mark.parametrize("factory", ["rnn_tagger", "tagger"])
def test_accuracy_of_both_groups_is_spacys(pipelines, corpora, factory, gold_preproc):
    nlp = spacy.load(pipelines(factory))
    examples = list(Corpus(corpora("tags"), gold_preproc=gold_preproc)(nlp))
    evaluation = evaluate_component(nlp, examples)
    # The pipeline has seen the whole training part; of half of it more is unknown.
    words = find_known(TAG, make_docs("tags", "train")[:200])
    groups = score_by_known(evaluation, words)
    annotated = annotate(nlp, examples)
    for group, is_known in zip(groups, (True, False), strict=True):
        gold = {id(example.reference) for example in annotated}

        def tag_of(token, attr, is_known=is_known, gold=gold):
            # spaCy takes an empty tag for missing annotation, and leaves out what was predicted there.
            return token.tag_ if id(token.doc) not in gold or (token.text in words) == is_known else ""

        expected = Scorer.score_token_attr(annotated, "tag", getter=tag_of)["tag_acc"]
        assert 0 < expected < 1
        assert group.f == pytest.approx(expected, abs=1e-12)
        assert group.support == sum(
            bool(token.tag_) and (token.text in words) == is_known for example in annotated for token in example.reference
        )
    (micro, *_) = score_all(evaluation.decisions.decisions)
    assert sum(group.support for group in groups) == micro.support
    assert summarize(evaluation, known=words).by_known == groups
    assert not summarize(evaluation).by_known


def entities(vocab, words, *spans):
    doc = Doc(vocab, words=words.split())
    doc.ents = [Span(doc, *span) for span in spans]
    return doc


def evaluate_entities(*pairs):
    """An evaluation of texts whose predicted side is there already."""
    examples = [Example(predicted, gold) for predicted, gold in pairs]
    texts = [gold.text for _, gold in pairs]
    return examples, Evaluation("ner", "ner", ENTITIES, texts, ENTITIES.decide(spacy.blank("xx"), "ner", examples), {})


def test_entities_are_known_by_the_text_of_an_entity_of_any_type():
    vocab = spacy.blank("xx").vocab
    train = [
        entities(vocab, "Anna Lee met Bob in New York", (0, 2, "PERSON"), (3, 4, "PERSON"), (5, 7, "PLACE")),
        entities(vocab, "Paris is a word that is no entity here"),
    ]
    known = find_known(ENTITIES, train)
    assert known == {"Anna Lee", "Bob", "New York"}
    words = "Bob met Anna in New York , Paris and Rome"
    gold = entities(vocab, words, (0, 1, "PLACE"), (2, 3, "PERSON"), (4, 6, "PLACE"), (7, 8, "PLACE"))
    predicted = entities(vocab, words, (0, 1, "PLACE"), (2, 3, "PERSON"), (4, 6, "PERSON"), (9, 10, "PLACE"))
    examples, evaluation = evaluate_entities((predicted, gold))
    groups = score_by_known(evaluation, known)
    # Bob is right, New York of the wrong type.
    assert groups[0] == ("known entities", 1 / 2, 1 / 2, 1 / 2, 2)
    # Anna is right, Paris missed, Rome no entity.
    assert groups[1] == ("unknown entities", 1 / 2, 1 / 2, 1 / 2, 2)
    assert get_ner_prf(examples)["ents_f"] == pytest.approx(1 / 2)


def test_entities_that_are_only_predicted_have_precision_alone():
    vocab = spacy.blank("xx").vocab
    gold = entities(vocab, "Bob met Anna", (0, 1, "PERSON"))
    _, evaluation = evaluate_entities((entities(vocab, "Bob met Anna", (0, 1, "PERSON"), (2, 3, "PERSON")), gold))
    assert score_by_known(evaluation, {"Bob"})[1] == ("unknown entities", 0, None, 0, 0)


def test_a_difference_on_unknown_words_only_is_found_there(one_tag):
    texts = [f"the n{i}" for i in range(30)]
    a = evaluate(one_tag, *((text, text, "X Y") for text in texts))
    right = [decision._replace(predicted=decision.gold) for decision in a.decisions.decisions]
    b = a._replace(decisions=a.decisions._replace(decisions=right))
    known, unknown = compare_by_known(a, b, {"the"}, n_samples=1000)
    assert (known.label, known.support, known.n_texts) == ("known words", 30, 30)
    assert (known.difference.a, known.difference.b, known.difference.p) == (1, 1, 1)
    assert (unknown.label, unknown.support, unknown.n_texts) == ("unknown words", 30, 30)
    assert unknown.difference[:4] == ("accuracy", 0, 1, 1)
    assert unknown.difference.p == pytest.approx(1 / 1001)


def test_draws_are_from_the_texts_that_have_the_group():
    # In draws from all 200 texts, one in seven would have neither of the two words, and no difference.
    texts = ["a"] * 198 + ["b", "b"]

    def side(predicted):
        found = [Decision(i, 0, 1, "X", predicted if text == "b" else "X", None) for i, text in enumerate(texts)]
        return evaluate_entities()[1]._replace(task=TAG, texts=texts, decisions=Decisions(found, None, None, {}))

    known, unknown = compare_by_known(side("Y"), side("X"), {"a"}, n_samples=500)
    assert (known.support, known.n_texts, unknown.support, unknown.n_texts) == (198, 198, 2, 2)
    assert (unknown.difference.low, unknown.difference.high) == (1, 1)


def test_the_scores_of_a_comparison_are_those_of_each_side(pipelines, corpora):
    (a, b) = (spacy.load(pipelines("rnn_tagger", n)) for n in (1, 12))
    examples = list(Corpus(corpora("tags"))(a))
    sides = [evaluate_component(nlp, examples) for nlp in (a, b)]
    words = find_known(TAG, make_docs("tags", "train")[:100])
    for group, of_a, of_b in zip(compare_by_known(*sides, words, 200), *(score_by_known(s, words) for s in sides), strict=True):
        assert (group.difference.a, group.difference.b) == pytest.approx((of_a.f, of_b.f))
        assert (group.label, group.support) == (of_a.label, of_a.support)
    # If every word is known, that is the comparison on the whole corpus, and there is no other.
    everything = {token.text for example in examples for token in example.reference}
    known, unknown = compare_by_known(*sides, everything, 200)
    assert known.difference == compare(*sides, 200)[0]
    assert (unknown.support, unknown.n_texts, unknown.difference) == (0, 0, None)


def test_of_a_single_text_there_is_no_bootstrap(one_tag):
    a = evaluate(one_tag, ("a b", "a b", "X Y"), ("a", "a", "X"))
    known, unknown = compare_by_known(a, a, {"a"}, 100)
    assert known.difference.p == 1
    assert unknown == ("unknown words", 1, 1, None)


def test_what_cannot_be_told_apart_is_refused(one_tag, pipelines, corpora):
    vocab = one_tag.vocab
    words, empty = Doc(vocab, words=["a"]), Doc(vocab)
    with pytest.raises(ValueError, match="expected Docs.*got Example"):
        find_known(TAG, [Example(words, words)])
    with pytest.raises(ValueError, match="there are no words: expected the annotated texts"):
        find_known(TAG, [empty])
    with pytest.raises(ValueError, match="there are no entities: expected the annotated texts"):
        find_known(ENTITIES, [words])
    with pytest.raises(ValueError, match="labels words or entities.*predicts doc.cats"):
        find_known(CLASS, [words])
    evaluation = evaluate(one_tag, ("a", "a", "X"), ("b", "b", "X"))
    for known in ("a b", ["a"]):
        with pytest.raises(ValueError, match="expected the set of known texts, as from find_known, got"):
            score_by_known(evaluation, known)
        with pytest.raises(ValueError, match="expected the set of known texts"):
            compare_by_known(evaluation, evaluation, known)
    with pytest.raises(ValueError, match="same texts"):
        compare_by_known(evaluation, evaluate(one_tag, ("a", "a", "X")), {"a"})
    nlp = spacy.load(pipelines("rnn_textcat"))
    assert find_task(nlp)[1] == CLASS
    reviews = evaluate_component(nlp, list(Corpus(corpora("reviews"))(nlp))[:10])
    with pytest.raises(ValueError, match="labels words or entities"):
        score_by_known(reviews, {"a"})
    with pytest.raises(ValueError, match="labels words or entities"):
        summarize(reviews, known={"a"})
