"""What the pictures of texts share: HTML that stands alone, with no script, no style sheet, no other file."""

from typing import Dict, Iterable, List, Optional, Tuple, Union

from markupsafe import Markup
from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from .environment import render

# From no colour to a dark blue: which of two shades is darker is seen in print and by the colour-blind as well.
LIGHTEST, DARKEST = (255, 255, 255), (8, 69, 148)


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


def publish(figures: List[Markup], title: str, page: bool, minify: bool, jupyter: Optional[bool]) -> Optional[str]:
    """Put figures together, and show them in a notebook, as `displacy.render` does.

    figures (List[Markup]): The HTML of each.
    title (str): What the page is called.
    page (bool): Whether to make a whole page.
    minify (bool): Whether to leave line breaks between elements out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): The HTML; None if it has been shown.
    """
    content: str = Markup("\n").join(figures)
    if page:
        content = str(render("pictures.html", title=title, content=content))
    if minify:
        # No line break stands inside of a text: `visible` has replaced them.
        content = content.replace("\n", "")
    if jupyter or (jupyter is None and is_in_jupyter()):
        # Installed with every notebook.
        from IPython.display import HTML, display

        # The class keeps MathJax away from dollar signs.
        display(HTML(f'<span class="tex2jax_ignore">{content}</span>'))
        return None
    return str(content)


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


def is_right_to_left(doc: Doc) -> bool:
    """Tell in which direction the language of a text is written.

    doc (Doc): The text.
    RETURNS (bool): Whether the vocabulary's language is written from right to left. Where it is not, the browser finds out
        the direction, because a language such as "xx" may be any.
    """
    return doc.vocab.writing_system.get("direction") == "rtl"
