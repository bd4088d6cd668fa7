"""Whether a stand-in offers what the real thing offers, and no more."""

import inspect

from signatures import find_signature


def assert_offers_no_more(stand_in, real):
    """Compare the public names of two objects, modules or classes, and what functions take under them, through all modules.

    Names that begin with an underscore are the tests' own.
    """
    for name in _public(stand_in):
        assert hasattr(real, name), f"{real!r} has no {name}"
        offered, expected = getattr(stand_in, name), getattr(real, name)
        if inspect.isfunction(offered) or inspect.ismethod(offered):
            _assert_takes_no_more(offered, expected)
        elif inspect.ismodule(expected):
            assert_offers_no_more(offered, expected)


def _public(thing):
    names = dir(thing) if not inspect.ismodule(thing) else vars(thing)
    return [name for name in names if not name.startswith("_")]


def _assert_takes_no_more(offered, expected):
    """Compare parameters by name and place. What takes anything on one side is not compared."""
    taken, signature = find_signature(offered), find_signature(expected)
    if signature is None or _is_open(taken) or _is_open(signature):
        return
    known, given = list(signature.parameters), list(taken.parameters)
    assert given == known[: len(given)], f"{expected!r} takes {known}"


def _is_open(signature):
    return any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in signature.parameters.values())
