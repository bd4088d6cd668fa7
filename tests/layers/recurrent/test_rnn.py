"""The recurrent layer: its gradients, options, errors and state."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam, Linear, Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import begin_scan, build_list2ragged, build_rnn, scan
from spacy_rnn.recurrence import CELLS

LSTMS = ["lstm", "lstm_peephole"]
LENGTHS = [3, 0, 1, 4]

every_cell = pytest.mark.parametrize("cell", CELLS)
one_or_both_directions = pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "both directions"])


def draw_state(model, n_sequences, dtype="float64", seed=1):
    rng = numpy.random.default_rng(seed)
    nH = model.get_dim("nO") // (2 if model.attrs["bidirectional"] else 1)
    names = ["h", "c"] if model.attrs["cell"] in LSTMS else ["h"]
    return {s: rng.normal(size=(len(model.layers), n_sequences, nH)).astype(dtype) for s in names}


# Gradients


# A residual adds to outputs, of whatever cell.
@one_or_both_directions
@pytest.mark.parametrize(
    "cell, residual, nO",
    [
        *((cell, False, 4) for cell in CELLS),
        pytest.param("lstm", True, 4, id="lstm-residual"),
        pytest.param("lstm", True, 6, id="lstm-residual in the second"),
    ],
)
def test_gradients_match_central_differences(
    make_batch, randomize, difference_error, check_parameter_gradients, cell, residual, nO, bidirectional
):
    X = make_batch(LENGTHS, 4)
    model = build_rnn(nO, 4, cell=cell, bidirectional=bidirectional, depth=2, residual=residual, train_initial_state=True)
    model.initialize()
    randomize(model)
    dY = make_batch(LENGTHS, nO, seed=1)

    def loss():
        return (model.predict(X).data * dY.data).sum()

    Y, backprop = model.begin_update(X)
    assert Y.data.dtype == "float64"
    dX = backprop(dY)
    assert difference_error(loss, X.data, dX.data) < 1e-6
    names = {name for node in model.walk() for name in node.param_names}
    assert names >= ({"h0", "c0"} if cell in LSTMS else {"h0"})
    check_parameter_gradients(model, loss)


@one_or_both_directions
@every_cell
def test_gradients_through_the_state_match_central_differences(
    make_batch, randomize, difference_error, check_parameter_gradients, cell, bidirectional
):
    X = make_batch(LENGTHS, 3)
    model = build_rnn(4, 3, cell=cell, bidirectional=bidirectional, depth=2)
    model.initialize()
    randomize(model)
    state, d_final = draw_state(model, len(LENGTHS)), draw_state(model, len(LENGTHS), seed=2)
    dY = make_batch(LENGTHS, 4, seed=1)

    def loss():
        Y, final = scan(model, X, state)
        return (Y.data * dY.data).sum() + sum((final[s] * d_final[s]).sum() for s in state)

    _, backprop = begin_scan(model, X, state)
    dX, d_state = backprop(dY, d_final)
    assert difference_error(loss, X.data, dX.data) < 1e-6
    for s in state:
        assert difference_error(loss, state[s], d_state[s]) < 1e-6
    check_parameter_gradients(model, loss)


@every_cell
def test_gradients_of_two_batches_add_up(make_batch, randomize, cell):
    X, dY = make_batch(LENGTHS, 3), make_batch(LENGTHS, 4, seed=1)
    model = build_rnn(4, 3, cell=cell, train_initial_state=True)
    model.initialize()
    randomize(model)
    model.begin_update(X)[1](dY)
    once = {name: model.layers[0].get_grad(name).copy() for name in model.layers[0].param_names}
    model.begin_update(X)[1](dY)
    for name, gradient in once.items():
        assert_allclose(model.layers[0].get_grad(name), 2 * gradient, rtol=1e-12, atol=1e-12)


@one_or_both_directions
@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_gradient_of_a_batch_without_rows_may_have_lost_its_width(bidirectional, residual):
    """As the one that `ragged2list` passes back has."""
    model = build_rnn(4, 4, bidirectional=bidirectional, depth=2, residual=residual)
    model.initialize()
    none = numpy.zeros(0, dtype="int32")
    _, backprop = model.begin_update(Ragged(numpy.zeros((0, 4), dtype="float32"), none))
    dX = backprop(Ragged(numpy.zeros((0, 0), dtype="float32"), none))
    assert dX.dataXd.shape == (0, 4)


# Dropout


def build_transparent(depth, **arguments):
    """A rectifier that passes positive rows on: W is the identity, R and b are zero."""
    model = build_rnn(16, 16, cell="elman_relu", depth=depth, **arguments)
    model.initialize()
    for direction in model.layers:
        direction.set_param("W", numpy.eye(16, dtype="float32"))
        direction.set_param("R", numpy.zeros((16, 16), dtype="float32"))
    return model


def positive_batch(make_batch, lengths=(5, 7)):
    X = make_batch(lengths, 16, dtype="float32")
    X.data[:] = numpy.abs(X.data) + 0.1
    return X


def test_dropout_drops_between_layers_in_training_only(make_batch):
    X = positive_batch(make_batch)
    model = build_transparent(2, dropout=0.25)
    assert_array_equal(model.predict(X).data, X.data)
    Y, backprop = model.begin_update(X)
    dropped = Y.data == 0
    assert 0.05 < dropped.mean() < 0.5
    assert_allclose(Y.data[~dropped], X.data[~dropped] / 0.75, rtol=1e-6)
    dX = backprop(Ragged(numpy.ones_like(Y.data), Y.lengths))
    assert_allclose(dX.data, numpy.where(dropped, 0.0, 1.0 / 0.75), rtol=1e-6)


@pytest.mark.parametrize("depth, n_dropped", [(1, 0), (2, 1), (3, 2)])
def test_dropout_is_between_layers_only(make_batch, depth, n_dropped):
    X = positive_batch(make_batch)
    Y, _ = build_transparent(depth, dropout=0.5).begin_update(X)
    ratios = numpy.round(Y.data / X.data, 4)
    assert set(numpy.unique(ratios)) == ({0.0, 2.0**n_dropped} if n_dropped else {1.0})


def test_residual_goes_around_dropout(make_batch):
    X = positive_batch(make_batch)
    Y, _ = build_transparent(2, dropout=0.5, residual=True).begin_update(X)
    # The first layer gives 2 X; the second adds nothing, or twice 2 X.
    assert set(numpy.unique(numpy.round(Y.data / X.data, 4))) == {2.0, 6.0}


def test_recurrent_dropout_masks_the_same_units_at_all_steps_in_training_only(make_batch):
    X = positive_batch(make_batch, lengths=(4, 6, 5))
    model = build_transparent(1, recurrent_dropout=0.5)
    model.layers[0].set_param("R", numpy.eye(16, dtype="float32"))
    parts = numpy.split(numpy.arange(15), [4, 10])
    assert_allclose(model.predict(X).data, numpy.concatenate([X.data[rows].cumsum(axis=0) for rows in parts]), rtol=1e-6)
    Y, _ = model.begin_update(X)
    kept = []
    for rows in parts:
        # h = x + mask ∘ h', so the mask of each step and unit is:
        masks = (Y.data[rows][1:] - X.data[rows][1:]) / Y.data[rows][:-1]
        assert_allclose(masks, numpy.broadcast_to(masks[0], masks.shape), atol=1e-4)
        assert set(numpy.unique(numpy.round(masks[0], 3) + 0.0)) == {0.0, 2.0}
        kept.append(tuple(masks[0] > 1))
    assert len(set(kept)) == 3


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout", "weight_dropout"])
def test_dropout_rates_are_not_changed_from_outside(make_batch, option):
    X = make_batch(LENGTHS, 16, dtype="float32")
    without = build_rnn(16, 16, depth=2)
    without.initialize()
    set_dropout_rate(without, 0.5)
    assert_array_equal(without.begin_update(X)[0].data, without.predict(X).data)
    with_dropout = build_rnn(16, 16, depth=2, **{option: 0.5})
    with_dropout.initialize()
    set_dropout_rate(with_dropout, 0.0)
    assert not numpy.array_equal(with_dropout.begin_update(X)[0].data, with_dropout.predict(X).data)


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout", "weight_dropout"])
def test_same_seed_drops_the_same(make_batch, option):
    X = make_batch(LENGTHS, 16, dtype="float32")
    model = build_rnn(16, 16, depth=2, **{option: 0.5})
    model.initialize()
    results = []
    for seed in (1, 1, 2):
        fix_random_seed(seed)
        results.append(model.begin_update(X)[0].data)
    assert_array_equal(results[0], results[1])
    assert not numpy.array_equal(results[0], results[2])


def test_locked_dropout_drops_the_same_at_all_steps_of_a_sequence(make_batch):
    X = positive_batch(make_batch, lengths=(4, 6, 5))
    Y, backprop = build_transparent(2, dropout=0.5, locked_dropout=True).begin_update(X)
    ratios = numpy.round(Y.data / X.data, 4)
    parts = numpy.split(ratios, [4, 10])
    for part in parts:
        assert_array_equal(part, numpy.broadcast_to(part[0], part.shape))
    assert len({part[0].tobytes() for part in parts}) == 3 and set(numpy.unique(ratios)) == {0.0, 2.0}
    assert_array_equal(numpy.round(backprop(Ragged(numpy.ones_like(X.data), X.lengths)).data, 4), ratios)


def test_weight_dropout_drops_recurrent_weights_and_their_gradients(make_batch):
    X, dY = make_batch(LENGTHS, 6, dtype="float32"), make_batch(LENGTHS, 8, dtype="float32", seed=1)
    model = build_rnn(8, 6, cell="gru", weight_dropout=0.5).initialize()
    R = model.layers[0].get_param("R").copy()
    fix_random_seed(3)
    mask = model.ops.get_dropout_mask(R.shape, 0.5)
    fix_random_seed(3)
    Y, backprop = model.begin_update(X)
    backprop(dY)
    other = build_rnn(8, 6, cell="gru").initialize()
    for name in model.layers[0].param_names:
        other.layers[0].set_param(name, model.layers[0].get_param(name))
    other.layers[0].set_param("R", R * mask)
    expected, backprop = other.begin_update(X)
    backprop(dY)
    assert_allclose(Y.data, expected.data, rtol=1e-6)
    assert_allclose(model.layers[0].get_grad("R"), other.layers[0].get_grad("R") * mask, rtol=1e-5, atol=1e-6)
    assert_allclose(model.layers[0].get_grad("W"), other.layers[0].get_grad("W"), rtol=1e-5, atol=1e-6)
    assert_array_equal(model.layers[0].get_param("R"), R)


# Long sequences


@one_or_both_directions
@every_cell
def test_pieces_that_are_computed_again_change_nothing(make_batch, cell, bidirectional):
    """Dropout drops the same when a piece is computed again."""
    X, dY = make_batch([30, 0, 1, 50], 6, dtype="float32"), make_batch([30, 0, 1, 50], 8, dtype="float32", seed=1)
    results = []
    for rows in (0, 20):
        fix_random_seed(0)
        options = {"dropout": 0.3, "recurrent_dropout": 0.3, "weight_dropout": 0.3, "train_initial_state": True}
        options["checkpoint_rows"] = rows
        model = build_rnn(8, 6, cell=cell, bidirectional=bidirectional, depth=2, **options)
        model.initialize()
        Y, backprop = model.begin_update(X)
        results.append([Y.data, backprop(dY).data, *(node.get_grad(name) for node in model.layers for name in node.param_names)])
    (Y, *gradients), (Y_again, *gradients_again) = results
    assert_array_equal(Y_again, Y)
    for again, gradient in zip(gradients_again, gradients, strict=True):
        assert_allclose(again, gradient, rtol=0, atol=1e-5 * max(1.0, numpy.abs(gradient).max()))


@every_cell
def test_truncated_gradients_are_those_of_a_stream_of_pieces(make_batch, randomize, cell):
    lengths = [7, 7]
    X, dY = make_batch(lengths, 3), make_batch(lengths, 4, seed=1)
    model = build_rnn(4, 3, cell=cell, depth=2, truncate_gradient=3)
    model.initialize()
    randomize(model, scale=0.4)
    _, backprop = model.begin_update(X)
    dX = backprop(dY)
    grads = [d.get_grad(name).copy() for d in model.layers for name in d.param_names]
    for direction in model.layers:
        for name in direction.param_names:
            direction.set_grad(name, numpy.zeros_like(direction.get_param(name)))
    state = None
    for begin, end in ((0, 3), (3, 6), (6, 7)):
        rows = numpy.concatenate([numpy.arange(begin, end), numpy.arange(begin, end) + 7])
        piece = numpy.full(2, end - begin, dtype="int32")
        (_, state), backprop = begin_scan(model, Ragged(X.data[rows], piece), state)
        assert_allclose(dX.data[rows], backprop(Ragged(dY.data[rows], piece), None)[0].data, rtol=1e-9, atol=1e-12)
    again = [d.get_grad(name) for d in model.layers for name in d.param_names]
    for gradient, expected in zip(grads, again, strict=True):
        assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_how_gradients_go_back_is_a_matter_of_the_config_and_not_of_the_weights(make_batch):
    X, dY = make_batch([9], 3, dtype="float32"), make_batch([9], 4, dtype="float32", seed=1)
    exact, truncated = build_rnn(4, 3), build_rnn(4, 3, truncate_gradient=2)
    exact.initialize()
    truncated.from_bytes(exact.to_bytes())
    exact_dX, truncated_dX = (model.begin_update(X)[1](dY).data for model in (exact, truncated))
    assert_array_equal(truncated_dX[8], exact_dX[8])
    assert not numpy.allclose(truncated_dX[7], exact_dX[7])


# Structure


@one_or_both_directions
def test_layers_are_stacked_and_directions_stand_side_by_side(make_batch, bidirectional):
    X = make_batch(LENGTHS, 3, dtype="float32")
    model = build_rnn(4, 3, cell="gru", bidirectional=bidirectional, depth=2)
    model.initialize()
    n_dirs = len(model.layers) // 2
    rows = X
    for i in range(2):
        outputs = []
        for direction in model.layers[i * n_dirs : (i + 1) * n_dirs]:
            single = build_rnn(4 // n_dirs, rows.data.shape[1], cell="gru")
            single.initialize()
            for name in direction.param_names:
                single.layers[0].set_param(name, direction.get_param(name))
            backward = bool(outputs)
            order = numpy.arange(len(X.data))
            if backward:
                starts = numpy.cumsum(LENGTHS) - LENGTHS
                order = numpy.concatenate([numpy.arange(s, s + n)[::-1] for s, n in zip(starts, LENGTHS, strict=True)])
            output = single.predict(Ragged(rows.data[order], rows.lengths)).data
            outputs.append(output[order])
        rows = Ragged(numpy.concatenate(outputs, axis=1), X.lengths)
    assert_allclose(model.predict(X).data, rows.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nI, nO, added", [(4, 4, [True, True]), (3, 4, [False, True])])
@one_or_both_directions
def test_residual_adds_the_input_where_widths_agree(make_batch, bidirectional, nI, nO, added):
    X = make_batch(LENGTHS, nI, dtype="float32")
    deep = build_rnn(nO, nI, bidirectional=bidirectional, depth=2, residual=True)
    deep.initialize()
    n_dirs = len(deep.layers) // 2
    rows = X.data
    for i, add in enumerate(added):
        single = build_rnn(nO, rows.shape[1], bidirectional=bidirectional)
        single.initialize()
        for ours, theirs in zip(single.layers, deep.layers[i * n_dirs :], strict=False):
            for name in ours.param_names:
                ours.set_param(name, theirs.get_param(name))
        Y = single.predict(Ragged(rows, X.lengths)).data
        rows = rows + Y if add else Y
    assert_allclose(deep.predict(X).data, rows, rtol=1e-6, atol=1e-6)


@every_cell
def test_trained_initial_state_is_the_state_before_the_first_row(make_batch, randomize, cell):
    X = make_batch(LENGTHS, 3)
    model = build_rnn(4, 3, cell=cell, bidirectional=True, depth=2, train_initial_state=True)
    model.initialize()
    randomize(model)
    names = ["h", "c"] if cell in LSTMS else ["h"]
    state = {s: numpy.stack([numpy.tile(d.get_param(f"{s}0"), (len(LENGTHS), 1)) for d in model.layers]) for s in names}
    learned, given = scan(model, X), scan(model, X, state)
    assert_array_equal(learned[0].data, given[0].data)
    zeros = {s: numpy.zeros_like(array) for s, array in state.items()}
    assert not numpy.allclose(learned[0].data, scan(model, X, zeros)[0].data)


@every_cell
def test_gradient_of_the_trained_initial_state_is_zero_where_another_is_given(make_batch, randomize, cell):
    X = make_batch(LENGTHS, 3)
    model = build_rnn(4, 3, cell=cell, train_initial_state=True)
    model.initialize()
    randomize(model)
    _, backprop = begin_scan(model, X, draw_state(model, len(LENGTHS)))
    backprop(make_batch(LENGTHS, 4), None)
    direction = model.layers[0]
    assert direction.has_grad("W")
    assert not any(direction.has_grad(name) and direction.get_grad(name).any() for name in ("h0", "c0"))


@pytest.mark.parametrize("given", ["nothing", "nO", "nI", "both"])
def test_widths_are_inferred(make_batch, given):
    X, Y = make_batch(LENGTHS, 3, dtype="float32"), make_batch(LENGTHS, 4, dtype="float32")
    model = build_rnn(4 if given in ("nO", "both") else None, 3 if given in ("nI", "both") else None, bidirectional=True)
    model.initialize(X=X, Y=Y)
    assert (model.get_dim("nI"), model.get_dim("nO")) == (3, 4)
    assert model.predict(X).data.shape == Y.data.shape


@pytest.mark.parametrize(
    "cell, nI, nO, bidirectional, depth, train_initial_state, expected",
    [
        ("elman_tanh", 32, 32, False, 1, False, 2080),
        ("elman_relu", 3, 4, False, 1, True, 4 * (3 + 4 + 1) + 4),
        ("gru", 3, 4, False, 1, False, 12 * (3 + 4 + 1) + 4),
        ("gru_reset_before", 3, 4, False, 1, False, 12 * (3 + 4 + 1)),
        ("lstm", 3, 4, False, 1, False, 16 * (3 + 4 + 1)),
        ("lstm", 3, 4, False, 2, False, 16 * (3 + 4 + 1) + 16 * (4 + 4 + 1)),
        ("lstm", 3, 8, True, 2, True, 2 * 16 * (3 + 4 + 1) + 2 * 16 * (8 + 4 + 1) + 4 * 8),
        ("lstm_peephole", 3, 4, False, 1, False, 16 * (3 + 4 + 1) + 12),
    ],
)
def test_number_of_parameters(cell, nI, nO, bidirectional, depth, train_initial_state, expected):
    model = build_rnn(nO, nI, cell=cell, bidirectional=bidirectional, depth=depth, train_initial_state=train_initial_state)
    model.initialize()
    assert sum(node.get_param(name).size for node in model.walk() for name in node.param_names) == expected


# Initialization


@every_cell
def test_recurrent_matrices_are_orthogonal_gate_by_gate(cell):
    model = build_rnn(16, 5, cell=cell, bidirectional=True, depth=2)
    model.initialize()
    gates = [gate for d in model.layers for gate in numpy.split(d.get_param("R"), len(CELLS[cell].gates))]
    for gate in gates:
        assert gate.shape == (8, 8)
        assert_allclose(gate @ gate.T, numpy.eye(8), atol=1e-5)
    assert len({gate.tobytes() for gate in gates}) == len(gates)


@every_cell
def test_input_matrices_fill_glorots_bound_gate_by_gate(cell):
    model = build_rnn(40, 20, cell=cell)
    model.initialize()
    bound = numpy.sqrt(6.0 / (20 + 40))
    for gate in numpy.split(model.layers[0].get_param("W"), len(CELLS[cell].gates)):
        assert 0.95 * bound < numpy.abs(gate).max() <= bound
        assert abs(gate.mean()) < 0.1 * bound


@pytest.mark.parametrize("forget_bias", [None, 0.0, -2.5])
@every_cell
def test_biases_start_at_zero_but_for_the_forget_gate(cell, forget_bias):
    options = {} if forget_bias is None else {"forget_bias": forget_bias}
    model = build_rnn(4, 3, cell=cell, bidirectional=True, train_initial_state=True, **options)
    model.initialize()
    for direction in model.layers:
        expected = numpy.zeros(len(CELLS[cell].gates) * 2)
        if cell in LSTMS:
            expected[2:4] = 1.0 if forget_bias is None else forget_bias
        assert_array_equal(direction.get_param("b"), expected)
        for name in set(direction.param_names) - {"W", "R", "b"}:
            assert not direction.get_param(name).any(), name


@pytest.mark.parametrize("option, name, other", [("init_W", "W", "R"), ("init_R", "R", "W")])
def test_initializers_are_configurable(option, name, other):
    def count_up(ops, shape):
        assert shape == ((4, 3) if name == "W" else (4, 4))
        return ops.asarray_f(numpy.arange(numpy.prod(shape)).reshape(shape))

    model = build_rnn(4, 3, cell="gru", **{option: count_up})
    model.initialize()
    for gate in numpy.split(model.layers[0].get_param(name), 3):
        assert_array_equal(gate.ravel(), numpy.arange(gate.size))
    assert numpy.abs(model.layers[0].get_param(other)).max() <= 1.0


# Errors


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"cell": "rnn"}, ["'rnn'", *CELLS]),
        ({"nO": 5, "bidirectional": True}, ["nO", "even", "5"]),
        ({"nO": 0}, ["nO", "at least 1", "0"]),
        ({"nI": 0}, ["nI", "at least 1", "0"]),
        ({"dropout": -0.1}, ["dropout", "-0.1"]),
        ({"dropout": 1.0}, ["dropout", "below 1", "1.0"]),
        ({"dropout": 2}, ["dropout", "2"]),
        ({"recurrent_dropout": -0.1}, ["recurrent_dropout", "-0.1"]),
        ({"recurrent_dropout": 1.0}, ["recurrent_dropout", "below 1", "1.0"]),
        ({"recurrent_dropout": 2}, ["recurrent_dropout", "2"]),
        ({"weight_dropout": 1.0}, ["weight_dropout", "below 1", "1.0"]),
        ({"depth": 0}, ["depth", "at least 1", "0"]),
        ({"depth": -3}, ["depth", "at least 1", "-3"]),
        ({"nO": 4, "nI": 3, "residual": True}, ["residual", "nI = 3", "nO = 4"]),
        ({"checkpoint_rows": -1}, ["checkpoint_rows", "at least 0", "-1"]),
        ({"truncate_gradient": -2}, ["truncate_gradient", "at least 0", "-2"]),
        ({"truncate_gradient": 5, "bidirectional": True}, ["truncate_gradient", "one direction", "5", "bidirectional = false"]),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError) as error:
        build_rnn(**arguments)
    for word in words:
        assert word in str(error.value)


def test_residual_without_equal_widths_is_refused_at_initialization(make_batch):
    model = build_rnn(4, residual=True)
    with pytest.raises(ValueError, match="residual.*nI = 3, nO = 4"):
        model.initialize(X=make_batch(LENGTHS, 3, dtype="float32"))


def test_input_of_the_wrong_width_is_refused_at_initialization(make_batch):
    model = build_rnn(4, 3)
    with pytest.raises(ValueError, match="width 3 .*width 5"):
        model.initialize(X=make_batch(LENGTHS, 5, dtype="float32"))


@pytest.mark.parametrize("run", [lambda m, X: m.predict(X), lambda m, X: m.begin_update(X), scan, begin_scan])
def test_input_of_the_wrong_width_is_refused_when_run(make_batch, run):
    model = build_rnn(4, 3)
    model.initialize()
    with pytest.raises(ValueError, match="width 3 .*width 5"):
        run(model, make_batch(LENGTHS, 5, dtype="float32"))


def test_odd_width_inferred_for_two_directions_is_refused(make_batch):
    model = build_rnn(bidirectional=True)
    with pytest.raises(ValueError, match="even.*5"):
        model.initialize(X=make_batch(LENGTHS, 3, dtype="float32"), Y=make_batch(LENGTHS, 5, dtype="float32"))


BAD_STATES = {
    "no arrays": ({}, r"\['c', 'h'\].*\[\]"),
    "h only": ({"h": (2, 4, 4)}, r"\['c', 'h'\].*\['h'\]"),
    "an unknown array": ({"h": (2, 4, 4), "c": (2, 4, 4), "s": (2, 4, 4)}, r"\['c', 'h'\].*\['c', 'h', 's'\]"),
    "one layer": ({"h": (1, 4, 4), "c": (2, 4, 4)}, r"'h'.*\(2, 4, 4\).*\(1, 4, 4\)"),
    "too few sequences": ({"h": (2, 4, 4), "c": (2, 3, 4)}, r"'c'.*\(2, 4, 4\).*\(2, 3, 4\)"),
    "too many units": ({"h": (2, 4, 5), "c": (2, 4, 4)}, r"'h'.*\(2, 4, 4\).*\(2, 4, 5\)"),
    "a matrix": ({"h": (4, 4), "c": (4, 4)}, r"'h'.*\(2, 4, 4\).*\(4, 4\)"),
}


@pytest.mark.parametrize("run", [scan, begin_scan])
@pytest.mark.parametrize("shapes, message", BAD_STATES.values(), ids=BAD_STATES.keys())
def test_states_of_the_wrong_form_are_refused(make_batch, shapes, message, run):
    model = build_rnn(4, 3, depth=2)
    model.initialize()
    state = {name: numpy.zeros(shape, dtype="float32") for name, shape in shapes.items()}
    with pytest.raises(ValueError, match=message):
        run(model, make_batch(LENGTHS, 3, dtype="float32"), state)


# State


@one_or_both_directions
@every_cell
def test_sequence_alone_is_the_sequence_in_a_batch(make_batch, cell, bidirectional):
    X = make_batch([7, 0, 1, 12, 3], 5, dtype="float32")
    model = build_rnn(8, 5, cell=cell, bidirectional=bidirectional, depth=3, residual=True)
    model.initialize()
    Y = model.predict(X)
    start = 0
    for n in X.lengths:
        alone = model.predict(Ragged(X.data[start : start + n], numpy.asarray([n], dtype="int32")))
        assert_allclose(Y.data[start : start + n], alone.dataXd, rtol=0, atol=1e-5)
        start += n


@one_or_both_directions
@every_cell
def test_scan_computes_what_the_layer_computes(make_batch, cell, bidirectional):
    X = make_batch(LENGTHS, 3, dtype="float32")
    model = build_rnn(8, 3, cell=cell, bidirectional=bidirectional, depth=2)
    model.initialize()
    Y, final = scan(model, X)
    assert_array_equal(Y.data, model.predict(X).data)
    assert set(final) == ({"h", "c"} if cell in LSTMS else {"h"})
    for array in final.values():
        assert array.shape == ((4, 4, 4) if bidirectional else (2, 4, 8))
    (Y_train, final_train), _ = begin_scan(model, X)
    assert_array_equal(Y_train.data, Y.data)
    for s in final:
        assert_array_equal(final_train[s], final[s])


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@every_cell
def test_pieces_with_carried_state_are_the_whole(make_batch, randomize, cell, residual):
    """Outputs, final state and every gradient, three pieces of a stream."""
    lengths = numpy.asarray([6, 6, 6], dtype="int32")
    X, dY = make_batch(lengths, 4), make_batch(lengths, 4, seed=1)
    model = build_rnn(4, 4, cell=cell, depth=2, residual=residual)
    model.initialize()
    randomize(model, scale=0.4)
    start, d_end = draw_state(model, 3), draw_state(model, 3, seed=2)

    (Y, final), backprop = begin_scan(model, X, start)
    dX, d_start = backprop(dY, d_end)
    grads = [d.get_grad(name).copy() for d in model.layers for name in d.param_names]
    for direction in model.layers:
        for name in direction.param_names:
            direction.set_grad(name, numpy.zeros_like(direction.get_param(name)))

    in_piece = [numpy.tile(numpy.repeat([0, 1, 2], [1, 3, 2]) == k, 3) for k in range(3)]
    state, backprops = start, []
    for rows, n in zip(in_piece, [1, 3, 2], strict=True):
        (Y_piece, state), backprop = begin_scan(model, Ragged(X.data[rows], numpy.full(3, n, dtype="int32")), state)
        assert_allclose(Y_piece.data, Y.data[rows], rtol=1e-10, atol=1e-10)
        backprops.append(backprop)
    for s in final:
        assert_allclose(state[s], final[s], rtol=1e-10, atol=1e-10)
    d_state = d_end
    for k in (2, 1, 0):
        n = [1, 3, 2][k]
        dX_piece, d_state = backprops[k](Ragged(dY.data[in_piece[k]], numpy.full(3, n, dtype="int32")), d_state)
        assert_allclose(dX_piece.data, dX.data[in_piece[k]], rtol=1e-9, atol=1e-9)
    for s in final:
        assert_allclose(d_state[s], d_start[s], rtol=1e-9, atol=1e-9)
    again = [d.get_grad(name) for d in model.layers for name in d.param_names]
    for gradient, expected in zip(again, grads, strict=True):
        assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)


@every_cell
def test_stream_of_single_rows_is_the_whole(make_batch, cell):
    X = make_batch([20], 3, dtype="float32")
    model = build_rnn(8, 3, cell=cell, depth=2, train_initial_state=True)
    model.initialize()
    Y, final = scan(model, X)
    state, one = None, numpy.asarray([1], dtype="int32")
    for i in range(20):
        row, state = scan(model, Ragged(X.data[i : i + 1], one), state)
        assert_allclose(row.data[0], Y.data[i], rtol=0, atol=1e-5)
    for s in final:
        assert_allclose(state[s], final[s], rtol=0, atol=1e-5)


def make_temperatures(n_days, n_places):
    """Daily temperatures: a yearly curve, a weekly one and noise, in units of their spread."""
    rng = numpy.random.default_rng(0)
    days = numpy.arange(n_days)[:, None] + rng.integers(365, size=n_places)
    curve = numpy.sin(2 * numpy.pi * days / 365) + 0.3 * numpy.sin(2 * numpy.pi * days / 7)
    return (curve + 0.4 * rng.normal(size=curve.shape)).astype("float32")


@pytest.mark.parametrize("cell", ["elman_tanh", "gru", "lstm"])
def test_layer_learns_to_forecast_a_series_of_numbers(cell):
    """The next day's temperature, better than by "tomorrow = today", on days after those it was trained on."""
    n_places, n_train, n_days = 8, 400, 600
    series = make_temperatures(n_days + 1, n_places)
    fix_random_seed(0)
    rnn, output = build_rnn(12, 1, cell=cell), Linear(1, 12)
    rnn.initialize()
    output.initialize()
    optimizer = Adam(0.01)

    def piece(start, end):
        lengths = numpy.full(n_places, end - start, dtype="int32")
        X = Ragged(numpy.ascontiguousarray(series[start:end].T.reshape(-1, 1)), lengths)
        return X, numpy.ascontiguousarray(series[start + 1 : end + 1].T.reshape(-1, 1))

    for _ in range(12):
        state = None
        for start in range(0, n_train, 50):
            X, Y = piece(start, start + 50)
            (hidden, state), rnn_backprop = begin_scan(rnn, X, state)
            guess, output_backprop = output.begin_update(hidden.data)
            rnn_backprop(Ragged(output_backprop((guess - Y) / len(Y)), X.lengths), None)
            rnn.finish_update(optimizer)
            output.finish_update(optimizer)

    _, state = scan(rnn, piece(0, n_train)[0])
    X, Y = piece(n_train, n_days)
    guess = output.predict(scan(rnn, X, state)[0].data)
    assert numpy.abs(guess - Y).mean() < 0.85 * numpy.abs(X.data - Y).mean()


def test_only_recurrent_layers_run_with_state(make_batch):
    with pytest.raises(ValueError, match="build_rnn"):
        scan(build_list2ragged(), make_batch([2], 3, dtype="float32"))


def test_a_layer_without_weights_says_so(make_batch):
    with pytest.raises(ValueError, match="initialize"):
        scan(build_rnn(4, 3), make_batch([2], 3, dtype="float32"))
