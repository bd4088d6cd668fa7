"""Find a component's threshold on development texts by `spacy find-threshold`, and save the pipeline with it."""

from pathlib import Path
from typing import Annotated, Any, List

import typer
from spacy.cli._util import setup_gpu
from spacy.cli.find_threshold import find_threshold
from spacy.language import Language
from spacy.training import Example

from spacy_rnn.cli.errors import CommandError, shown_to_user, writing
from spacy_rnn.cli.loading import load_pipeline, read_corpus, require_free
from spacy_rnn.pages.files import write_folder


def require_threshold(nlp: Language, component: str) -> None:
    """Refuse a component that has no threshold.

    nlp (Language): The pipeline.
    component (str): The component's name.
    RAISES (CommandError): If the pipeline has no such component, or that has no threshold.
    """
    if component not in nlp.pipe_names:
        raise CommandError(f"The pipeline has no component '{component}'", f"It has {', '.join(nlp.pipe_names) or 'none'}.")
    pipe: Any = nlp.get_pipe(component)
    if not all("threshold" in settings for settings in (nlp.get_pipe_config(component), getattr(pipe, "cfg", {}))):
        raise CommandError(
            f"The component '{component}' has no threshold",
            "Expected one whose predictions depend on it, such as rnn_textcat_multilabel.",
        )


def search(pipeline: str, data: Path, component: str, score: str, n_trials: int, gpu_id: int) -> float:
    """Try thresholds, as `spacy find-threshold` does, and print the table of their scores.

    pipeline (str): A directory, or the name of an installed package.
    data (Path): Development texts in spaCy's binary format.
    component (str): The component's name.
    score (str): The score that is to be as high as possible.
    n_trials (int): How many thresholds are tried, from 0 to 1.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (float): The best threshold.
    RAISES (CommandError): If all thresholds have the same score.
    RAISES (SystemExit): After spaCy's own explanation, if there is no such score.
    """
    best, _, scores = find_threshold(
        pipeline, data, component, "threshold", score, n_trials=n_trials, use_gpu=gpu_id, silent=False
    )
    if len(set(scores.values())) == 1:
        raise CommandError(
            f"The threshold of '{component}' makes no difference to {score}",
            "Expected a score that depends on it, such as cats_macro_f, and texts with labels that the component has.",
        )
    # For a config to read 0.15, not 0.15000000000000002.
    return round(float(best), 6)


def set_threshold(nlp: Language, component: str, threshold: float, examples: List[Example]) -> Language:
    """Give a pipeline's component another threshold, in the config, in the settings that it saves, and in the scores of its meta.

    nlp (Language): The pipeline.
    component (str): The component's name.
    threshold (float): The threshold.
    examples (List[Example]): Development texts.
    RETURNS (Language): The pipeline.
    """
    nlp.get_pipe_config(component)["threshold"] = threshold
    pipe: Any = nlp.get_pipe(component)
    # Loading puts the saved settings in place of the config's, and scores are made with them.
    pipe.cfg["threshold"] = threshold
    scores = nlp.evaluate(examples, per_component=True)[component]
    performance = nlp.meta.get("performance", {})
    performance.update({name: scores[name] for name in performance if name in scores})
    return nlp


def set_best_threshold(
    pipeline: Annotated[str, typer.Argument(help="Directory of a trained pipeline, or the name of an installed one")],
    data: Annotated[Path, typer.Argument(help="Development texts (.spacy) that the pipeline was not trained on")],
    output: Annotated[Path, typer.Argument(help="Directory for the pipeline with the threshold")],
    component: Annotated[str, typer.Option(help="Name of the component")] = "textcat_multilabel",
    score: Annotated[str, typer.Option(help="Score that is to be as high as possible")] = "cats_macro_f",
    n_trials: Annotated[int, typer.Option(help="How many thresholds are tried, from 0 to 1", min=2)] = 21,
    gpu_id: Annotated[int, typer.Option(help="GPU, or -1 for the CPU")] = -1,
    force: Annotated[bool, typer.Option("--force", help="Replace a pipeline that is there already")] = False,
) -> None:
    """Find the threshold with the best score on development texts, and save the pipeline with it."""
    setup_gpu(gpu_id, silent=True)
    with shown_to_user():
        require_free(output, force)
        nlp = load_pipeline(pipeline)
        require_threshold(nlp, component)
        examples = read_corpus(nlp, data)
        threshold = search(pipeline, data, component, score, n_trials, gpu_id)
        with writing(f"pipeline with the threshold {threshold:g}", output):
            write_folder(output, set_threshold(nlp, component, threshold, examples).to_disk)


if __name__ == "__main__":
    typer.run(set_best_threshold)
