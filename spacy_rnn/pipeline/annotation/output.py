"""`doc._.rnn_output`: the text that an encoder-decoder writes for a text, kept with it.

It is kept in `doc.user_data` as plain data, so `Doc.to_bytes`, `Doc.copy`, `nlp.pipe` with several processes and
`DocBin(store_user_data=True)` keep it. In an `Example` the output of the reference is the gold one."""

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc

EXTENSION = "rnn_output"
# Where a text has the data. Under such a key spaCy copies them with the text, but not to another text made of its tokens.
OUTPUT_KEY: Any = ("._.", "rnn_output_data", None, None)


class Attention(NamedTuple):
    """How much each symbol of a source counted for each symbol of the output.

    sources (List[str]): The symbols of the source, n of them.
    targets (List[str]): The symbols of the output, m of them.
    weights (numpy.ndarray): float32 [m, n]; each row sums to 1.
    """

    sources: List[str]
    targets: List[str]
    weights: numpy.ndarray


class Output(NamedTuple):
    """The text that a text was turned into.

    text (str): The output; it may be empty.
    score (float): Its log-probability in nats, divided by the length normalization of the search.
    alternatives (List[Tuple[str, float]]): Other texts with their scores, best first.
    attention (Optional[Attention]): How much the symbols of the source counted; None if it was not stored.
    """

    text: str
    score: float = 0.0
    alternatives: Sequence[Tuple[str, float]] = ()
    attention: Optional[Attention] = None


def register_output() -> None:
    """Register the extension attribute with spaCy.

    Components that write outputs do it themselves; call it only where there is no such component, to read texts that were saved
    with their outputs. An existing extension of this name stays."""
    if not Doc.has_extension(EXTENSION):
        Doc.set_extension(EXTENSION, getter=get_plain_output, setter=set_output)


def set_output(doc: Doc, output: Optional[Sequence[Any]]) -> None:
    """Give a text its output.

    doc (Doc): A text.
    output (Optional[Sequence[Any]]): An `Output`, or its four values as plain data, as `Doc.from_json` gives them; None to take
        it away.
    RAISES (ValueError): If a value is of another type, a score is not finite, or the weights of the attention are not as many as
        its symbols.
    """
    register_output()
    stored = None if output is None else _to_data(_check("an output", output))
    doc.user_data.pop(OUTPUT_KEY, None)
    if stored is not None:
        doc.user_data[OUTPUT_KEY] = stored


def get_output(doc: Doc) -> Optional[Output]:
    """Read the output of a text.

    doc (Doc): A text.
    RETURNS (Optional[Output]): Its output; None if there is none.
    RAISES (ValueError): If what is kept with the text is no output, since it was damaged.
    """
    stored = doc.user_data.get(OUTPUT_KEY)
    if stored is None:
        return None
    where = f"doc.user_data[{OUTPUT_KEY}]"
    if not isinstance(stored, dict) or set(stored) != set(Output._fields):
        raise ValueError(
            f"{where}: expected a dict of {', '.join(Output._fields)}, as set_output stores it, got {_shorten(stored)}"
        )
    attention = stored["attention"]
    if isinstance(attention, dict):
        if set(attention) != set(Attention._fields):
            fields = ", ".join(Attention._fields)
            raise ValueError(f"{where}: expected attention as a dict of {fields}, got {_shorten(attention)}")
        attention = [attention[field] for field in Attention._fields]
    return _check(where, [stored["text"], stored["score"], stored["alternatives"], attention])


def get_plain_output(doc: Doc) -> Optional[Output]:
    """Read the output of a text as plain data, which `Doc.to_json` takes: for `doc._.rnn_output`.

    doc (Doc): A text.
    RETURNS (Optional[Output]): As `get_output`, with the weights of the attention as m lists of n numbers.
    RAISES (ValueError): If what is kept with the text is no output, since it was damaged.
    """
    output = get_output(doc)
    if output is None or output.attention is None:
        return output
    return output._replace(attention=output.attention._replace(weights=output.attention.weights.tolist()))


def _to_data(output: Output) -> dict:
    """Make plain data of an output, which msgpack takes."""
    attention = output.attention
    return {
        "text": output.text,
        "score": output.score,
        "alternatives": [list(alternative) for alternative in output.alternatives],
        "attention": None if attention is None else {**attention._asdict(), "weights": attention.weights.tolist()},
    }


def _check(where: str, values: Any) -> Output:
    """Check the values of an output, and give each the type it should have."""
    if not isinstance(values, (list, tuple)) or len(values) != len(Output._fields):
        raise ValueError(f"{where}: expected the values {', '.join(Output._fields)}, got {_shorten(values)}")
    text, score, alternatives, attention = values
    if not isinstance(alternatives, (list, tuple)):
        raise ValueError(f"{where}: expected alternatives as a list of texts and scores, got {_shorten(alternatives)}")
    others: List[Tuple[str, float]] = []
    for i, alternative in enumerate(alternatives):
        if not isinstance(alternative, (list, tuple)) or len(alternative) != 2:
            raise ValueError(f"{where}: expected alternative {i} as a text and its score, got {_shorten(alternative)}")
        others.append((_check_text(where, alternative[0]), _check_score(where, alternative[1])))
    weights = None if attention is None else _check_attention(where, attention)
    return Output(_check_text(where, text), _check_score(where, score), others, weights)


def _check_text(where: str, text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{where}: expected a text as a string, got {_shorten(text)}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: a text has half of a surrogate pair, which is no character: {error}") from error
    return str(text)


def _check_score(where: str, score: Any) -> float:
    is_number = isinstance(score, (int, float, numpy.integer, numpy.floating)) and not isinstance(score, bool)
    if not is_number or not math.isfinite(score):
        raise ValueError(f"{where}: expected a score as a finite number, got {_shorten(score)}")
    return float(score)


def _check_attention(where: str, attention: Any) -> Attention:
    if not isinstance(attention, (list, tuple)) or len(attention) != len(Attention._fields):
        raise ValueError(f"{where}: expected attention as {', '.join(Attention._fields)}, got {_shorten(attention)}")
    sources, targets, values = attention
    for name, symbols in (("sources", sources), ("targets", targets)):
        if not isinstance(symbols, (list, tuple)):
            raise ValueError(f"{where}: expected the {name} of its attention as a list of strings, got {_shorten(symbols)}")
    sources = [_check_text(where, symbol) for symbol in sources]
    targets = [_check_text(where, symbol) for symbol in targets]
    try:
        given = numpy.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: expected the weights of its attention as a matrix of numbers: {error}") from error
    if given.size and given.dtype.kind not in "fiu":
        raise ValueError(f"{where}: expected the weights of its attention as a matrix of numbers, got {_shorten(values)}")
    weights = given.astype("float32")
    expected = (len(targets), len(sources))
    # Of no targets a list does not say how many sources there are.
    if weights.size == 0 and 0 in expected and len(weights) == len(targets):
        weights = weights.reshape(expected)
    if weights.shape != expected:
        raise ValueError(
            f"{where}: expected the weights of its attention for {len(targets)} targets and {len(sources)} sources, got an array "
            f"of shape {list(weights.shape)}"
        )
    if not numpy.isfinite(weights).all():
        raise ValueError(f"{where}: the weights of its attention are not all finite")
    return Attention(sources, targets, weights)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
