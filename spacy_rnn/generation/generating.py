"""Sequences drawn symbol by symbol, or the most probable symbol each time."""

from typing import Any, Collection, Iterator, List, NamedTuple, Optional, Sequence

import numpy

from .blocks import Drawn, draw_blocks, many_steps_of
from .checks import as_forbidden, as_prompts, as_symbols, require_count, require_scores
from .history import History
from .interface import START, UNKNOWN, NextSymbol
from .reading import Reading, read_prompts
from .results import Generation
from .sampling import Sampling, choose, to_host
from .stopping import Stopping, Watch
from .uniforms import Uniforms


class Produced(NamedTuple):
    """A symbol of a sequence.

    sequence (int): Which sequence: the number of its prompt · n + that of the sample, from 0.
    symbol (int): The symbol.
    log_probability (float): Its log-probability by the model itself, in nats.
    """

    sequence: int
    symbol: int
    log_probability: float


def generate(
    model: NextSymbol,
    prompts: Sequence[Sequence[int]],
    *,
    sampling: Optional[Sampling] = None,
    stopping: Optional[Stopping] = None,
    forbidden: Collection[int] = (UNKNOWN, START),
    start: int = START,
    n: int = 1,
    seed: int = 0,
    indices: Optional[Sequence[int]] = None,
    context: Any = None,
) -> List[Generation]:
    """Continue prompts.

    A sequence depends on its prompt, the seed and its number, not on the other sequences: it is the same alone and in any batch.

    model (NextSymbol): The model. One that is a `LanguageModel` reads prompts as a whole; another reads them step by step, and
        prompts of different lengths then go on in batches of their own.
    prompts (Sequence[Sequence[int]]): The symbols of each prompt, without the start. A prompt may be empty.
    sampling (Optional[Sampling]): How symbols are drawn; as the model says if None.
    stopping (Optional[Stopping]): When a sequence ends; `Stopping()` if None.
    forbidden (Collection[int]): The symbols that never come.
    start (int): The symbol of the start of a sequence, which is read first.
    n (int): How many sequences to draw for each prompt.
    seed (int): From 0 to 2^64 - 1.
    indices (Optional[Sequence[int]]): The number of each prompt, which its random numbers depend on, from 0 to 2^32 - 1; their
        order if None.
    context (Any): What the model's `start` is given for all prompts.
    RETURNS (List[Generation]): The sequences, n for each prompt, in the order of the prompts.
    RAISES (ValueError): If a prompt is not a sequence of symbols that the model has, all symbols are forbidden, a number is out
        of its range, or the model gives what is not log-probabilities.
    """
    request = _request(model, prompts, sampling, stopping, forbidden, start, n, seed, indices, context)
    n_sequences = len(request.prompts) * n
    steps = list(_run(request))
    if not steps:
        return [_generation(_NOTHING, 0, 0) for _ in range(n_sequences)]
    everything = Drawn(*(numpy.concatenate(parts) for parts in zip(*steps, strict=True)))
    order = numpy.argsort(everything.sequences, kind="stable")
    sizes = numpy.bincount(everything.sequences, minlength=n_sequences)
    ends = numpy.cumsum(sizes)
    ordered = Drawn(*(array[order] for array in everything))
    return [_generation(ordered, int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]


def stream(
    model: NextSymbol,
    prompts: Sequence[Sequence[int]],
    *,
    sampling: Optional[Sampling] = None,
    stopping: Optional[Stopping] = None,
    forbidden: Collection[int] = (UNKNOWN, START),
    start: int = START,
    n: int = 1,
    seed: int = 0,
    indices: Optional[Sequence[int]] = None,
    context: Any = None,
) -> Iterator[Produced]:
    """Continue prompts, symbol by symbol: the sequences of `generate`.

    model (NextSymbol): The model.
    prompts (Sequence[Sequence[int]]): The symbols of each prompt, without the start.
    sampling, stopping, forbidden, start, n, seed, indices, context: As in `generate`.
    RETURNS (Iterator[Produced]): The symbols as they come, those that make a sequence stop as well.
    RAISES (ValueError): As `generate` does; what is wrong with the arguments is said at once.
    """
    request = _request(model, prompts, sampling, stopping, forbidden, start, n, seed, indices, context)
    return _produce(request)


class _Request(NamedTuple):
    """What is to be generated: the arguments of `generate`, checked."""

    model: NextSymbol
    prompts: List[numpy.ndarray]
    sampling: Sampling
    stopping: Stopping
    forbidden: numpy.ndarray
    start: int
    n: int
    seed: int
    indices: List[int]
    context: Any


_NOTHING = Drawn(*(numpy.empty(0, dtype=dtype) for dtype in ("int64", "int64", "float32", "int64")))


def _request(
    model: NextSymbol,
    prompts: Sequence[Sequence[int]],
    sampling: Optional[Sampling],
    stopping: Optional[Stopping],
    forbidden: Collection[int],
    start: int,
    n: int,
    seed: int,
    indices: Optional[Sequence[int]],
    context: Any,
) -> _Request:
    arrays = as_prompts(prompts, model.n_symbols)
    require_count("n, the number of sequences for each prompt", n, 1)
    as_symbols("start", [start], model.n_symbols)
    numbers = list(range(len(arrays)) if indices is None else indices)
    if len(numbers) != len(arrays):
        raise ValueError(f"indices: expected a number for each of the {len(arrays)} prompts, got {len(numbers)}")
    Uniforms(seed, [(number, 0) for number in numbers])
    settings = (sampling or Sampling(), stopping or Stopping())
    Watch(settings[1], model.n_symbols, 0)
    return _Request(model, arrays, *settings, as_forbidden(forbidden, model.n_symbols), start, n, seed, numbers, context)


def _produce(request: _Request) -> Iterator[Produced]:
    for step in _run(request):
        for sequence, symbol, log_probability in zip(*(array.tolist() for array in step[:3]), strict=True):
            if symbol >= 0:
                yield Produced(sequence, symbol, log_probability)


def _run(request: _Request) -> Iterator[Drawn]:
    if request.stopping.max_symbols:
        for reading in read_prompts(request.model, request.prompts, request.start, request.context):
            yield from _continue(request, reading)


def _continue(request: _Request, reading: Reading) -> Iterator[Drawn]:
    """Generate in one batch, which sequences leave as they end."""
    model, n, sampling = request.model, request.n, request.sampling
    prompts, symbols, state = numpy.repeat(reading.prompts, n), numpy.repeat(reading.symbols, n), reading.state
    if n > 1:
        state = model.reorder(state, numpy.repeat(numpy.arange(len(reading.prompts)), n))
    sequences = prompts * n + numpy.arange(len(prompts)) % n
    uniforms = Uniforms(request.seed, [(request.indices[i // n], i % n) for i in sequences.tolist()])
    watch = Watch(request.stopping, model.n_symbols, len(sequences))
    history = _history(request, prompts) if sampling.needs_history else None
    steps = many_steps_of(model, sampling)
    if steps is not None:
        yield from draw_blocks(
            model, steps, sequences, symbols, state, uniforms, sampling, request.stopping, request.forbidden, history
        )
        return
    for _ in range(request.stopping.max_symbols):
        scores, state = model.step(symbols, state)
        require_scores(scores, len(sequences), model.n_symbols)
        scores = to_host(scores)
        symbols = choose(scores, sampling, request.forbidden, history, uniforms.next())
        counts = watch.append(symbols)
        yield Drawn(sequences, symbols, scores[numpy.arange(len(symbols)), symbols], counts)
        if history is not None:
            history.append(symbols)
        is_over = (counts > 0) | (symbols < 0)
        if is_over.any():
            index = numpy.flatnonzero(~is_over)
            if not len(index):
                return
            sequences, symbols, state = sequences[index], symbols[index], model.reorder(state, index)
            uniforms.keep(index)
            watch.keep(index)
            if history is not None:
                history.keep(index)


def _history(request: _Request, prompts: numpy.ndarray) -> History:
    return History(
        [request.prompts[i] for i in prompts],
        request.model.n_symbols,
        repetition_penalty=request.sampling.repetition_penalty,
        no_repeat_ngram=request.sampling.no_repeat_ngram,
    )


def _generation(steps: Drawn, begin: int, end: int) -> Generation:
    """Give the sequence that rows of all steps make."""
    if end > begin and steps.symbols[end - 1] < 0:
        ended, count, end = "blocked", 0, end - 1
    else:
        count = int(steps.counts[end - 1]) if end > begin else 0
        ended = "stop" if count else "length"
    return Generation(steps.symbols[begin:end].astype("int32"), steps.log_probabilities[begin:end].copy(), ended, count)
