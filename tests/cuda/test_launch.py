"""How the work of a sweep is shared out among blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.cuda.launch import (
    ALONE,
    CLUSTER,
    GRID,
    LANES,
    MAX_CHUNK,
    MAX_PARTIAL,
    THREADS,
    TILE_COLUMNS,
    TILE_ROWS,
    Chip,
    Kernel,
    plan_launch,
    teams_at_once,
)

H200 = Chip(132, 227 * 1024, 8)
A100 = Chip(108, 163 * 1024)
T4 = Chip(40, 64 * 1024)
LSTM = Kernel(gates=4, parts=1, sums=5, backward=False)

kernels = st.builds(Kernel, st.integers(1, 4), st.just(1), st.integers(1, 5), st.booleans()) | st.builds(
    Kernel, st.just(3), st.just(2), st.just(3), st.booleans()
)


@given(
    kernels,
    st.integers(1, 1500),
    st.integers(1, 5000),
    st.integers(1, 2),
    st.builds(Chip, st.integers(2, 200), st.sampled_from([64 * 1024, 227 * 1024]), st.sampled_from([1, 8])),
)
def test_everything_is_done_and_fits(kernel, nH, n_sequences, directions, chip):
    try:
        launch = plan_launch(kernel, nH, n_sequences, directions, chip)
    except ValueError as error:
        assert "too wide" in str(error)
        return
    # Clusters need not all run at the same time.
    assert launch.team == CLUSTER or launch.groups * directions * launch.slices <= chip.processors
    assert (launch.team == ALONE) == (launch.slices == 1)
    assert launch.team != CLUSTER or (launch.resident and launch.slices <= chip.max_cluster)
    assert 1 <= launch.chunk <= MAX_CHUNK
    assert 1 <= launch.groups <= n_sequences
    assert 0 < launch.memory <= chip.memory
    # Every sequence has a team, and no team only what others have left over.
    rounds = -(-n_sequences // (launch.chunk * launch.groups))
    assert launch.chunk * launch.groups * rounds < n_sequences + launch.groups * rounds * 2
    # Every unit has a slice, and no slice is empty.
    assert (launch.slices - 1) * launch.units < nH <= launch.slices * launch.units
    assert launch.lanes in LANES
    if launch.resident:
        width = -(-launch.units // 4) * 4
        rows, columns = (nH, kernel.gates * width) if kernel.backward else (kernel.gates * width, nH)
        assert columns <= TILE_COLUMNS * launch.lanes and rows <= TILE_ROWS * THREADS // launch.lanes
        assert kernel.parts == 1


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("gates", [3, 4])
@pytest.mark.parametrize("nH", [32, 64, 128, 256, 512])
def test_weights_of_lstm_and_gru_stay_on_a_chip_that_can_hold_them(nH, gates, backward):
    assert plan_launch(Kernel(gates, 1, gates + 1, backward), nH, 32, 2, H200).resident


def test_a_block_that_can_hold_all_weights_meets_no_other():
    assert plan_launch(LSTM, 64, 32, 2, H200).slices == 1
    assert plan_launch(LSTM, 128, 32, 2, H200).slices == 2


def test_a_wide_layer_on_a_small_chip_reads_its_weights_again():
    launch = plan_launch(LSTM, 512, 32, 2, T4)
    assert not launch.resident
    assert launch.slices == 20


def test_a_large_batch_uses_the_whole_chip():
    launch = plan_launch(LSTM, 128, 256, 2, H200)
    assert launch.groups * launch.slices * 2 > 120
    assert launch.chunk == 8


@pytest.mark.parametrize("nH, team", [(64, ALONE), (100, CLUSTER), (128, CLUSTER), (256, CLUSTER), (384, GRID), (512, GRID)])
def test_blocks_of_up_to_256_units_are_clusters(nH, team):
    assert plan_launch(LSTM, nH, 32, 2, H200).team == team
    assert plan_launch(LSTM, nH, 32, 2, A100).team != CLUSTER


def test_clusters_are_planned_for_processors_that_are_close_to_each_other():
    """An H200 had room for 15 clusters of eight blocks, not for 16: one more takes as long as 15 more."""
    eight = plan_launch(LSTM, 256, 256, 2, H200)
    assert (eight.slices, eight.units, eight.groups, eight.chunk) == (8, 32, 7, 37)
    # Seven could hold the weights, but then as many would run.
    assert plan_launch(LSTM, 220, 256, 2, H200).slices == 8
    assert plan_launch(LSTM, 130, 256, 2, H200)[3:6] == (5, 26, 11)


@pytest.mark.parametrize("slices, found", [(2, 66), (3, 39), (4, 30), (5, 22), (6, 17), (7, 15), (8, 15)])
def test_clusters_that_are_planned_run_at_the_same_time(slices, found):
    """As the driver of an H200 said."""
    assert found - 3 <= teams_at_once(CLUSTER, slices, 132) <= found


def test_rounds_are_even():
    launch = plan_launch(LSTM, 512, 256, 2, H200)
    # 128 sequences a team do not fit at once: twice 64, not 92 and 36.
    assert (launch.groups, launch.chunk) == (2, 64)


def test_what_blocks_leave_for_each_other_stays_in_the_cache():
    launch = plan_launch(LSTM._replace(backward=True), 512, 256, 2, H200)
    teams = 2 * launch.groups
    assert launch.team == GRID and 4 * 2 * teams * launch.slices * launch.chunk * 512 <= MAX_PARTIAL


def test_a_layer_that_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="use a smaller width"):
        plan_launch(LSTM, 100_000, 1, 2, T4)
