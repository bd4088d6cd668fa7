"""What a language model writes: prompts as symbols, and symbols as texts."""

from typing import Any, Iterable, Iterator, List, NamedTuple, Sequence, Union
from zlib import crc32

import numpy
from spacy.tokens import Doc

Prompt = Union[str, Doc]
_REPLACEMENT = "\ufffd"
# Those of a character in UTF-8.
_MOST_BYTES = 4


class Written(NamedTuple):
    """A text that a language model has written.

    prompt (str): What it goes on from.
    text (str): What came after.
    bits (float): The surprisal of that under the model, its end included if it was written.
    n_symbols (int): How many symbols were written.
    ended (str): Why it ended: "stop", "length", or "blocked" where no symbol could come.
    """

    prompt: str
    text: str
    bits: float
    n_symbols: int
    ended: str


def as_prompts(prompts: Union[Prompt, Sequence[Prompt]]) -> List[Prompt]:
    """Give prompts as a list.

    prompts (Union[str, Doc, Sequence[Union[str, Doc]]]): One or several.
    RETURNS (List[Union[str, Doc]]): The prompts.
    RAISES (ValueError): If one is no text.
    """
    found = [prompts] if isinstance(prompts, (str, Doc)) or not isinstance(prompts, Iterable) else list(prompts)
    for prompt in found:
        if not isinstance(prompt, (str, Doc)):
            raise ValueError(f"a prompt is a str or a Doc, got {type(prompt).__name__}")
    return found


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
            raise ValueError(
                f"the prompt {str(prompt)[:40]!r} has {len(unknown)} {symbols.unit}(s) that the model has never seen: {shown}"
                f"{', …' if len(unknown) > 5 else ''}: leave them out, or read them as unknown (replace_unknown=True)"
            )
        encoded.append(symbols.encode(prompt).numbers)
    return encoded


def number_prompts(encoded: Sequence[Any]) -> List[int]:
    """Give prompts the numbers that their random numbers depend on: a prompt's is the same wherever it stands among others.

    encoded (Sequence[Ints1d]): int32 [n], the symbols of each.
    RETURNS (List[int]): A number below 2^32 for each.
    """
    return [crc32(numpy.asarray(numbers, dtype="<i4").tobytes()) for numbers in encoded]


def as_strings(stop: Any) -> List[str]:
    """Give the strings that end a text as a list.

    stop (Union[str, Sequence[str]]): One or several.
    RETURNS (List[str]): The strings.
    RAISES (ValueError): If one is no string.
    """
    found = [stop] if isinstance(stop, str) or not isinstance(stop, Iterable) else list(stop)
    for string in found:
        if not isinstance(string, str):
            raise ValueError(f"stop: expected strings that end a text, got {string!r}")
    return found


def find_stopping(symbols: Any, strings: Sequence[str], max_symbols: int) -> Any:
    """Find out when what is generated ends.

    A text is cut into subwords in more than one way, so with them it is the text that is looked at.

    symbols (Symbols): The symbols.
    strings (Sequence[str]): Strings that end a text.
    max_symbols (int): The largest number of symbols after a prompt.
    RETURNS (Stopping): What `spacy_rnn.generation` takes.
    RAISES (ValueError): If one is empty, or has unknown symbols.
    """
    from ...generation import Stopping, StopTexts

    sequences = []
    for string in strings:
        numbers = symbols.encode(string).numbers.tolist()
        if not numbers or symbols.find_unknown(string):
            raise ValueError(f"a text ends with {symbols.unit}s that the model knows, but stop has {string!r}")
        sequences.append(numbers)
    if strings and hasattr(symbols, "pieces"):
        return Stopping(max_symbols, texts=StopTexts([string.encode("utf8") for string in strings], symbols.pieces))
    return Stopping(max_symbols, sequences=sequences)


def as_written(symbols: Any, prompt: Prompt, generation: Any, strings: Sequence[str]) -> Written:
    """Turn what was generated into text.

    symbols (Symbols): The symbols.
    prompt (Union[str, Doc]): What it goes on from.
    generation (Generation): What was generated.
    strings (Sequence[str]): Strings that end a text.
    RETURNS (Written): The text, without what made it stop.
    """
    if hasattr(symbols, "pieces"):
        text = "".join(_cut([symbols.decode(generation.symbols)], strings))
    else:
        text = symbols.decode(generation.content)
    bits = -float(generation.log_probabilities.sum(dtype="float64")) / float(numpy.log(2.0))
    return Written(str(prompt), _before(symbols, str(prompt)) + text, bits, len(generation.symbols), generation.ended)


def stream_text(symbols: Any, prompt: Prompt, produced: Iterable[Any], stopping: Any, strings: Sequence[str]) -> Iterator[str]:
    """Turn the symbols of one sequence into text as they come, without what ends it.

    symbols (Symbols): The symbols.
    prompt (Union[str, Doc]): What it goes on from.
    produced (Iterable[Produced]): The symbols.
    stopping (Stopping): When they end.
    strings (Sequence[str]): Strings that end a text.
    YIELDS (str): What is new of the text. A character of several symbols comes with the last of them.
    """
    pieces = _decode(symbols, prompt, _without_stops(produced, stopping.sequences))
    yield from _cut(pieces, strings) if stopping.texts is not None else pieces


def _decode(symbols: Any, prompt: Prompt, numbers: Iterable[int]) -> Iterator[str]:
    """Give the text of symbols as they come."""
    before, pending = _before(symbols, str(prompt)), []
    for number in numbers:
        pending.append(number)
        text = symbols.decode(pending)
        if text.endswith(_REPLACEMENT) and len(pending) < _MOST_BYTES:
            continue
        yield before + text
        before, pending = " " if symbols.reads_tokens else "", []
    if pending:
        yield before + symbols.decode(pending)


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


def _cut(pieces: Iterable[str], strings: Sequence[str]) -> Iterator[str]:
    """Give a text in pieces up to the first string that ends it: what may be the beginning of one is held back."""
    held = ""
    for piece in pieces:
        held += piece
        places = [held.index(string) for string in strings if string in held]
        if places:
            held = held[: min(places)]
            break
        most = max((n for string in strings for n in range(1, len(string)) if held.endswith(string[:n])), default=0)
        if len(held) > most:
            yield held[: len(held) - most]
        held = held[len(held) - most :]
    if held:
        yield held


def _before(symbols: Any, prompt: str) -> str:
    """Give what stands between a prompt and what follows."""
    return " " if symbols.reads_tokens and prompt and not prompt[-1].isspace() else ""
