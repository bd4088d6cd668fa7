"""What cached results are computed from."""

from typing import Any, List, Sequence

import numpy
from thinc.api import Model
from thinc.util import get_array_module, is_xp_array

# Arrays of at most so many values are compared by value, too.
_SMALL = 4096


class Sources:
    """What results are computed from, to be compared with what there is later.

    Things are compared by identity, and held, so that nothing else can take their identity. An optimizer may write into the
    arrays of a model, but then it writes into all of them; therefore the small ones are compared by value, too.
    """

    def __init__(self, sources: Sequence[Any]) -> None:
        """Remember them.

        sources (Sequence[Any]): Arrays, other objects, and integers.
        """
        self._sources = tuple(sources)
        self._values = [array.copy() for array in _small_arrays(sources)]

    def are(self, sources: Sequence[Any]) -> bool:
        """Tell whether they are still the same.

        sources (Sequence[Any]): What there is now.
        RETURNS (bool): Whether results computed from both are the same.
        """
        return same_sources(sources, self._sources) and _all_true(
            [(one == other).all() for one, other in zip(_small_arrays(sources), self._values, strict=True)]
        )


def same_sources(sources: Sequence[Any], others: Sequence[Any]) -> bool:
    """Tell whether results are computed from the same things.

    sources (Sequence[Any]): Arrays, other objects, and integers.
    others (Sequence[Any]): The same kinds of things.
    RETURNS (bool): Whether they are the same objects, or equal integers, in the same order.
    """
    return len(sources) == len(others) and all(
        one is other or (type(one) is int and one == other) for one, other in zip(sources, others, strict=True)
    )


def parameters_of(model: Model) -> List[Any]:
    """List the parameters of a model.

    model (Model): Any model.
    RETURNS (List[Any]): The arrays of all its layers, as far as they are allocated.
    """
    return [node.get_param(name) for node in model.walk() for name in node.param_names if node.has_param(name)]


def _small_arrays(sources: Sequence[Any]) -> List[Any]:
    return [source for source in sources if is_xp_array(source) and source.size <= _SMALL]


def _all_true(results: Sequence[Any]) -> bool:
    """Tell whether all results are true. The host waits once for those that are on a device."""
    on_device = [result for result in results if not isinstance(result, numpy.bool_)]
    return all(result for result in results if isinstance(result, numpy.bool_)) and (
        not on_device or bool(get_array_module(on_device[0]).stack(on_device).all())
    )
