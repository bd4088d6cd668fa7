"""Packages that not everybody has installed."""

from contextlib import contextmanager
from importlib import import_module
from typing import Iterator

# What the extra `cli` of setup.cfg brings, by the names that these are imported by.
PACKAGES = ("matplotlib", "sklearn", "threadpoolctl")


def check_packages() -> None:
    """Find out before long work whether the packages of the extra `cli` are installed.

    RAISES (ModuleNotFoundError): If one of them is not.
    """
    with requires_extra():
        for package in PACKAGES:
            import_module(package)


@contextmanager
def requires_extra() -> Iterator[None]:
    """Say how to install a package of the extra `cli` that is imported in the `with` block.

    RAISES (ModuleNotFoundError): If it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).split(".")[0]
        if package not in PACKAGES:
            raise
        raise ModuleNotFoundError(
            f'{package} is not installed: install it with the extra "cli", python -m pip install "spacy-rnn[cli]"',
            name=error.name,
        ) from error
