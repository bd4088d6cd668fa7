"""What surprises a language model in a text."""

from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import numpy
from markupsafe import Markup
from spacy.tokens import Doc, Token

from ..pipeline.annotation.surprisal import get_surprisal
from .environment import render
from .pictures import as_docs, is_right_to_left, publish, shade

# The surprisal that has the darkest shade in all texts, so that they can be compared: one of 2^16.
_MOST_BITS = 16.0


def render_surprisal(
    docs: Union[Doc, Iterable[Doc]],
    *,
    max_length: int = 1000,
    page: bool = False,
    minify: bool = False,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Show how much each token of a text surprises a language model: the darker, the more.

    The page has the style of `displacy.render`, and takes its title from `doc.user_data["title"]`.

    docs (Union[Doc, Iterable[Doc]]): Texts that a component `rnn_lm` with `store_surprisal = true` has scored.
    max_length (int): How many tokens of a text are shown at most.
    page (bool): Whether to make a whole HTML page.
    minify (bool): Whether to leave line breaks out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): HTML that needs no other file, e.g. to be written to one; None if it has been shown in a notebook.
    RAISES (ValueError): If a text has no surprisals, or those of other tokens; or if max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    found = [(doc, _read(doc, max_length)) for doc in as_docs(docs)]
    figures = [draw_surprisals(doc, surprisals, len(doc)) for doc, surprisals in found]
    return publish(figures, "Surprisal", page, minify, jupyter)


def draw_surprisals(doc: Doc, surprisals: numpy.ndarray, n_tokens: int) -> Markup:
    """Draw the beginning of a text.

    doc (Doc): The text, or its beginning.
    surprisals (numpy.ndarray): float32 [m], the surprisals of the tokens that are shown, in bits.
    n_tokens (int): How many tokens the whole text has.
    RETURNS (Markup): The HTML of a figure.
    """
    shown = [doc[i] for i in range(len(surprisals))]
    return render(
        "surprisal.html",
        doc=doc,
        right_to_left=is_right_to_left(doc),
        tokens=[_describe(token, bits) for token, bits in zip(shown, surprisals.tolist(), strict=True)],
        n_tokens=n_tokens,
        low=shade(0.0)[0],
        high=shade(1.0)[0],
        most=f"{_MOST_BITS:g}",
    )


def _read(doc: Doc, max_length: int) -> numpy.ndarray:
    found: List[Tuple[Token, Optional[float]]] = [(token, get_surprisal(token)) for token in doc[:max_length]]
    for token, bits in found:
        if bits is None:
            raise ValueError(
                f"the token {token.text!r} at {token.i} has no surprisal: set store_surprisal = true on a component rnn_lm, and "
                "run the pipeline over the text as it is now"
            )
    return numpy.asarray([bits for _, bits in found], dtype="float32")


def _describe(token: Token, bits: float) -> Dict[str, Any]:
    """Give what the picture shows of a token."""
    background, foreground = shade(min(max(bits, 0.0) / _MOST_BITS, 1.0))
    return {
        "text": token.text,
        "space": token.whitespace_,
        "bits": f"{bits:.2f}",
        "background": background,
        "foreground": foreground,
        "ends_line": "\n" in token.text,
    }
