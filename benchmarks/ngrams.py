"""N-gram models against KenLM: perplexity, scores, the time of training and the words scored a second.

    python benchmarks/ngrams.py WIKITEXT_FOLDER SHAKESPEARE_FILE --lmplz PATH/TO/lmplz

WikiText-2: valid.txt is the training text and test.txt is scored, a sentence a line, without empty lines. `<unk>` is a word like
any other, and what valid.txt does not have is that word. The perplexity counts unknown words and ends of sentences. Tiny
Shakespeare: a model of characters of the first 90 %, which are one text; the last 10 % are another one, and its end counts.
Discounts that cannot be estimated are 0.5, 1 and 1.5, as by `lmplz --discount_fallback`.

Training is timed from the text file to the ARPA file, both on one thread where the program lets one choose. Scoring is timed from
arrays of symbols to the log-probabilities of the whole test text in one call; KenLM's Python module, if it is installed, scores
sentence by sentence.
"""

import math
import subprocess
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy
import srsly
import typer
from _measure import RESULTS, engine, machine, run_on_one_thread
from wasabi import table as format_table

from spacy_rnn.backoff import BackoffModel, read_arpa
from spacy_rnn.cli.language_models.ngrams import Options, write_ngrams

UNKNOWN = "UNKNOWN"
# What KenLM reads in place of white space, where symbols are characters.
AS_WORDS = {" ": "\\u0020", "\n": "\\u000a"}
WORD_ORDERS = (3, 5)
CHARACTER_ORDERS = (6, 7, 8, 10)

Row = Dict[str, Any]


class Corpus(NamedTuple):
    """Texts to train on, and others to score.

    name (str): What it is called.
    train (Path): The training text, as this package reads it.
    train_words (Path): The same for KenLM: a text a line, its symbols separated by blanks.
    test (List[List[str]]): The symbols of each text to score.
    symbols (str): "words" or "characters".
    unit (str): What a training text is.
    orders (Tuple[int, ...]): The orders of models.
    """

    name: str
    train: Path
    train_words: Path
    test: List[List[str]]
    symbols: str
    unit: str
    orders: Tuple[int, ...]


def prepare_wikitext(source: Path, folder: Path) -> Corpus:
    """Write WikiText-2 without empty lines.

    source (Path): The folder with valid.txt and test.txt.
    folder (Path): Where files go.
    RETURNS (Corpus): The corpus.
    """
    texts = {}
    for part in ("valid", "test"):
        lines = (source / f"{part}.txt").read_text("utf8").split("\n")
        texts[part] = [[UNKNOWN if word == "<unk>" else word for word in line.split()] for line in lines if line.split()]
    path = folder / "wikitext.txt"
    path.write_text("".join(" ".join(text) + "\n" for text in texts["valid"]), "utf8")
    return Corpus("WikiText-2", path, path, texts["test"], "words", "line", WORD_ORDERS)


def prepare_shakespeare(source: Path, folder: Path) -> Corpus:
    """Cut Tiny Shakespeare in two.

    source (Path): The file.
    folder (Path): Where files go.
    RETURNS (Corpus): The corpus.
    """
    text = source.read_text("utf8")
    cut = int(len(text) * 0.9)
    train, words = folder / "shakespeare.txt", folder / "shakespeare-words.txt"
    train.write_text(text[:cut], "utf8")
    words.write_text(" ".join(AS_WORDS.get(char, char) for char in text[:cut]) + "\n", "utf8")
    test = [[AS_WORDS.get(char, char) for char in text[cut:]]]
    return Corpus("Tiny Shakespeare", train, words, test, "characters", "file", CHARACTER_ORDERS)


def train(corpus: Corpus, order: int, output: Path) -> float:
    """Train with this package.

    corpus (Corpus): The corpus.
    order (int): The order.
    output (Path): The ARPA file.
    RETURNS (float): Seconds.
    """
    options = Options(order, corpus.symbols, corpus.unit, 0, 1, "kneser_ney", 1.0, "", False, "1G")
    begin = time.perf_counter()
    with redirect_stdout(StringIO()):
        write_ngrams([corpus.train], output, options)
    return time.perf_counter() - begin


def train_kenlm(lmplz: Path, corpus: Corpus, order: int, output: Path) -> float:
    """Train with KenLM.

    lmplz (Path): The program.
    corpus (Corpus): The corpus.
    order (int): The order.
    output (Path): The ARPA file.
    RETURNS (float): Seconds.
    """
    fallback = ["--discount_fallback"] if corpus.symbols == "characters" else []
    command = [str(lmplz), "-o", str(order), "-S", "1G", "--text", str(corpus.train_words), "--arpa", str(output), *fallback]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def encode(names: List[str], test: List[List[str]]) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Number the symbols of texts.

    names (List[str]): The symbols of the model.
    test (List[List[str]]): The texts.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]): Inputs, targets and lengths.
    """
    numbers = {name: i for i, name in enumerate(names)}
    unknown = numbers.get(UNKNOWN, 0)
    texts = [[numbers.get(word, unknown) for word in text] for text in test]
    inputs = numpy.array([number for text in texts for number in [1, *text]], "int32")
    targets = numpy.array([number for text in texts for number in [*text, 2]], "int32")
    return inputs, targets, numpy.array([len(text) + 1 for text in texts], "int32")


def score(path: Path, test: List[List[str]]) -> Tuple[numpy.ndarray, BackoffModel, Callable[[], Any]]:
    """Score texts by an ARPA file.

    path (Path): The file.
    test (List[List[str]]): The texts.
    RETURNS (Tuple[numpy.ndarray, BackoffModel, Callable]): Decimal log-probabilities, float64 [N]; the model; and what scores
        again.
    """
    names, model = read_arpa(path)
    batch = encode(names, test)
    found = model.score(*batch).log_probabilities.astype("float64") / math.log(10)
    return found, model, lambda: model.score(*batch)


def score_kenlm(path: Path, test: List[List[str]]) -> Optional[Tuple[numpy.ndarray, float]]:
    """Score texts by an ARPA file with KenLM.

    path (Path): The file.
    test (List[List[str]]): The texts.
    RETURNS (Optional[Tuple[numpy.ndarray, float]]): Decimal log-probabilities, float64 [N], and seconds; None without KenLM, or
        if it was built for lower orders.
    """
    try:
        import kenlm

        model = kenlm.Model(str(path))
    except (ImportError, OSError):
        return None
    known = [" ".join(word if word in model or UNKNOWN not in model else UNKNOWN for word in text) for text in test]
    begin = time.perf_counter()
    found = [probability for text in known for probability, _, _ in model.full_scores(text)]
    return numpy.array(found), time.perf_counter() - begin


def shortest(call: Callable[[], Any], n: int) -> float:
    """Time a call.

    call (Callable): What is timed.
    n (int): How often.
    RETURNS (float): Seconds, of the quickest one.
    """
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def measure(corpus: Corpus, order: int, folder: Path, lmplz: Optional[Path], n: int) -> Row:
    """Measure models of an order.

    corpus (Corpus): The corpus.
    order (int): The order.
    folder (Path): Where files go.
    lmplz (Optional[Path]): KenLM's program, if there is one.
    n (int): How often what is timed runs.
    RETURNS (Dict[str, Any]): The figures.
    """
    ours, theirs = folder / "ours.arpa", folder / "kenlm.arpa"
    seconds = shortest(lambda: train(corpus, order, ours), n)
    found, model, again = score(ours, corpus.test)
    n_ngrams = sum(model.trie.sizes)
    row: Row = {
        "corpus": corpus.name,
        "order": order,
        "n-grams": n_ngrams,
        "bytes an n-gram": round(model.n_bytes / n_ngrams, 1),
        "bits a symbol": round(-found.mean() / math.log10(2), 4),
        "perplexity": round(10 ** -found.mean(), 3),
        "training, s": round(seconds, 3),
        "million symbols scored a second": round(len(found) / shortest(again, 5 * n) / 1e6, 2),
    }
    read = score_kenlm(ours, corpus.test)
    if read is not None:
        row["KenLM reads ours, largest difference"] = float(numpy.abs(read[0] - found).max())
    if lmplz is not None:
        row["lmplz, s"] = round(shortest(lambda: train_kenlm(lmplz, corpus, order, theirs), n), 3)
        of_theirs, _, _ = score(theirs, corpus.test)
        row["perplexity of lmplz's"] = round(10 ** -of_theirs.mean(), 3)
        read = score_kenlm(theirs, corpus.test)
        if read is not None:
            row["we read KenLM's, largest difference"] = float(numpy.abs(read[0] - of_theirs).max())
            row["KenLM's Python module, million a second"] = round(len(found) / read[1] / 1e6, 2)
    return row


def main(
    wikitext: Annotated[Path, typer.Argument(help="Folder with valid.txt and test.txt of WikiText-2")],
    shakespeare: Annotated[Path, typer.Argument(help="Tiny Shakespeare, input.txt")],
    lmplz: Annotated[Optional[Path], typer.Option(help="KenLM's program that trains models")] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "ngrams.json",
    n: Annotated[int, typer.Option(min=1, help="How often what is timed runs; the quickest counts")] = 5,
) -> None:
    """Measure n-gram models, and keep the figures."""
    run_on_one_thread()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpora = [prepare_wikitext(wikitext, folder), prepare_shakespeare(shakespeare, folder)]
        rows = [measure(corpus, order, folder, lmplz, n) for corpus in corpora for order in corpus.orders]
    goals = {"million symbols scored a second, at least": 2.0, "training : lmplz, at most": 2.0, "bytes an n-gram, at most": 40}
    srsly.write_json(output, {"benchmark": "ngrams", "machine": machine(), "engine": engine(), "goals": goals, "rows": rows})
    header = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[str(row.get(key, "")) for row in rows] for key in header]
    typer.echo(format_table([[key, *line] for key, line in zip(header, lines, strict=True)], max_col=45))


if __name__ == "__main__":
    typer.run(main)
