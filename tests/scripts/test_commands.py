"""The converters as `project.yml` calls them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", ["convert_conll", "convert_conllu", "convert_imdb", "convert_parallel", "convert_text", "convert_textcat"]
)
def test_a_folder_that_is_not_there_is_one_message(tmp_path, script):
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), str(tmp_path / "nowhere"), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ") and str(tmp_path / "nowhere") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []
