"""Lemmas: how many are right, of forms that the training part has and of others, and how fast components find them.

    python benchmarks/lemmas.py CORPUS --pipeline PIPELINE --spacy PIPELINE
    python benchmarks/lemmas.py CORPUS --pipeline PIPELINE --spacy PIPELINE --tagger PIPELINE --test
    python benchmarks/lemmas.py CORPUS --pipeline PIPELINE --spacy PIPELINE --speed

CORPUS is a folder with train.spacy, dev.spacy and test.spacy, or with a treebank in CoNLL-U. Compared are the form itself, a
dictionary (the most frequent lemma of form and tag, else of the form, else the form itself), pipelines with spaCy's
`trainable_lemmatizer`, and pipelines with an `rnn_lemmatizer`; --pipeline may be given several times, once for each seed.

Sentences and tokens are those of the corpus. Tags are so as well, or those of the pipeline named by --tagger; taggers of the
pipelines that are compared do not run. A lemma is right if it is the same string, upper and lower case included. Words of which
the corpus gives no lemma do not count; in Universal Dependencies these are parts of words that were written apart, with `_` for a
lemma, and on Uyghur every fourth word. Scores are given of all words, of forms that the training part has with a lemma, of those
that it has not, and of forms that it does not have under that tag of the corpus.

With --speed, words a second are those of all texts of dev, which have gone through once before. New forms are the beginning of a
form of the training part and the end of another one, put together to forms that it does not have, with more letters where that
has come before: each comes once, in one call. Docs are made before a call is timed, spaCy's `tok2vec` is timed with its
lemmatizer, and the contenders take turns.
"""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set

import numpy
import spacy
import srsly
import typer
from _lemma_baselines import LemmaDictionary, Word
from _measure import RESULTS, ROOT, Times, check_goal, engine, format_goals, machine, run_on_one_thread
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from wasabi import table as format_table

OUTPUT = RESULTS / "lemmas.json"
OURS, SPACY = "rnn_lemmatizer", "trainable_lemmatizer"
GROUPS = ("all", "known forms", "unknown forms", "unknown forms and tags")
BATCH_SIZE = 256
# New forms of a call, and the words of one of its texts.
N_FORMS, N_WORDS = 4000, 20
# Words, and new forms, a second.
GOALS = {"warm words": 100_000, "new forms": 6_000}

Sentences = List[List[Word]]


class Finding(NamedTuple):
    """What a system says of a word of which the corpus has a lemma: the word, and the lemma that was found."""

    word: Word
    found: str


def prepare(corpus: Path, folder: Path) -> Path:
    """Convert a treebank, if it is one.

    corpus (Path): The folder of the corpus.
    folder (Path): Where a converted one goes.
    RETURNS (Path): The folder of train.spacy, dev.spacy and test.spacy.
    """
    if (corpus / "train.spacy").is_file():
        return corpus
    subprocess.run([sys.executable, "-B", ROOT / "scripts" / "convert_conllu.py", corpus, folder], check=True)
    return folder


def read_docs(path: Path, vocab: Optional[Vocab] = None) -> List[Doc]:
    """Read a part of the corpus.

    path (Path): The file.
    vocab (Optional[Vocab]): The vocabulary; a new one if None.
    RETURNS (List[Doc]): Its texts.
    """
    return list(DocBin().from_disk(path).get_docs(vocab or Vocab()))


def read_words(docs: Sequence[Doc], attr: str) -> Sentences:
    """Take the words of texts.

    docs (Sequence[Doc]): The texts.
    attr (str): The attribute that is the tag: "pos" or "tag".
    RETURNS (List[List[Word]]): The words of each.
    """
    return [[Word(token.text, getattr(token, f"{attr}_"), token.lemma_) for token in doc] for doc in docs]


def without_lemmas(gold: Doc, tagged: Optional[Doc]) -> Doc:
    """Copy a text without what is to be found.

    gold (Doc): The text, for its tokens and sentences.
    tagged (Optional[Doc]): The text with the tags that it gets; None for none.
    RETURNS (Doc): The copy.
    """
    return Doc(
        gold.vocab,
        words=[token.text for token in gold],
        spaces=[bool(token.whitespace_) for token in gold],
        tags=None if tagged is None else [token.tag_ for token in tagged],
        pos=None if tagged is None else [token.pos_ for token in tagged],
        sent_starts=[bool(token.is_sent_start) for token in gold],
    )


def load_lemmatizer(path: Path) -> Language:
    """Load a pipeline, of which only the lemmatizer and what it listens to will run.

    path (Path): The pipeline.
    RETURNS (Language): The pipeline.
    RAISES (BadParameter): If it has no lemmatizer.
    """
    nlp = spacy.load(path)
    own = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in (OURS, SPACY)]
    if not own:
        raise typer.BadParameter(f"{path}: expected a pipeline with {OURS} or {SPACY}, it has {', '.join(nlp.pipe_names)}")
    heard = [name for name, pipe in nlp.pipeline if set(getattr(pipe, "listening_components", ())) & set(own)]
    nlp.select_pipes(enable=[name for name in nlp.pipe_names if name in (*heard, *own)])
    return nlp


def tag(path: Path, tagger: Optional[Path]) -> List[Doc]:
    """Tag the sentences and tokens of the corpus.

    path (Path): A part of the corpus.
    tagger (Optional[Path]): The pipeline that does; if None, the tags are those of the corpus.
    RETURNS (List[Doc]): The texts.
    """
    if tagger is None:
        return read_docs(path)
    nlp = spacy.load(tagger)
    nlp.select_pipes(disable=[name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in (OURS, SPACY)])
    return list(nlp.pipe([without_lemmas(doc, None) for doc in read_docs(path, nlp.vocab)], batch_size=BATCH_SIZE))


def run_pipeline(nlp: Language, path: Path, tagged: Sequence[Doc]) -> List[List[str]]:
    """Let a pipeline find the lemmas of a part of the corpus.

    nlp (Language): The pipeline.
    path (Path): The part.
    tagged (Sequence[Doc]): The same texts with the tags that they get.
    RETURNS (List[List[str]]): The lemmas of each text.
    """
    docs = [without_lemmas(*pair) for pair in zip(read_docs(path, nlp.vocab), tagged, strict=True)]
    return [[token.lemma_ for token in doc] for doc in nlp.pipe(docs, batch_size=BATCH_SIZE)]


def compare(gold: Sentences, found: Sequence[Sequence[str]]) -> List[Finding]:
    """Put what was found beside what the corpus says.

    gold (List[List[Word]]): The words of the corpus.
    found (Sequence[Sequence[str]]): The lemmas that were found for them.
    RETURNS (List[Finding]): The words of which the corpus has a lemma.
    """
    pairs = zip(gold, found, strict=True)
    return [Finding(*pair) for words, lemmas in pairs for pair in zip(words, lemmas, strict=True) if pair[0].lemma]


def score(findings: Sequence[Finding], known: LemmaDictionary) -> Dict[str, Any]:
    """Score a system.

    findings (Sequence[Finding]): What it has found.
    known (LemmaDictionary): What the training part has.
    RETURNS (Dict[str, Any]): For each group the percentage that is right, None of nothing.
    """
    is_right = numpy.asarray([word.lemma == found for word, found in findings], dtype=bool)
    masks = group(findings, known)
    return {name: round(100 * float(is_right[mask].mean()), 2) if mask.any() else None for name, mask in masks.items()}


def group(findings: Sequence[Finding], known: LemmaDictionary) -> Dict[str, numpy.ndarray]:
    """Tell which words belong to which group.

    findings (Sequence[Finding]): The words.
    known (LemmaDictionary): What the training part has.
    RETURNS (Dict[str, numpy.ndarray]): bool [n] by the name of the group.
    """
    has_form = numpy.asarray([known.has(word.form) for word, _ in findings], dtype=bool)
    has_pair = numpy.asarray([known.has(word.form, word.tag) for word, _ in findings], dtype=bool)
    return dict(zip(GROUPS, (numpy.ones_like(has_form), has_form, ~has_form, ~has_pair), strict=True))


def list_errors(findings: Sequence[Finding], n: int) -> str:
    """Show what is wrong most often.

    findings (Sequence[Finding]): What a system has found.
    n (int): How many to show.
    RETURNS (str): A table.
    """
    wrong = Counter((*word, found) for word, found in findings if word.lemma != found)
    rows = [(count, *what) for what, count in wrong.most_common(n)]
    return str(format_table(rows, header=("", "form", "tag", "lemma", "found"), divider=True))


def find_lemmas(
    path: Path, attr: str, tagger: Optional[Path], known: LemmaDictionary, pipelines: Mapping[str, Language]
) -> Dict[str, List[Finding]]:
    """Let all systems find lemmas.

    path (Path): A part of the corpus.
    attr (str): Which attribute the tag of the dictionary is.
    tagger (Optional[Path]): The pipeline that tags; None for the tags of the corpus.
    known (LemmaDictionary): What the training part has.
    pipelines (Mapping[str, Language]): The pipelines by name.
    RETURNS (Dict[str, List[Finding]]): What each has found.
    """
    tagged = tag(path, tagger)
    given = read_words(tagged, attr)
    found = {
        "identity": [[word.form for word in words] for words in given],
        "dictionary": [[known.find(word.form, word.tag) for word in words] for words in given],
        **{name: run_pipeline(nlp, path, tagged) for name, nlp in pipelines.items()},
    }
    gold = read_words(read_docs(path), attr)
    return {name: compare(gold, lemmas) for name, lemmas in found.items()}


def draw_new_forms(words: Sequence[Word], seed: int = 0) -> Iterator[List[Word]]:
    """Draw forms that are not in the training part.

    words (Sequence[Word]): The words of the training part.
    seed (int): What the draws begin with.
    RETURNS (Iterator[List[Word]]): Every time `N_FORMS` words with tags that never were there before.
    """
    rng = numpy.random.default_rng(seed)
    sources = [word for word in dict.fromkeys(words) if word.form.isalpha() and len(word.form) > 3] or list(words)
    letters = sorted({letter for word in sources for letter in word.form})
    seen: Set[str] = {word.form for word in words}
    while True:
        drawn: List[Word] = []
        while len(drawn) < N_FORMS:
            first, last = (sources[i] for i in rng.integers(0, len(sources), 2))
            form = first.form[: len(first.form) // 2 + 1] + last.form[len(last.form) // 2 :].lower()
            while form in seen:
                form += letters[rng.integers(0, len(letters))]
            seen.add(form)
            drawn.append(Word(form, last.tag, ""))
        yield drawn


def measure_speed(
    corpus: Path, tagger: Optional[Path], pipelines: Mapping[str, Language], seconds: float, at_least: int
) -> Dict[str, Dict[str, Any]]:
    """Measure how fast components find lemmas.

    corpus (Path): The converted corpus.
    tagger (Optional[Path]): The pipeline that tags; None for the tags of the corpus.
    pipelines (Mapping[str, Language]): The pipelines by name.
    seconds (float): How long each of the two is measured.
    at_least (int): How many calls of each contender are measured.
    RETURNS (Dict[str, Dict[str, Any]]): Of warm words and of new forms the number a second by contender, and ratios.
    """
    path = corpus / "dev.spacy"
    tagged = tag(path, tagger)
    gold = {name: read_docs(path, nlp.vocab) for name, nlp in pipelines.items()}
    train = [word for words in read_words(read_docs(corpus / "train.spacy"), "pos") for word in words]
    new_forms = draw_new_forms(train)

    def warm() -> Callable[[str], List[Doc]]:
        return lambda name: [without_lemmas(*pair) for pair in zip(gold[name], tagged, strict=True)]

    def new() -> Callable[[str], List[Doc]]:
        drawn = next(new_forms)
        return lambda name: make_docs(pipelines[name].vocab, drawn)

    times = {
        "warm words": (take_turns_with_docs(pipelines, warm, seconds, at_least), sum(map(len, tagged))),
        "new forms": (take_turns_with_docs(pipelines, new, seconds, at_least), N_FORMS),
    }
    return {
        kind: {
            "a second": {name: each.speed(work) for name, each in taken.items()},
            "times as long as ours": {name: each.ratio_to(taken[OURS]) for name, each in taken.items() if OURS in taken},
        }
        for kind, (taken, work) in times.items()
    }


def make_docs(vocab: Vocab, words: Sequence[Word]) -> List[Doc]:
    """Make texts of words.

    vocab (Vocab): The vocabulary.
    words (Sequence[Word]): The words.
    RETURNS (List[Doc]): Texts of `N_WORDS` words with universal tags.
    """
    parts = [words[first : first + N_WORDS] for first in range(0, len(words), N_WORDS)]
    return [Doc(vocab, words=[word.form for word in part], pos=[word.tag for word in part]) for part in parts]


def take_turns_with_docs(
    pipelines: Mapping[str, Language],
    draw: Callable[[], Callable[[str], List[Doc]]],
    seconds: float,
    at_least: int,
) -> Dict[str, Times]:
    """Time pipelines in turns, on texts that are made anew, untimed, for each call.

    pipelines (Mapping[str, Language]): The pipelines by name. Each has a first call that is not measured.
    draw (Callable): Gives, for each round, what makes a pipeline's texts.
    seconds (float): How long to go on.
    at_least (int): How many calls of each are measured.
    RETURNS (Dict[str, Times]): The times of the calls.
    """
    taken: Dict[str, List[float]] = {name: [] for name in pipelines}
    n_rounds, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end or n_rounds <= at_least:
        make = draw()
        for name, nlp in pipelines.items():
            docs = make(name)
            start = time.perf_counter()
            for _ in nlp.pipe(docs, batch_size=BATCH_SIZE):
                pass
            if n_rounds:
                taken[name].append(time.perf_counter() - start)
        n_rounds += 1
    return {name: Times.of(each) for name, each in taken.items()}


def find_goals(speed: Mapping[str, Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Compare the speed with what it should be.

    speed (Mapping[str, Mapping[str, Any]]): What `measure_speed` has given.
    RETURNS (List[Dict[str, Any]]): The goals.
    """
    found = []
    for kind, goal in GOALS.items():
        a_second = speed[kind]["a second"].get(OURS)
        ratios = [] if a_second is None else [(kind, {"minima": a_second["best"], "medians": a_second["median"]})]
        found.append(check_goal(f"{OURS}, {kind}", "one a second", goal, ratios))
    return found


def keep(output: Path, key: str, row: Mapping[str, Any]) -> None:
    """Keep figures, in place of those of the same name.

    output (Path): The file.
    key (str): Their name.
    row (Mapping[str, Any]): The figures.
    """
    rows = srsly.read_json(output) if output.exists() else {}
    rows[key] = {**row, "machine": machine(), "engine": engine()}
    srsly.write_json(output, dict(sorted(rows.items())))


def report_accuracy(findings: Mapping[str, Sequence[Finding]], known: LemmaDictionary, n_errors: int) -> Dict[str, Any]:
    """Score all systems, and show the scores.

    findings (Mapping[str, Sequence[Finding]]): What each has found.
    known (LemmaDictionary): What the training part has.
    n_errors (int): How many of the most frequent errors of each are shown.
    RETURNS (Dict[str, Any]): The number of words of each group, and the scores.
    """
    words = {name: int(mask.sum()) for name, mask in group(findings["identity"], known).items()}
    scores = {system: score(own, known) for system, own in findings.items()}
    rows = [("words", *words.values()), *((system, *own.values()) for system, own in scores.items())]
    typer.echo(format_table(rows, header=("percent right", *GROUPS), divider=True))
    if n_errors:
        for system, own in findings.items():
            typer.echo(f"{system}, errors{list_errors(own, n_errors)}")
    return {"words": words, "scores": scores}


def report_speed(figures: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Show how fast components are.

    figures (Mapping[str, Mapping[str, Any]]): What `measure_speed` has given.
    RETURNS (Dict[str, Any]): The same with the goals.
    """
    goals = find_goals(figures)
    rows = [(kind, each, *own.values()) for kind, row in figures.items() for each, own in row["a second"].items()]
    typer.echo(format_table(rows, header=("a second", "", "best", "median", "calls"), divider=True))
    typer.echo(format_goals(goals))
    return {**figures, "goals": goals}


def main(
    corpus: Annotated[Path, typer.Argument(help="The folder of train.spacy, dev.spacy and test.spacy, or of a treebank")],
    pipeline: Annotated[
        Optional[List[Path]], typer.Option(help="A pipeline with an rnn_lemmatizer; may be given several times")
    ] = None,
    spacy_pipeline: Annotated[Optional[Path], typer.Option("--spacy", help="A pipeline with a trainable_lemmatizer")] = None,
    tagger: Annotated[
        Optional[Path], typer.Option(help="A pipeline that tags; without one the tags are those of the corpus")
    ] = None,
    attr: Annotated[str, typer.Option(help="The tag that the dictionary sees: pos (universal) or tag")] = "pos",
    test: Annotated[bool, typer.Option("--test", help="Score the test part in place of dev")] = False,
    speed: Annotated[bool, typer.Option("--speed", help="Measure the speed of the components, too")] = False,
    errors: Annotated[int, typer.Option(help="How many of the most frequent errors of each system are shown")] = 0,
    name: Annotated[Optional[str], typer.Option(help="What the corpus is called; as its folder if not given")] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = OUTPUT,
    seconds: Annotated[float, typer.Option(help="How long each kind of speed is measured")] = 60.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure lemmatizers, and keep the figures."""
    run_on_one_thread()
    if attr not in ("pos", "tag"):
        raise typer.BadParameter(f"--attr: expected pos or tag, got {attr}")
    pipelines = {} if spacy_pipeline is None else {SPACY: load_lemmatizer(spacy_pipeline)}
    for i, path in enumerate(pipeline or []):
        pipelines[OURS if not i else f"{OURS} {i + 1}"] = load_lemmatizer(path)
    part, tags = "test" if test else "dev", "gold" if tagger is None else "predicted"
    title = f"{name or corpus.name}, {tags} {'universal tags' if attr == 'pos' else 'tags'}"
    with TemporaryDirectory() as temporary:
        folder = prepare(corpus, Path(temporary))
        known = LemmaDictionary(word for words in read_words(read_docs(folder / "train.spacy"), attr) for word in words)
        typer.echo(f"{title}, {part}")
        findings = find_lemmas(folder / f"{part}.spacy", attr, tagger, known, pipelines)
        keep(output, f"{title}, {part}", report_accuracy(findings, known, errors))
        if speed and pipelines:
            figures = measure_speed(folder, tagger, pipelines, *((0.1, 1) if quick else (seconds, 5)))
            keep(output, f"{title}, speed", report_speed(figures))


if __name__ == "__main__":
    typer.run(main)
