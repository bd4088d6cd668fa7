"""Train a tagger on a GPU by `spacy train`, and compare its tags on a GPU with those on the CPU.

    python benchmarks/gpu/train.py CORPUS

CORPUS is the folder of converted EWT; the config is configs/tagger_pos.cfg, 250 steps. It ends with 1 if fewer than 99.9 % of the
tags of the test part are the same.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, List

import paths  # noqa: F401 - the folder above
import spacy
import srsly
import typer
from _measure import RESULTS, ROOT, machine
from backend import device_name, synchronize, use_gpu
from spacy.tokens import Doc
from spacy.training import Corpus
from thinc.api import NumpyOps, Ops, use_ops

LEAST = 0.999


def train(corpus: Path, folder: Path, gpu: int, steps: int) -> float:
    """Train a tagger.

    corpus (Path): The folder of converted EWT.
    folder (Path): Where the pipeline goes.
    gpu (int): The number of the GPU, or -1.
    steps (int): How many updates.
    RETURNS (float): Seconds, the start of the process included.
    """
    settings = {"--paths.train": corpus / "train.spacy", "--paths.dev": corpus / "dev.spacy", "--training.max_steps": steps}
    settings |= {"--training.eval_frequency": -(-steps // 2), "--gpu-id": gpu, "--output": folder}
    command = [sys.executable, "-m", "spacy", "train", str(ROOT / "configs" / "tagger_pos.cfg")]
    start = time.perf_counter()
    subprocess.run([*command, *(str(word) for pair in settings.items() for word in pair)], check=True)
    return time.perf_counter() - start


def tag(pipeline: Path, test: Path, ops: Ops) -> Dict[str, Any]:
    """Tag the test part.

    pipeline (Path): The pipeline.
    test (Path): The corpus.
    ops (Ops): What it computes with.
    RETURNS (Dict[str, Any]): The tags, and words a second the second time.
    """
    with use_ops(ops.name):
        nlp = spacy.load(pipeline)
        seconds: List[float] = []
        for _ in range(2):
            docs = [Doc(nlp.vocab, words=[token.text for token in example.reference]) for example in Corpus(test)(nlp)]
            start = time.perf_counter()
            tags = [token.pos_ for doc in nlp.pipe(docs) for token in doc]
            synchronize(ops)
            seconds.append(time.perf_counter() - start)
    return {"tags": tags, "words a second": round(len(tags) / seconds[-1])}


def main(
    corpus: Annotated[Path, typer.Argument(help="The folder of converted EWT")],
    gpu: Annotated[int, typer.Option(help="The number of the GPU, or -1 to try it on the CPU")] = 0,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-train.json",
    steps: Annotated[int, typer.Option(help="How many updates")] = 250,
) -> None:
    """Train, and compare tags."""
    result = {"benchmark": "gpu train", "device": device_name(gpu), "machine": machine(), "steps": steps}
    with TemporaryDirectory() as folder:
        result["seconds"] = round(train(corpus, Path(folder), gpu, steps), 1)
        srsly.write_json(output, result)
        on_cpu = tag(Path(folder) / "model-last", corpus / "test.spacy", NumpyOps())
        on_gpu = tag(Path(folder) / "model-last", corpus / "test.spacy", use_gpu(gpu))
    same = sum(one == other for one, other in zip(on_cpu["tags"], on_gpu["tags"], strict=True))
    result["tags"] = len(on_cpu["tags"])
    result["other tags on the GPU"] = len(on_cpu["tags"]) - same
    result["words a second"] = {"CPU": on_cpu["words a second"], "GPU": on_gpu["words a second"]}
    srsly.write_json(output, result)
    typer.echo(f"{same} of {result['tags']} tags are the same on CPU and GPU; {result['seconds']} s of training")
    if same < LEAST * result["tags"]:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
