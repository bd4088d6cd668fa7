"""Train a network that reads rows of one to five handwritten digits, and writes them in words: "three eight one"."""

import json
import math
import time
from pathlib import Path
from typing import Annotated

import numpy
import typer
from corpora.command_errors import reported_errors
from digits.images import LONGEST, Images, draw_rows, read_images
from digits.network import as_inputs, build_network
from thinc.api import Adam, fix_random_seed

from spacy_rnn.pages.files import write_file
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText

BATCH = 64
LEARN_RATE = 0.002
WARMUP = 200
# Rows that learning begins with, so that all words are among them, and those that it is measured with.
N_FIRST, N_DEV = 500, 1000


def learn(images: Images, steps: int, seed: int, width: int) -> VectorToText:
    """Train a network on rows that are drawn anew at each step, of images that are distorted anew.

    images (Images): The training part.
    steps (int): How many batches.
    seed (int): What random numbers begin with.
    width (int): The width of the network.
    RETURNS (VectorToText): The network.
    """
    fix_random_seed(seed)
    rng, network, optimizer = numpy.random.default_rng(seed), build_network(width), Adam(LEARN_RATE, grad_clip=1.0)
    first = draw_rows(images, N_FIRST, rng)
    network.learn(as_inputs(first.images), first.texts)
    loss, every = 0.0, max(steps // 10, 1)
    for step in range(steps):
        # Up to the rate in a line, and down to zero along a cosine (Loshchilov & Hutter 2017).
        share = min((step + 1) / WARMUP, 1.0) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.learn_rate = LEARN_RATE * share
        rows = draw_rows(images, BATCH, rng, distortion=1.0)
        loss += network.update(as_inputs(rows.images), rows.texts, optimizer)
        if (step + 1) % every == 0:
            typer.echo(f"{step + 1:>6,} of {steps:,} steps: a loss of {loss / every:.4f} a word")
            loss = 0.0
    return network


def exact(network: VectorToText, images: Images, seed: int) -> float:
    """Measure how many rows are written as a whole without an error.

    network (VectorToText): The network.
    images (Images): What rows are drawn of.
    seed (int): What random numbers begin with.
    RETURNS (float): From 0 to 1.
    """
    rows = draw_rows(images, N_DEV, numpy.random.default_rng(seed))
    written = network.write(as_inputs(rows.images), max_symbols=LONGEST + 1)
    return sum(one == other for one, other in zip(rows.texts, written, strict=True)) / N_DEV


def train(
    output: Annotated[Path, typer.Argument(help="Folder for the model, and for what was measured in training")],
    steps: Annotated[int, typer.Option(help="How many batches of 64 rows are learned from", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="What random numbers begin with", min=0)] = 0,
    width: Annotated[int, typer.Option(help="The width of the network, a multiple of 4", min=4)] = 256,
) -> None:
    """Train a network that writes rows of handwritten digits in words, and save it."""
    with reported_errors():
        parts, begin = read_images(), time.process_time()
        network = learn(parts["train"], steps, seed, width)
        seconds = time.process_time() - begin
        measured = {"steps": steps, "seed": seed, "width": width, "cpu_seconds": round(seconds, 1)}
        measured["dev_exact"] = exact(network, parts["dev"], seed=0)
        network.to_disk(output / "model")
        write_file(output / "training.json", json.dumps(measured, indent=2) + "\n")
    typer.echo(
        f"{output}: {100 * measured['dev_exact']:.2f} % of the rows of dev are right, after {seconds:.0f} s of a processor"
    )


if __name__ == "__main__":
    typer.run(train)
