"""Read compressed tar archives to their verified end.

Python's `tarfile` takes a damaged header for the end of an archive, and does not reach the checksum, which lies behind that.
"""

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import Iterator, NamedTuple

# Not `.tar` alone: it has no checksum of what is in its files.
_ENDINGS = (".tar.gz", ".tgz")


class Member(NamedTuple):
    """A file of an archive.

    name (str): Its path in the archive.
    content (bytes): What is in it.
    """

    name: str
    content: bytes


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, by its name.

    path (Path): The file.
    RETURNS (bool): Whether it is one that `read_members` reads: `.tar.gz` or `.tgz`.
    """
    return path.is_file() and path.name.endswith(_ENDINGS) and not path.name.startswith(".")


def read_members(path: Path) -> Iterator[Member]:
    """Read the files of an archive. What has been read is verified only when the iterator has ended.

    path (Path): The archive.
    YIELDS (Member): Its files, without folders and links.
    RAISES (ValueError): With the archive and where, if it is damaged or breaks off.
    """
    name = "its beginning"
    with path.open("rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
                for member in archive:
                    name = member.name
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        yield Member(name, content.read())
                _verify_end(stream, archive.offset)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
            raise ValueError(f"{path}: the archive is damaged, at or after {name}: {error}") from error


def _verify_end(stream: gzip.GzipFile, offset: int) -> None:
    """Read an archive to its end, by which its checksum is verified.

    stream (gzip.GzipFile): The archive's content.
    offset (int): Where its files end, in bytes.
    RAISES (tarfile.ReadError): If the mark of the end is not there, or something comes after it.
    """
    stream.seek(offset)
    if len(stream.read(tarfile.BLOCKSIZE).rstrip(b"\0")) or stream.tell() < offset + tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"byte {offset:,} of its content is neither the header of a file nor the archive's end")
    while piece := stream.read(1 << 20):
        if piece.rstrip(b"\0"):
            raise tarfile.ReadError(f"something follows the archive's end, which is at byte {offset:,} of its content")
