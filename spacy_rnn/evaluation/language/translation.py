"""How close texts that were written for others are to those that they should be: BLEU and chrF, with what they depend on."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ...pipeline.scorers import make_text_metrics, share_of_equal


class TextScore(NamedTuple):
    """A score of sacreBLEU's, and what to report with it.

    name (str): "BLEU" or "chrF2".
    score (float): From 0 to 100, as sacreBLEU prints it.
    signature (str): Everything that it depends on: the number of references, upper and lower case, tokenization, smoothing, the
        version of sacreBLEU, and of an interval the draws and what they begin with.
    interval (Optional[Tuple[float, float]]): The 95 % interval of the bootstrap over texts (Koehn 2004, "Statistical significance
        tests for machine translation evaluation"); None without one.
    """

    name: str
    score: float
    signature: str
    interval: Optional[Tuple[float, float]]


class TranslationScores(NamedTuple):
    """How close texts are to those that they should be.

    n_texts (int): How many texts there are.
    bleu (TextScore): BLEU.
    chrf (TextScore): chrF2.
    exact (float): The share of texts that are equal to their reference, from 0 to 1.
    """

    n_texts: int
    bleu: TextScore
    chrf: TextScore
    exact: float


def score_translations(
    outputs: Sequence[str], references: Sequence[str], lower: bool = False, tokenize: str = "13a", n_samples: int = 0
) -> TranslationScores:
    """Score texts that were written for others, e.g. translations. Needs the library sacrebleu.

    BLEU is comparable only between texts that are not tokenized, and with the same signature: report it.

    outputs (Sequence[str]): n texts.
    references (Sequence[str]): n texts, what they should be.
    lower (bool): Whether upper and lower case count as the same.
    tokenize (str): sacreBLEU's tokenization for BLEU, e.g. "13a", "intl", "zh" or "char".
    n_samples (int): How often texts are drawn for an interval, better 1,000; 0 for none. The draws begin with 12345, or with the
        environment's SACREBLEU_SEED. sacreBLEU keeps 72 bytes for each text of each draw.
    RETURNS (TranslationScores): The scores.
    RAISES (ImportError): If the library is missing.
    RAISES (ValueError): If there are not as many outputs as references, or none; if there is no such tokenization, or the number
        of draws is negative.
    """
    metrics = make_text_metrics(lower, tokenize)
    for name, texts in (("outputs", outputs), ("references", references)):
        if isinstance(texts, str):
            raise ValueError(f"expected a sequence of {name}, got one text: give a list")
    if len(outputs) != len(references) or not len(outputs):
        raise ValueError(f"expected one output for each reference, got {len(outputs)} outputs and {len(references)} references")
    if n_samples < 0:
        raise ValueError(f"the number of draws must not be negative, got n_samples={n_samples}")
    bleu, chrf = (_score(metric, list(outputs), list(references), n_samples) for metric in metrics)
    return TranslationScores(len(outputs), bleu, chrf, share_of_equal(outputs, references, lower))


def _score(metric: Any, outputs: List[str], references: List[str], n_samples: int) -> TextScore:
    from sacrebleu.significance import PairedTest

    score = metric.corpus_score(outputs, [references])
    if not n_samples:
        return TextScore(score.name, score.score, str(metric.get_signature()), None)
    # Of a single system it gives the interval alone.
    signatures, results = PairedTest([("", outputs)], {score.name: metric}, [references], "bs", n_samples)()
    result: Any = results[score.name][0]
    interval = (float(result.mean - result.ci), float(result.mean + result.ci))
    return TextScore(score.name, score.score, str(signatures[score.name]), interval)
