"""Files and folders that are either written whole or not at all."""

import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Union


def write_file(path: Union[str, Path], content: Union[str, bytes]) -> None:
    """Write a file whole or not at all.

    path (Union[str, Path]): The file. Its folder is made if there is none; a link stays a link.
    content (Union[str, bytes]): What it holds; a str is written as UTF-8.
    RAISES (OSError): If it cannot be written.
    """
    with open_file(path) as file:
        file.write(content.encode("utf8") if isinstance(content, str) else content)


@contextmanager
def open_file(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Write a file piece by piece, whole or not at all.

    It is written beside its place, and takes it when it is on the disk. If that fails, what was there stays.

    path (Union[str, Path]): The file. Its folder is made if there is none; a link stays a link.
    YIELDS (BinaryIO): The file, in the `with` block.
    RAISES (OSError): If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not (stat.S_ISREG(mode) and os.access(target, os.W_OK)):
        # A device or a pipe is nothing to replace; a directory or a protected file is refused.
        with target.open("wb") as file:
            yield file
        return
    # A name of its own length: that of the file may be as long as names can be.
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def write_folder(path: Union[str, Path], write: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all.

    It is written beside its place, and takes it when it is complete. If that fails, what was there stays.

    path (Union[str, Path]): The folder, which replaces one that is there. The folder that it is in is made if there is none.
    write (Callable[[Path], None]): Writes it where it is told to.
    RAISES (OSError): If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    name = secrets.token_hex(8)
    beside, before = target.parent / f".{name}.part", target.parent / f".{name}.old"
    try:
        write(beside)
        if target.exists():
            os.replace(target, before)
        os.replace(beside, target)
    except BaseException:
        if before.exists():
            os.replace(before, target)
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(before, ignore_errors=True)
