"""Interrupts are heard while the compiled engine works: what it would have written last is not there. Each test has a process of
its own, whose main thread gets the signal."""

import sys
import textwrap

import pytest

from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")

in_one_or_two_threads = pytest.mark.parametrize("threads", [pytest.param(False, marks=pytest.mark.slow), True])
BEGIN = """
import signal, sys
sys.path.insert(0, {support!r})
from sweeps import *
from numpy.testing import assert_array_equal

# A process that was started in the background ignores interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def is_interrupted(call, after=0.1):
    begun = threading.Event()

    def interrupt():
        begun.wait()
        time.sleep(after)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        begun.set()
        call()
    except KeyboardInterrupt:
        return True
    finally:
        thread.join()
    return False
"""


@pytest.fixture
def run_alone(python, request):
    """Run code with the helpers of `sweeps` in a process of its own."""
    support = str(request.config.rootpath / "tests" / "support")

    def run(code):
        process = python("-c", BEGIN.format(support=support) + textwrap.dedent(code))
        assert process.returncode == 0, (process.returncode, process.stderr[-2000:])

    return run


@in_one_or_two_threads
def test_sweeps(run_alone, threads):
    run_alone(f"""
        # A long sequence, many short ones, and time steps of very many units.
        for lengths, nH in (([1_000_000], 256), ([10] * 100_000, 256), ([1000] * 96, 2048)):
            N, lengths = sum(lengths), numpy.array(lengths, "int32")
            X, Y = at_once((N, 8)), numpy.zeros((N, 2 * nH), "float32")
            start, order = numpy.empty(len(lengths), "int64"), numpy.empty(len(lengths), "int32")
            library.by_length(lengths, start, order)
            for cell in ("lstm", "gru_reset_before", "elman_relu"):
                packed, _ = weights(cell, 8, nH)
                assert is_interrupted(lambda: library.infer((packed, packed), X, lengths, Y, {threads}))
                # The second direction ends at the first row of the last sequence.
                assert (Y[-1, :nH] == 0).all() and (Y[-lengths[-1], nH:] == 0).all()
                sweeps = []
                for columns, reverse in ((slice(nH), False), (slice(nH, None), True)):
                    states = [None] * 3, [None] * 2
                    part = Y[:, columns]
                    sweep = library.ForwardSweep(packed, X, start, lengths, order, reverse, *states[0], part, *states[1], False)
                    sweeps.append(sweep)
                assert is_interrupted(lambda: library.forward(sweeps, {threads}))
                assert (Y[-1, :nH] == 0).all() and (Y[-lengths[-1], nH:] == 0).all()

        # The next calls work as ever.
        outputs = []
        for reverse in (False, True):
            one, other = (Layer("lstm", [30, 0, 12], 8, 17, reverse) for _ in range(2))
            library.forward([one.sweep(), other.sweep()], {threads})
            assert (one.Y != 0).all()
            assert_array_equal(one.Y, other.Y)
    """)


@pytest.mark.slow
@in_one_or_two_threads
def test_backpropagation(run_alone, threads):
    run_alone(f"""
        for cell, nH in (("lstm", 256), ("elman_tanh", 512)):
            layer = Layer(cell, [100] * 300, 8, nH)
            sweeps = [layer.sweep(), layer.sweep()]
            library.forward(sweeps, {threads})
            arguments, gradients = zip(*(layer.gradients() for _ in sweeps))
            backs = [library.BackwardSweep(sweep, *each) for sweep, each in zip(sweeps, arguments)]
            assert is_interrupted(lambda: library.backward(backs, {threads}), 0.02)
            # Gradients of weights are written at the end.
            assert all((each["R"] == 0).all() for each in gradients)
            # A sweep that was executed stays so.
            library.backward(backs, {threads})
            assert all((each["R"] != 0).any() for each in gradients)
            assert_array_equal(gradients[0]["R"], gradients[1]["R"])
    """)


@pytest.mark.slow
def test_a_sweep_that_was_interrupted_has_no_way_back(run_alone):
    run_alone("""
        layer = Layer("elman_relu", [1_000_000], 1, 256, X=at_once((1_000_000, 1)), Y=at_once((1_000_000, 256)))
        sweep = layer.sweep()
        assert is_interrupted(lambda: library.forward([sweep], False))
        way_back = lambda: library.BackwardSweep(sweep, *layer.gradients(layer.Y, layer.X)[0])
        for call in (lambda: library.forward([sweep], False), way_back):
            try:
                call()
            except ValueError:
                continue
            raise AssertionError
    """)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_no_memory_is_kept(run_alone):
    run_alone("""
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        def interrupt():
            layer = Layer("lstm", [300_000], 1, 128, X=at_once((300_000, 1)), Y=at_once((300_000, 128)))
            other = Layer("lstm", [300_000], 1, 128, X=layer.X, Y=layer.Y)
            sweeps = [layer.sweep(), other.sweep()]
            before = resident()
            assert is_interrupted(lambda: library.forward(sweeps, True), 0.01)
            return resident() - before

        for _ in range(4):
            interrupt()
        begin = resident()
        kept = [interrupt() for _ in range(12)]
        # What a sweep had kept for the way back goes with it.
        assert resident() - begin < sum(kept) / 4, (resident() - begin, kept)
    """)


@pytest.mark.slow
def test_paths_of_a_conditional_random_field(run_alone):
    run_alone("""
        N, L = 60_000, 1000
        crf, scores, rare = field(L), at_once((N, L)), numpy.ones((N, L), "uint8")
        for lengths in ([N], [20] * (N // 20)):
            lengths = numpy.array(lengths, "int32")
            labels, best, marginals = numpy.full(N, -1), numpy.zeros(len(lengths)), numpy.zeros((N, L), "float32")
            assert is_interrupted(lambda: library.find_best(*crf, scores, lengths, labels, best))
            assert labels[-1] == -1
            for keep, allowed in ((False, None), (True, None), (True, rare)):
                assert is_interrupted(lambda: library.PathSums(*crf, scores, allowed, lengths, keep, best, marginals))
                assert (marginals[-1] == 0).all()

        # What float32 has no room for is computed in float64.
        N, lengths = 5000, numpy.array([5000], "int32")
        scores = numpy.full((N, L), -1000, "float32")
        scores[:, ::2] = 0
        crf[1][::2] = -1000
        marginals = marginals[:N]
        marginals[-1] = 7
        assert is_interrupted(lambda: library.PathSums(*crf, scores, None, lengths, True, best[:1], marginals))
        assert (marginals[-1] == 7).all()
    """)


@pytest.mark.slow
def test_transitions_of_a_conditional_random_field(run_alone):
    run_alone("""
        N, L = 20_000, 1000
        lengths, counts = numpy.array([N], "int32"), numpy.zeros((L, L))
        sums = library.PathSums(*field(L), at_once((N, L)), None, lengths, True, numpy.empty(1), numpy.empty((N, L), "float32"))
        ones = numpy.ones(1, "float32")
        assert is_interrupted(lambda: sums.count_transitions(ones, counts), 0.01)
        assert counts.sum() < N / 2
        sums.count_transitions(ones, counts)
        assert abs(counts.sum() - (N - 1)) < 1
    """)


@pytest.mark.slow
@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False)])
def test_products(run_alone, transposed):
    run_alone(f"""
        n, k, m = 20_000, 2048, 8192
        A = numpy.ones((k, n) if {transposed[0]} else (n, k), "float32")
        B = numpy.ones((m, k) if {transposed[1]} else (k, m), "float32")
        C = numpy.zeros((n, m), "float32")
        assert is_interrupted(lambda: library.multiply(A, B, C, *{transposed}), 0.5)
        assert C[-1, -1] == 0
    """)


@pytest.mark.slow
@pytest.mark.parametrize("is_additive", [False, True])
def test_attention(run_alone, is_additive):
    run_alone(f"""
        from attended import Attended

        attended = Attended([400] * 100, numpy.repeat(numpy.arange(100), 400), 256, 256, {is_additive})
        weights, C = numpy.zeros(attended.P, "float32"), numpy.zeros((40_000, 256), "float32")
        assert is_interrupted(lambda: attended.run(weights, C), 0.01)
        assert (C[-1] == 0).all()
        attended.run(weights, C)
        dQ, d_keys, d_values = (numpy.full((40_000, 256), 7, "float32") for _ in range(3))
        du = numpy.empty(256, "float32") if {is_additive} else None
        arguments = [*attended.arrays().values(), weights, C, None, dQ, d_keys, d_values, du]
        assert is_interrupted(lambda: library.attend_backward(*arguments))
        assert (d_values[-1] == 0).all() and (dQ[-1] == 7).all()
    """)


def test_a_handler_may_raise_what_it_likes_or_nothing(run_alone):
    run_alone("""
        layer = Layer("elman_tanh", [100_000], 1, 256)
        expected = Layer("elman_tanh", [100_000], 1, 256)
        library.forward([expected.sweep()], False)
        heard = []

        def inside(number, frame):
            # Handlers may use the engine as well.
            other = Layer("lstm", [3, 5], 2, 9)
            library.forward([other.sweep()], True)
            heard.append(layer.Y[-1].any())

        signal.signal(signal.SIGINT, inside)
        sweep = layer.sweep()
        assert not is_interrupted(lambda: library.forward([sweep], False), 0.01)
        assert heard == [False]
        assert_array_equal(layer.Y, expected.Y)

        def raises(number, frame):
            raise LookupError("from a handler")

        signal.signal(signal.SIGINT, raises)
        try:
            is_interrupted(lambda: library.forward([layer.sweep()], False), 0.01)
        except LookupError as error:
            assert str(error) == "from a handler"
        else:
            raise AssertionError
    """)


@pytest.mark.slow
def test_in_other_threads_calls_go_on(run_alone):
    run_alone("""
        layer, expected = Layer("elman_tanh", [60_000], 1, 256), Layer("elman_tanh", [60_000], 1, 256)
        library.forward([expected.sweep()], False)
        thread = threading.Thread(target=library.forward, args=([layer.sweep()], False))
        thread.start()

        def wait():
            while True:
                time.sleep(0.001)

        assert is_interrupted(wait, 0.01)
        assert thread.is_alive()
        thread.join()
        assert_array_equal(layer.Y, expected.Y)
    """)


@pytest.mark.slow
def test_ngrams(run_alone):
    run_alone("""
        # Windows that are packed, sorted, and made a tree of; the links of its nodes, and scores.
        N = 4_000_000
        symbols = numpy.random.default_rng(0).integers(3, 200, size=N).astype("int32")
        rows = numpy.zeros((N, 3), "uint64")
        assert is_interrupted(lambda: [library.pack_windows(symbols, 16, 8, rows) for _ in range(20)], 0.05)
        library.pack_windows(symbols, 16, 8, rows)
        assert is_interrupted(lambda: library.sort_rows(rows))
        library.pack_windows(symbols, 16, 8, rows)
        rows = rows[: library.sort_rows(rows)]
        filler = library.TrieFiller(16, 8, 200)
        assert is_interrupted(lambda: [library.TrieFiller(16, 8, 200).count(rows) for _ in range(20)], 0.05)
        filler.count(rows[:200_000])
        sizes = filler.sizes()
        n_nodes = 1 + sum(sizes)
        nodes, counts = numpy.zeros(n_nodes, "int32"), numpy.zeros(n_nodes, "uint32")
        first = numpy.zeros(n_nodes - sizes[-1] + 1, "uint32")
        filler.begin(nodes, counts, first)
        filler.fill(rows[:200_000])
        filler.end()
        links, extensions = numpy.zeros(n_nodes, "uint32"), numpy.zeros(len(first) - 1, "uint32")
        assert is_interrupted(lambda: [library.find_links(200, nodes, first, links, extensions) for _ in range(50)], 0.05)
        library.find_links(200, nodes, first, links, extensions)
        zeros = numpy.zeros(n_nodes, "float32"), numpy.zeros(len(first) - 1, "float32")
        query = library.BackoffQuery(16, 200, nodes, first, links, *zeros)
        states, found = numpy.full((1, 15), -1, "int32"), numpy.ones(N, "float32")
        assert is_interrupted(lambda: query.score(symbols, symbols, numpy.array([N], "int32"), states, found), 0.05)
        assert found[-1] == 1
        more = numpy.zeros((100_000, 200), "float32")
        assert is_interrupted(lambda: [query.predict(numpy.full((len(more), 15), 5, "int32"), more) for _ in range(50)], 0.05)
    """)


def test_symbols(run_alone):
    run_alone("""
        W, H = numpy.random.default_rng(0).normal(size=(20_000, 200)).astype("float32"), at_once((10_000, 200))
        scorer, is_forbidden = library.SymbolScorer(W, W[:, 0].copy()), numpy.zeros(len(W), "uint8")
        symbols, log_probabilities = numpy.full((len(H), 5), 7), numpy.zeros((len(H), 5), "float32")
        assert is_interrupted(lambda: scorer.best(H, 5, is_forbidden, symbols, log_probabilities))
        assert (symbols[-1] == 7).all()
        Y = numpy.zeros((len(H), len(W)), "float32")
        assert is_interrupted(lambda: scorer.score(H, Y))
        assert (Y[-1] == 0).all()

        # The next call works as ever.
        scorer.best(H[:3], 5, is_forbidden, symbols[:3], log_probabilities[:3])
        assert ((symbols[:3] >= 0) & (symbols[:3] < len(W))).all()
    """)
