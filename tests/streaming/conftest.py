import pytest
from thinc.api import fix_random_seed


@pytest.fixture(autouse=True)
def fixed_seed():
    """Initial weights are the same in every run."""
    fix_random_seed(0)
