"""`samples`: a page about what language models write, and what goes wrong in it."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ...evaluation.components import find_language_model
from ...evaluation.extras import check_packages
from ...evaluation.language.documents import TextReading, find_reading, read_text
from ...evaluation.language.positions import EDGES, draw_passages, measure_positions
from ...evaluation.language.samples import Samples, find_words, write_samples
from ...pages.files import write_file
from ...pages.samples import Conditions, Writer, draw_plots, render_samples
from ...pipeline.language_model.component import RNNLanguageModel
from ..errors import CommandError, writing
from ..loading import load_pipeline, read_plain_texts

# How many passages of real text, and how many texts of its own, a model scores.
_N_PASSAGES, _N_OWN = 200, 50
# Without --prompt: how many beginnings of real text are prompts, of how many words, and of how many characters of each.
_N_PROMPTS, _PROMPT_WORDS, _WORD_CHARACTERS = 3, 3, 30


class Options(NamedTuple):
    """What a user chooses.

    output (Path): Where the page goes.
    text (Optional[Path]): Real text that no model was trained on.
    train (Optional[Path]): The training text.
    prompts (List[str]): What texts go on from.
    number (int): How many texts are drawn for each prompt.
    max_symbols (int): The largest number of symbols after a prompt.
    seed (int): What random numbers begin with.
    unit (Optional[str]): What a text of a `.txt` file is; as the first model was trained if None.
    component (Optional[str]): The component's name; the first language model of each pipeline if None.
    """

    output: Path
    text: Optional[Path]
    train: Optional[Path]
    prompts: List[str]
    number: int
    max_symbols: int
    seed: int
    unit: Optional[str]
    component: Optional[str]


class Subject(NamedTuple):
    """A language model that writes.

    name (str): What it is called on the page.
    nlp (Language): Its pipeline.
    lm (RNNLanguageModel): The component.
    reading (TextReading): How it reads texts.
    """

    name: str
    nlp: Language
    lm: RNNLanguageModel
    reading: TextReading

    def read(self, texts: Sequence[str]) -> List[Union[str, Doc]]:
        """Give texts as the model reads them.

        texts (Sequence[str]): The texts.
        RETURNS (List[Union[str, Doc]]): With the pipeline's tokens, if these are its words.
        """
        return [read_text(self.nlp, self.reading, text) for text in texts]


def show_samples(pipelines: Sequence[str], options: Options) -> None:
    """Write a page about what language models write.

    pipelines (Sequence[str]): Directories, or names of installed packages.
    options (Options): The rest.
    RAISES (CommandError): If a file is missing or cannot be written.
    RAISES (ValueError): If a pipeline has no such language model, or something else is not what was expected.
    """
    check_packages()
    subjects = [_load(name, options) for name in _distinct(pipelines)]
    passages, first = _read_passages(subjects[0], options)
    known = find_words(_texts(subjects[0], options.train)) if options.train is not None else None
    prompts = options.prompts or first or [""]
    settings: Dict[str, Any] = {"n": options.number, "max_symbols": options.max_symbols, "seed": options.seed, "known": known}
    written, own = [], []
    for subject in tqdm(subjects, desc="Models", disable=None, leave=False):
        written.append(write_samples(subject.lm, subject.read(prompts), **settings))
        found = subject.lm.generate("", n=_N_OWN, max_symbols=EDGES[-1], seed=options.seed)
        own.append([each.text for each in found])
    writers = [_describe(i, subjects, written[i], own, passages) for i in range(len(subjects))]
    _print(writers)
    named = (str(path) if path is not None else None for path in (options.text, options.train))
    text, train = named
    conditions = Conditions(prompts, options.number, options.max_symbols, options.seed, text, len(passages), train, _N_OWN)
    page = render_samples(writers, draw_plots(writers), conditions)
    with writing("page", options.output):
        write_file(options.output, page)


def _load(named: Tuple[str, str], options: Options) -> Subject:
    name, path = named
    nlp = load_pipeline(path)
    _, lm = find_language_model(nlp, options.component)
    lm.begin()
    return Subject(name, nlp, lm, find_reading(nlp, lm, options.unit))


def _distinct(pipelines: Sequence[str]) -> List[Tuple[str, str]]:
    """Give each pipeline a short name: the end of its path that no other has, without what all have in common."""
    parts = [Path(path).parts for path in pipelines]
    repeated = [path for path, count in Counter(parts).items() if count > 1]
    if repeated:
        raise CommandError(f"The pipeline {Path(*repeated[0])} is named twice", "Name different ones.")
    ends = list(parts)
    while len(ends) > 1 and all(len(end) > 1 for end in ends) and len({end[-1] for end in ends}) == 1:
        ends = [end[:-1] for end in ends]
    size = next(n for n in range(1, 1 + max(map(len, ends))) if len({end[-n:] for end in ends}) == len(ends))
    return [(str(Path(*end[-size:])), path) for end, path in zip(ends, pipelines, strict=True)]


def _texts(subject: Subject, path: Path) -> Iterator[str]:
    for placed in read_plain_texts(subject.nlp, path, subject.reading._replace(tokens="none")):
        yield placed.doc.text


def _read_passages(subject: Subject, options: Options) -> Tuple[List[str], List[str]]:
    """Give passages of the real text, and beginnings of some."""
    if options.text is None:
        return [], []
    passages = draw_passages(_texts(subject, options.text), _N_PASSAGES, seed=options.seed)
    beginnings = dict.fromkeys(
        " ".join(word[:_WORD_CHARACTERS] for word in passage.split()[:_PROMPT_WORDS]) for passage in passages
    )
    return passages, list(beginnings)[:_N_PROMPTS]


def _describe(
    number: int, subjects: Sequence[Subject], samples: List[Samples], own: Sequence[List[str]], passages: List[str]
) -> Writer:
    """Say what is on the page of a model."""
    subject = subjects[number]
    scores = [measure_positions(each.lm, each.read(own[number])) for each in subjects]
    real = measure_positions(subject.lm, subject.read(passages)) if passages else None
    return Writer(subject.name, subject.lm.symbols.unit, samples, scores[number], [each.mean for each in scores], real)


def _print(writers: Sequence[Writer]) -> None:
    """Print what there is in numbers."""
    rows: List[Tuple[Any, ...]] = []
    for writer in writers:
        for samples in writer.samples:
            shares = [*samples.diversity.distinct, samples.diversity.self_bleu, samples.new_words]
            rows.append((writer.name, samples.setting, *("–" if share is None else f"{share:.3f}" for share in shares)))
    header = ("model", "setting", *(f"distinct-{n}" for n in range(1, len(rows[0]) - 3)), "self-BLEU", "new words")
    msg.table(rows, header=header, divider=True, aligns=("l", "l", *["r"] * (len(header) - 2)))
