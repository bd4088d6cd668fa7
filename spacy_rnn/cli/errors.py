"""What a command says when it cannot do what it was asked."""

from contextlib import contextmanager
from typing import Iterator

from wasabi import msg


class CommandError(Exception):
    """What went wrong, and what the user can do about it."""

    def __init__(self, title: str, text: str = "") -> None:
        """Make the error.

        title (str): What was wrong.
        text (str): What was expected, and what to do.
        """
        super().__init__(title)
        self.title = title
        self.text = text


@contextmanager
def shown_to_user() -> Iterator[None]:
    """Print an error as spaCy's commands do, and leave with exit code 1.

    RAISES (SystemExit): If a `CommandError` was raised.
    """
    try:
        yield
    except CommandError as error:
        msg.fail(error.title, error.text, exits=1)
