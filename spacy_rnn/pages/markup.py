"""HTML that stands alone: no script, no style sheet, no other file."""

import html
import unicodedata
from typing import Dict, Iterable, List, Optional, Tuple, Union

from spacy.tokens import Doc
from spacy.util import is_in_jupyter

FONT = "font-family: system-ui, sans-serif"
# Browsers leave backgrounds out when they print, unless they are asked not to.
PRINTED = "-webkit-print-color-adjust: exact; print-color-adjust: exact"
# From no colour to a dark blue: which of two shades is darker is seen in print and by the colour-blind as well.
LIGHTEST, DARKEST = (255, 255, 255), (8, 69, 148)
EMPTY = '<figcaption dir="ltr" lang="en">A text without tokens.</figcaption>'
_SYMBOLS = {"\n": "⏎", "\r": "⏎", "\t": "⇥"}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body style="max-width: 60em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff">
{content}
</body>
</html>"""


def as_docs(docs: Union[Doc, Iterable[Doc]]) -> List[Doc]:
    """Give texts as a list.

    docs (Union[Doc, Iterable[Doc]]): One text or several.
    RETURNS (List[Doc]): The texts.
    RAISES (ValueError): If one of them is no `Doc`.
    """
    found = [docs] if isinstance(docs, Doc) else list(docs)
    for doc in found:
        if not isinstance(doc, Doc):
            raise ValueError(
                f"expected a Doc or several, as a pipeline makes them (nlp(text)), got {type(doc).__name__}: {doc!r:.40}"
            )
    return found


def publish(figures: List[str], title: str, page: bool, minify: bool, jupyter: Optional[bool]) -> Optional[str]:
    """Put figures together, and show them in a notebook, as `displacy.render` does.

    figures (List[str]): The HTML of each.
    title (str): What the page is called.
    page (bool): Whether to make a whole page.
    minify (bool): Whether to leave line breaks between elements out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): The HTML; None if it has been shown.
    """
    content = "\n".join(figures)
    if page:
        content = _PAGE.format(title=html.escape(title), content=content)
    if minify:
        # No line break stands inside of a text.
        content = content.replace("\n", "")
    if jupyter or (jupyter is None and is_in_jupyter()):
        # Installed with every notebook.
        from IPython.display import HTML, display

        # The class keeps MathJax away from dollar signs.
        display(HTML(f'<span class="tex2jax_ignore">{content}</span>'))
        return None
    return content


def visible(text: str) -> str:
    """Make a token's text fit for HTML. White space that is the whole token becomes a symbol; control characters, which HTML
    does not have, become the sign for what cannot be shown.

    text (str): The text.
    RETURNS (str): HTML.
    """
    if text.isspace():
        return "".join(_SYMBOLS.get(character, "␣") for character in text)
    shown = ("�" if unicodedata.category(character) == "Cc" else character for character in text)
    return html.escape("".join(shown))


def direction(doc: Doc) -> str:
    """Give the attributes that say in which language and direction a text is written.

    doc (Doc): The text.
    RETURNS (str): HTML attributes. The direction is that of the vocabulary's language if that is written from right to left;
        otherwise the browser finds out, because a language such as "xx" may be any.
    """
    lang = "" if doc.lang_ in ("", "xx") else f' lang="{html.escape(doc.lang_)}"'
    rtl = doc.vocab.writing_system.get("direction") == "rtl"
    return f'dir="{"rtl" if rtl else "auto"}"{lang}'


def heading(doc: Doc) -> str:
    """Give a text the title that is displaCy's, too: `doc.user_data["title"]`.

    doc (Doc): The text.
    RETURNS (str): HTML; empty if there is none.
    """
    title = doc.user_data.get("title")
    return f'<h2 {direction(doc)} style="{FONT}; margin: 0">{html.escape(str(title))}</h2>\n' if title else ""


def shade(share: float) -> Tuple[str, str]:
    """Choose the colour of a share.

    share (float): From 0 to 1.
    RETURNS (Tuple[str, str]): The background, and black or white, whichever is read more easily on it.
    """
    channels = [round(low + share * (high - low)) for low, high in zip(LIGHTEST, DARKEST, strict=True)]
    luminance = _luminance(channels)
    # The ratio of contrast of WCAG 2, with white and with black.
    foreground = "#fff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000"
    return "#" + "".join(f"{channel:02x}" for channel in channels), foreground


def _luminance(channels: List[int]) -> float:
    parts = [value / 255 for value in channels]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def likeliest(cats: Dict[str, float], n: int) -> List[Tuple[str, float]]:
    """Choose classes to show.

    cats (Dict[str, float]): Probabilities by class.
    n (int): How many at most.
    RETURNS (List[Tuple[str, float]]): The most probable classes, in falling order.
    """
    return sorted(cats.items(), key=lambda item: -item[1])[:n]
