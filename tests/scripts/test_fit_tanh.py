"""The compiled engine's tanh is the one that its script fits."""

import importlib.util
import re
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parent.parent.parent
HEADER = ROOT / "spacy_rnn" / "native" / "src" / "activation.h"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fit_tanh", ROOT / "scripts" / "fit_tanh.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def found(script):
    return script.fit()


@pytest.mark.skipif(not HEADER.exists(), reason="the package is tested as it was installed, without its source")
def test_the_engine_has_the_coefficients_of_the_fit(script, found):
    text = HEADER.read_text(encoding="utf8")
    assert float(re.search(r"TANH_LIMIT = ([\d.]+)f", text).group(1)) == script.LIMIT
    for name, coefficients in (("P", found.p), ("Q", found.q)):
        values = re.search(rf"TANH_{name}\[\d\] = {{([^}}]*)}}", text).group(1).replace("f", "").split(",")
        numpy.testing.assert_array_equal(numpy.asarray(values, "float32"), coefficients.astype("float32"))


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "not fused"])
def test_errors_are_small_and_no_value_is_above_one(script, found, fused):
    assert found.error < 1e-8
    absolute, relative, largest = script.errors(found, fused)
    assert absolute < 3.5e-7 and relative < 3.5e-7
    assert largest == 1.0
