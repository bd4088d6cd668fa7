"""Central differences along random directions, in float64."""

import numpy
from numpy.testing import assert_allclose


def to_float64(model):
    """Let the parameters of a model be float64."""
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))


def assert_is_gradient(value, arrays, gradients, n_directions=4, step=1e-5):
    """Compare gradients with how a value changes if arrays do, which are changed in place: all together, and one by one.

    value (Callable): () -> a number.
    arrays (Dict[str, numpy.ndarray]): What it depends on.
    gradients (Dict[str, numpy.ndarray]): Its gradients.
    """
    assert arrays.keys() == gradients.keys()
    random = numpy.random.default_rng(0)
    for names in ([*arrays], *([name] for name in arrays)):
        for _ in range(n_directions):
            directions = {name: random.normal(size=arrays[name].shape) for name in names}
            expected = sum(float((gradients[name] * directions[name]).sum()) for name in names)
            found = []
            for change in (step, -2 * step, step):
                for name in names:
                    arrays[name] += change * directions[name]
                found.append(value())
            assert_allclose((found[0] - found[1]) / (2 * step), expected, rtol=1e-5, atol=1e-7, err_msg=", ".join(names))
