"""The table of defaults: what is trained, what is kept, what is left out when a command goes on, and what is printed."""

import importlib
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
import typer
from spacy.cli.init_config import init_config
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_config
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent.parent
SMALL = ["--limit", 60, "--max-steps", 2]


@pytest.fixture
def benchmark(monkeypatch):
    """Import a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def defaults(benchmark, monkeypatch):
    # Else the command would start itself again, with one thread.
    for name, value in benchmark("_measure").ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(benchmark("_contenders"), "SECONDS", 0.0)
    return benchmark("defaults")


@pytest.fixture
def command(defaults):
    app = typer.Typer()
    app.command()(defaults.main)

    def call(*options):
        return CliRunner().invoke(app, [str(option) for option in options])

    return call


@pytest.fixture
def rows_of(command, tmp_path):
    """Run the command, and give the rows it leaves."""
    output = tmp_path / "figures.json"

    def call(*options):
        result = command("--corpora", tmp_path / "corpus", "--output", output, *SMALL, *options)
        assert result.exit_code == 0, (result.output, result.exception)
        return srsly.read_json(output)["rows"]

    return call


def make_row(corpus, contender, seed=0, key="k", **scores):
    return {
        "corpus": corpus,
        "contender": contender,
        "key": key,
        "seed": seed,
        "config": None,
        "overrides": {},
        "limit": None,
        "scores": {name.replace("_", " "): value for name, value in scores.items()},
        "training seconds": 100 + seed,
        "words a second": {"best": 3000, "median": 2000, "n": 3},
        "bytes": 1_500_000,
        "parameters": 123_456,
    }


def test_contenders_are_trained_and_measured(rows_of):
    chosen = ["--corpus", "reviews", "--corpus", "assets-pos"]
    contenders = ["--contender", "fast", "--contender", "default", "--contender", "tfidf"]
    rows = rows_of(*chosen, *contenders, "--test")
    # In the order of the table; a logistic regression is no tagger.
    expected = [
        ("assets-pos", "default"),
        ("assets-pos", "fast"),
        ("reviews", "tfidf"),
        ("reviews", "default"),
        ("reviews", "fast"),
    ]
    assert [(row["corpus"], row["contender"]) for row in rows] == expected
    for row in rows:
        more = {"known words", "unknown words"} if row["corpus"] == "assets-pos" else {"macro recall"}
        assert set(row["scores"]) == {f"{split} {name}" for split in ("dev", "test") for name in {"accuracy", *more}}
        assert all(0 <= score <= 100 for score in row["scores"].values())
        assert row["words a second"]["n"] == 3
    assert [row["config"] for row in rows] == [None, "configs/tagger_pos_fast.cfg", None, None, "configs/textcat.cfg"]
    for row in rows:
        steps = {} if row["contender"] == "tfidf" else {"training.max_steps": 2, "training.eval_frequency": 2}
        assert (row["overrides"], row["limit"]) == (steps, 60)
        if row["contender"] != "tfidf":
            # float32 weights, and what else a model is saved with.
            assert row["bytes"] > 4 * row["parameters"] > 0
    # Nothing is left to do.
    assert rows_of(*chosen, *contenders, "--test", "--resume") == rows


def test_a_command_that_was_stopped_goes_on(rows_of, tmp_path):
    output = tmp_path / "figures.json"
    options = ["--corpus", "reviews", "--contender", "default", "--contender", "tfidf", "--seeds", 2]
    rows = rows_of(*options)
    # The logistic regression has no seed; one seed of all comes first.
    assert [(row["contender"], row["seed"]) for row in rows] == [("tfidf", 0), ("default", 0), ("default", 1)]
    results = srsly.read_json(output)
    # If it were measured again, its time would be another.
    kept = {**rows[1], "training seconds": -1}
    srsly.write_json(output, {**results, "rows": [kept]})
    again = rows_of(*options, "--resume")
    assert again[0] == kept
    assert [(row["contender"], row["seed"]) for row in again[1:]] == [("tfidf", 0), ("default", 1)]
    assert [row["scores"] for row in again[1:]] == [rows[0]["scores"], rows[2]["scores"]]
    # Without the option it is measured again, and nothing else.
    fresh = rows_of("--corpus", "reviews", "--contender", "default")
    assert [(row["contender"], row["seed"]) for row in fresh] == [("tfidf", 0), ("default", 1), ("default", 0)]
    assert fresh[:2] == again[1:] and fresh[2]["training seconds"] >= 0 and fresh[2]["scores"] == rows[1]["scores"]


def test_what_lacks_test_scores_or_has_other_settings_is_measured_again(rows_of, tmp_path):
    options = ["--corpus", "topics", "--contender", "tfidf", "--resume"]
    (row,) = rows_of(*options)
    assert set(row["scores"]) == {"dev macro F", "dev micro F", "dev macro AUC"}
    (tested,) = rows_of(*options, "--test")
    assert {name: tested["scores"][name] for name in row["scores"]} == row["scores"]
    assert set(tested["scores"]) == {
        f"{split} {name}" for split in ("dev", "test") for name in ("macro F", "micro F", "macro AUC")
    }
    # What has more than is wanted stays.
    assert rows_of(*options) == [tested]
    # Means over results of different settings would be of nothing.
    (larger,) = rows_of(*options, "--limit", 100)
    assert larger["key"] != tested["key"] and larger["limit"] == 100


def test_results_of_another_config_go_with_it(benchmark, tmp_path):
    results, path = benchmark("_kept_results"), tmp_path / "figures.json"
    old = [make_row("wnut", "fast", seed) for seed in (0, 1, 2)] + [make_row("wnut", "default"), make_row("sst2", "fast")]
    for row in old:
        results.add_result(path, row)
    results.add_result(path, make_row("wnut", "fast", seed=1, key="new"))
    rows = results.read_results(path)["rows"]
    expected = [("wnut", "default", "k", 0), ("sst2", "fast", "k", 0), ("wnut", "fast", "new", 1)]
    assert [(row["corpus"], row["contender"], row["key"], row["seed"]) for row in rows] == expected
    assert list(tmp_path.iterdir()) == [path]


def test_the_default_has_spacys_training_and_none_of_its_own_settings(defaults, tmp_path):
    (run,) = defaults.list_runs(["french-pos"], ["default"], None, None)
    path = tmp_path / "config.cfg"
    path.write_text(run.text)
    config, spacys = load_config(path), init_config(lang="en", pipeline=["tagger"], optimize="efficiency")
    assert config["training"].pop("score_weights") == {"pos_acc": 1.0}
    spacys["training"].pop("score_weights")
    assert config["training"] == spacys["training"]
    assert config["corpora"]["train"]["gold_preproc"] and config["corpora"]["dev"]["gold_preproc"]
    own = spacy.blank("en")
    own.add_pipe("rnn_pos_tagger")
    assert config["components"]["rnn_pos_tagger"] == own.config["components"]["rnn_pos_tagger"]
    assert run.overrides == {"nlp.lang": "fr"}


def test_long_texts_are_trained_as_the_default_is(defaults, tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text(defaults.write_default("rnn_textcat", False))
    default, long = load_config(path, interpolate=True), load_config(ROOT / "configs" / "textcat_long.cfg", interpolate=True)
    assert long["components"]["textcat"] == default["components"]["rnn_textcat"]
    for config in (default, long):
        del config["training"]["logger"]
    assert (long["training"], long["initialize"]) == (default["training"], default["initialize"])


@pytest.mark.parametrize("name", ["textcat", "textcat_multilabel"])
@pytest.mark.parametrize("kind, optimize", [("bow", "efficiency"), ("ensemble", "accuracy"), ("add_pipe", "efficiency")])
def test_spacys_categorizers_are_what_it_configures(name, kind, optimize):
    expected = init_config(lang="en", pipeline=[name], optimize=optimize)
    if kind == "add_pipe":
        nlp = spacy.blank("en")
        nlp.add_pipe(name)
        expected["components"] = nlp.config["components"]
    if kind == "ensemble":
        # No external data.
        expected["paths"]["vectors"] = None
        expected["components"]["tok2vec"]["model"]["embed"]["include_static_vectors"] = False
    assert load_config(ROOT / "benchmarks" / "configs" / f"{name}_{kind}.cfg") == expected


def test_every_corpus_has_all_contenders_of_its_task(defaults):
    runs = defaults.list_runs(list(defaults.ENTRIES), list(defaults.CONTENDERS), None, None)
    found = {name: [run.contender for run in runs if run.entry == name] for name in defaults.ENTRIES}
    assert found["ewt-tag"] == found["wnut"] == ["spacy-cnn", "default", "fast", "accurate", "vectors"]
    # GloVe's vectors are those of English words.
    assert found["french-pos"] == ["spacy-cnn", "default", "fast", "accurate"]
    texts = ["spacy-bow", "spacy-add-pipe", "spacy-ensemble", "tfidf", "default", "fast"]
    assert found["imdb-1000"] == [*texts, "accurate", "vectors", "network"]
    assert found["topics"] == [*texts, "vectors", "network"]
    for run in runs:
        assert run.config is None or (ROOT / run.config).is_file()


def test_a_network_alone_and_vectors_are_the_fast_config_with_one_setting_more(defaults):
    runs = {run.contender: run for run in defaults.list_runs(["topics"], ["fast", "vectors", "network"], None, None)}
    assert len({run.config for run in runs.values()}) == 1
    model = load_config(ROOT / runs["network"].config, runs["network"].overrides)["components"]["textcat_multilabel"]["model"]
    assert model["linear_model"] is None and model["tok2vec"]
    assert runs["vectors"].overrides == {"paths.vectors": "training/vectors"}
    assert runs["fast"].overrides == {}


def test_vectors_that_are_not_there_are_left_out(defaults, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert "vectors" not in defaults.choose_contenders([])
    assert "training/vectors" in capsys.readouterr().err
    with pytest.raises(typer.BadParameter, match="project run vectors"):
        defaults.choose_contenders(["fast", "vectors"])
    (tmp_path / "training" / "vectors").mkdir(parents=True)
    assert defaults.choose_contenders(["fast", "vectors"]) == ["fast", "vectors"]


def test_the_table_has_means_and_spreads(defaults):
    tagger = {"test_accuracy": 88.0, "dev_known_words": 95.0}
    rows = [
        make_row("sst2", "tfidf", dev_accuracy=80.0),
        make_row("uyghur-pos", "fast", 0, dev_accuracy=90.0, dev_unknown_words=70.0, test_unknown_words=None, **tagger),
        make_row("uyghur-pos", "fast", 1, dev_accuracy=91.0, dev_unknown_words=72.0, test_unknown_words=None, **tagger),
    ]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in defaults.format_table(rows).split("\n")]
    assert table[0] == [
        "corpus",
        "contender",
        "dev",
        "dev: known / unknown",
        "test",
        "test: known / unknown",
        "words/s",
        "MB",
        "parameters",
        "training, s",
        "seeds",
    ]
    assert table[2] == [
        "Uyghur (UDT), universal tags: accuracy",
        "fast",
        "90.50 ± 0.71",
        "95.00 ± 0.00 / 71.00 ± 1.41",
        "88.00 ± 0.00",
        "– / –",
        "2,000",
        "1.5",
        "123,456",
        "100",
        "2",
    ]
    assert table[3][:6] == ["SST-2: accuracy", "TF-IDF bigrams + logistic regression", "80.00", "", "–", ""]
    assert all(len(line) == len(table[0]) for line in table)
    # Without scores on test there are no columns for them.
    assert "test" not in defaults.format_table(rows[:1])


def test_the_summary_has_the_scores_on_test_and_marks_the_best(defaults):
    rows = [
        make_row("sst2", "spacy-bow", test_accuracy=81.0),
        make_row("sst2", "fast", 0, test_accuracy=82.0),
        make_row("sst2", "fast", 1, test_accuracy=83.0),
        make_row("tweets", "fast", dev_macro_recall=70.0),
    ]
    lines = defaults.format_summary(rows).split("\n")
    assert lines[2:] == ["| SST-2: accuracy | 81.00 |  |  |  | **82.50 ± 0.71** |  |"]


def test_the_table_says_which_configs_have_changed(defaults, command, tmp_path):
    output = tmp_path / "figures.json"
    (current,) = defaults.list_runs(["sst2"], ["fast"], None, None)
    rows = [make_row("sst2", "fast", key=current.key, dev_accuracy=1.0), make_row("imdb", "fast", dev_accuracy=2.0)]
    srsly.write_json(output, {"machines": [], "rows": rows})
    result = command("--table", "--output", output)
    assert result.exit_code == 0
    assert "| SST-2: accuracy | fast | 1.00 |" in result.stdout
    assert "other configs than there are now: imdb fast\n" in result.stderr
    only = command("--table", "--output", output, "--corpus", "sst2")
    assert "IMDB" not in only.stdout and not only.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--corpus", "sst3"], "got 'sst3'"),
        (["--contender", "slow"], "got 'slow'"),
        (["--limit", "3"], "by --output"),
        (["--max-steps", "3"], "by --output"),
        (["--corpus", "sst2", "--output", "x.json"], "expected sst2 in"),
    ],
)
def test_bad_options(command, tmp_path, options, message):
    result = command("--corpora", tmp_path / "corpus", "--data", tmp_path, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_corpora_that_are_not_there_are_left_out(defaults, tmp_path, capsys):
    (tmp_path / "sst2").mkdir()
    (tmp_path / "tweet-sentiment").mkdir()
    (tmp_path / "tweet-sentiment" / "train_text.txt").write_text("x\n")
    converted = tmp_path / "corpus" / "french"
    converted.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        DocBin().to_disk(converted / f"{split}.spacy")
    found = defaults.choose_entries([], tmp_path / "corpus", tmp_path)
    assert found == ["french-pos", "french-pos-fifth", "assets-pos", "tweets", "reviews", "topics"]
    assert "sst2" in capsys.readouterr().err


def test_a_part_of_the_training_texts(defaults, tmp_path):
    words = spacy.blank("xx").vocab
    folder = tmp_path / "corpus" / "imdb"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        docs = [Doc(words, words=["a", f"{split}{i}"], sent_starts=[True, True]) for i in range(1200)]
        for doc in docs:
            doc.cats = {"x": 1.0}
        DocBin(docs=docs).to_disk(folder / f"{split}.spacy")

    def read(path):
        return list(DocBin().from_disk(path).get_docs(words))

    taken = defaults.prepare("imdb-1000", tmp_path / "corpus", tmp_path, None, tmp_path / "parts")
    assert [len(read(taken / f"{split}.spacy")) for split in ("train", "dev", "test")] == [1000, 1200, 1200]
    docs = read(taken / "train.spacy")
    # At equal distances: a corpus may be sorted.
    assert [doc.text for doc in docs[:7]] == [f"a train{i} " for i in (0, 1, 2, 3, 4, 6, 7)]
    assert (docs[-1].text, docs[-1].cats, len(list(docs[-1].sents))) == ("a train1198 ", {"x": 1.0}, 2)
    assert defaults.prepare("imdb", tmp_path / "corpus", tmp_path, None, tmp_path / "parts") == folder
    limited = defaults.prepare("imdb-5000", tmp_path / "corpus", tmp_path, 7, tmp_path / "parts")
    assert [len(read(limited / f"{split}.spacy")) for split in ("train", "dev", "test")] == [7, 7, 7]


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_bag_of_words_is_scored_as_spacy_scores(benchmark, exclusive):
    bags = benchmark("_bag_of_words")
    labels = ["a", "b", "c"]
    generator = numpy.random.default_rng(0)
    chosen = generator.integers(0, 3, 60)
    right = numpy.eye(3, dtype=bool)[chosen] if exclusive else generator.random((60, 3)) < 0.4
    noise = generator.random((60, 3)) < 0.25
    texts = [" ".join(["w", *(labels[i] for i in range(3) if row[i] ^ flip[i])]) for row, flip in zip(right, noise, strict=True)]
    train, dev = bags.Texts(texts[:40], right[:40]), bags.Texts(texts[40:], right[40:])
    score = "accuracy" if exclusive else "macro F"
    model = bags.fit(train, dev, ngrams=2, tfidf=True, exclusive=exclusive, score=score)
    nlp = spacy.blank("en")
    examples = []
    for text, row, probabilities in zip(dev.texts, dev.labels, model.predict(dev.texts), strict=True):
        example = Example.from_dict(nlp.make_doc(text), {"cats": dict(zip(labels, row.astype(float), strict=True))})
        example.predicted.cats = dict(zip(labels, probabilities, strict=True))
        examples.append(example)
    threshold = None if exclusive else 0.5
    spacys = Scorer.score_cats(examples, "cats", labels=labels, multi_label=not exclusive, threshold=threshold)
    found = bags.score_texts(model, dev)
    names = {"accuracy": "cats_micro_f", "macro recall": "cats_macro_r"}
    if not exclusive:
        names = {"macro F": "cats_macro_f", "micro F": "cats_micro_f", "macro AUC": "cats_macro_auc"}
    assert found == pytest.approx({name: spacys[key] for name, key in names.items()})
    assert found[score] > 0.5
    # One row of weights for each class, or one for each of the classifiers with a bias.
    assert model.n_parameters == 3 * (len(model.vectorizer.vocabulary_) + 1)
