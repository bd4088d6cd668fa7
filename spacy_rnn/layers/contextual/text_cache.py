"""A bounded cache of the rows of texts."""

import random
import threading
from typing import Any, Dict, Hashable, List, Optional

from thinc.types import Floats2d

# The share of new texts that a full cache takes.
_SHARE = 1 / 16


class TextCache:
    """A cache of an array of rows for each text.

    A full cache takes one new text in sixteen, in place of others drawn at random. So it pays also where a corpus larger than the
    cache is read again and again, of which the last texts would never be found. A copy or a pickle of a cache is an empty one of
    the same size.

    Reading takes no lock. A process that was forked while another thread wrote adds nothing more.
    """

    def __init__(self, size: int) -> None:
        """Make an empty cache.

        size (int): The largest number of rows, those of all texts together.
        """
        self.size = size
        self._lock = threading.Lock()
        self._rows: Dict[Hashable, Floats2d]
        self._keys: List[Hashable]
        self._n_rows: int
        self.clear()
        self._random = random.Random(0)

    def __reduce__(self) -> Any:
        return TextCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): The number of rows."""
        return self._n_rows

    def grow(self, size: int) -> None:
        """Let it have more rows.

        size (int): The largest number of rows; if it was larger, it stays so.
        """
        self.size = max(self.size, size)

    def clear(self) -> None:
        """Forget all texts."""
        self._rows, self._keys, self._n_rows = {}, [], 0

    def find(self, key: Hashable) -> Optional[Floats2d]:
        """Find the rows of a text.

        key (Hashable): What stands for the text.
        RETURNS (Optional[Floats2d]): Its rows, not to be written to; None if they are not there.
        """
        return self._rows.get(key)

    def add(self, key: Hashable, rows: Floats2d) -> None:
        """Keep the rows of a text, if there is room for them at all.

        key (Hashable): What stands for the text.
        rows (Floats2d): [n, width], in memory of their own.
        """
        n_rows = max(1, len(rows))
        if n_rows > self.size or not self._lock.acquire(blocking=False):
            return
        try:
            is_full = self._n_rows + n_rows > self.size
            if key in self._rows or (is_full and self._random.random() >= _SHARE):
                return
            while self._n_rows + n_rows > self.size:
                self._give_up()
            self._rows[key] = rows
            self._keys.append(key)
            self._n_rows += n_rows
        finally:
            self._lock.release()

    def _give_up(self) -> None:
        i = self._random.randrange(len(self._keys))
        self._keys[i], self._keys[-1] = self._keys[-1], self._keys[i]
        self._n_rows -= max(1, len(self._rows.pop(self._keys.pop())))
