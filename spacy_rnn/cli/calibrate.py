"""`calibrate`: a pipeline with the temperatures that fit annotated texts."""

from pathlib import Path
from typing import List, Optional

from spacy.language import Language
from wasabi import msg

from ..evaluation.calibration import CalibratedComponent, calibrate_components
from ..pages.files import write_folder
from ..pipeline.temperature import TemperedPipe
from .errors import CommandError, writing
from .loading import load_pipeline, read_corpus

HEADER = ("component", "temperature", "loss", "after", "calibration error", "after", "decisions")
# What every pipeline of spaCy's has.
OF_PIPELINE = ("config.cfg", "meta.json")


def calibrate_pipeline(
    pipeline: str, corpus: Path, output: Path, components: Optional[List[str]], gold_preproc: bool, force: bool
) -> None:
    """Fit the temperatures of a pipeline's components, print what they change, and write the pipeline.

    pipeline (str): A directory, or the name of an installed package.
    corpus (Path): Annotated texts in spaCy's binary format.
    output (Path): The directory where the calibrated pipeline goes.
    components (Optional[List[str]]): The components' names; all that have a temperature if None.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    force (bool): Whether a pipeline that is there already is replaced.
    RAISES (CommandError): If a file is missing or cannot be written, or something is there already.
    RAISES (ValueError): If something is not what was expected.
    """
    _require_free(output, force)
    nlp = load_pipeline(pipeline)
    found = calibrate_components(nlp, read_corpus(nlp, corpus, gold_preproc), components)
    _show(found)
    # Loaded again, because a vocabulary keeps the words of all texts that it has seen.
    with writing("calibrated pipeline", output):
        write_folder(output, _with_temperatures(load_pipeline(pipeline), found).to_disk)


def _require_free(output: Path, force: bool) -> None:
    """Refuse to replace what is no pipeline, or one that is not to be replaced."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not all((output / name).is_file() for name in OF_PIPELINE):
        raise CommandError(f"{output} is there already, and no pipeline", "Name a directory that is not there yet.")
    if not force:
        raise CommandError(f"There is a pipeline in {output} already", "Name another directory, or replace it by --force.")


def _with_temperatures(nlp: Language, found: List[CalibratedComponent]) -> Language:
    for each in found:
        pipe = nlp.get_pipe(each.component)
        assert isinstance(pipe, TemperedPipe)
        pipe.temperature = each.temperature
    return nlp


def _show(found: List[CalibratedComponent]) -> None:
    rows = [
        (
            each.component,
            f"{each.temperature:.3f}",
            f"{each.before.loss:.4f}",
            f"{each.after.loss:.4f}",
            f"{each.before.error:.4f}",
            f"{each.after.error:.4f}",
            f"{each.n_decisions:,}",
        )
        for each in found
    ]
    msg.table(rows, header=HEADER, divider=True, aligns=("l", *["r"] * (len(HEADER) - 1)))
    for each in found:
        if each.unknown:
            msg.warn(f"'{each.component}' has no label {', '.join(each.unknown)}: what is annotated with it was left out.")
        if each.at_bound:
            msg.warn(
                f"The temperature of '{each.component}' is the {'lowest' if each.temperature < 1 else 'highest'} that is tried: "
                "take more texts, which it was not trained on."
            )
