"""`train-lm`: a forward and a backward language model of a folder of texts, in one pipeline."""

from pathlib import Path
from typing import NamedTuple, Optional

from spacy.cli.package import package
from spacy.language import Language
from wasabi import msg
from wasabi import table as format_table

from ...pages.files import write_folder
from ...pipeline.language_model.both_directions import Settings, save_pipeline, train_both_directions
from ..errors import CommandError, as_sentence, writing
from ..loading import require_free

PIPELINE, PACKAGES = "pipeline", "packages"


class Options(NamedTuple):
    """What a user chooses.

    dev (Optional[Path]): Texts that are not trained on; a hundredth of the others if None.
    package (bool): Whether a package is built.
    force (bool): Whether a pipeline that is there already is replaced.
    """

    dev: Optional[Path]
    package: bool
    force: bool


def train_language_models(texts: Path, output: Path, options: Options, settings: Settings) -> None:
    """Train the language models, and write the pipeline.

    texts (Path): A file or a folder.
    output (Path): The folder for the pipeline, the trainings and their logs.
    options (Options): The rest.
    settings (Settings): How they are trained.
    RAISES (CommandError): If there is no such file or folder, the name is none of a package, or the pipeline cannot be written.
    RAISES (ValueError): If texts are damaged or there are none, the config is no such one, or a training fails.
    """
    if not (settings.name.isascii() and settings.name.isidentifier()):
        hint = "Packages are named by letters, digits and _, and begin with a letter, e.g. en_texts_lm."
        raise CommandError(f"--name {settings.name!r} is no name of a package", hint)
    path = output / PIPELINE
    require_free(path, options.force)
    msg.info(f"Training both directions: the logs are {output / 'forward.log'} and {output / 'backward.log'}")
    try:
        nlp = train_both_directions(texts, options.dev, output, settings)
    except FileNotFoundError as error:
        raise CommandError(as_sentence(str(error))) from error
    except OSError as error:
        raise CommandError(f"{output} cannot be written", str(error)) from error
    with writing("pipeline", path):
        write_folder(path, lambda folder: save_pipeline(nlp, folder))
    _print(nlp)
    if options.package:
        packages = output / PACKAGES
        packages.mkdir(exist_ok=True)
        package(path, packages, create_sdist=False, create_wheel=True, force=options.force, silent=False)
    else:
        name = f"{nlp.lang}_{nlp.meta['name']}"
        msg.text(f"To install it by its name, {name}: python -m spacy package {path} packages --build wheel")


def _print(nlp: Language) -> None:
    about = nlp.meta["language_models"]
    bits = about["bits_per_character"].items()
    print(format_table([(name, f"{value:.3f}") for name, value in bits], header=("", "bits/character"), aligns=("l", "r")))
    trained = f"Trained on {about['texts']:,} texts of {about['characters']:,} characters in {about['seconds']:,.0f} seconds"
    print(f"{trained}, scored on {about['dev_texts']:,} of {about['dev_characters']:,}; {about['megabytes']:g} MB")
