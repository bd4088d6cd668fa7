"""HTML from the templates in `templates/`, in which every text is escaped."""

import datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .text import is_directed, percent, printable, visible


def render(template: str, **values: Any) -> Markup:
    """Fill in a template.

    template (str): The name of a file in `templates/`.
    **values (Any): What the template shows. What is no Markup is escaped, and its control characters are replaced.
    RETURNS (Markup): HTML.
    """
    return Markup(_environment().get_template(template).render(**values))


def render_page(template: str, **values: Any) -> str:
    """Fill in the template of a page, and say when and by what it was written.

    template (str): The name of a file in `templates/` that extends `page.html`.
    **values (Any): As in `render`.
    RETURNS (str): HTML.
    """
    return str(render(template, date=datetime.date.today().isoformat(), version=version("spacy-rnn"), **values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("spacy_rnn.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["percent"] = percent
    environment.filters["digits"] = lambda number: f"{number:.4f}"
    environment.filters["number"] = lambda number: f"{number:,.0f}"
    environment.filters["visible"] = visible
    environment.tests["directed"] = is_directed
    return environment


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))
