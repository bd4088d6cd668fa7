"""Find out where a treebank's words are followed by a space, and whether its sentences read as `# text` says."""

from typing import List, NamedTuple, Optional, Sequence, Union

from corpora.conllu import MultiwordToken, Sentence, Word, get_misc


class Spacing(NamedTuple):
    """Where the words of a sentence are followed by a space.

    spaces (List[bool]): For each word whether it is.
    agrees (bool): Whether the tokens as they are written, with these spaces, are what `# text` says; True if it says nothing.
    keeps_text (bool): Whether the words are: not if a multiword token is written otherwise than its words.
    """

    spaces: List[bool]
    agrees: bool
    keeps_text: bool


def find_spaces(sentences: List[Sentence]) -> List[Spacing]:
    """Find the spaces of a file's sentences.

    `SpaceAfter=No` says where there is none; where no token of the file has that key, `# text` does. The words of a multiword
    token have spaces between them if it is written otherwise than its words joined: "de le" for "du", but "don't" for "do" and
    "n't".

    sentences (List[Sentence]): All sentences of the file.
    RETURNS (List[Spacing]): For each of them.
    """
    units = [_find_units(sentence) for sentence in sentences]
    is_marked = any(get_misc(unit.misc, "SpaceAfter") is not None for own in units for unit in own)
    return [_find_spaces(sentence, own, is_marked) for sentence, own in zip(sentences, units, strict=True)]


_Unit = Union[Word, MultiwordToken]


def _find_units(sentence: Sentence) -> List[_Unit]:
    """Give what is written as one: multiword tokens, and the words that are in none."""
    units: List[_Unit] = []
    firsts = {token.first: token for token in sentence.tokens}
    last = 0
    for number, word in enumerate(sentence.words, start=1):
        if number in firsts:
            units.append(firsts[number])
            last = firsts[number].last
        elif number > last:
            units.append(word)
    return units


def _find_spaces(sentence: Sentence, units: List[_Unit], is_marked: bool) -> Spacing:
    after = [get_misc(unit.misc, "SpaceAfter") != "No" for unit in units]
    if not is_marked and sentence.text is not None:
        after = _align([unit.form for unit in units], sentence.text) or after
    spaces: List[bool] = []
    for unit, space in zip(units, after, strict=True):
        if isinstance(unit, MultiwordToken):
            words = [word.form for word in sentence.words[unit.first - 1 : unit.last]]
            spaces += [unit.form.casefold() != "".join(words).casefold()] * (len(words) - 1)
        spaces.append(space)
    text = _join([unit.form for unit in units], after)
    return Spacing(
        spaces,
        agrees=sentence.text is None or _normalize(sentence.text) == _normalize(text),
        keeps_text=_join([word.form for word in sentence.words], spaces) == text,
    )


def _align(forms: List[str], text: str) -> Optional[List[bool]]:
    """Find forms in a text in which they follow each other.

    forms (List[str]): The forms.
    text (str): The text.
    RETURNS (Optional[List[bool]]): For each whether white space follows it, or None if the text has something else.
    """
    spaces: List[bool] = []
    position = 0
    for form in forms:
        if not text.startswith(form, position):
            return None
        position += len(form)
        rest = text[position:].lstrip()
        spaces.append(len(rest) < len(text) - position or not rest)
        position = len(text) - len(rest)
    return spaces if position == len(text) else None


def _join(forms: Sequence[str], spaces: List[bool]) -> str:
    return "".join(form + " " * space for form, space in zip(forms, spaces, strict=True))


def _normalize(text: str) -> str:
    return " ".join(part for part in text.split(" ") if part)
