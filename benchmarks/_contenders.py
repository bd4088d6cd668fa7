"""Train a contender on a corpus and measure it: scores, time, speed and size."""

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

import spacy
from _bag_of_words import BagOfWords, fit, read_parts, score_texts
from _ewt import sentence_texts
from _measure import take_turns
from accuracy import score_known_words
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus

BATCH_SIZE = 256
"""How many texts go through a pipeline at a time."""
MAX_WORDS = 20_000
"""About how many words of dev go through it to measure its speed."""
SECONDS = 1.0
"""How long that goes on, and three times at least."""


class Setting(NamedTuple):
    """What is scored, and how.

    corpus (Path): The folder of train, dev and test.
    splits (Sequence[str]): The parts to score.
    scores (Mapping[str, str]): spaCy's score by the name it has in the results.
    gold_tokens (bool): Whether texts are evaluated on gold sentences and gold tokens, else on those of the tokenizer; words that
        train has, and those it has not, are then scored apart.
    before_pass (Callable[[Language], None]): What is done before each pass whose speed is measured.
    """

    corpus: Path
    splits: Sequence[str]
    scores: Mapping[str, str]
    gold_tokens: bool
    before_pass: Callable[[Language], None] = lambda nlp: None


def measure_pipeline(config: str, overrides: Dict[str, Any], seed: int, setting: Setting) -> Dict[str, Any]:
    """Train a pipeline, and measure its best state.

    config (str): The text of its config.
    overrides (Dict[str, Any]): Settings that differ from the config's.
    seed (int): The seed.
    setting (Setting): What is scored, and how.
    RETURNS (Dict[str, Any]): Scores in percent, processor seconds of training, words a second, bytes of the saved models and the
        number of parameters.
    """
    paths = {f"paths.{split}": str(setting.corpus / f"{split}.spacy") for split in ("train", "dev")}
    with TemporaryDirectory() as folder:
        path, output = Path(folder) / "config.cfg", Path(folder) / "output"
        path.write_text(config, encoding="utf8")
        start = time.process_time()
        train(path, output, overrides={**paths, "system.seed": seed, **overrides})
        seconds = time.process_time() - start
        best = output / "model-best"
        n_bytes = sum(model.stat().st_size for model in best.glob("*/model"))
        nlp = spacy.load(best)
    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    nodes = [node for model in models if model is not None for node in model.walk()]
    return {
        "scores": score_pipeline(nlp, setting),
        "training seconds": round(seconds),
        "words a second": measure_speed(partial(_annotate, nlp, setting.before_pass), nlp, setting),
        "bytes": n_bytes,
        "parameters": int(sum(node.get_param(name).size for node in nodes for name in node.param_names)),
    }


def score_pipeline(nlp: Language, setting: Setting) -> Dict[str, Optional[float]]:
    """Score a trained pipeline.

    nlp (Language): The pipeline.
    setting (Setting): What is scored, and how.
    RETURNS (Dict[str, Optional[float]]): Scores in percent by part and name; None where there is nothing to score.
    """
    scores: Dict[str, Optional[float]] = {}
    for split in setting.splits:
        examples = list(Corpus(setting.corpus / f"{split}.spacy", gold_preproc=setting.gold_tokens)(nlp))
        found = nlp.evaluate(examples)
        scores.update({f"{split} {name}": _percent(found[key]) for name, key in setting.scores.items()})
    if setting.gold_tokens:
        scores.update(score_known_words(nlp, setting.corpus, True, setting.splits))
    return scores


def measure_bag_of_words(exclusive: bool, score: str, setting: Setting) -> Dict[str, Any]:
    """Train a logistic regression over TF-IDF weights of words and pairs of words, and measure it.

    exclusive (bool): Whether exactly one class is true of each text.
    score (str): The score that is to be as high as possible on dev.
    setting (Setting): What is scored, and how.
    RETURNS (Dict[str, Any]): As from `measure_pipeline`, and the strength of regularisation.
    """
    parts = read_parts(setting.corpus, ("train", "dev", *setting.splits))
    start = time.process_time()
    model = fit(parts["train"], parts["dev"], ngrams=2, tfidf=True, exclusive=exclusive, score=score)
    seconds = time.process_time() - start
    scores = {split: score_texts(model, parts[split]) for split in setting.splits}
    nlp = spacy.blank("en")
    return {
        "scores": {f"{split} {name}": _percent(scores[split][name]) for split in setting.splits for name in setting.scores},
        "training seconds": round(seconds),
        "words a second": measure_speed(partial(_categorize, model, nlp), nlp, setting),
        "bytes": model.n_bytes,
        "parameters": model.n_parameters,
        "C": model.strength,
    }


def measure_speed(run: Callable[[List[str]], Any], nlp: Language, setting: Setting) -> Dict[str, float]:
    """Measure how fast raw texts are annotated that have been seen before.

    run (Callable): Annotates texts.
    nlp (Language): The pipeline whose tokenizer tells how many words they have.
    setting (Setting): The corpus; sentences of dev if tokens are gold, else its texts.
    RETURNS (Dict[str, float]): Words a second, in the shortest and in the median pass after the first, and the number of these.
    """
    texts, n_words = [], 0
    for text in _read_texts(setting):
        texts.append(text)
        n_words += len(nlp.make_doc(text))
        if n_words >= MAX_WORDS:
            break
    # The first pass is not timed.
    times = take_turns({"": lambda: run(texts)}, SECONDS, turn=0, at_least=3)
    return times[""].speed(n_words)


def _read_texts(setting: Setting) -> List[str]:
    path = setting.corpus / "dev.spacy"
    if setting.gold_tokens:
        return sentence_texts(path)
    return [doc.text for doc in DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)]


def _annotate(nlp: Language, before_pass: Callable[[Language], None], texts: List[str]) -> None:
    before_pass(nlp)
    for _ in nlp.pipe(texts, batch_size=BATCH_SIZE):
        pass


def _categorize(model: BagOfWords, nlp: Language, texts: List[str]) -> None:
    model.predict([" ".join(token.text for token in doc) for doc in nlp.pipe(texts, batch_size=BATCH_SIZE)])


def _percent(score: Optional[float]) -> Optional[float]:
    return None if score is None else round(100 * score, 2)
