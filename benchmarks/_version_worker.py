"""What `versions.py` starts once for each checkout: times calls of that checkout's package, as it is told on standard input.

python _version_worker.py CHECKOUT EWT
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy
from thinc.api import Ragged, fix_random_seed

# Sentences of EWT that go through a pipeline, and words of an update.
TEXTS, WORDS = 1000, 1000
# Lengths of the sequences of a batch, input width, units of each direction.
SHAPES = {
    "one sentence": ([25], 96, 64),
    "32 sentences": ([25] * 32, 128, 128),
    "ragged": ([3, 41, 12, 30, 8, 25, 17, 60, 5, 22, 14, 9] * 4, 96, 48),
    "wide": ([25] * 64, 256, 256),
}
LAYERS = [f"{cell}, {shape}" for cell in ("lstm", "gru", "elman_tanh") for shape in SHAPES]


def prepare_layer(name: str) -> Dict[str, Callable[[], Any]]:
    """Build a bidirectional layer.

    name (str): One of `LAYERS`.
    RETURNS (Dict[str, Callable]): Its inference and its training.
    """
    from spacy_rnn.layers import build_rnn

    cell, shape = name.split(", ")
    lengths, nI, nH = SHAPES[shape]
    fix_random_seed(0)
    model = build_rnn(nO=2 * nH, nI=nI, cell=cell, bidirectional=True).initialize()
    rng = numpy.random.default_rng(0)
    X = Ragged(rng.standard_normal((sum(lengths), nI), "float32"), numpy.asarray(lengths, "int32"))
    dY = Ragged(rng.standard_normal((sum(lengths), 2 * nH), "float32"), X.lengths)

    def train() -> None:
        _, backprop = model(X, is_train=True)
        backprop(dY)

    return {"inference": lambda: model.predict(X), "training": train}


def prepare_tagger(name: str, ewt: Path) -> Dict[str, Callable[[], Any]]:
    """Build a pipeline.

    name (str): The name of a tagger in `_taggers`.
    ewt (Path): The folder of the converted corpus.
    RETURNS (Dict[str, Callable]): Raw texts to tags, and an update.
    """
    import _taggers

    nlp = _taggers.build_tagger(getattr(_taggers, name), ewt / "train.spacy")
    examples = _taggers.read_examples(nlp, ewt / "dev.spacy")
    texts = [example.reference.text for example in examples[:TEXTS]]
    batch: List[Any] = []
    while sum(len(example.reference) for example in batch) < WORDS:
        batch.append(examples[len(batch)])
    optimizer = nlp.create_optimizer()

    def update() -> None:
        nlp.update([type(each)(nlp.make_doc(each.reference.text), each.reference) for each in batch], sgd=optimizer, drop=0.1)

    return {"raw text": lambda: list(nlp.pipe(texts, batch_size=256)), "update": update}


def main() -> None:
    """Serve: a line `["prepare", name]` is answered by the names of calls, `["time", call, seconds]` by what each one took."""
    checkout, ewt = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path[:0] = [str(checkout), str(checkout / "benchmarks")]
    import spacy_rnn

    assert Path(spacy_rnn.__file__).is_relative_to(checkout), spacy_rnn.__file__
    # What libraries print must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    calls: Dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        what, name, *rest = json.loads(line)
        if what == "prepare":
            calls = prepare_layer(name) if name in LAYERS else prepare_tagger(name, ewt)
            for call in calls.values():
                call()
            answer: Any = list(calls)
        else:
            answer, end = [], time.perf_counter() + rest[0]
            while not answer or time.perf_counter() < end:
                start = time.perf_counter()
                calls[name]()
                answer.append(time.perf_counter() - start)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
