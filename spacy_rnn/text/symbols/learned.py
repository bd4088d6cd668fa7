"""What symbols learn from a corpus, how it is saved, and what is refused when it is loaded."""

import copy
from abc import abstractmethod
from typing import Any, Dict, List, Mapping, TypeVar

import srsly
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from .base import Symbols

Item = TypeVar("Item", int, str)


class LearnedSymbols(Symbols):
    """Symbols that a list, or a text, says all about, beside their settings."""

    # Without the settings that say only what is to be learned, texts get their numbers all the same.
    _settings_of_learning = ("min_count", "size")

    @property
    @abstractmethod
    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings by name, in plain data."""

    @property
    @abstractmethod
    def learned(self) -> Any:
        """RETURNS (Any): What has been learned, in plain data."""

    @abstractmethod
    def set_learned(self, learned: Any) -> None:
        """Take what has been learned.

        learned (Any): What `learned` has given.
        RAISES (ValueError): If it is damaged.
        """

    def to_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What is saved, in plain data: what has been learned and the settings."""
        return {"unit": self.unit, "settings": self.settings, "learned": self.learned}

    def from_data(self, data: Dict[str, Any]) -> None:
        """Take what was saved.

        data (Dict[str, Any]): What `to_data` has returned.
        RAISES (ValueError): If it is damaged, or was saved by other symbols or under other settings.
        """
        if not isinstance(data, dict) or set(data) != {"unit", "settings", "learned"}:
            raise ValueError("symbols are saved as a map of unit, settings and learned, but the file holds something else")
        if data["unit"] != self.unit:
            raise ValueError(f"by the config its symbols are {self.unit}s, but in the file {data['unit']!r}s")
        if data["settings"] != self.settings:
            raise ValueError(
                f"by the config its {self.unit}s have the settings {self.settings!r}, but in the file {data['settings']!r}"
            )
        self.set_learned(data["learned"])

    def __eq__(self, other: object) -> bool:
        """RETURNS (bool): Whether both give the same numbers to the same texts, so that models of them can be mixed."""
        if not isinstance(other, LearnedSymbols) or type(self) is not type(other):
            return False
        return self._numbering() == other._numbering()

    __hash__ = None  # type: ignore[assignment]

    def _numbering(self) -> Any:
        settings = {name: value for name, value in self.settings.items() if name not in self._settings_of_learning}
        return settings, self.learned


def check_sizes(size: int, min_count: int) -> None:
    """Check how many symbols are to be learned.

    size (int): The number of symbols; 0 for all.
    min_count (int): How often a symbol occurs at least.
    RAISES (ValueError): If one of them is none.
    """
    if type(size) is not int or size < 0:
        raise ValueError(f"size must be a number of symbols, or 0 for all, got {size!r}")
    if type(min_count) is not int or min_count < 1:
        raise ValueError(f"min_count must be at least 1, got {min_count!r}")


def rank(counts: Mapping[Item, int], size: int, min_count: int, unit: str) -> List[Item]:
    """List the most frequent symbols, in decreasing frequency; equally frequent ones in their own order.

    counts (Mapping[Item, int]): How often each occurs.
    size (int): The number of symbols; 0 for all.
    min_count (int): How often a symbol occurs at least.
    unit (str): What they are, for the error.
    RETURNS (List[Item]): The symbols.
    RAISES (ValueError): If there are none.
    """
    if not counts:
        raise ValueError(f"the corpus is empty: there are no {unit}s to learn from it")
    frequent = [item for item, count in counts.items() if count >= min_count]
    if not frequent:
        raise ValueError(f"no {unit} of the corpus occurs {min_count} times: set a lower min_count")
    ranked = sorted(frequent, key=lambda item: (-counts[item], item))
    return ranked[:size] if size else ranked


@serialize_attr.register(Symbols)
def _serialize(_: Symbols, value: Symbols, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(value.to_data())


@deserialize_attr.register(Symbols)
def _deserialize(built: Symbols, value: bytes, name: str, model: Model) -> Symbols:
    try:
        data = srsly.msgpack_loads(value)
    except Exception as error:
        raise ValueError(f"the attribute {name} of layer {model.name!r} is damaged: {error}") from error
    loaded = copy.copy(built)
    try:
        loaded.from_data(data)
    except ValueError as error:
        raise ValueError(f"the attribute {name} of layer {model.name!r}: {error}") from error
    return loaded
