"""`perplexity`: what a language model says of texts."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Iterator, List, Literal, NamedTuple, Optional, Tuple

from markupsafe import Markup
from spacy.language import Language
from tqdm import tqdm
from wasabi import table

from ...evaluation.components import find_language_model
from ...evaluation.language.documents import (
    DocumentScore,
    DocumentSummary,
    TotalScore,
    WorstDocuments,
    find_reading,
    score_documents,
    to_json,
)
from ...pages.files import open_file, write_file
from ...pages.text import visible
from ...pipeline.language_model.component import RNNLanguageModel
from ..errors import writing
from ..loading import load_pipeline, read_plain_texts
from ..printing import to_stdout, write

HEADER = ("", "text", "words", "bits/character", "bits/word", "perplexity", "unknown")
ALIGNS: Tuple[Literal["l", "r"], ...] = ("l", "l", "r", "r", "r", "r", "r")
# How much of a text stands in the table, in characters, and on the page, in tokens.
_BEGINNING, _TOKENS = 32, 1000
RULES = {
    "symbol": "An unknown {unit} counts as anything unknown: its probability is that of all of them together.",
    "skip": "Unknown {unit}s are left out, and so are the words that begin with one.",
    "spread": "The probability of anything unknown is shared among {types:,} unknown {unit}s.",
}


class Options(NamedTuple):
    """What a user chooses.

    unit (Optional[str]): What a text of a `.txt` file is; as the model was trained if None.
    tokens (Optional[str]): What words are; as the model was trained if None.
    worst (int): How many texts are shown.
    words (bool): Whether the surprisal of each word is printed.
    html (Optional[Path]): Where a page goes.
    output (Optional[Path]): Where the scores of all texts go.
    """

    unit: Optional[str]
    tokens: Optional[str]
    worst: int
    words: bool
    html: Optional[Path]
    output: Optional[Path]


def score_texts(pipeline: str, texts: Path, component: Optional[str], options: Options) -> None:
    """Print what a language model says of texts, those first that surprise it most.

    pipeline (str): A directory, or the name of an installed package.
    texts (Path): A file `.txt`, `.jsonl`, either of them with `.gz`, or `.spacy`; or a folder of such files.
    component (Optional[str]): The component's name; the first language model if None.
    options (Options): The rest.
    RAISES (CommandError): If there is no such pipeline or no such file, or one cannot be written.
    RAISES (ValueError): If the pipeline has no such language model, or a file is damaged or has no text.
    """
    nlp = load_pipeline(pipeline)
    _, lm = find_language_model(nlp, component)
    worst = WorstDocuments(options.worst, _TOKENS)
    total = TotalScore()
    with to_stdout():
        for document in _score(nlp, lm, texts, options):
            total = total.add(document.scored)
            worst.add(document)
            if options.words:
                _write_words(document, lm)
        ranked = worst.ranked()
        _write_table(ranked, total, lm)
    if options.html is not None:
        # Imported here because nothing else needs it.
        from ...pages.surprisal import draw_surprisals

        figures = []
        for each in ranked:
            each.doc.user_data["title"] = f"{each.place}: {each.total.bits_per_character:.3f} bits a character"
            figures.append(draw_surprisals(each.doc, each.surprisals, each.n_tokens))
        _write_page(options.html, figures)


def _write_page(path: Path, figures: List[Markup]) -> None:
    from ...pages.pictures import publish

    page = publish(figures, "Surprisal", page=True, minify=False, jupyter=False)
    with writing("page", path):
        write_file(path, page or "")


def _score(nlp: Language, lm: RNNLanguageModel, texts: Path, options: Options) -> Iterator[DocumentScore]:
    """Score the texts, and write the file of their scores."""
    reading = find_reading(nlp, lm, options.unit, options.tokens)
    placed = tqdm(read_plain_texts(nlp, texts, reading), desc="Texts", unit="text", disable=None, leave=False)
    with ExitStack() as stack:
        file = None
        if options.output is not None:
            stack.enter_context(writing("scores", options.output))
            file = stack.enter_context(open_file(options.output))
        for document in score_documents(lm, placed):
            if file is not None:
                line = json.dumps(to_json(document, options.words))
                file.write(line.encode("ascii") + b"\n")
            yield document


def _write_words(document: DocumentScore, lm: RNNLanguageModel) -> None:
    """Print the surprisal of each word, in the order of the text."""
    lines = [f"# {document.place}"]
    for token, bits in zip(document.doc, document.surprisals.tolist(), strict=True):
        lines.append(f"{bits:.2f}\t{visible(token.text)}")
    if lm.count_end:
        lines.append(f"{document.scored.surprisals[-1]:.2f}\t({_name_end(lm)} of text)")
    write("\n".join(lines) + "\n\n")


def _write_table(worst: List[DocumentSummary], total: TotalScore, lm: RNNLanguageModel) -> None:
    """Print the texts that surprise most, all texts together, and how it was counted."""
    rows = [(each.place, _begin(each), *_cells(each.total)) for each in worst]
    shown = f"{total.n_texts:,} text{'s' if total.n_texts > 1 else ''}"
    write(table(rows, header=HEADER, footer=("all", shown, *_cells(total)), divider=True, aligns=ALIGNS) + "\n")
    rule = RULES[lm.unknown].format(unit=lm.symbols.unit, types=lm.unknown_types)
    end = "counts as one more character and word" if lm.count_end else "does not count"
    lines = [rule, f"The {_name_end(lm)} of a text {end}. Perplexity is that of a word."]
    if total.n_texts > len(worst):
        lines.append(f"The {len(worst)} most surprising texts are shown; --worst shows more, --output all.")
    write("\n".join(lines) + "\n")


def _name_end(lm: RNNLanguageModel) -> str:
    """Say where a model that has read a text is."""
    return "beginning" if lm.symbols.backward else "end"


def _begin(summary: DocumentSummary) -> str:
    text = visible(summary.doc[:_BEGINNING].text[: _BEGINNING + 1].replace("\n", " "))
    return text if len(text) <= _BEGINNING else text[: _BEGINNING - 1] + "…"


def _cells(total: TotalScore) -> List[str]:
    return [
        f"{total.n_words:,}",
        f"{total.bits_per_character:.3f}",
        f"{total.bits_per_word:.2f}",
        f"{total.perplexity:,.1f}" if total.perplexity < 1e6 else f"{total.perplexity:.3g}",
        f"{total.n_unknown:,}",
    ]
