"""Fit the rational function that the compiled engine uses for tanh: the coefficients in spacy_rnn/native/src/activation.h.

tanh(x) = x P(x²) / Q(x²) for |x| <= LIMIT, with Q(0) = 1; beyond it the value at LIMIT. The fit makes the largest relative error
small: the linearized problem P - f Q = 0 is solved by least squares, over and over, divided by the Q of the round before
(Sanathanan & Koerner 1963, "Transfer function synthesis as a ratio of two complex polynomials") and weighted by the errors so far
(Lawson 1961, "Contributions to the theory of linear least maximum approximation").
"""

from typing import NamedTuple, Tuple

import numpy

# Of the limits nearby one with which rounding gives no value above 1.
LIMIT = 8.14
DEGREE = 4
POINTS = 400
ROUNDS = 200

Array = numpy.ndarray


class Fit(NamedTuple):
    """A rational function of x².

    p (numpy.ndarray): float64 [DEGREE + 1], the coefficients of P, lowest power first.
    q (numpy.ndarray): float64 [DEGREE + 1], those of Q.
    error (float): The largest relative error at the points of the fit.
    """

    p: Array
    q: Array
    error: float


def fit() -> Fit:
    """Fit the function.

    RETURNS (Fit): The best of all rounds.
    """
    # Chebyshev's points, in x.
    x = LIMIT * (1 - numpy.cos(numpy.pi * (numpy.arange(POINTS) + 0.5) / POINTS)) / 2
    f = numpy.tanh(x) / x
    powers = ((x / LIMIT) ** 2)[:, None] ** numpy.arange(DEGREE + 1)
    weights, q = numpy.ones_like(x), numpy.ones_like(x)
    best = Fit(powers[0], powers[0], numpy.inf)
    for _ in range(ROUNDS):
        row_weights = numpy.sqrt(weights) / (f * q)
        solution = _least_squares(row_weights[:, None] * numpy.hstack([powers, -f[:, None] * powers[:, 1:]]), row_weights * f)
        p_of_round, q_of_round = solution[: DEGREE + 1], numpy.concatenate([[1.0], solution[DEGREE + 1 :]])
        q = powers @ q_of_round
        errors = numpy.abs(powers @ p_of_round / (q * f) - 1)
        if errors.max() < best.error:
            best = Fit(p_of_round, q_of_round, float(errors.max()))
        weights = weights * (errors / errors.max() + 1e-6)
        weights /= weights.mean()
    scale = LIMIT ** (2.0 * numpy.arange(DEGREE + 1))
    return Fit(best.p / scale, best.q / scale, best.error)


def _least_squares(A: Array, b: Array) -> Array:
    scale = numpy.linalg.norm(A, axis=0)
    return numpy.linalg.lstsq(A / scale, b, rcond=None)[0] / scale


def evaluate(found: Fit, x: Array, fused: bool) -> Array:
    """Evaluate as the engine does, in float32.

    found (Fit): The function.
    x (numpy.ndarray): float32 [n].
    fused (bool): Whether the sum of a product is rounded once, as by processors with fused multiply-adds.
    RETURNS (numpy.ndarray): float32 [n].
    """
    x = numpy.clip(x, numpy.float32(-LIMIT), numpy.float32(LIMIT))
    y = x * x

    def horner(coefficients: Array) -> Array:
        total = numpy.full_like(y, coefficients[-1])
        for each in coefficients[-2::-1].astype("float32"):
            total = (total.astype("float64") * y + each).astype("float32") if fused else total * y + each
        return total

    return x * horner(found.p) * (numpy.float32(1.0) / horner(found.q))


def errors(found: Fit, fused: bool) -> Tuple[float, float, float]:
    """Measure the errors in float32.

    found (Fit): The function.
    fused (bool): As in `evaluate`.
    RETURNS (Tuple[float, float, float]): The largest absolute and relative errors, and the largest value.
    """
    x = numpy.concatenate([numpy.linspace(0, 12, 1_000_001), numpy.logspace(-8, 0, 100_001)])[1:].astype("float32")
    exact = numpy.tanh(x.astype("float64"))
    value = evaluate(found, x, fused)
    error = numpy.abs(value - exact)
    return float(error.max()), float((error / exact).max()), float(value.max())


def main() -> None:
    found = fit()
    for name, coefficients in (("P", found.p), ("Q", found.q)):
        print(f"TANH_{name} = {{{', '.join(map(repr, coefficients.tolist()))}}}")
    print(f"relative error of the fit: {found.error:.1e}")
    for fused in (True, False):
        absolute, relative, largest = errors(found, fused)
        how = "fused" if fused else "not fused"
        print(f"in float32, {how}: absolute error {absolute:.2e}, relative {relative:.2e}, largest value 1 - {1 - largest:.1e}")


if __name__ == "__main__":
    main()
