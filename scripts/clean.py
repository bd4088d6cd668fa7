"""Remove everything the project's workflows made."""

import shutil
from pathlib import Path

import typer

FOLDERS = ("corpus", "training", "metrics", "packages")


def clean() -> None:
    """Remove the folders corpus, training, metrics and packages, and the lock file."""
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)
    Path("project.lock").unlink(missing_ok=True)
    typer.echo(f"Removed {', '.join(FOLDERS)} and project.lock")


if __name__ == "__main__":
    typer.run(clean)
