"""`translate`: a text for each line of a text, by an encoder-decoder."""

import gzip
import re
import sys
from contextlib import contextmanager, nullcontext, redirect_stdout
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..evaluation.components import find_seq2seq
from ..pages.files import open_file, write_file
from ..pipeline.annotation.output import Output, set_output
from ..pipeline.corpus.files import read_lines, split_lines
from ..pipeline.seq2seq.component import RNNSeq2Seq
from .errors import CommandError, writing
from .loading import load_pipeline
from .printing import to_stdout, write

STDIN = "-"
# How many batches are sorted together, so that lines of like length meet in each.
_BATCHES = 100
# How many lines a page shows.
_PICTURES = 100
_PIECE = 1 << 20
_LINE_BREAK = re.compile(r"\r\n|[\r\n]")


class Options(NamedTuple):
    """What a user chooses.

    output (Optional[Path]): Where the output goes; to standard output if None.
    beam (Optional[int]): How many texts the search keeps at each step; as the component is set if None.
    batch_size (int): How many lines are translated together.
    alternatives (int): How many further outputs each line gets.
    attention (Optional[Path]): Where a page of what the model looked at goes.
    """

    output: Optional[Path]
    beam: Optional[int]
    batch_size: int
    alternatives: int
    attention: Optional[Path]


class Line(NamedTuple):
    """A line and what was written for it.

    number (int): Which line it is, from 1.
    text (str): The line.
    outputs (List[Output]): What was written, best first; nothing for a line of white space.
    """

    number: int
    text: str
    outputs: List[Output]


class _Translator(NamedTuple):
    """What translates lines.

    nlp (Language): The pipeline, whose tokenizer is used.
    pipe (RNNSeq2Seq): Its encoder-decoder.
    source (str): Where the lines come from.
    settings (Dict[str, Any]): Those of `RNNSeq2Seq.translate`.
    """

    nlp: Language
    pipe: RNNSeq2Seq
    source: str
    settings: Dict[str, Any]


def translate_lines(pipeline: str, file: str, component: Optional[str], options: Options) -> None:
    """Write a text for each line of a file, in the order of the lines.

    Lines are read in windows of many batches, and sorted by length within each, so memory does not grow with their number.

    pipeline (str): A directory, or the name of an installed package.
    file (str): A text file, compressed if its name ends in .gz, or "-" for standard input.
    component (Optional[str]): The component's name; the first encoder-decoder if None.
    options (Options): The rest.
    RAISES (CommandError): If there is no such pipeline or file, a file cannot be written, or the options contradict each other.
    RAISES (ValueError): If the pipeline has no such encoder-decoder, the file is damaged, or a line is refused, with its number.
    """
    _check(file, options)
    nlp = load_pipeline(pipeline)
    _, pipe = find_seq2seq(nlp, component)
    source = "standard input" if file == STDIN else file
    translator = _Translator(nlp, pipe, source, {"width": options.beam, "n": 1 + options.alternatives})
    is_shown = options.output is None and sys.stdout.isatty()
    bar = tqdm(desc="Lines", unit="line", disable=True if is_shown else None, leave=False)
    figures: List[Doc] = []
    with bar, _writer(options.output) as put:
        for i, window in enumerate(_read_windows(file, options)):
            with_attention = options.attention is not None and i == 0
            lines = _translate(translator, window, options.batch_size, with_attention, bar.update)
            if with_attention:
                figures = _show(translator, lines)
            put("".join(_format(line, options.alternatives > 0) for line in lines))
    if options.attention is not None:
        # Standard output has the lines and nothing else.
        with redirect_stdout(sys.stderr) if options.output is None else nullcontext():
            _write_page(options.attention, figures)


def _check(file: str, options: Options) -> None:
    """Refuse what can be refused before the pipeline is loaded."""
    if file != STDIN and not Path(file).exists():
        raise CommandError(f"There is no file {file}", "Expected a text, a line each, or - for standard input.")
    if options.beam is not None and options.alternatives >= options.beam:
        raise CommandError(
            f"A beam of {options.beam} finds at most {options.beam - 1} alternatives, not {options.alternatives}",
            "Set a wider --beam, or a lower --alternatives.",
        )


def _read_windows(file: str, options: Options) -> Iterator[List[Tuple[int, str]]]:
    """Give lines that are sorted together, each with its number. The first ones are those of the page, if there is one."""
    lines = _read(file)
    if options.attention is not None:
        yield list(islice(lines, _PICTURES))
    while window := list(islice(lines, _BATCHES * options.batch_size)):
        yield window


def _read(file: str) -> Iterator[Tuple[int, str]]:
    if file == STDIN:
        pieces = iter(lambda: sys.stdin.buffer.read(_PIECE), b"")
        yield from split_lines(pieces, "standard input")
        return
    try:
        yield from read_lines(Path(file))
    except OSError as error:
        raise CommandError(f"{file} cannot be read", str(error)) from error


def _translate(
    translator: _Translator,
    window: Sequence[Tuple[int, str]],
    batch_size: int,
    with_attention: bool,
    update: Callable[[int], Any],
) -> List[Line]:
    """Translate lines in batches of like length."""
    found: Dict[int, List[Output]] = {}
    texts = sorted((line for line in window if line[1].strip()), key=lambda line: len(line[1]))
    for i in range(0, len(texts), batch_size):
        batch = texts[i : i + batch_size]
        for (number, _), outputs in zip(batch, _translate_batch(translator, batch, with_attention), strict=True):
            found[number] = outputs
        update(len(batch))
    update(len(window) - len(texts))
    return [Line(number, text, found.get(number, [])) for number, text in window]


def _translate_batch(translator: _Translator, batch: Sequence[Tuple[int, str]], with_attention: bool) -> List[List[Output]]:
    def run(texts: Sequence[str]) -> List[List[Output]]:
        docs = [translator.nlp.make_doc(text) for text in texts]
        return translator.pipe.translate(docs, with_attention=with_attention, **translator.settings)

    try:
        return run([text for _, text in batch])
    except ValueError:
        for number, text in batch:
            try:
                run([text])
            except ValueError as error:
                raise ValueError(f"{translator.source}, line {number}: {error}") from error
        raise


def _format(line: Line, with_alternatives: bool) -> str:
    """Give the output of a line: a line of text, or a row for each alternative."""
    texts = [_LINE_BREAK.sub(" ", output.text) for output in line.outputs]
    if not with_alternatives:
        return "".join(texts[:1]) + "\n"
    scored = zip(line.outputs, texts, strict=True)
    return "".join(f"{line.number}\t{output.score:.4f}\t{text}\n" for output, text in scored)


@contextmanager
def _writer(path: Optional[Path]) -> Iterator[Callable[[str], Any]]:
    """Give what writes the output: to a file, which is written whole or not at all, or to standard output at once."""
    if path is None:
        with to_stdout():
            yield write
        return
    with writing("output", path), open_file(path) as file:
        if path.suffix != ".gz":
            yield lambda text: file.write(text.encode("utf8"))
            return
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as compressed:
            yield lambda text: compressed.write(text.encode("utf8"))


def _show(translator: _Translator, lines: Sequence[Line]) -> List[Doc]:
    """Give the lines with what the model looked at, without those that have no symbols to show."""
    docs = []
    for line in lines:
        if not line.outputs:
            continue
        best = line.outputs[0]
        if best.attention is None:
            raise CommandError("The model has no attention, so there is nothing to show", "Leave out --attention.")
        if best.attention.sources and best.attention.targets:
            doc = translator.nlp.make_doc(line.text)
            set_output(doc, best)
            doc.user_data["title"] = f"{line.number}: {best.text}"
            docs.append(doc)
    return docs


def _write_page(path: Path, docs: List[Doc]) -> None:
    # Imported here because nothing else needs it.
    from ..pages.alignment import render_alignment

    page = render_alignment(docs, page=True, jupyter=False)
    with writing("page", path):
        write_file(path, page or "")
