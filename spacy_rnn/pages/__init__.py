"""Pictures of what a model does with a text, as HTML and SVG."""

from .alignment import render_alignment
from .alignment_svg import draw_alignment
from .attention import render_attention
from .states import StateTrace, render_states, trace_states
from .surprisal import render_surprisal

__all__ = [
    "StateTrace",
    "draw_alignment",
    "render_alignment",
    "render_attention",
    "render_states",
    "render_surprisal",
    "trace_states",
]
