"""Lemmas that have been found, kept across texts."""

from typing import Any, Callable, Dict, List, Tuple

import numpy


class LemmaCache:
    """A bounded cache of lemmas, valid while what they are found by stays the same.

    It holds at most `size` lemmas; when more come, it starts again with these. A copy or a pickle of a cache is an empty one of
    the same size.
    """

    def __init__(self, size: int) -> None:
        """Make an empty cache.

        size (int): The largest number of lemmas.
        """
        self.size = size
        # Exchanged as a whole, never emptied, so that threads need no lock.
        self._kept: Tuple[Any, Dict[bytes, str]] = (None, {})

    def __reduce__(self) -> Tuple[Any, ...]:
        return LemmaCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): The number of lemmas."""
        return len(self._kept[1])

    def clear(self) -> None:
        """Forget all lemmas."""
        self._kept = (None, {})

    def find(self, sources: List[Any], rows: numpy.ndarray, write: Callable[[List[int]], List[str]]) -> List[str]:
        """Find lemmas, those in the cache or else new ones. If they were found by something else, they are forgotten.

        sources (List[Any]): What lemmas are found by, as `spacy_rnn.layers.embedding.sources.Sources` takes it.
        rows (numpy.ndarray): uint64 [D, A], words and their tags, all different.
        write (Callable[[List[int]], List[str]]): Gives the lemmas of some of the rows by their numbers.
        RETURNS (List[str]): The lemma of each.
        """
        # Imported here because importing a factory must stay cheap.
        from ...layers.embedding.sources import Sources

        before, lemmas = self._kept
        if before is None or not before.are(sources):
            before, lemmas = Sources(sources), {}
            self._kept = (before, lemmas)
        width, data = 8 * rows.shape[1], numpy.ascontiguousarray(rows).tobytes()
        keys = [data[start : start + width] for start in range(0, len(data), width)]
        found = [lemmas.get(key) for key in keys]
        missing = [i for i, lemma in enumerate(found) if lemma is None]
        if missing:
            for i, lemma in zip(missing, write(missing), strict=True):
                found[i] = lemma
            if len(lemmas) + len(missing) > self.size:
                lemmas = {}
                self._kept = (before, lemmas)
            lemmas.update((keys[i], found[i] or "") for i in missing[: self.size])
        return [lemma or "" for lemma in found]
