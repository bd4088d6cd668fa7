"""What a command says when it cannot do what it was asked."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Pattern

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


def as_option(name: str) -> str:
    """Give the option of a command that sets something.

    name (str): What Python calls it.
    RETURNS (str): The option.
    """
    return "--" + name.replace("_", "-")


def as_refusal(error: ValueError, settings: Pattern[str]) -> CommandError:
    """Say what was refused as a user of a command would.

    error (ValueError): What was raised.
    settings (Pattern): Where the message names a setting, which is in one of the groups; its option takes its place.
    RETURNS (CommandError): The message.
    """
    message = settings.sub(lambda match: as_option(next(filter(None, match.groups()))), str(error))
    return CommandError(as_sentence(message))


def as_sentence(message: str) -> str:
    """Begin a message with a capital letter, unless it begins with a name, e.g. of a file, which would be another one.

    message (str): The message.
    RETURNS (str): The sentence.
    """
    return message[:1].upper() + message[1:] if message.split(" ")[0].isalpha() else message


@contextmanager
def shown_to_user() -> Iterator[None]:
    """Print an error as spaCy's commands do, and leave with exit code 1.

    RAISES (SystemExit): If a `CommandError` was raised.
    """
    try:
        yield
    except CommandError as error:
        msg.fail(error.title, error.text, exits=1)


@contextmanager
def refusals_as_errors() -> Iterator[None]:
    """Turn what other rooms refuse into the command's error: they know nothing of commands.

    RAISES (CommandError): If a ValueError was raised in the `with` block, or a package of the extra `cli` is missing.
    """
    try:
        yield
    except ValueError as error:
        raise CommandError(as_sentence(str(error))) from error
    except ModuleNotFoundError as error:
        # Imported here because spaCy imports this module whenever one of its own commands runs.
        from ..evaluation.extras import PACKAGES

        if str(error.name).split(".")[0] not in PACKAGES:
            raise
        raise CommandError(f"This command needs a package that is not installed: {error}") from error


@contextmanager
def writing(what: str, path: Path) -> Iterator[None]:
    """Say that files are written, or that they cannot be.

    what (str): What they are.
    path (Path): The file, or their folder.
    RAISES (CommandError): If an OSError was raised in the `with` block.
    """
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path} cannot be written, so there is no file for the {what}", str(error)) from error
    msg.good(f"Wrote the {what} to {path}")
