"""What a language model writes: prompts as symbols, and symbols as texts."""

from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union
from zlib import crc32

import numpy
from spacy.tokens import Doc

Prompt = Union[str, Doc]
_REPLACEMENT = "\ufffd"


class Written(NamedTuple):
    """A text that a language model has written.

    prompt (str): What it goes on from.
    text (str): What came after; before, if the model reads backward.
    bits (float): The surprisal of that under the model, its end included if it was written.
    n_symbols (int): How many symbols were written.
    ended (str): Why it ended: "stop", "length", or "blocked" where no symbol could come.
    backward (bool): Whether the model reads backward, so that the text stands before the prompt.
    """

    prompt: str
    text: str
    bits: float
    n_symbols: int
    ended: str
    backward: bool = False

    @property
    def whole(self) -> str:
        """RETURNS (str): Prompt and text, in the order in which they are to be read."""
        return self.text + self.prompt if self.backward else self.prompt + self.text


def as_prompts(prompts: Union[Prompt, Sequence[Prompt]]) -> List[Prompt]:
    """Give prompts as a list.

    prompts (Union[str, Doc, Sequence[Union[str, Doc]]]): One or several.
    RETURNS (List[Union[str, Doc]]): The prompts.
    RAISES (ValueError): If one is no text.
    """
    if isinstance(prompts, (str, Doc)) or not isinstance(prompts, Iterable):
        return [check_prompt(prompts)]
    return [check_prompt(prompt) for prompt in prompts]


def check_prompt(prompt: Any) -> Prompt:
    """Refuse what is no prompt.

    prompt (Union[str, Doc]): A prompt.
    RETURNS (Union[str, Doc]): The same.
    RAISES (ValueError): If it is no text.
    """
    if not isinstance(prompt, (str, Doc)):
        raise ValueError(f"a prompt is a str or a Doc, got {type(prompt).__name__}")
    return prompt


def encode_prompts(symbols: Any, prompts: Sequence[Prompt], replace_unknown: bool) -> List[Any]:
    """Turn prompts into symbols.

    symbols (Symbols): The symbols.
    prompts (Sequence[Union[str, Doc]]): The prompts.
    replace_unknown (bool): Whether what the model has never seen is read as unknown.
    RETURNS (List[Ints1d]): int32 [n], the symbols of each.
    RAISES (ValueError): If a prompt has unknown symbols, and they are not to be replaced.
    """
    encoded = []
    for prompt in prompts:
        unknown = symbols.find_unknown(prompt)
        if unknown and not replace_unknown:
            shown = ", ".join(f"{what!r} at {position}" for position, what in unknown[:5])
            is_split = symbols.reads_tokens and isinstance(prompt, str)
            raise ValueError(
                f"the prompt {str(prompt)[:40]!r} has {len(unknown)} {symbols.unit}(s) that the model has never seen: {shown}"
                f"{', …' if len(unknown) > 5 else ''}: leave them out, or read them as unknown (replace_unknown=True)"
                f"{'; strings are split at white space: for other tokens, give nlp.make_doc(prompt)' if is_split else ''}"
            )
        encoded.append(symbols.encode(prompt).numbers)
    return encoded


def number_prompts(encoded: Sequence[Any]) -> List[int]:
    """Give prompts the numbers that their random numbers depend on: a prompt's is the same wherever it stands among others.

    encoded (Sequence[Ints1d]): int32 [n], the symbols of each.
    RETURNS (List[int]): A number below 2^32 for each.
    """
    return [crc32(numpy.asarray(numbers, dtype="<i4").tobytes()) for numbers in encoded]


def as_stops(stop: Union[str, Sequence[str]]) -> List[str]:
    """Give strings that end a text as a list.

    stop (Union[str, Sequence[str]]): One or several.
    RETURNS (List[str]): The strings.
    RAISES (ValueError): If one is no string.
    """
    if isinstance(stop, str):
        return [stop]
    stops = list(stop) if isinstance(stop, Iterable) else [stop]
    if not all(isinstance(each, str) for each in stops):
        raise ValueError(f"stop has strings that end a text: expected str or a list of them, got {stop!r}")
    return stops


def encode_stops(symbols: Any, stops: Sequence[str]) -> List[List[int]]:
    """Turn strings that end a text into symbols.

    symbols (Symbols): The symbols.
    stops (Sequence[str]): The strings.
    RETURNS (List[List[int]]): The symbols of each.
    RAISES (ValueError): If one is empty, or has unknown symbols.
    """
    sequences = []
    for string in stops:
        numbers = symbols.encode(string).numbers.tolist()
        if not numbers or symbols.find_unknown(string):
            raise ValueError(f"a text ends with {symbols.unit}s that the model knows, but stop has {string!r}")
        sequences.append(numbers)
    return sequences


def as_written(symbols: Any, prompt: Prompt, generation: Any, stops: Sequence[str]) -> Written:
    """Turn what was generated into text.

    symbols (Symbols): The symbols.
    prompt (Union[str, Doc]): What it goes on from.
    generation (Generation): What was generated.
    stops (Sequence[str]): Strings that end the text. Symbols of other spellings than theirs have not ended the generation.
    RETURNS (Written): The text, without what made it stop.
    """
    content, n, ended = symbols.decode(generation.content), len(generation.symbols), generation.ended
    if not symbols.has_one_spelling:
        whole = symbols.decode(generation.symbols)
        found = _find_stop(whole, stops)
        if found is not None:
            content, n, ended = whole[: found[0]], _count_symbols(symbols, generation.symbols, whole[: found[1]]), "stop"
    bits = max(0.0, -float(generation.log_probabilities[:n].sum(dtype="float64")) / float(numpy.log(2.0)))
    before = _before(symbols, str(prompt)) if content else ""
    return Written(str(prompt), before + content, bits, n, ended, symbols.backward)


def _find_stop(text: str, stops: Sequence[str]) -> Optional[Tuple[int, int]]:
    """Find where the string stands that ends a text: of those that are complete first the longest."""
    places = [(start, start + len(stop)) for stop in stops if (start := text.find(stop)) >= 0]
    return min(places, key=lambda place: (place[1], place[0]), default=None)


def _count_symbols(symbols: Any, numbers: numpy.ndarray, text: str) -> int:
    """Count the symbols that are needed for the beginning of a text."""
    least, most = 0, len(numbers)
    while least < most:
        middle = (least + most) // 2
        if symbols.decode(numbers[:middle]).startswith(text):
            most = middle
        else:
            least = middle + 1
    return least


def stream_text(symbols: Any, prompt: Prompt, produced: Iterable[Any], stops: Sequence[str]) -> Iterator[str]:
    """Turn the symbols of one sequence into text as they come, without what ends it.

    symbols (Symbols): The symbols.
    prompt (Union[str, Doc]): What it goes on from.
    produced (Iterable[Produced]): The symbols.
    stops (Sequence[str]): Strings that end the text.
    YIELDS (str): What is new of the text, in the order in which it is written: of symbols that are read backward, the last piece
        first. A character of several symbols comes with the last of them.
    """
    if not symbols.has_one_spelling:
        yield from _without_stop_strings(_decode_bytes(symbols, produced), stops)
        return
    before = _before(symbols, str(prompt))
    for number in _without_stops(produced, encode_stops(symbols, stops)):
        yield before + symbols.decode([number])
        before = " " if symbols.reads_tokens else ""


def _decode_bytes(symbols: Any, produced: Iterable[Any]) -> Iterator[str]:
    """Give the text of symbols that are pieces of characters, too, as soon as it is certain."""
    pending: List[int] = []
    n_given = 0
    for each in produced:
        pending.append(each.symbol)
        text = symbols.decode(pending)
        # Of the last character there may be more bytes to come.
        n_certain = len(text) - text.endswith(_REPLACEMENT)
        if n_certain > n_given:
            yield text[n_given:n_certain]
        n_given = n_certain
        if n_certain == len(text):
            pending, n_given = [], 0
    rest = symbols.decode(pending)[n_given:]
    if rest:
        yield rest


def _without_stop_strings(texts: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Give a text as it comes up to a string that ends it: what may be the beginning of one is held back."""
    held = ""
    for text in texts:
        held += text
        found = _find_stop(held, stops)
        if found is not None:
            if found[0]:
                yield held[: found[0]]
            return
        n_kept = max((n for stop in stops for n in range(1, len(stop)) if held.endswith(stop[:n])), default=0)
        if n_kept < len(held):
            yield held[: len(held) - n_kept]
        held = held[len(held) - n_kept :]
    if held:
        yield held


def _without_stops(produced: Iterable[Any], stops: Sequence[Sequence[int]]) -> Iterator[int]:
    """Give symbols as they come, but not special ones, nor those in a row that end the text: what may be such is held back."""
    from ...text.symbols import N_SPECIAL

    held: List[int] = []
    for each in produced:
        if each.symbol < N_SPECIAL:
            continue
        held.append(each.symbol)
        most = max((n for stop in stops for n in range(1, len(stop) + 1) if held[-n:] == list(stop[:n])), default=0)
        yield from held[: len(held) - most]
        del held[: len(held) - most]
    ended = max((len(stop) for stop in stops if held[-len(stop) :] == list(stop)), default=0)
    yield from held[: len(held) - ended]


def _before(symbols: Any, prompt: str) -> str:
    """Give what stands between a prompt and what follows."""
    return " " if symbols.reads_tokens and prompt and not prompt[-1].isspace() else ""
