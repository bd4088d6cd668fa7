"""Beam search as textbooks have it: one prompt at a time, hypothesis by hypothesis, until none goes on."""

import math

import numpy


def textbook_beam(
    model, prompt, *, width, n_best, kind, alpha, coverage, max_symbols, stops, sequences, forbidden, start=1, context=None
):
    """RETURNS (List[Dict[str, Any]]): The best hypotheses: symbols, log_probabilities, score, ended, n_stopping."""
    read, state = [start, *prompt], model.start(1, context)
    for symbol in read[:-1]:
        _, state = model.step(numpy.asarray([symbol]), state)
    beam = [{"symbols": [], "log_probabilities": [], "sum": 0.0, "coverage": 0.0, "last": read[-1], "state": state}]
    finished, blocked = [], []
    for length in range(1, max_symbols + 1):
        candidates = []
        for hypothesis in beam:
            children = extend(model, hypothesis, forbidden, coverage)
            candidates += children
            if not children:
                blocked.append({**hypothesis, "ended": "blocked", "n_stopping": 0})
        beam = []
        for hypothesis in sorted(candidates, key=lambda one: -one["sum"])[:width]:
            n_stopping = count_stopping(hypothesis["symbols"], stops, sequences)
            if n_stopping or length == max_symbols:
                finished.append({**hypothesis, "ended": "stop" if n_stopping else "length", "n_stopping": n_stopping})
            else:
                beam.append(hypothesis)
    for hypothesis in finished + blocked:
        length = len(hypothesis["symbols"])
        penalty = ((5 + length) / 6) ** alpha if kind == "wu" else max(length, 1) ** alpha
        hypothesis["score"] = hypothesis["sum"] / penalty + (coverage * hypothesis["coverage"] if coverage else 0)
    return [one for part in (finished, blocked) for one in sorted(part, key=lambda one: -one["score"])][:n_best]


def extend(model, hypothesis, forbidden, coverage):
    """RETURNS (List[Dict[str, Any]]): The hypothesis with each symbol that may come."""
    scores, state = model.step(numpy.asarray([hypothesis["last"]]), hypothesis["state"])
    covered = float(model.coverage(state)[0]) if coverage else 0.0
    children = []
    for symbol, log_probability in enumerate(map(float, scores[0])):
        if symbol not in forbidden and log_probability > -math.inf:
            children.append(
                {
                    "symbols": [*hypothesis["symbols"], symbol],
                    "log_probabilities": [*hypothesis["log_probabilities"], log_probability],
                    "sum": hypothesis["sum"] + min(log_probability, 0.0),
                    "coverage": covered,
                    "last": symbol,
                    "state": state,
                }
            )
    return children


def count_stopping(symbols, stops, sequences):
    """RETURNS (int): How many symbols at the end make a sequence stop."""
    counts = [len(sequence) for sequence in sequences if symbols[-len(sequence) :] == list(sequence)]
    return max([*counts, int(symbols[-1] in stops)])
