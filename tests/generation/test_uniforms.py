import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_rnn.generation import Uniforms


def stream(seed, prompt, sample, n):
    key = numpy.asarray([seed, prompt * 2**32 + sample], dtype="uint64")
    return numpy.random.Generator(numpy.random.Philox(key=key)).random(n)


def test_numbers_are_those_of_a_stream_for_each_sequence():
    keys = [(0, 0), (0, 1), (7, 0), (2**32 - 1, 2**32 - 1)]
    uniforms = Uniforms(2**64 - 1, keys)
    found = numpy.stack([uniforms.next() for _ in range(600)], axis=1)
    for row, key in zip(found, keys, strict=True):
        assert_array_equal(row, stream(2**64 - 1, *key, 600))
    assert len(numpy.unique(found)) == found.size


def test_numbers_go_on_where_they_were_when_sequences_leave():
    uniforms = Uniforms(5, [(0, 0), (1, 0), (2, 0)])
    found = [uniforms.next()[[2, 0]] for _ in range(100)]
    uniforms.keep(numpy.asarray([2, 0]))
    found += [uniforms.next() for _ in range(500)]
    assert_array_equal(numpy.stack(found, axis=1), [stream(5, 2, 0, 600), stream(5, 0, 0, 600)])


def test_the_first_numbers_are_those_of_philox():
    """Salmon et al. 2011: ten rounds of Philox4x64 on the counter, which NumPy raises to 1 first."""
    mask = 2**64 - 1
    counter, (key0, key1) = [1, 0, 0, 0], (42, 3 * 2**32 + 4)
    for _ in range(10):
        first, second = counter[0] * 0xD2E7470EE14C6C93, counter[2] * 0xCA5A826395121157
        counter = [(second >> 64) ^ counter[1] ^ key0, second & mask, (first >> 64) ^ counter[3] ^ key1, first & mask]
        key0, key1 = (key0 + 0x9E3779B97F4A7C15) & mask, (key1 + 0xBB67AE8584CAA73B) & mask
    uniforms = Uniforms(42, [(3, 4)])
    assert [float(uniforms.next()[0]) for _ in range(4)] == [(x >> 11) * 2.0**-53 for x in counter]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None, True])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match="seed: expected a whole number"):
        Uniforms(seed, [(0, 0)])


@pytest.mark.parametrize("key", [(-1, 0), (2**32, 0), (0, 2**32), (0.5, 0)])
def test_keys_out_of_range_are_refused(key):
    with pytest.raises(ValueError, match="number of a prompt or sample"):
        Uniforms(0, [key])
