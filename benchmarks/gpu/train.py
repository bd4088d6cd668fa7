"""Train a tagger and a language model on a GPU by `spacy train`, and compare what they say there and on the CPU.

    python benchmarks/gpu/train.py CORPUS

CORPUS is the folder of converted EWT; the configs are configs/tagger_pos.cfg, 250 steps, and configs/lm_char.cfg, 300 steps on
the texts of its training part. It ends with 1 if fewer than 99.9 % of the tags of the test part are the same, or if the bits a
character of its texts differ by more than 0.1 %.
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


def train(config: str, corpus: Path, folder: Path, gpu: int, steps: int) -> float:
    """Train a pipeline.

    config (str): The name of its config.
    corpus (Path): The folder of converted EWT.
    folder (Path): Where the pipeline goes.
    gpu (int): The number of the GPU, or -1.
    steps (int): How many updates.
    RETURNS (float): Seconds, the start of the process included.
    """
    settings = {"--paths.train": corpus / "train.spacy", "--paths.dev": corpus / "dev.spacy", "--training.max_steps": steps}
    settings |= {"--training.eval_frequency": -(-steps // 2), "--gpu-id": gpu, "--output": folder}
    command = [sys.executable, "-m", "spacy", "train", str(ROOT / "configs" / f"{config}.cfg")]
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


def compare_tags(pipeline: Path, test: Path, gpu: int) -> Dict[str, Any]:
    """Tag the test part on the CPU and on the GPU.

    pipeline (Path): The pipeline.
    test (Path): The corpus.
    gpu (int): The number of the GPU, or -1.
    RETURNS (Dict[str, Any]): How many tags there are, how many differ, and words a second.
    """
    on_cpu, on_gpu = tag(pipeline, test, NumpyOps()), tag(pipeline, test, use_gpu(gpu))
    same = sum(one == other for one, other in zip(on_cpu["tags"], on_gpu["tags"], strict=True))
    speed = {"CPU": on_cpu["words a second"], "GPU": on_gpu["words a second"]}
    return {"tags": len(on_cpu["tags"]), "other tags on the GPU": len(on_cpu["tags"]) - same, "words a second": speed}


def score(pipeline: Path, test: Path, ops: Ops) -> Dict[str, float]:
    """Score the texts of the test part by a language model.

    pipeline (Path): The pipeline.
    test (Path): The corpus.
    ops (Ops): What it computes with.
    RETURNS (Dict[str, float]): Bits a character, and characters a second the second time.
    """
    with use_ops(ops.name):
        nlp = spacy.load(pipeline)
        examples = list(Corpus(test)(nlp))
        for _ in range(2):
            start = time.perf_counter()
            scores = nlp.evaluate(examples)
            seconds = time.perf_counter() - start
    n_characters = sum(len(example.reference.text) for example in examples)
    return {"bits a character": scores["lm_bits_per_char"], "characters a second": round(n_characters / seconds)}


def main(
    corpus: Annotated[Path, typer.Argument(help="The folder of converted EWT")],
    gpu: Annotated[int, typer.Option(help="The number of the GPU, or -1 to try it on the CPU")] = 0,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-train.json",
    steps: Annotated[int, typer.Option(help="How many updates of the tagger")] = 250,
    lm_steps: Annotated[int, typer.Option(help="How many updates of the language model")] = 300,
) -> None:
    """Train, and compare."""
    result = {"benchmark": "gpu train", "device": device_name(gpu), "machine": machine(), "steps": steps}
    test = corpus / "test.spacy"
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result["seconds"] = round(train("tagger_pos", corpus, folder / "tagger", gpu, steps), 1)
        srsly.write_json(output, result)
        result |= compare_tags(folder / "tagger" / "model-last", test, gpu)
        srsly.write_json(output, result)
        typer.echo(f"{result['other tags on the GPU']} of {result['tags']} tags differ; {result['seconds']} s of training")
        seconds = round(train("lm_char", corpus, folder / "lm", gpu, lm_steps), 1)
        on_cpu, on_gpu = (score(folder / "lm" / "model-last", test, ops) for ops in (NumpyOps(), use_gpu(gpu)))
    result["language model"] = {"steps": lm_steps, "seconds": seconds, "CPU": on_cpu, "GPU": on_gpu}
    srsly.write_json(output, result)
    typer.echo(f"bits a character {on_cpu['bits a character']:.5f}, {on_gpu['bits a character']:.5f}; {seconds} s of training")
    if result["other tags on the GPU"] > (1 - LEAST) * result["tags"]:
        raise SystemExit(1)
    if not abs(on_gpu["bits a character"] / on_cpu["bits a character"] - 1) < 1 - LEAST:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
