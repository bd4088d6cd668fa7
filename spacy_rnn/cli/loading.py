"""Pipelines, their components and corpora, as a command names them."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional

from spacy import util
from spacy.cli._util import show_validation_error
from spacy.language import Language
from spacy.training import Corpus, Example
from thinc.api import Model

from .errors import CommandError


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


@contextmanager
def refusals_shown() -> Iterator[None]:
    """Say what a pipeline refuses when it is run over a corpus.

    RAISES (CommandError): If the pipeline raised a ValueError in the `with` block, e.g. because it has not been trained.
    """
    try:
        yield
    except ValueError as error:
        raise CommandError("The pipeline cannot be run over the corpus", str(error)) from error


def trainable(nlp: Language) -> List[str]:
    """Find the components that have a model.

    nlp (Language): The pipeline.
    RETURNS (List[str]): Their names, in the order of the pipeline.
    """
    return [name for name, pipe in nlp.pipeline if isinstance(getattr(pipe, "model", None), Model)]


def model_of(nlp: Language, name: str) -> Model:
    """Give the model of a trainable component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    RETURNS (Model): Its model.
    """
    pipe: Any = nlp.get_pipe(name)
    return pipe.model


def choose_components(nlp: Language, usable: List[str], name: Optional[str]) -> List[str]:
    """Choose the components that a command works on.

    nlp (Language): The pipeline.
    usable (List[str]): The components that the command can work on.
    name (Optional[str]): The one that the user asked for.
    RETURNS (List[str]): That one; without a name all that are usable, of which there is at least one.
    RAISES (CommandError): If the name is not one of these, or if there are none.
    """
    fits = f"Of this pipeline's components it takes: {', '.join(usable) or 'none'}."
    if name is None:
        if not usable:
            raise CommandError("The pipeline has no component that this command takes", _components(nlp))
        return usable
    if name not in nlp.pipe_names:
        raise CommandError(f"The pipeline has no component '{name}'", _components(nlp))
    if name not in usable:
        raise CommandError(f"This command does not take the component '{name}', a {nlp.get_pipe_meta(name).factory}", fits)
    return [name]


def _components(nlp: Language) -> str:
    pipes = [f"{name} ({nlp.get_pipe_meta(name).factory})" for name in nlp.pipe_names]
    return f"It has {', '.join(pipes) or 'none at all'}."


def read_corpus(nlp: Language, path: Path, gold_preproc: bool = False, limit: int = 0) -> List[Example]:
    """Read annotated texts.

    nlp (Language): The pipeline, whose tokenizer and vocabulary are used.
    path (Path): A file in spaCy's binary format, or a directory with such files.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    limit (int): How many texts are read at most; all if 0.
    RETURNS (List[Example]): The texts without annotation, each with its annotation beside it.
    RAISES (CommandError): If there is no such file, if it cannot be read, or if it has no texts.
    """
    if not path.exists():
        raise CommandError(f"There is no corpus {path}")
    if path.is_file() and path.suffix != ".spacy":
        raise CommandError(
            f"{path} is not in spaCy's binary format", "Expected a .spacy file, as made by python -m spacy convert."
        )
    try:
        examples = list(Corpus(path, gold_preproc=gold_preproc, limit=limit)(nlp))
    # What a damaged file raises depends on where it is damaged: msgpack, zlib and spaCy have errors of their own.
    except Exception as error:
        raise CommandError(f"The corpus {path} cannot be read", f"{type(error).__name__}: {error}") from error
    if not examples:
        raise CommandError(f"The corpus {path} has no texts")
    return examples
