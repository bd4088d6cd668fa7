"""How well probabilities agree with what comes true on test, before and after a temperature was fitted on dev.

    python benchmarks/calibration.py reviews training/reviews/model-best corpus/reviews/dev.spacy corpus/reviews/test.spacy

Each component that has a temperature is a row, named by the first argument and the component; it replaces the one of that name in
benchmarks/results/calibration.json.
"""

from pathlib import Path
from typing import Annotated, Any, Dict

import spacy
import srsly
import typer
from _measure import RESULTS, machine, run_on_one_thread
from spacy.training import Corpus
from wasabi import table as format_table

from spacy_rnn.evaluation import calibrate_components, measure_reliability
from spacy_rnn.pipeline.temperature import TemperedPipe

HEADER = ("", "temperature", "loss, test", "after", "calibration error, test", "after")


def measure(pipeline: Path, dev: Path, test: Path, gold_preproc: bool) -> Dict[str, Any]:
    """Calibrate the components of a pipeline.

    pipeline (Path): The pipeline.
    dev (Path): What temperatures are fitted on.
    test (Path): What is measured on.
    gold_preproc (bool): Whether each gold sentence is a text, with gold tokens.
    RETURNS (Dict[str, Any]): By component: the temperature, and the measures on dev and test, before and after.
    """
    nlp = spacy.load(pipeline)
    names = [name for name, pipe in nlp.pipeline if isinstance(pipe, TemperedPipe)]
    examples = list(Corpus(test, gold_preproc=gold_preproc)(nlp))
    before = {name: measure_reliability(nlp, examples, name) for name in names}
    found = calibrate_components(nlp, Corpus(dev, gold_preproc=gold_preproc)(nlp))
    return {
        each.component: {
            "temperature": each.temperature,
            "dev": {"before": each.before._asdict(), "after": each.after._asdict(), "decisions": each.n_decisions},
            "test": {
                "before": before[each.component]._asdict(),
                "after": measure_reliability(nlp, examples, each.component)._asdict(),
            },
        }
        for each in found
    }


def main(
    name: Annotated[str, typer.Argument(help="What the rows are called")],
    pipeline: Annotated[Path, typer.Argument(help="A trained pipeline, not yet calibrated")],
    dev: Annotated[Path, typer.Argument(help="The .spacy file that temperatures are fitted on")],
    test: Annotated[Path, typer.Argument(help="The .spacy file that is measured on")],
    gold_preproc: Annotated[bool, typer.Option("--gold-preproc", help="Gold sentences, with gold tokens")] = False,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "calibration.json",
) -> None:
    """Measure on test what a temperature that was fitted on dev is worth."""
    rows = srsly.read_json(output)["rows"] if output.exists() else {}
    for component, figures in measure(pipeline, dev, test, gold_preproc).items():
        rows[f"{name}: {component}"] = figures
    srsly.write_json(output, {"machine": machine(), "rows": rows})
    lines = [
        (
            title,
            f"{row['temperature']:.2f}",
            *(f"{row['test'][when][what]:.3f}" for what in ("loss", "error") for when in row["test"]),
        )
        for title, row in rows.items()
    ]
    typer.echo(format_table(lines, header=HEADER, divider=True, aligns=("l", *["r"] * 5)))


if __name__ == "__main__":
    run_on_one_thread()
    typer.run(main)
