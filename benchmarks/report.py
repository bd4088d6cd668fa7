"""Show what the benchmarks of speed have measured: a page of tables, and the README's plot.

    python benchmarks/report.py

Reads recurrence.json, pipeline.json, textcat.json, crf.json, long_documents.json and scaling.json in benchmarks/results, as far
as they are there. Writes docs/speed.md, and draws docs/images/speed.svg. Ratios are those of the shortest times, in brackets
those of the median times; above 1 this package is the faster.
"""

from pathlib import Path
from typing import Annotated, Any, Dict, Iterable, List, Mapping, Sequence

import srsly
import typer
from _measure import RESULTS, ROOT

Result = Dict[str, Any]

PAGE = """# Speed

Written by `python benchmarks/report.py` from what the commands below have measured; what exactly is timed stands at the top of
each file. Ratios say how many times as long a peer took as this package: the ratio of the shortest times, and in brackets that of
the median times. I is the width of the input, H the units of each of two directions, B the sequences of a batch, T their length,
or EWT where lengths are those of sentences in UD English EWT."""
PROCESSES = """With two processes spaCy starts new ones for each call of `nlp.pipe`, sends them the pipeline, and gets texts back
as bytes. That takes seconds, whatever the pipeline: it pays where there is more to do than here, or where tagging is slow."""
MODES = ("inference", "training")
PADDED = {"marker": "o", "color": "#1f77b4"}
MARKERS = {"torch": PADDED, "torch padded": PADDED, "torch packed": {"marker": "D", "color": "#d95f02"}}
LEGEND = {"torch (padded where lengths differ)": "torch", "torch, packed sequences": "torch packed"}


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Make a table.

    header (Sequence[str]): The columns' titles.
    rows (Iterable[Sequence[Any]]): The cells.
    RETURNS (str): The table in Markdown.
    """
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def ratio(ratios: Mapping[str, Mapping[str, float]], *peers: str) -> str:
    """Show the ratio to the first peer that was measured.

    ratios (Mapping[str, Mapping[str, float]]): Ratios by peer.
    peers (str): The peers.
    RETURNS (str): Of minima, and in brackets of medians; nothing if no peer was measured.
    """
    found = [ratios[peer] for peer in peers if peer in ratios]
    return f"{found[0]['minima']:.2f} ({found[0]['medians']:.2f})" if found else ""


def goals(found: Iterable[Mapping[str, Any]]) -> str:
    """Show goals, and what was reached.

    found (Iterable[Mapping[str, Any]]): Goals as made by `check_goal`.
    RETURNS (str): The table in Markdown.
    """
    rows = []
    for goal in found:
        lowest = f"{goal['lowest']['minima']:.2f} ({goal['lowest']['medians']:.2f})" if goal["lowest"] else "not measured"
        reached = {True: "yes", False: "no", None: ""}[goal["reached"]]
        rows.append((goal["what"], goal["ratio to"], f"{goal['goal']:g}", lowest, reached))
    return markdown(("", "ratio to", "goal", "lowest ratio", "reached"), rows)


def measured(result: Result, command: str) -> str:
    """Say how and where a result was measured.

    result (Result): The result.
    command (str): The command.
    RETURNS (str): A sentence.
    """
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    sets = ", ".join(machine["instruction sets"])
    return f"`{command}`, {machine['date']}, one thread of {machine['processor']} ({sets}), {versions}"


def by_shape(rows: List[Result]) -> Dict[str, Dict[str, Result]]:
    """Put rows of the same shape together.

    rows (List[Result]): Rows of recurrence.json.
    RETURNS (Dict[str, Dict[str, Result]]): The rows by shape, and by cell and mode.
    """
    shapes: Dict[str, Dict[str, Result]] = {}
    for row in rows:
        shapes.setdefault(row["name"], {})[f"{row['cell']} {row['mode']}"] = row
    return shapes


def lstm_table(rows: List[Result], mode: str) -> str:
    """Show the LSTM in one mode.

    rows (List[Result]): Rows of recurrence.json.
    mode (str): "inference" or "training".
    RETURNS (str): The table in Markdown.
    """
    lines = []
    for row in rows:
        if (row["cell"], row["mode"]) == ("lstm", mode):
            layer, sweep = row["contenders"]["layer"], row["contenders"]["sweep"]
            shares = [f"{100 * found['share of peak']:.0f} %" if "share of peak" in found else "" for found in (layer, sweep)]
            ratios = row["ratios"]
            peers = (ratio(ratios, "torch padded", "torch"), ratio(ratios, "torch packed"), ratio(ratios, "thinc"))
            lines.append((row["name"], f"{layer['minimum ms']:.3f}", f"{layer['GFLOP/s']:.1f}", *shares, *peers))
    header = (f"LSTM, {mode}", "ms", "GFLOP/s", "of FMA peak", "sweep alone", "torch padded", "torch packed", "thinc")
    return markdown(header, lines)


def cells_table(rows: List[Result]) -> str:
    """Show the other cells.

    rows (List[Result]): Rows of recurrence.json.
    RETURNS (str): The table in Markdown: ratios to torch's fastest form.
    """
    columns = [f"{cell} {mode}" for cell in ("gru", "elman_tanh") for mode in MODES]
    lines = [
        (shape, *(ratio(found[column]["ratios"], "torch") if column in found else "" for column in columns))
        for shape, found in by_shape(rows).items()
    ]
    return markdown(("ratio to torch", *columns), lines)


def report_recurrence(result: Result) -> List[str]:
    """Show recurrence.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    parts = [measured(result, "python benchmarks/recurrence.py")]
    for part in result["parts"]:
        found = [f"engine {part['engine']['engine']}"]
        if part["peak GFLOP/s"] is not None:
            found += [f"instruction set {part['engine']['instruction set']}", f"FMA peak {part['peak GFLOP/s']:.0f} GFLOP/s"]
        parts.append(", ".join(found))
        parts += [lstm_table(part["rows"], mode) for mode in MODES]
        parts += [cells_table(part["rows"]), goals(part["goals"])]
    return parts


def report_pipeline(result: Result) -> List[str]:
    """Show pipeline.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    options = result["options"]
    measures = ("cold", "warm", "repeated", "update")
    speeds, ratios = [], []
    for row in result["rows"]:
        found = row["words a second"]
        speeds.append((row["name"], *(f"{found[name]['median']:,}" if name in found else "" for name in measures)))
        for peer, found in row["ratios"].items():
            ratios.append((f"{row['name']} : {peer}", *(ratio(found, name) for name in measures)))
    return [
        measured(result, f"python benchmarks/pipeline.py --seconds {options['seconds']:g} --at-least {options['at least']}"),
        markdown(("words a second", *measures), speeds),
        markdown(("ratio", *measures), ratios),
        goals(result["goals"]),
    ]


def report_textcat(result: Result) -> List[str]:
    """Show textcat.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    peer, *_ = [row["name"] for row in result["rows"]]
    measures = ("nlp.pipe", "nlp.update")
    lines = []
    for row in result["rows"]:
        ratios = row["ratios"][peer]
        cells = [(f"{row['words a second'][name]['median']:,}", ratio(ratios, name)) for name in measures]
        lines.append((row["name"], *(cell for pair in cells for cell in pair)))
    header = ("words a second", "nlp.pipe", f"to {peer}", "nlp.update", f"to {peer}")
    return [measured(result, "python benchmarks/textcat.py"), markdown(header, lines)]


def report_crf(result: Result) -> List[str]:
    """Show crf.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    lines = [
        (
            f"{row['task']}, {row['labels']} labels",
            *(f"{row['microseconds a word'][name]['median']:.3f}" for name in ("compiled", "reference")),
            f"{row['times as fast']['minima']:.0f} ({row['times as fast']['medians']:.0f})",
        )
        for row in result["rows"]
    ]
    header = ("microseconds a word", "compiled", "reference", "ratio")
    return [measured(result, "python benchmarks/crf.py"), markdown(header, lines)]


def report_long_documents(result: Result) -> List[str]:
    """Show long_documents.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    lines = [
        (
            f"embedding {row['embed']}, width {row['encode']}, depth {row['depth']}, {row['setting']}",
            f"{row['process MB']:,}",
            f"{row['update MB']:,}",
            f"{row['median s']:.2f}",
            f"{row['ratio of minima']:.2f} ({row['ratio of medians']:.2f})",
        )
        for row in result["rows"]
    ]
    limits = [f"{goal['what']}: at most {goal['limit']:,}, measured {goal['most']:,}" for goal in result["goals"]]
    header = ("64 documents of 2,500 words", "process, MB", "update, MB", "update, s", "time to keeping all")
    return [measured(result, "python benchmarks/long_documents.py"), markdown(header, lines), "; ".join(limits) + "."]


def report_scaling(result: Result) -> List[str]:
    """Show scaling.json.

    result (Result): The result.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    goal = result["goals"][0]
    columns = ("tokens", "sequences", "tokens a second", "output MB", "working set MB")
    parts = [measured(result, "python benchmarks/scaling.py")]
    for mode in MODES:
        points = [row for row in result["layer"] if row["mode"] == mode]
        lines = [(f"{row['tokens']:,}", *(f"{round(row[name], 1):,}" for name in columns[1:])) for row in points]
        parts.append(markdown((f"{mode}, tokens", *columns[1:]), lines))
    if goal["most MB"] is not None:
        parts.append(f"{goal['what']}: goal at most {goal['limit MB']} MB, measured {goal['most MB']:.1f} MB.")
    for title, key in (("batch size", "batch_size"), ("document length", "documents"), ("processes", "n_process")):
        parts.append(scaling_table(title, key, result[title]))
    parts.append(PROCESSES)
    saved = [(row["name"], f"{row['MB']:.1f}", f"{row['load median s']:.2f}") for row in result["saved"]]
    return [*parts, markdown(("saved pipeline", "MB", "load, s"), saved)]


def scaling_table(title: str, key: str, rows: List[Result]) -> str:
    """Show taggers against what grows.

    title (str): What grows.
    key (str): The name it has in the rows.
    rows (List[Result]): The points.
    RETURNS (str): The table in Markdown: words a second, and the peak of memory.
    """
    names = list(dict.fromkeys(row["name"] for row in rows))
    points: Dict[int, Dict[str, Result]] = {}
    for row in rows:
        points.setdefault(row["words"] // row[key] if key == "documents" else row[key], {})[row["name"]] = row
    lines = [(f"{point:,}", *(speed_and_memory(found[name], key) for name in names)) for point, found in points.items()]
    return markdown((title, *names), lines)


def speed_and_memory(row: Result, key: str) -> str:
    """Show a point.

    row (Result): The point.
    key (str): What grows.
    RETURNS (str): Words a second, and the peak of memory in brackets, if it is that of all processes.
    """
    speed = f"{row['words a second']:,}"
    return speed if key == "n_process" else f"{speed} ({row['peak MB']:.0f} MB)"


def draw(result: Result, path: Path) -> None:
    """Draw how many times as fast as torch's this package's LSTM is, shape by shape.

    result (Result): recurrence.json.
    path (Path): Where the plot goes; its ending says in which format.
    """
    from matplotlib import pyplot, rcParams

    # The same figures make the same file.
    rcParams["svg.hashsalt"] = "speed"
    rows = [row for row in result["parts"][0]["rows"] if row["cell"] == "lstm"]
    n_equal = len(by_shape([row for row in rows if row["lengths"] == "equal"]))
    # A gap between equal lengths and ragged ones.
    heights = {shape: y + 0.8 * (y >= n_equal) for y, shape in enumerate(by_shape(rows))}
    figure, panels = pyplot.subplots(1, 2, sharex=True, sharey=True, figsize=(9.5, 2 + 0.28 * len(heights)), layout="constrained")
    for panel, mode in zip(panels, MODES, strict=True):
        draw_panel(panel, [row for row in rows if row["mode"] == mode], heights)
        panel.set_title(f"LSTM, {mode}", fontsize=11)
    panels[0].set_yticks(list(heights.values()), list(heights), fontsize=9)
    panels[0].invert_yaxis()
    for label, peer in LEGEND.items():
        panels[0].scatter([], [], s=36, label=label, **MARKERS[peer])
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    figure.supxlabel(
        f"times as fast as torch, one thread of {result['machine']['processor']}, {result['machine']['date']}\n"
        "B sequences of T time steps, or of the lengths of sentences in EWT; I wide in, H units in each of two directions",
        fontsize=9,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def draw_panel(panel: Any, rows: List[Result], heights: Mapping[str, float]) -> None:
    """Draw one mode.

    panel (matplotlib.axes.Axes): Where.
    rows (List[Result]): The rows.
    heights (Mapping[str, float]): Where each shape stands.
    """
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

    panel.axvline(1, color="0.3", linewidth=1, zorder=0)
    for row in rows:
        draw_row(panel, heights[row["name"]], {peer: found["minima"] for peer, found in row["ratios"].items()})
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator([0.125, 0.25, 0.5, 1, 2, 4, 8, 16]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.margins(x=0.15)


def draw_row(panel: Any, y: float, ratios: Mapping[str, float]) -> None:
    """Draw one shape in one mode.

    panel (matplotlib.axes.Axes): Where.
    y (float): The height.
    ratios (Mapping[str, float]): Ratios by peer.
    """
    # Where lengths differ, torch's two forms are shown apart.
    peers = [peer for peer in ("torch padded", "torch packed") if peer in ratios] or ["torch"]
    shown = sorted((ratios[peer], peer) for peer in peers)
    panel.plot([1, *(x for x, _ in shown)], [y] * (1 + len(shown)), color="0.8", linewidth=1, zorder=1)
    for i, (x, peer) in enumerate(shown):
        right = i == len(shown) - 1
        panel.scatter(x, y, s=36, zorder=3, **MARKERS[peer])
        panel.annotate(
            f"{x:.1f}",
            (x, y),
            xytext=(8 if right else -8, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center_baseline",
            fontsize=8,
            zorder=2,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )


def main(
    results: Annotated[Path, typer.Option(help="Where the figures are")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Where the tables go")] = ROOT / "docs" / "speed.md",
    plot: Annotated[Path, typer.Option(help="Where the plot goes")] = ROOT / "docs" / "images" / "speed.svg",
) -> None:
    """Write the page of tables, and draw the plot."""
    parts = [PAGE]
    for name, title, report in (
        ("recurrence", "One recurrent layer", report_recurrence),
        ("pipeline", "Taggers in pipelines", report_pipeline),
        ("textcat", "Text categorizers", report_textcat),
        ("crf", "Conditional random fields", report_crf),
        ("long_documents", "Training on long documents", report_long_documents),
        ("scaling", "Time and memory", report_scaling),
    ):
        path = results / f"{name}.json"
        if path.exists():
            parts += [f"## {title}", *report(srsly.read_json(path))]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf8")
    if (results / "recurrence.json").exists():
        draw(srsly.read_json(results / "recurrence.json"), plot)


if __name__ == "__main__":
    typer.run(main)
