"""Forms and tags as an encoder-decoder reads them, and lemmas as it writes them."""

from typing import TYPE_CHECKING, Any, List, Sequence

import numpy
from thinc.api import Model

from .dictionary import Key
from .edits import EDITS, SHAPES, apply_edit, find_edit, read_form, shape_of

if TYPE_CHECKING:
    from ...text.symbols import PairBatch, SourceBatch

# Forms that are read at a time: their states are what takes memory.
_BATCH = 512


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

    def learn(self, keys: Sequence[Key], lemmas: Sequence[str], vocab: Any) -> None:
        """Learn the characters and features of a corpus, in place of those there are.

        keys (Sequence[Key]): Forms and their tags, each once.
        lemmas (Sequence[str]): The lemma of each.
        vocab (Vocab): The pipeline's vocabulary.
        RAISES (ValueError): If there are none.
        """
        # Imported here because importing a factory must stay cheap.
        from ..corpus.reader import split_text

        counter = self.symbols.begin()
        edits = (find_edit(key.form, lemma) for key, lemma in zip(keys, lemmas, strict=True))
        for text in (*EDITS, *(read_form(key.form) for key in keys), *edits):
            counter.add(split_text(text, vocab))
        self.symbols.end(counter)
        values = {(i, tag) for key in keys for i, tag in enumerate(key.tags) if tag}
        self.model.attrs["features"] = [*(f"shape={shape}" for shape in SHAPES), *(f"{i}={tag}" for i, tag in sorted(values))]

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
            names = [f"shape={shape_of(key.form)}", *(f"{i}={tag}" for i, tag in enumerate(key.tags))]
            known = [features[name] for name in names if name in features]
            numbers.append(numpy.concatenate([numpy.asarray(known, "int64"), self.symbols.encode(read_form(key.form)).numbers]))
        return SourceBatch(numpy.concatenate(numbers), numpy.asarray([len(each) for each in numbers], dtype="int32"))

    def encode_pairs(self, keys: Sequence[Key], lemmas: Sequence[str]) -> "PairBatch":
        """Give what the model learns from.

        keys (Sequence[Key]): Forms and their tags, at least one.
        lemmas (Sequence[str]): The lemma of each.
        RETURNS (PairBatch): Both as symbols.
        """
        from ...text.symbols import PairBatch, batch_texts

        edits = [find_edit(key.form, lemma) for key, lemma in zip(keys, lemmas, strict=True)]
        return PairBatch(self.encode(keys), batch_texts([self.symbols.encode(edit).numbers for edit in edits]))

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
        for first in range(0, len(order), _BATCH):
            part = order[first : first + _BATCH]
            for i, lemma in zip(part, self._write(decoder, [keys[i] for i in part], width), strict=True):
                lemmas[i] = lemma
        return lemmas

    def _write(self, decoder: Any, keys: List[Key], width: int) -> List[str]:
        from ...generation import LengthNormalization, Stopping, beam_search
        from ...text.symbols import START, UNKNOWN

        longest = max(len(key.form) for key in keys)
        found = beam_search(
            decoder,
            [[]] * len(keys),
            width=width,
            # Room for an ending, and for forms that become longer in lower case.
            stopping=Stopping(2 * longest + 12),
            normalization=LengthNormalization(alpha=0.0),
            forbidden=(START,) if self._copies else (START, UNKNOWN),
            context=self.encode(keys),
        )
        written = [hypotheses[0] if hypotheses and hypotheses[0].ended == "stop" else None for hypotheses in found]
        edits = ["" if one is None else self.symbols.decode(one.content) for one in written]
        unclear = [i for i, one in enumerate(written) if one is not None and UNKNOWN in one.content]
        for i in unclear:
            edits[i] = self._copy_unknown(keys[i], written[i].content)  # type: ignore[union-attr]
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
            chars[i] = form[int(numpy.where(is_unknown, attention[i, offset:], -1.0).argmax())]
        return "".join(chars)
