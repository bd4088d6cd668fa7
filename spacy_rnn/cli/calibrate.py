"""`calibrate`: a pipeline with the temperatures that fit annotated texts."""

from pathlib import Path
from typing import List, Optional

from spacy.language import Language
from wasabi import msg

from ..evaluation.calibration import CalibratedComponent, calibrate_components
from ..pages.files import write_folder
from ..pipeline.temperature import TemperedPipe
from .errors import writing
from .loading import load_pipeline, read_corpus, require_free

HEADER = ("component", "temperature", "loss", "after", "calibration error", "after", "decisions")


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
    require_free(output, force)
    nlp = load_pipeline(pipeline)
    found = calibrate_components(nlp, read_corpus(nlp, corpus, gold_preproc), components)
    _show(found)
    # Loaded again, because a vocabulary keeps the words of all texts that it has seen.
    with writing("calibrated pipeline", output):
        write_folder(output, _with_temperatures(load_pipeline(pipeline), found).to_disk)


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
