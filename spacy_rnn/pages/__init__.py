"""Pictures of what a model does with a text, as HTML."""

from .attention import render_attention
from .states import StateTrace, render_states, trace_states
from .surprisal import render_surprisal

__all__ = ["StateTrace", "render_attention", "render_states", "render_surprisal", "trace_states"]
