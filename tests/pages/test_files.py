"""A file is written whole or not at all, whatever happens meanwhile."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from spacy_rnn.pages.files import write_file, write_folder

# Files may have 1,000 bytes from here on, so that writing more fails in the middle, as on a full disk.
FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""


def on_full_disk(code, *arguments):
    return subprocess.run([sys.executable, "-c", FULL + code, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("content", ["Straße\n", b"\x00\xff", ""])
def test_the_file_has_the_content(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file"
    write_file(path, content)
    assert path.read_bytes() == (content.encode("utf8") if isinstance(content, str) else content)
    write_file(str(path), "again")
    assert path.read_text() == "again"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_leaves_what_was_there(tmp_path):
    code = "from spacy_rnn.pages.files import write_file\nwrite_file(sys.argv[1], 5000 * 'x')"
    (tmp_path / "old").write_text("old")
    for name in ("old", "new"):
        process = on_full_disk(code, tmp_path / name)
        assert process.returncode == 1 and "OSError" in process.stderr
    assert (tmp_path / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("option, name", [("--output", "page.html"), ("--plots", "gradients.svg")])
def test_a_command_on_a_full_disk_leaves_what_was_there(tmp_path, option, name):
    (tmp_path / name).write_text("old")
    # The limit may not be there yet when matplotlib writes its cache.
    code = """
sys.argv[1:] = ["gradients", "--cell", "gru", "--samples", "1", "--width", "2", *sys.argv[1:]]
from spacy_rnn.cli.app import rnn_cli
rnn_cli()
"""
    process = on_full_disk(
        "import matplotlib.font_manager\n" + code, option, tmp_path / name if option == "--output" else tmp_path
    )
    assert process.returncode == 1
    assert "cannot be written" in " ".join(process.stdout.split())
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_interrupt_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_permissions_are_those_of_the_file_or_of_a_new_one(tmp_path):
    (tmp_path / "plain").write_text("x")
    write_file(tmp_path / "new", "x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "plain").chmod(0o640)
    write_file(tmp_path / "plain", "y")
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX")
def test_links_and_pipes_stay_what_they_are(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_file(tmp_path / "pipe", "piped")
    reader.join(timeout=30)
    assert read == ["piped"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_as_long_as_names_can_be(tmp_path):
    write_file(tmp_path / ("n" * 255), "x")
    assert (tmp_path / ("n" * 255)).read_text() == "x"


def test_a_folder_in_its_place_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def fill(folder):
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("new")


def contents(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("before", ["none", "empty", "full"])
def test_a_folder_is_what_was_written(tmp_path, before):
    path = tmp_path / "a" / "folder"
    if before != "none":
        path.mkdir(parents=True)
    if before == "full":
        (path / "old").write_text("old")
    write_folder(path, fill)
    assert contents(tmp_path / "a") == {"folder", "folder/inner", "folder/inner/file"}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_is_not_complete_takes_no_place(tmp_path, error, exists):
    if exists:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "old").write_text("old")

    def fail(folder):
        fill(folder)
        raise error

    with pytest.raises(error):
        write_folder(tmp_path / "folder", fail)
    assert contents(tmp_path) == ({"folder", "folder/old"} if exists else set())


def test_a_folder_that_cannot_take_its_place_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    replace = os.replace

    def refuse(source, target):
        if str(source).endswith(".part"):
            raise OSError("refused")
        replace(source, target)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="refused"):
        write_folder(tmp_path / "folder", fill)
    assert contents(tmp_path) == {"folder", "folder/old"}


@pytest.mark.skipif(sys.platform == "win32", reason="links are POSIX")
def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    write_folder(tmp_path / "link", fill)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "inner" / "file").read_text() == "new"
