"""Forms and tags as an encoder-decoder reads them, and lemmas as it writes them."""

import random
from itertools import groupby
from typing import TYPE_CHECKING, Any, List, Sequence

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from .dictionary import Key
from .edits import EDITS, SHAPES, WRITTEN, apply_edit, find_edit, read_form, shape_of

if TYPE_CHECKING:
    from ...text.symbols import PairBatch, SourceBatch

# Forms that are read at a time: their states are what takes memory.
_BATCH = 512
_SHAPE_FEATURES = [f"shape={shape}" for shape in SHAPES]


class LemmaNetwork:
    """An encoder-decoder that reads features (the tags of a form, and its upper and lower case) and characters."""

    def __init__(self, model: Model, transduces: Any) -> None:
        """Begin.

        model (Model): An encoder-decoder.
        transduces (Transduces): What it has declared.
        """
        self.model, self._transduces = model, transduces

    @property
    def symbols(self) -> Any:
        """RETURNS (Symbols): What it reads and writes."""
        return self.model.attrs["source"]

    def learn(self, keys: Sequence[Key], lemmas: Sequence[str]) -> None:
        """Learn the characters and features of a corpus, in place of those there are.

        keys (Sequence[Key]): Forms and their tags, each once.
        lemmas (Sequence[str]): The lemma of each.
        RAISES (ValueError): If there are none.
        """
        # One of their own: what is counted has no place in the pipeline's vocabulary, which is saved.
        vocab, counter = Vocab(), self.symbols.begin()
        edits = (find_edit(key.form, lemma) for key, lemma in zip(keys, lemmas, strict=True))
        for text in (*EDITS, *(read_form(key.form) for key in keys), *edits):
            counter.add(Doc(vocab, words=[text], spaces=[False]))
        self.symbols.end(counter)
        self.model.attrs["target"] = self.symbols
        self.model.attrs["features"] = sorted({feature for key in keys for feature in _features_of(key)} | set(_SHAPE_FEATURES))

    def encode(self, keys: Sequence[Key]) -> "SourceBatch":
        """Give what the encoder reads.

        keys (Sequence[Key]): Forms and their tags, at least one.
        RETURNS (SourceBatch): Features, those of unknown tags left out, and characters.
        """
        from ...text.symbols import SourceBatch

        first = len(self.symbols)
        features = {name: first + i for i, name in enumerate(self.model.attrs["features"])}
        numbers = []
        for key in keys:
            known = [features[name] for name in _features_of(key) if name in features]
            numbers.append(numpy.concatenate([numpy.asarray(known, "int64"), self.symbols.encode(read_form(key.form)).numbers]))
        return SourceBatch(numpy.concatenate(numbers), numpy.asarray([len(each) for each in numbers], dtype="int32"))

    def encode_pairs(self, keys: Sequence[Key], lemmas: Sequence[str], masked: float = 0.0) -> "PairBatch":
        """Give what the model learns from.

        keys (Sequence[Key]): Forms and their tags, at least one.
        lemmas (Sequence[str]): The lemma of each.
        masked (float): The share of the pairs in which up to three characters of the form, drawn at random, are unknown wherever
            they stand, so that a model which copies learns to copy what it does not know.
        RETURNS (PairBatch): Both as symbols.
        """
        from ...text.symbols import UNKNOWN, PairBatch, batch_texts

        sources = self.encode(keys)
        edits = [find_edit(key.form, lemma) for key, lemma in zip(keys, lemmas, strict=True)]
        targets = [self.symbols.encode(edit).numbers for edit in edits]
        ends = numpy.cumsum(sources.lengths)
        for i, key in enumerate(keys if masked and self._copies else ()):
            if random.random() < masked:
                numbers = sources.numbers[ends[i] - len(read_form(key.form)) : ends[i]]
                drawn = random.sample(numbers.tolist(), min(len(numbers), random.randint(1, 3)))
                for array in (targets[i], numbers):
                    array[numpy.isin(array, drawn)] = UNKNOWN
        return PairBatch(sources, batch_texts(targets))

    def write(self, keys: Sequence[Key], width: int) -> List[str]:
        """Write lemmas. Each depends on its form and tags alone.

        keys (Sequence[Key]): Forms and their tags.
        width (int): That of the beam; 1 is greedy.
        RETURNS (List[str]): The lemma of each.
        """
        lemmas = [""] * len(keys)
        if not keys:
            return lemmas
        decoder = self._transduces.begin(self.model)
        # Forms of about the same length end at about the same step.
        order = sorted(range(len(keys)), key=lambda i: len(keys[i].form))
        for room, group in groupby(order, key=lambda i: _room_for(keys[i].form)):
            same = list(group)
            for first in range(0, len(same), _BATCH):
                part = same[first : first + _BATCH]
                for i, lemma in zip(part, self._write(decoder, [keys[i] for i in part], width, room), strict=True):
                    lemmas[i] = lemma
        return lemmas

    def _write(self, decoder: Any, keys: List[Key], width: int, room: int) -> List[str]:
        from ...generation import LengthNormalization, Stopping, beam_search
        from ...text.symbols import START, UNKNOWN

        sources = self.encode(keys)
        found = beam_search(
            decoder,
            [[]] * len(keys),
            width=width,
            stopping=Stopping(room),
            normalization=LengthNormalization(alpha=0.0),
            forbidden=(START,) if self._copies else (START, UNKNOWN),
            context=sources,
        )
        written = [hypotheses[0].content if hypotheses and hypotheses[0].ended == "stop" else None for hypotheses in found]
        edits = ["" if content is None else self.symbols.decode(content) for content in written]
        ends = numpy.cumsum(sources.lengths)
        for i, content in enumerate(written):
            if content is None:
                continue
            if UNKNOWN in content:
                edits[i] = self._copy_unknown(keys[i], content)
            elif (
                not self._copies
                and edits[i][:1] in WRITTEN
                and UNKNOWN in sources.numbers[ends[i] - sources.lengths[i] : ends[i]]
            ):
                # What is written would lack the characters that it cannot write.
                edits[i] = ""
        return [apply_edit(key.form, edit) for key, edit in zip(keys, edits, strict=True)]

    @property
    def _copies(self) -> bool:
        return self._transduces.copies(self.model)

    def _copy_unknown(self, key: Key, content: numpy.ndarray) -> str:
        """Put characters that the model has never seen where it has copied them: of each the one that it looked at most."""
        from ...text.symbols import UNKNOWN, PairBatch, batch_texts

        sources = self.encode([key])
        _, weights = self._transduces.score(self.model, PairBatch(sources, batch_texts([content])))
        attention = self.model.ops.to_numpy(weights).reshape(-1, len(sources.numbers))
        form, chars = read_form(key.form), list(self.symbols.decode(content))
        offset = len(sources.numbers) - len(form)
        is_unknown = sources.numbers[offset:] == UNKNOWN
        for i in numpy.flatnonzero(content == UNKNOWN):
            chars[i] = form[int(numpy.where(is_unknown, attention[i, offset:], -1.0).argmax())] if is_unknown.any() else ""
        return "".join(chars)


def _features_of(key: Key) -> List[str]:
    """Say what the encoder reads of a word before its characters. Of "Case=Nom|Number=Sing" each part counts by itself."""
    tags = [f"{i}={part}" for i, tag in enumerate(key.tags) for part in tag.split("|") if part]
    return [f"shape={shape_of(key.form)}", *tags]


def _room_for(form: str) -> int:
    """Say how many symbols may be written: room for an ending, and for forms that become longer in lower case.

    It is the same for forms of about the same length, which are written together, and depends on nothing else."""
    return 2 * max(16, 1 << (len(form) - 1).bit_length()) + 12
