"""Pipelines and corpora, as a command names them."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Set

from spacy import util
from spacy.cli._util import show_validation_error
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.vocab import Vocab

from ..evaluation.decisions import Task
from ..evaluation.known import find_known
from ..evaluation.language.documents import TextReading, read_documents
from ..pipeline.corpus.reader import PlacedDoc
from .errors import CommandError

# What every pipeline of spaCy's has.
_OF_PIPELINE = ("config.cfg", "meta.json")


def load_pipeline(name: str) -> Language:
    """Load a trained pipeline.

    name (str): A directory, or the name of an installed package.
    RETURNS (Language): The pipeline.
    RAISES (CommandError): If there is none, or if it cannot be loaded.
    """
    if Path(name).is_file():
        raise CommandError(f"{name} is a file", "Expected the directory of a trained pipeline, or the name of an installed one.")
    if not Path(name).exists() and not util.is_package(name):
        raise CommandError(
            f"There is no pipeline '{name}'",
            "Expected the directory of a trained pipeline, such as training/mine/model-best, or the name of an installed one.",
        )
    try:
        return util.load_model(name)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        raise CommandError(f"The pipeline '{name}' cannot be loaded", str(error)) from error


def require_free(output: Path, force: bool) -> None:
    """Refuse to write a pipeline where something is that is not to be replaced.

    output (Path): The directory where the pipeline is to go.
    force (bool): Whether a pipeline that is there already is replaced.
    RAISES (CommandError): If there is something else, or a pipeline that stays.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not all((output / name).is_file() for name in _OF_PIPELINE):
        raise CommandError(f"{output} is there already, and no pipeline", "Name a directory that is not there yet.")
    if not force:
        raise CommandError(f"There is a pipeline in {output} already", "Name another directory, or replace it by --force.")


def load_config(path: Path, overrides: Mapping[str, Any]) -> Language:
    """Build the pipeline of a config, without training or initializing it.

    path (Path): The config.
    overrides (Mapping[str, Any]): Settings that replace the config's, by their dotted names.
    RETURNS (Language): The pipeline.
    RAISES (CommandError): If there is no such file, or if nothing can be built from it.
    RAISES (SystemExit): After spaCy's own explanation, if a setting is missing or invalid.
    """
    if not path.is_file():
        raise CommandError(f"There is no config {path}")
    try:
        with show_validation_error(path):
            return util.load_model_from_config(util.load_config(path, overrides=dict(overrides)), auto_fill=True)
    except (OSError, ValueError, ImportError) as error:
        raise CommandError(f"No pipeline can be built from {path}", str(error)) from error


def read_corpus(nlp: Language, path: Path, gold_preproc: bool = False, limit: int = 0) -> List[Example]:
    """Read annotated texts.

    nlp (Language): The pipeline, whose tokenizer and vocabulary are used.
    path (Path): A file in spaCy's binary format, or a directory with such files.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    limit (int): How many texts are read at most; all if 0.
    RETURNS (List[Example]): The texts without annotation, each with its annotation beside it.
    RAISES (CommandError): If there is no such file, if it cannot be read, or if it has no texts.
    """
    check_corpus(path)
    with _reading(path):
        examples = list(Corpus(path, gold_preproc=gold_preproc, limit=limit)(nlp))
    if not examples:
        raise CommandError(f"The corpus {path} has no texts")
    return examples


def read_known(task: Task, path: Path) -> Set[str]:
    """Collect the words or entities of a training corpus.

    task (Task): What the component predicts.
    path (Path): A file in spaCy's binary format, or a directory with such files, which are read as spaCy's `Corpus` reads them.
    RETURNS (Set[str]): The exact text of each.
    RAISES (CommandError): If there is no such file, if it cannot be read, or if it has none.
    """
    check_corpus(path)
    try:
        return find_known(task, _read_docs(path))
    except ValueError as error:
        raise CommandError(f"The training corpus {path} cannot be used", str(error)) from error


def read_plain_texts(nlp: Language, path: Path, reading: TextReading) -> Iterator[PlacedDoc]:
    """Read texts for a language model.

    nlp (Language): The pipeline, whose vocabulary and tokenizer are used.
    path (Path): A file `.txt`, `.jsonl`, either of them with `.gz`, or `.spacy`; or a folder of such files.
    reading (TextReading): How they are read.
    YIELDS (PlacedDoc): The texts.
    RAISES (CommandError): If there is no such file or folder, or one cannot be read.
    RAISES (ValueError): If a file is damaged or no such text, or there is no text at all.
    """
    try:
        yield from read_documents(nlp, path, reading)
    except FileNotFoundError as error:
        raise CommandError(f"There is no file or folder {path}", "Expected texts, or a folder of them.") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read", str(error)) from error


def check_corpus(path: Path) -> None:
    """Check that a corpus is where it should be, without reading it.

    path (Path): A file in spaCy's binary format, or a directory with such files.
    RAISES (CommandError): If there is no such file, or if it is of another kind.
    """
    if not path.exists():
        raise CommandError(f"There is no corpus {path}")
    if path.is_file() and path.suffix != FILE_TYPE:
        raise CommandError(
            f"{path} is not in spaCy's binary format", "Expected a .spacy file, as made by python -m spacy convert."
        )


def _read_docs(path: Path) -> Iterator[Doc]:
    """Give the annotated texts alone: no tokenizer has to run over them."""
    with _reading(path):
        yield from Corpus(path).read_docbin(Vocab(), walk_corpus(path, FILE_TYPE))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    # What a damaged file raises depends on where it is damaged: msgpack, zlib and spaCy have errors of their own.
    except Exception as error:
        raise CommandError(f"The corpus {path} cannot be read", f"{type(error).__name__}: {error}") from error
