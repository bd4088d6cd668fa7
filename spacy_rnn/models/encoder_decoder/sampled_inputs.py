"""Scheduled sampling: a decoder that is trained reads some of what it would have written."""

from typing import Optional

import numpy
from thinc.types import Floats2d

from ...layers.capabilities import State
from ...layers.output.symbol_scorer import begin_scoring
from ...text.symbols import END, START, SymbolBatch
from .decoder import Decoder, Source, sweep_targets


def sample_inputs(
    decoder: Decoder,
    batch: SymbolBatch,
    state: State,
    source: Optional[Source],
    vectors: Optional[Floats2d],
    rate: float,
) -> SymbolBatch:
    """Replace some of what a decoder reads by what it finds most probable there, after the true symbols before.

    The true symbols are read in a first sweep, so that there is no step by step (Mihaylova & Martins 2019, "Scheduled sampling
    for transformers"; Bengio et al. 2015). What is written, not copied, counts; start and end are never read within a sequence.

    decoder, batch, state, source, vectors: As `begin_decode` takes them.
    rate (float): The share of inputs that are replaced, in [0, 1); the start of a sequence never is.
    RETURNS (SymbolBatch): The batch, with the same targets.
    """
    swept = sweep_targets(decoder, batch, state, source, vectors)
    best = begin_scoring(decoder.head).best(swept.A, 1, (START, END)).symbols[:, 0]
    inputs = numpy.array(batch.inputs)
    is_replaced = (numpy.random.random(len(inputs)) < rate) & (inputs != START)
    # What is read at a row is what was written at the row before.
    inputs[is_replaced] = best[numpy.flatnonzero(is_replaced) - 1]
    return batch._replace(inputs=inputs)
