"""How the converters report what is wrong: in one message, without a traceback, with exit status 1."""

from contextlib import contextmanager
from typing import Iterator

import typer


@contextmanager
def reported_errors() -> Iterator[None]:
    """End the command with a message if the input is wrong, or a file cannot be read or written."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


def warn(message: str) -> None:
    """Report what a user should know about a corpus that was converted all the same.

    message (str): The message.
    """
    typer.echo(f"Warning: {message}", err=True)
