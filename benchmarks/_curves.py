"""Plot of learning curves: scores against steps, and against seconds."""

from pathlib import Path
from typing import Any, Dict, List

LABELS = {
    "tag_acc": "tags",
    "pos_acc": "universal tags",
    "morph_acc": "morphology",
    "dep_uas": "UAS",
    "dep_las": "LAS",
    "sents_f": "sentences, F",
    "ents_f": "entities, F",
    "spans_sc_f": "spans, F",
}


def draw_curves(runs: List[Dict[str, Any]], path: Path) -> None:
    """Draw the learning curves of encoders: a column for each score, steps above and seconds below.

    runs (List[Dict[str, Any]]): Encoder, seed and curve of each run, all with the same scores. Of several seeds the first is
        shown.
    path (Path): Where the plot goes; its ending says in which format.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    runs = [run for run in runs if run["seed"] == 0]
    scores = list(runs[0]["curve"][0]["scores"])
    with rc_context({"svg.hashsalt": "components", "font.size": 9.0}):
        figure = Figure(figsize=(2.6 * len(scores) + 0.6, 4.8), layout="constrained")
        panels = figure.subplots(2, len(scores), squeeze=False, sharex="row", sharey="col")
        for row, unit in zip(panels, ("step", "seconds"), strict=True):
            for panel, score in zip(row, scores, strict=True):
                for run in runs:
                    points = run["curve"]
                    panel.plot(
                        [point[unit] for point in points],
                        [point["scores"][score] for point in points],
                        label=run["encoder"],
                        linewidth=1.4,
                    )
                panel.grid(color="0.9")
                panel.set_xlabel("steps" if unit == "step" else "seconds of one thread")
                # The first evaluations are far below, and would flatten all that follows.
                late = [point["scores"][score] for run in runs for point in run["curve"][len(run["curve"]) // 5 :]]
                panel.set_ylim(min(late) - 1, max(late) + 1)
        for panel, score in zip(panels[0], scores, strict=True):
            panel.set_title(LABELS.get(score, score))
        panels[0][0].legend(loc="lower right", frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
