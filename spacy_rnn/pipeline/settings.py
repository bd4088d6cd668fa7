"""The settings that a component saves, checked before they are used."""

import math
from typing import Any, Mapping

# Settings that may be null.
_OPTIONAL = ("class_weight", "positive_label")


def check_settings(settings: Any, expected: Mapping[str, Any]) -> None:
    """Refuse settings that are not those of a component. Some may be missing, so that a later version can have more of them.

    settings (Any): What a file holds.
    expected (Mapping[str, Any]): The settings as the config has made them.
    RAISES (ValueError): If a setting is unknown or of another type, a number is not finite, or labels are no distinct strings.
    """
    if not isinstance(settings, dict):
        raise ValueError(f"settings are a map of names and values, but the file holds {type(settings).__name__}")
    for name, value in settings.items():
        if name not in expected:
            raise ValueError(f"there is no setting {name!r}: the component has {', '.join(expected)}")
        is_right = (value is None or isinstance(value, str)) if name in _OPTIONAL else _is_like(value, expected[name])
        if not is_right:
            raise ValueError(f"its setting {name} is {value!r}, expected a value like {expected[name]!r}")
    _check_labels(settings.get("labels", []))


def _is_like(value: Any, example: Any) -> bool:
    if isinstance(example, bool) or not isinstance(example, (int, float)):
        return type(value) is type(example) or (isinstance(value, list) and isinstance(example, tuple))
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_labels(labels: Any) -> None:
    wrong = [label for label in labels if not isinstance(label, str) or not label]
    if wrong:
        raise ValueError(f"its labels are to be strings, got {wrong[0]!r}")
    twice = [label for label, before in zip(sorted(labels)[1:], sorted(labels), strict=False) if label == before]
    if twice:
        raise ValueError(f"its label {twice[0]!r} is there twice")
