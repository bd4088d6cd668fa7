"""What the compiled engine has checked is what it uses: it copies what decides which memory it reads and writes. Each test has
a process of its own, because a mistake ends it."""

import textwrap

import pytest

from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")

BEGIN = """
import sys
sys.path.insert(0, {support!r})
from sweeps import *
from numpy.testing import assert_array_equal
"""


@pytest.fixture
def run_alone(python, request):
    """Run code with the helpers of `sweeps` in a process of its own."""
    support = str(request.config.rootpath / "tests" / "support")

    def run(code):
        process = python("-c", BEGIN.format(support=support) + textwrap.dedent(code))
        assert process.returncode == 0, (process.returncode, process.stderr[-2000:])

    return run


def test_lengths_that_change_while_outputs_are_computed(run_alone):
    run_alone("""
        for cell, changed in (("lstm", 2**30), ("elman_tanh", -(2**30)), ("gru", 0)):
            (packed, _), lengths = weights(cell, 1, 256), numpy.full(20, 500, "int32")
            X, Y, expected = uniform(10_000, 1), *numpy.zeros((2, 10_000, 512), "float32")
            library.infer((packed, packed), X, lengths, expected, False)
            while_it_runs(lambda: library.infer((packed, packed), X, lengths, Y, False), lambda: lengths.fill(changed))
            assert_array_equal(Y, expected)
    """)


@pytest.mark.slow
def test_lengths_that_never_stay_the_same(run_alone):
    run_alone("""
        sys.setswitchinterval(1e-5)
        (packed, _), good = weights("gru", 3, 8), numpy.array([5, 0, 9] * 20, "int32")
        lengths, is_over = good.copy(), False

        def hammer():
            while not is_over:
                for changed in (2**30, -7, good[::-1], good):
                    lengths[:] = changed

        threads = [threading.Thread(target=hammer) for _ in range(2)]
        for thread in threads:
            thread.start()
        X, Y = uniform(good.sum(), 3), numpy.zeros((good.sum(), 8), "float32")
        start, order = numpy.empty(60, "int64"), numpy.empty(60, "int32")
        labels, best, crf, scores = numpy.empty(good.sum(), "int64"), numpy.empty(60), field(5), uniform(good.sum(), 5)

        def sweep():
            library.by_length(lengths, start, order)
            one = library.ForwardSweep(packed, X, start, lengths, order, False, None, None, None, Y, None, None, False)
            library.forward([one], False)

        n_done = 0
        for _ in range(1000):
            for call in (
                sweep,
                lambda: library.infer((packed,), X, lengths, Y, False),
                lambda: library.find_best(*crf, scores, lengths, labels, best),
                lambda: library.PathSums(*crf, scores, None, lengths, True, best, numpy.empty_like(scores)),
            ):
                try:
                    call()
                    n_done += 1
                except ValueError:
                    pass
        is_over = True
        assert n_done
    """)


@pytest.mark.slow
def test_a_batch_that_changes_while_it_is_swept(run_alone):
    run_alone("""
        def run(n, changed=None, when=None, value=0):
            layer = Layer("elman_tanh", [n, 0, n // 2], 1, 256)
            change = (lambda: getattr(layer, changed).fill(value)) if changed else (lambda: None)
            sweep = layer.sweep()
            if when == "before":
                change()
            forward = lambda: library.forward([sweep], False)
            while_it_runs(forward, change) if when == "during" else forward()
            if when == "between":
                change()
            arguments, written = layer.gradients()
            library.backward([library.BackwardSweep(sweep, *arguments)], False)
            return [layer.Y, *layer.final, *written.values()]

        changes = [("lengths", 2**30), ("order", -1), ("start", -(10**12)), ("lengths", 0), ("order", 10**9)]
        for n, moments, changes in ((30, ("before", "between"), changes), (10_000, ("during",), changes[:3])):
            expected = run(n)
            for when in moments:
                for name, value in changes:
                    for array, other in zip(run(n, name, when, value), expected, strict=True):
                        assert_array_equal(array, other, err_msg=f"{name} {value} {when}")
    """)


def test_a_list_of_sweeps_that_is_emptied_while_they_are_executed(run_alone):
    run_alone("""
        def run(is_emptied):
            layers = [Layer("elman_tanh", [8000], 1, 256, reverse) for reverse in (False, True)]
            sweeps = [layer.sweep() for layer in layers]
            outputs = [layer.Y for layer in layers]
            del layers
            call = lambda: library.forward(sweeps, False)
            while_it_runs(call, sweeps.clear) if is_emptied else call()
            return outputs

        assert_array_equal(run(True), run(False))
    """)


@pytest.mark.slow
def test_lengths_that_change_while_the_best_paths_are_found(run_alone):
    run_alone("""
        crf, lengths, scores = field(130), numpy.empty(100, "int32"), uniform(50_000, 130)
        labels, best = numpy.zeros((2, 50_000), "int64"), numpy.zeros((2, 100))

        def run(i):
            library.find_best(*crf, scores, lengths, labels[i], best[i])

        lengths.fill(500)
        run(0)
        for value in (2**30, -(2**30), 0):
            lengths.fill(500)
            while_it_runs(lambda: run(1), lambda: lengths.fill(value))
            assert_array_equal(labels[1], labels[0])
            assert_array_equal(best[1], best[0])
    """)


@pytest.mark.slow
def test_lengths_that_change_while_paths_are_summed(run_alone):
    run_alone("""
        allowed = numpy.ones((50_000, 130), "uint8")
        allowed[:10_000, 1:] = 0
        crf, scores = field(130), uniform(50_000, 130)

        def run(when=None, value=0):
            lengths = numpy.full(100, 500, "int32")
            log_sums, marginals, counts = numpy.zeros(100), numpy.zeros((50_000, 130), "float32"), numpy.zeros((130, 130))
            change = lambda: lengths.fill(value)
            call = lambda: library.PathSums(*crf, scores, allowed, lengths, True, log_sums, marginals)
            sums = while_it_runs(call, change) if when == "during" else call()
            if when == "between":
                change()
            sums.count_transitions(numpy.ones(100, "float32"), counts)
            return log_sums, marginals, counts

        expected = run()
        for when, value in (("during", 2**30), ("during", -(2**30)), ("between", 2**30), ("between", 0)):
            for array, other in zip(run(when, value), expected, strict=True):
                assert_array_equal(array, other, err_msg=f"{when} {value}")
    """)


def test_parameters_that_are_gone_are_not_looked_at(run_alone):
    run_alone("""
        packed, params = weights("lstm", 300, 300, follow=True)
        X, Y, lengths = uniform(4, 300), numpy.zeros((4, 300), "float32"), numpy.array([4], "int32")
        assert packed.unchanged() and library.infer((packed,), X, lengths, Y, False)
        params[0] += 1
        assert not packed.unchanged()
        params[0][:] = uniform(1200, 300)
        assert packed.unchanged()
        del params[1]
        assert not packed.unchanged() and not library.infer((packed,), X, lengths, Y, False)
    """)
