"""`--train` of `report` and `compare`: scores of what the training corpus has, and of what it has not."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from spacy_rnn.evaluation import compare_by_known, evaluate_component, find_known, find_task, score_by_known


@pytest.fixture(scope="module")
def train(corpora):
    """(kind) -> the path of the training corpus."""
    return lambda kind: corpora(kind, "train")


@pytest.fixture(scope="module")
def evaluate(pipelines, corpora, train):
    """(factory, kind, further arguments) -> what a pipeline decides, and what is known to it, without the command's code."""

    def run(factory, kind, *arguments):
        nlp = spacy.load(pipelines(factory, *arguments))
        docs = DocBin().from_disk(train(kind)).get_docs(nlp.vocab)
        return evaluate_component(nlp, Corpus(corpora(kind))(nlp)), find_known(find_task(nlp)[1], docs)

    return run


def shown(share):
    return "–" if share is None else f"{100 * share:.2f}"


@pytest.mark.parametrize(
    "factory, kind, name, known",
    [
        ("rnn_tagger", "tags", "words", "a word"),
        pytest.param("ner", "entities", "entities", "an entity", marks=pytest.mark.slow),
    ],
)
def test_a_report_has_both_groups(run, read_page, evaluate, pipelines, corpora, train, tmp_path, factory, kind, name, known):
    output = tmp_path / "page.html"
    code, printed = run("report", pipelines(factory), corpora(kind), "--train", train(kind), "--output", output)
    assert code == 0, printed
    groups = score_by_known(*evaluate(factory, kind))
    rows = [[group.label, *map(shown, group[1:4]), f"{group.support:,}"] for group in groups]
    assert [row[0] for row in rows] == [f"known {name}", f"unknown {name}"]
    page = read_page(output)
    assert page.faults == []
    averages, by_known, *_ = page.tables["scores"]
    assert by_known[1:] == rows
    assert f"{sum(group.support for group in groups):,}" == averages[1][-1]
    assert f"{train(kind)} has {known} of exactly the same text" in page.text
    for group in groups:
        assert " ".join([group.label, *map(shown, group[1:4]), str(group.support)]) in printed


def test_a_comparison_has_both_groups(run, read_page, evaluate, pipelines, corpora, train, tmp_path):
    output = tmp_path / "page.html"
    paths = (pipelines("rnn_tagger", 0), pipelines("rnn_tagger"))
    code, printed = run(
        "compare", *paths, corpora("tags"), "--train", train("tags"), "--output", output, "--samples", "500", "--seed", "3"
    )
    assert code == 0, printed
    (a, known), (b, _) = evaluate("rnn_tagger", "tags", 0), evaluate("rnn_tagger", "tags")
    page = read_page(output)
    assert page.faults == []
    _, (header, *rows) = page.tables["difference"]
    assert header[1:] == ["support", "texts", "A", "B", "B − A", "95 % interval", "p"]
    for group, row in zip(compare_by_known(a, b, known, 500, 3), rows, strict=True):
        found = group.difference
        assert row == [
            group.label,
            str(group.support),
            str(group.n_texts),
            f"{100 * found.a:.2f}",
            f"{100 * found.b:.2f}",
            f"{100 * found.difference:+.2f}",
            f"{100 * found.low:+.2f} to {100 * found.high:+.2f}",
            f"{found.p:.4f}",
        ]
        assert " ".join(row) in printed
    # The scores of each side, of both groups.
    tables = page.tables["scores"]
    assert [[row[0] for row in tables[i][1:]] for i in (1, len(tables) // 2 + 1)] == [["known words", "unknown words"]] * 2


@pytest.fixture(scope="module")
def complete(corpora, train, tmp_path_factory):
    """A folder of corpora that have every word between them."""
    folder = tmp_path_factory.mktemp("complete")
    vocab = spacy.blank("en").vocab
    words = [token.text for doc in DocBin().from_disk(corpora("tags")).get_docs(vocab) for token in doc]
    (folder / "further").mkdir()
    DocBin(docs=[Doc(vocab, words=words[::2])]).to_disk(folder / "one.spacy")
    DocBin(docs=[Doc(vocab, words=words[1::2])]).to_disk(folder / "further" / "two.spacy")
    (folder / "notes.txt").write_text("read by nobody")
    return folder


def test_without_unknown_words_there_is_a_dash(run, read_page, pipelines, corpora, complete, tmp_path):
    output = tmp_path / "page.html"
    paths = (pipelines("rnn_tagger", 0), pipelines("rnn_tagger"))
    code, printed = run("report", paths[1], corpora("tags"), "--train", complete, "--output", output)
    assert code == 0, printed
    assert "unknown words – – – 0" in printed
    assert read_page(output).tables["scores"][1][2] == ["unknown words", "–", "–", "–", "0"]
    code, printed = run("compare", *paths, corpora("tags"), "--train", complete, "--output", output, "--samples", "100")
    assert code == 0, printed
    assert "unknown words 0 0 – – – – –" in printed
    page = read_page(output)
    assert page.tables["difference"][1][2] == ["unknown words", "0", "0", *["–"] * 5]
    assert "With fewer than 100 the interval and p are rough, with fewer than two there are none" in page.text


@pytest.mark.slow
def test_few_texts_of_a_group_are_warned_of(run, pipelines, evaluate, corpora, train, tmp_path):
    nlp = spacy.load(pipelines("ner"))
    docs = list(DocBin().from_disk(corpora("entities")).get_docs(nlp.vocab))
    assert len(docs) >= 100
    # Of the entities of some texts only the training corpus has none.
    DocBin(docs=[doc for doc in docs if "old" not in doc.text]).to_disk(tmp_path / "train.spacy")
    arguments = (corpora("entities"), "--train", tmp_path / "train.spacy", "--output", tmp_path / "page.html", "--samples", "100")
    code, printed = run("compare", pipelines("ner"), pipelines("ner"), *arguments)
    assert code == 0, printed
    assert "Fewer than 100 texts have some of these words or entities" in printed
    assert "There are only" not in printed


@pytest.mark.slow
@pytest.mark.parametrize("factory, kind", [("rnn_textcat", "reviews"), ("rnn_textcat_multilabel", "topics")])
def test_whole_texts_are_neither_known_nor_unknown(run, read_page, pipelines, corpora, train, tmp_path, factory, kind):
    for train_path in (train(kind), None):
        option = ["--train", train_path] if train_path else []
        code, printed = run("report", pipelines(factory), corpora(kind), *option, "--output", tmp_path / "page.html")
        assert code == 0, printed
        is_told = f"--train changes nothing: '{factory}' labels whole texts, not words or entities" in printed
        assert is_told == bool(train_path)
        page = read_page(tmp_path / "page.html")
        assert "unknown" not in page.text and len(page.tables["scores"]) == 3
    code, printed = run("report", pipelines(factory), corpora(kind), "--train", tmp_path / "missing.spacy")
    assert code == 1
    assert "There is no corpus" in printed


def test_a_corpus_that_is_part_of_the_training_corpus_is_told(run, pipelines, corpora, tmp_path):
    corpus = tmp_path / "folder" / "test.spacy"
    corpus.parent.mkdir()
    corpus.write_bytes(corpora("tags").read_bytes())
    for train_path in (corpus, corpus.parent):
        code, printed = run(
            "report", pipelines("rnn_tagger"), corpus, "--train", train_path, "--output", tmp_path / "page.html", "--errors", "0"
        )
        assert code == 0, printed
        assert "test.spacy is part of the training corpus" in " ".join(printed.split())
        assert "unknown words – – – 0" in printed


@pytest.fixture(scope="module")
def broken(tmp_path_factory, train):
    """Files that are no training corpus."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "text.txt").write_text("no corpus")
    (folder / "damaged.spacy").write_bytes(b"damaged")
    (folder / "cut.spacy").write_bytes(train("tags").read_bytes()[:-100])
    (folder / "nothing").mkdir()
    (folder / "mixed").mkdir()
    (folder / "mixed" / "good.spacy").write_bytes(train("tags").read_bytes())
    (folder / "mixed" / "damaged.spacy").write_bytes(b"damaged")
    DocBin().to_disk(folder / "empty.spacy")
    return folder


@pytest.mark.filterwarnings("ignore:.*W090")
@pytest.mark.parametrize(
    "name, message",
    [
        ("missing.spacy", "There is no corpus"),
        ("text.txt", "is not in spaCy's binary format"),
        ("damaged.spacy", "damaged.spacy cannot be read"),
        ("cut.spacy", "cut.spacy cannot be read"),
        ("mixed", "mixed cannot be read"),
        ("empty.spacy", "empty.spacy cannot be used there are no words"),
        ("nothing", "nothing cannot be used there are no words"),
    ],
)
@pytest.mark.parametrize("command", ["report", pytest.param("compare", marks=pytest.mark.slow)])
def test_what_is_no_training_corpus(run, pipelines, corpora, broken, tmp_path, command, name, message):
    paths = [pipelines("rnn_tagger")] * (2 if command == "compare" else 1)
    output = tmp_path / "page.html"
    code, printed = run(command, *paths, corpora("tags"), "--train", broken / name, "--output", output)
    assert code == 1
    assert message in printed
    assert not output.exists()


@pytest.mark.slow
def test_a_training_corpus_without_entities(run, pipelines, corpora, train):
    code, printed = run("report", pipelines("ner"), corpora("entities"), "--train", train("tags"))
    assert code == 1
    assert "cannot be used there are no entities: expected the annotated texts that the component was trained on" in printed
