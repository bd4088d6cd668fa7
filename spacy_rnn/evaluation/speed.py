"""How fast a pipeline is."""

import datetime
import platform
import re
import statistics
import time
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import List, NamedTuple, Sequence

from spacy.language import Language
from tqdm import tqdm

from ..recurrence import use_threads
from .extras import requires_extra

# So much is measured at least, however few the texts are.
PASSES = 3
SECONDS = 0.5
# Enough for a stable figure, and few enough for a slow pipeline.
MOST_WORDS = 20_000


class Speed(NamedTuple):
    """How fast a pipeline is.

    words_per_second (float): In the median pass.
    best (float): In the fastest pass.
    words (int): The tokens of a pass.
    passes (int): How often the texts were run through the pipeline, after once unmeasured.
    device (str): What computed.
    versions (str): Of the packages that count.
    date (str): When it was measured.
    """

    words_per_second: float
    best: float
    words: int
    passes: int
    device: str
    versions: str
    date: str


def measure_speed(nlp: Language, texts: Sequence[str], gpu: int = -1) -> Speed:
    """Run raw texts through a whole pipeline, tokenizer included, on one thread.

    nlp (Language): The pipeline.
    texts (Sequence[str]): The texts, of which the first are used, about 20,000 words.
    gpu (int): The number of the GPU that computes, or -1.
    RETURNS (Speed): How fast it was.
    RAISES (ValueError): If there are no texts, or none that has a token.
    RAISES (ModuleNotFoundError): If threadpoolctl is not installed.
    """
    with requires_extra():
        from threadpoolctl import threadpool_limits

    if isinstance(texts, str) or not texts:
        raise ValueError(f"expected a list of texts to measure the speed on, got {texts!r:.40}")
    some = _first_words(texts, MOST_WORDS)
    seconds: List[float] = []
    with threadpool_limits(limits=1), use_threads(1):
        words = sum(len(doc) for doc in nlp.pipe(some))
        if not words:
            raise ValueError("the texts have no tokens to measure the speed on")
        with tqdm(desc="Speed", unit="pass", disable=None, leave=False) as progress:
            while len(seconds) < PASSES or sum(seconds) < SECONDS:
                start = time.perf_counter()
                for _ in nlp.pipe(some):
                    pass
                seconds.append(time.perf_counter() - start)
                progress.update()
    device = f"one thread of {processor()}" + (f", GPU {gpu}" if gpu >= 0 else "")
    versions = ", ".join(f"{name} {version(name)}" for name in ("spacy-rnn", "spacy", "thinc", "numpy"))
    median = statistics.median(seconds)
    return Speed(words / median, words / min(seconds), words, len(seconds), device, versions, datetime.date.today().isoformat())


def processor() -> str:
    """Name the processor of this machine.

    RETURNS (str): Its name, as far as the system tells.
    """
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _first_words(texts: Sequence[str], most: int) -> List[str]:
    """Give the first texts that have so many words together, at least one."""
    ends = accumulate(len(text.split()) for text in texts)
    return [text for i, (text, end) in enumerate(zip(texts, ends, strict=True)) if i == 0 or end <= most]
