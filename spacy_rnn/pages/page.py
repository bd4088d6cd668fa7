"""Pages: one HTML file each, without scripts, that needs no other file and no network."""

import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..cli.errors import CommandError


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page.

    path (Path): The file. Its folder is made if there is none.
    template (str): The name of a file in `templates/`.
    **values (Any): What the template shows; texts are escaped.
    RAISES (CommandError): If the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("spacy_rnn.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.2f}"
    environment.filters["digits"] = lambda number: f"{number:.4f}"
    environment.filters["number"] = lambda number: f"{number:,.0f}"
    values.update(date=datetime.date.today().isoformat(), version=version("spacy-rnn"))
    text = environment.get_template(template).render(**values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written", str(error)) from error
