"""What a text categorizer looked at."""

from typing import Any, Dict, Iterable, Optional, Union

import numpy
from markupsafe import Markup
from spacy.tokens import Doc, Token

from ..pipeline.annotation.attention import read_attention
from .environment import render
from .pictures import as_docs, is_right_to_left, likeliest, publish, shade

# How many tokens have their share written beside them, and how many classes are named.
_N_NUMBERS = 5
_N_CLASSES = 3


def render_attention(
    docs: Union[Doc, Iterable[Doc]], *, page: bool = False, minify: bool = False, jupyter: Optional[bool] = None
) -> Optional[str]:
    """Show how much each token of a text counted in attention pooling: the darker, the more.

    The page has the style of `displacy.render`, and takes its title from `doc.user_data["title"]`.

    docs (Union[Doc, Iterable[Doc]]): Texts that a component with `store_attention = true` has classified.
    page (bool): Whether to make a whole HTML page.
    minify (bool): Whether to leave line breaks out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): HTML that needs no other file, e.g. to be written to one; None if it has been shown in a notebook.
    RAISES (ValueError): If a text has no attention, or that of other tokens.
    """
    return publish([_figure(doc) for doc in as_docs(docs)], "Attention", page, minify, jupyter)


def _figure(doc: Doc) -> Markup:
    shares = read_attention(doc).tolist()
    most = max(shares, default=0.0)
    numbered = set(numpy.argsort(-numpy.asarray(shares), kind="stable")[:_N_NUMBERS].tolist())
    return render(
        "attention.html",
        doc=doc,
        right_to_left=is_right_to_left(doc),
        tokens=[_describe(token, shares[token.i], most, token.i in numbered) for token in doc],
        classes=likeliest(doc.cats, _N_CLASSES),
        low=shade(0.0)[0],
        high=shade(1.0)[0],
        most=f"{most:.1%}",
    )


def _describe(token: Token, share: float, most: float, is_numbered: bool) -> Dict[str, Any]:
    """Give what the picture shows of a token."""
    background, foreground = shade(share / most if most else 0.0)
    return {
        "text": token.text,
        "space": token.whitespace_,
        "share": share,
        "background": background,
        "foreground": foreground,
        "is_numbered": is_numbered,
        "ends_line": "\n" in token.text,
    }
