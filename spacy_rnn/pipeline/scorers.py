"""Scores that spaCy has no function for."""

from functools import partial
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence

from spacy.scorer import Scorer
from spacy.training import Example

from .annotation.output import get_output


class TextMetrics(NamedTuple):
    """sacreBLEU's measures of texts against those that they should be (Post 2018, "A call for clarity in reporting BLEU scores").

    bleu (BLEU): BLEU of n-grams of up to four tokens (Papineni et al. 2002).
    chrf (CHRF): chrF2 of n-grams of up to six characters (Popović 2015).
    """

    bleu: Any
    chrf: Any


def pos_tagger_score(examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
    """Score `token.pos`.

    examples (Iterable[Example]): Predictions and gold annotation.
    RETURNS (Dict[str, Any]): "pos_acc", the share of annotated tokens that are right.
    """
    return Scorer.score_token_attr(examples, "pos", **kwargs)


def build_pos_tagger_scorer() -> Callable:
    """Give `pos_tagger_score` to a config.

    RETURNS (Callable): The scorer.
    """
    return pos_tagger_score


def seq2seq_score(
    examples: Iterable[Example], lower: bool = False, tokenize: str = "13a", **kwargs: Any
) -> Dict[str, Optional[float]]:
    """Score the outputs of encoder-decoders against those of the references. Needs the library sacrebleu.

    examples (Iterable[Example]): Predictions and gold outputs. Examples without a gold output don't count; without a predicted
        one the output is empty.
    lower (bool): Whether upper and lower case count as the same.
    tokenize (str): sacreBLEU's tokenization for BLEU, e.g. "13a", "intl", "zh" or "char".
    RETURNS (Dict[str, Optional[float]]): From 0 to 1: "bleu", "chrf" and "exact", the share of outputs that are equal to the
        reference's. None if no example has a gold output.
    RAISES (ImportError): If the library is missing.
    RAISES (ValueError): If there is no such tokenization.
    """
    metrics = make_text_metrics(lower, tokenize)
    outputs: List[str] = []
    references: List[str] = []
    for example in examples:
        gold, predicted = get_output(example.reference), get_output(example.predicted)
        if gold is not None:
            references.append(gold.text)
            outputs.append("" if predicted is None else predicted.text)
    if not references:
        return {"bleu": None, "chrf": None, "exact": None}
    bleu, chrf = (metric.corpus_score(outputs, [references]).score / 100 for metric in metrics)
    return {"bleu": bleu, "chrf": chrf, "exact": share_of_equal(outputs, references, lower)}


def build_seq2seq_scorer(lower: bool = False, tokenize: str = "13a") -> Callable:
    """Give `seq2seq_score` to a config.

    The library sacrebleu is imported only where scores are computed, so that pipelines run without it.

    lower (bool): Whether upper and lower case count as the same.
    tokenize (str): sacreBLEU's tokenization for BLEU, e.g. "13a", "intl", "zh" or "char".
    RETURNS (Callable): The scorer.
    """
    return partial(seq2seq_score, lower=lower, tokenize=tokenize)


def share_of_equal(outputs: Sequence[str], references: Sequence[str], lower: bool = False) -> float:
    """Find the share of texts that are what they should be.

    outputs (Sequence[str]): n texts, at least one.
    references (Sequence[str]): n texts, what they should be.
    lower (bool): Whether upper and lower case count as the same.
    RETURNS (float): From 0 to 1.
    """
    pairs = zip(outputs, references, strict=True)
    return sum(a.lower() == b.lower() if lower else a == b for a, b in pairs) / len(references)


def make_text_metrics(lower: bool = False, tokenize: str = "13a") -> TextMetrics:
    """Make sacreBLEU's measures.

    lower (bool): Whether upper and lower case count as the same.
    tokenize (str): sacreBLEU's tokenization for BLEU, e.g. "13a", "intl", "zh" or "char".
    RETURNS (TextMetrics): The measures.
    RAISES (ImportError): If the library sacrebleu is missing.
    RAISES (ValueError): If there is no such tokenization.
    """
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] != "sacrebleu":
            raise
        raise ModuleNotFoundError(
            'BLEU and chrF are computed by the library sacrebleu, which is not installed: install it with the extra "seq2seq", '
            'python -m pip install "spacy-rnn[seq2seq]"',
            name=error.name,
        ) from error
    if tokenize not in BLEU.TOKENIZERS:
        raise ValueError(f"tokenize must be one of {', '.join(BLEU.TOKENIZERS)}, got {tokenize!r}")
    # Without `force` each evaluation of tokenized texts would warn anew that they are.
    return TextMetrics(BLEU(lowercase=lower, tokenize=tokenize, force=True), CHRF(lowercase=lower))
