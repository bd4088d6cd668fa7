"""The project's workflows run, skip what has not changed, and leave packages that can be installed."""

import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from itertools import product
from pathlib import Path

import pytest
import spacy
from spacy.cli import app
from typer.testing import CliRunner
from weasel.util.config import load_project_config

ROOT = Path(__file__).parent.parent
slow = pytest.mark.slow
# What `project assets` fetches.
PUBLIC = ("ewt", "sst2", "tweets", "wnut", "imdb", "uyghur", "vietnamese", "shakespeare", "multi30k")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Give a copy of the project with only what is in the repository."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("assets", "configs", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", *PUBLIC))
    shutil.copy(ROOT / "project.yml", folder)
    return folder


@pytest.fixture(scope="module")
def trained(project):
    """Give the project after the whole main workflow, trained for one step."""
    command = [sys.executable, "-m", "spacy", "project", "run", "all", ".", "--vars.max_steps", "1"]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return project


@pytest.fixture
def run(project, capfd, monkeypatch):
    """(workflow, arguments) -> the exit code and the output: run from this process, since the steps import spaCy often enough."""

    # Bytecode in a folder that steps depend on would run them again, so let Python write it as it usually does.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def run_workflow(workflow, *arguments):
        result = CliRunner().invoke(app, ["project", "run", workflow, str(project), *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output + "".join(capfd.readouterr())

    return run_workflow


@slow
@pytest.mark.parametrize("name, score", [("pos_gold", "pos_acc"), ("pos_raw", "pos_acc"), ("reviews", "cats_micro_f")])
def test_scores_are_written(trained, name, score):
    metrics = json.loads((trained / "metrics" / f"{name}.json").read_text())
    assert 0 <= metrics[score] <= 1


@slow
def test_nothing_is_run_again_that_need_not_be(trained, run):
    code, output = run("all", "--vars.max_steps", "1")
    assert code == 0, output
    for step in ("pos-convert", "pos-train", "pos-evaluate", "pos-package", "reviews-train"):
        assert f"Skipping '{step}': nothing changed" in output


@slow
def test_a_change_in_what_the_converters_share_converts_again(trained, run):
    with (trained / "scripts" / "corpora" / "text_files.py").open("a", encoding="utf8") as file:
        file.write("# changed\n")
    # The documents are the same as before, so that nothing is trained again.
    for step, skipped in (("pos-convert", False), ("reviews-convert", False), ("pos-train", True)):
        code, output = run(step, "--vars.max_steps", "1")
        assert code == 0, output
        assert (f"Skipping '{step}': nothing changed" in output) == skipped


def test_steps_depend_on_what_they_read_and_name_what_they_write(project):
    made = set()
    for command in load_project_config(project)["commands"]:
        assert command["help"]
        read, written = command.get("deps", []), command.get("outputs", [])
        assert {path for path in read if path.startswith(("corpus/", "training/"))} <= made, command["name"]
        made.update(written)
        for word in " ".join(command["script"]).split():
            if "/" in word:
                named = [path for path in (*read, *written) if path == word or path.startswith(f"{word}/")]
                assert named, (command["name"], word)


@slow
@pytest.mark.parametrize("package, pipe", [("en_rnn_pos", "tagger"), ("en_rnn_reviews", "textcat")])
def test_a_package_installs_and_loads_by_its_name(trained, tmp_path, package, pipe):
    (wheel,) = (trained / "packages" / f"{package}-0.1.0" / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)]
    subprocess.run(pip, check=True)
    code = f"import spacy; nlp = spacy.load('{package}'); assert nlp.pipe_names == ['{pipe}']; print(len(nlp('It runs .')))"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "3", result.stderr
    meta = json.loads((tmp_path / package / "meta.json").read_text())
    assert any(requirement.startswith("spacy-rnn") for requirement in meta["requirements"])


@slow
def test_a_local_treebank_is_converted_and_trained_on(project, tmp_path, run):
    for split in ("train", "dev", "test"):
        text = (ROOT / "assets" / "pos" / f"{split}.conllu").read_bytes()
        (tmp_path / f"en-{split}.conllu.gz").write_bytes(gzip.compress(text))
    variables = ("--vars.ewt", str(tmp_path), "--vars.max_steps", "1", "--vars.cell", "gru")
    for step in ("ewt-convert", "ewt-train-pos", "ewt-train-tag", "ewt-evaluate"):
        code, output = run(step, *variables)
        assert code == 0, output
    assert (project / "metrics" / "ewt_tag_gru_raw.json").exists()


@slow
def test_a_local_treebank_trains_tags_morphology_and_parse(project, tmp_path, run):
    rows = ["Elle\t_\tPRON\t_\tNumber=Sing\t2\tnsubj", "dort\t_\tVERB\t_\tTense=Pres\t0\troot", "ici\t_\tADV\t_\t_\t2\tadvmod"]
    sentence = "".join(f"{i}\t{row}\t_\t_\n" for i, row in enumerate(rows, 1))
    for split in ("train", "dev", "test"):
        (tmp_path / f"fr-{split}.conllu").write_text(f"{sentence}\n" * 1100)
    code, output = run("ud", "--vars.ud", str(tmp_path), "--vars.ud_lang", "fr", "--vars.max_steps", "1")
    assert code == 0, output
    metrics = json.loads((project / "metrics" / "ud_raw.json").read_text())
    for score in ("tag_acc", "pos_acc", "morph_acc", "dep_uas", "dep_las", "sents_f"):
        assert metrics[score] is not None, score
    assert (project / "packages" / "fr_rnn_ud-0.1.0").exists()


@slow
@pytest.mark.parametrize("workflow", ["sst2", "tweets"])
def test_local_texts_are_converted_and_trained_on(project, workflow, run):
    variables = (f"--vars.{workflow}", "assets/reviews", "--vars.max_steps", "1")
    for step in ("convert", "train", "evaluate"):
        code, output = run(f"{workflow}-{step}", *variables)
        assert code == 0, output
    assert (project / "metrics" / f"{workflow}_lstm.json").exists()


@slow
def test_a_threshold_is_found_used_and_packaged(project, run):
    code, output = run("topics", "--vars.max_steps", "1")
    assert code == 0, output
    metrics = [json.loads((project / "metrics" / f"{name}.json").read_text()) for name in ("topics_default", "topics")]
    # After one step every label has a probability of about one half, and all or none of them are true.
    assert metrics[0]["cats_macro_auc"] == metrics[1]["cats_macro_auc"]
    assert metrics[0]["cats_macro_f"] < metrics[1]["cats_macro_f"]
    (wheel,) = (project / "packages" / "en_rnn_topics-0.1.0" / "dist").glob("*.whl")
    config = zipfile.ZipFile(wheel).read("en_rnn_topics/en_rnn_topics-0.1.0/config.cfg").decode()
    assert config == (project / "training" / "topics" / "model-threshold" / "config.cfg").read_text()


@slow
def test_local_entities_are_converted_and_trained_on(project, tmp_path, run):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text("Anna\tB-person\nSmith\tI-person\nsleeps\tO\n\t\nLondon\tB-location\n")
    for step in ("convert", "train", "evaluate"):
        code, output = run(f"wnut-{step}", "--vars.wnut", str(tmp_path), "--vars.max_steps", "1")
        assert code == 0, output
    assert "ents_f" in json.loads((project / "metrics" / "wnut_lstm.json").read_text())


@slow
def test_local_film_reviews_are_converted_and_trained_on(project, tmp_path, run):
    with tarfile.open(tmp_path / "reviews.tar.gz", "w:gz") as archive:
        for split, label, number in product(("train", "test"), ("neg", "pos"), range(20)):
            content = f"{label} film {number}".encode()
            info = tarfile.TarInfo(f"aclImdb/{split}/{label}/{number}_7.txt")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for step in ("convert", "train", "evaluate"):
        code, output = run(f"imdb-{step}", "--vars.imdb", str(tmp_path), "--vars.imdb_steps", "1")
        assert code == 0, output
    assert "cats_micro_f" in json.loads((project / "metrics" / "imdb_lstm.json").read_text())


@slow
def test_a_local_text_trains_language_models(project, tmp_path, run):
    (tmp_path / "plays.txt").write_text("".join(f"KING {i}:\nSpeak, or be silent.\n\n" for i in range(200)))
    code, output = run("shakespeare", "--vars.shakespeare", str(tmp_path), "--vars.max_steps", "1")
    assert code == 0, output
    for name in ("shakespeare", "shakespeare_feedforward", "shakespeare_ngram", "shakespeare_mixed"):
        metrics = json.loads((project / "metrics" / f"{name}.json").read_text())
        assert 0 < metrics["lm_bits_per_char"] < 8, name
    page = (project / "metrics" / "shakespeare_samples.html").read_text(encoding="utf8")
    assert all(f"shakespeare_{name}" in page for name in ("trigram", "ngram", "feedforward"))
    trigram = spacy.load(project / "training" / "shakespeare_trigram" / "model-best")
    assert trigram.get_pipe("lm").begin().order == 3
    assert (project / "packages" / "en_rnn_shakespeare-0.1.0").exists()


@slow
def test_a_folder_of_parts_trains_a_language_model(project, tmp_path, run):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt.gz").write_bytes(gzip.compress(b"Speak, or be silent. " * 100))
    for step in ("convert", "debug", "train", "evaluate"):
        code, output = run(
            f"books-{step}", "--vars.books", str(tmp_path), "--vars.books_config", "lm_char", "--vars.max_steps", "1"
        )
        assert code == 0, output
    assert (project / "metrics" / "books.json").exists()


@slow
def test_a_local_treebank_trains_lemmatizers(project, tmp_path, run):
    rows = ["Mice\tmouse\tNOUN", "were\tbe\tAUX", "sleeping\tsleep\tVERB"]
    sentence = "".join(f"{i}\t{row}\t_\t_\t_\t_\t_\t_\n" for i, row in enumerate(rows, 1))
    for split in ("train", "dev", "test"):
        (tmp_path / f"xx-{split}.conllu").write_text(f"{sentence}\n" * 400)
    code, output = run("lemmas", "--vars.lemmas", str(tmp_path), "--vars.lemmas_lang", "xx", "--vars.max_steps", "1")
    assert code == 0, output
    for name in ("lemmas_xx", "tagged_lemmas_xx_gold", "tagged_lemmas_xx_raw"):
        assert 0 <= json.loads((project / "metrics" / f"{name}.json").read_text())["lemma_acc"] <= 1, name
    assert (project / "packages" / "xx_rnn_lemmas-0.1.0").exists()


@slow
def test_local_captions_train_a_translator(project, tmp_path, run):
    for split in ("train", "val", "test_2016_flickr"):
        for end, line in (("de", "Ein Hund schläft.\n"), ("en", "A dog sleeps.\n")):
            (tmp_path / f"{split}.{end}.gz").write_bytes(gzip.compress((line * 20).encode()))
    code, output = run("multi30k", "--vars.multi30k", str(tmp_path), "--vars.max_steps", "1")
    assert code == 0, output
    assert 0 <= json.loads((project / "metrics" / "multi30k.json").read_text())["bleu"] <= 1
    assert len((project / "metrics" / "multi30k_test.en").read_text(encoding="utf8").splitlines()) == 20
    page = (project / "metrics" / "multi30k_attention.html").read_text(encoding="utf8")
    assert page.count("<figure") == 20 and "&lt;/s&gt;" in page
    assert 'cell = "gru"' in (project / "training" / "multi30k" / "model-best" / "config.cfg").read_text()
    assert (project / "packages" / "de_rnn_multi30k-0.1.0").exists()


@slow
def test_the_standard_library_trains_a_language_model(project, run):
    for step in ("make", "debug"):
        code, output = run(f"code-{step}")
        assert code == 0, output
    # The whole of it takes long: most is for training.
    lines = (project / "corpus" / "code" / "dev.jsonl").read_text().splitlines(keepends=True)
    (project / "corpus" / "code" / "dev.jsonl").write_text(lines[0])
    code, output = run("code-train", "--vars.code_config", "lm_char", "--vars.max_steps", "1")
    assert code == 0, output
    assert (project / "training" / "code" / "model-best").exists()


@slow
@pytest.mark.parametrize(
    "step, variable, config, cell",
    [
        ("reviews-train", "textcat_config", "textcat_simple_rnn", "elman_tanh"),
        ("pos-train", "pos_config", "tagger_tag", "gru_reset_before"),
    ],
)
def test_a_variable_chooses_config_and_cell(trained, step, variable, config, cell, run):
    code, output = run(step, f"--vars.{variable}", config, "--vars.cell", cell, "--vars.max_steps", "1")
    assert code == 0, output
    saved = (trained / "training" / step.split("-")[0] / "model-best" / "config.cfg").read_text()
    assert f'cell = "{cell}"' in saved


def test_a_missing_corpus_is_named(run):
    code, output = run("ewt-convert", "--vars.ewt", "assets/nowhere")
    assert code != 0
    assert "assets/nowhere" in output


def test_clean_removes_what_was_made(project, run):
    (project / "metrics").mkdir(exist_ok=True)
    code, output = run("clean")
    assert code == 0, output
    assert not any((project / name).exists() for name in ("corpus", "training", "metrics", "packages"))
    # Only the clean step itself is recorded.
    assert "pos-convert" not in (project / "project.lock").read_text()


@slow
def test_local_texts_make_a_package_of_two_language_models(project, tmp_path, run):
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("".join(f"Line {i} of {number}, and no more.\n" for i in range(300)))
    variables = ("--vars.texts", str(tmp_path), "--vars.texts_name", "lines", "--vars.max_steps", "2")
    code, output = run("pretrain", *variables)
    assert code == 0, output
    (wheel,) = (project / "packages" / "en_lines_lm-0.1.0" / "dist").glob("*.whl")
    meta = json.loads(zipfile.ZipFile(wheel).read("en_lines_lm/en_lines_lm-0.1.0/meta.json"))
    assert meta["pipeline"] == ["lm_forward", "lm_backward"]
    assert (meta["language_models"]["files"], meta["language_models"]["texts"]) == (2, 594)
    about, *table = (project / "metrics" / "lines_lm.md").read_text().splitlines()
    assert about.startswith("en_lines_lm: trained on 594 texts") and "MB" in about
    assert [row.split(" | ")[:2] for row in table[3:]] == [["| pos", "pos_acc"], ["| reviews", "cats_micro_f"]]
