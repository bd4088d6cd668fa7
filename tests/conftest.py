"""What the tests of several rooms share."""

import os
import subprocess
import sys

import numpy
import pytest
from hypothesis import settings

settings.register_profile("thorough", max_examples=20_000)


@pytest.fixture
def difference_error():
    """The distance of a gradient from central differences of the loss, relative to their size."""

    def error(loss, array, gradient, eps=1e-6):
        assert gradient.shape == array.shape
        numeric = numpy.zeros_like(array)
        for i in numpy.ndindex(*array.shape):
            value = array[i]
            array[i] = value + eps
            above = loss()
            array[i] = value - eps
            below = loss()
            array[i] = value
            numeric[i] = (above - below) / (2 * eps)
        scale = max(numpy.linalg.norm(gradient), numpy.linalg.norm(numeric))
        return 0.0 if scale == 0 else numpy.linalg.norm(gradient - numeric) / scale

    return error


@pytest.fixture(scope="session")
def python():
    """(code or arguments) -> the finished process of a fresh interpreter."""

    def run(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)

    return run
