"""What a text categorizer looked at."""

import html
from typing import Iterable, Optional, Union

import numpy
from spacy.tokens import Doc, Token

from ..pipeline.attention import read_attention
from .markup import EMPTY, FONT, PRINTED, as_docs, direction, heading, likeliest, publish, shade, visible

# How many tokens have their share written beside them, and how many classes are named.
_N_NUMBERS = 5
_N_CLASSES = 3


def render_attention(
    docs: Union[Doc, Iterable[Doc]], *, page: bool = False, minify: bool = False, jupyter: Optional[bool] = None
) -> Optional[str]:
    """Show how much each token of a text counted in attention pooling, in the style of `displacy.render`: the darker, the more. A
    title is taken from `doc.user_data["title"]`.

    docs (Union[Doc, Iterable[Doc]]): Texts that a component with `store_attention = true` has classified.
    page (bool): Whether to make a whole HTML page.
    minify (bool): Whether to leave line breaks out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): HTML that needs no other file, e.g. to be written to one; None if it has been shown in a notebook.
    RAISES (ValueError): If a text has no attention, or that of other tokens.
    """
    return publish([_figure(doc) for doc in as_docs(docs)], "Attention", page, minify, jupyter)


def _figure(doc: Doc) -> str:
    shares = read_attention(doc)
    most = float(shares.max(initial=0.0))
    numbered = set(numpy.argsort(-shares, kind="stable")[:_N_NUMBERS].tolist())
    tokens = "".join(_mark(token, float(shares[token.i]), most, token.i in numbered) for token in doc)
    return (
        f'<figure style="{FONT}; margin: 1.5em 0">\n{heading(doc)}'
        f'<p {direction(doc)} style="line-height: 2.2; overflow-wrap: anywhere; margin: 0.5em 0">{tokens}</p>\n'
        f"{_legend(doc, most)}\n</figure>"
    )


def _mark(token: Token, share: float, most: float, numbered: bool) -> str:
    background, foreground = shade(share / most if most else 0.0)
    style = f"background: {background}; color: {foreground}; padding: 0.2em; border-radius: 0.25em; {PRINTED}"
    number = f' <bdi style="font-size: 0.7em">{share:.0%}</bdi>' if numbered else ""
    line_end = "<br>" if "\n" in token.text else ""
    return f'<mark style="{style}" title="{share:.1%}">{visible(token.text)}{number}</mark>{line_end}{token.whitespace_}'


def _legend(doc: Doc, most: float) -> str:
    if not len(doc):
        return EMPTY
    low, high = shade(0.0)[0], shade(1.0)[0]
    bar = (
        f'<span role="img" aria-label="from white, 0%, to dark blue, {most:.1%}" style="display: inline-block; width: 8em; '
        f'height: 0.8em; border: 1px solid #666; background: linear-gradient(to right, {low}, {high}); {PRINTED}"></span>'
    )
    classes = ", ".join(f"{html.escape(label)} {score:.2f}" for label, score in likeliest(doc.cats, _N_CLASSES))
    prediction = f"Predicted: {classes}. " if classes else ""
    return (
        f'<figcaption dir="ltr" lang="en" style="font-size: 0.8em">{prediction}Share of each token in the attention, which is '
        f"100% in all: 0% {bar} {most:.1%}. The largest shares are written beside their tokens.</figcaption>"
    )
