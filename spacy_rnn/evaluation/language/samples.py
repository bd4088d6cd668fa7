"""What a language model writes under several settings, and how diverse that is."""

import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc

from ...pipeline.language_model.component import RNNLanguageModel
from ...pipeline.language_model.writing import Written
from .diversity import distinct_n, self_bleu

BEAM_WIDTH = 5
LONGEST = 4
# How symbols are drawn; None searches for the most probable text.
SETTINGS: Dict[str, Optional[Dict[str, Any]]] = {
    "temperature 0.5": {"temperature": 0.5},
    "temperature 0.8": {"temperature": 0.8},
    "temperature 1.0": {"temperature": 1.0},
    "temperature 1.3": {"temperature": 1.3},
    "greedy": {"greedy": True},
    f"beam of {BEAM_WIDTH}": None,
}
_WORD = re.compile(r"[^\W\d_]+")


class Diversity(NamedTuple):
    """How diverse texts are, by what stands between white space.

    distinct (Tuple[Optional[float], ...]): The part of all n-grams that are different, for n = 1, 2, 3, 4 (Li et al. 2016); None
        where no text is so long.
    self_bleu (Optional[float]): How similar they are to each other (Zhu et al. 2018); None of fewer than two texts.
    """

    distinct: Tuple[Optional[float], ...]
    self_bleu: Optional[float]


class Samples(NamedTuple):
    """What a language model has written under one setting.

    setting (str): The setting's name in `SETTINGS`.
    texts (List[Written]): The texts, in the order of the prompts.
    diversity (Diversity): How diverse they are.
    new_words (Optional[float]): The share of their words that the training texts don't have; None if there is no word, or no
        training text was given.
    """

    setting: str
    texts: List[Written]
    diversity: Diversity
    new_words: Optional[float]


def write_samples(
    lm: RNNLanguageModel,
    prompts: Sequence[Union[str, Doc]],
    *,
    n: int = 4,
    max_symbols: int = 200,
    seed: int = 0,
    known: Optional[Set[str]] = None,
) -> List[Samples]:
    """Write texts under all settings. Where nothing is drawn there is one text for a prompt.

    lm (RNNLanguageModel): The language model.
    prompts (Sequence[Union[str, Doc]]): What texts go on from. Unknown symbols in them are read as such.
    n (int): How many texts are drawn for each prompt.
    max_symbols (int): The largest number of symbols after a prompt.
    seed (int): What random numbers begin with.
    known (Optional[Set[str]]): The words of the training texts, as `find_words` gives them.
    RETURNS (List[Samples]): The texts by setting.
    RAISES (ValueError): If there is no prompt, a number is out of its range, or the model has not been trained or reads backward.
    """
    if lm.symbols.backward:
        raise ValueError(f"samples go on from beginnings of texts, but '{lm.name}' reads backward: take one that reads forward")
    if not prompts:
        raise ValueError("there is no prompt: expected one at least, an empty one being the beginning of a text")
    found = []
    settings: Dict[str, Any] = {"max_symbols": max_symbols, "replace_unknown": True}
    for name, sampling in SETTINGS.items():
        if sampling is None:
            texts = lm.search(prompts, width=BEAM_WIDTH, **settings)
        else:
            texts = lm.generate(prompts, n=1 if "greedy" in sampling else n, seed=seed, **settings, **sampling)
        written = [each.text for each in texts]
        found.append(Samples(name, texts, measure_diversity(written), share_of_new_words(written, known)))
    return found


def measure_diversity(texts: Sequence[str]) -> Diversity:
    """Measure how diverse texts are.

    texts (Sequence[str]): The texts.
    RETURNS (Diversity): Distinct n-grams and self-BLEU.
    """
    words = [text.split() for text in texts]
    longest = max(map(len, words), default=0)
    distinct = tuple(distinct_n(words, k) if longest >= k else None for k in range(1, LONGEST + 1))
    return Diversity(distinct, self_bleu(words) if len(words) > 1 else None)


def find_words(texts: Iterable[str]) -> Set[str]:
    """Collect words: what letters there are in a row, in lower case.

    texts (Iterable[str]): The texts, which may be more than memory has room for.
    RETURNS (Set[str]): The words.
    """
    words: Set[str] = set()
    for text in texts:
        words.update(_WORD.findall(text.lower()))
    return words


def share_of_new_words(texts: Sequence[str], known: Optional[Set[str]]) -> Optional[float]:
    """Find out what share of the words of texts is new.

    texts (Sequence[str]): The texts. The last word of one that breaks off may be cut: it is left out where it ends the text.
    known (Optional[Set[str]]): The words that are not new.
    RETURNS (Optional[float]): The share; None if there is no word, or nothing is known.
    """
    words = [match[0] for text in texts for match in _WORD.finditer(text.lower()) if match.end() < len(text)]
    if known is None or not words:
        return None
    return sum(word not in known for word in words) / len(words)
