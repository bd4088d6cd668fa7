"""Recurrent layers whose weights stay as they are from one call to the next."""

from typing import Any, List, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ragged

from ...recurrence import Result, StackSession, Sweep, TableRows, get_cell, run_sweeps, session, stack_session
from ..capabilities import State
from .direction import get_params, own_state
from .stack import check_state, is_residual, n_directions, require_weights, stack_states


def begin_stack_session(model: Model[Ragged, Ragged], table: Floats2d, W: Floats2d, b: Floats1d) -> Optional[StackSession]:
    """Begin a session of a recurrent layer over symbols with the softmax over the next symbol, which generates in one call.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`, initialized.
    table (Floats2d): [D, nI], the embedding.
    W (Floats2d): [V, nO], the weights of the symbols that may follow, V <= D.
    b (Floats1d): [V], their bias.
    RETURNS (Optional[StackSession]): The session, whose states are those of `RnnSession`; None if the layer has a backward
        direction or residual connections, or the engine of its arrays has no such session.
    RAISES (ValueError): If the model is no such layer, or a shape does not fit.
    """
    require_weights(model)
    is_plain = not model.attrs["residual"] or all(each.get_dim("nI") != model.get_dim("nO") for each in model.layers)
    if model.attrs["bidirectional"] or not is_plain:
        return None
    cell = get_cell(model.attrs["cell"])
    params = [get_params(direction, cell) for direction in model.layers]
    return stack_session(cell, params, table, W, b, precision=model.attrs["precision"].value)


class RnnSession:
    """A recurrent layer at inference, run step by step or piece by piece of a stream.

    Its weights are packed, or compared with what was packed before, once. Later changes to them may or may not show."""

    def __init__(self, model: Model[Ragged, Ragged], table: Optional[Floats2d] = None) -> None:
        """Begin.

        model (Model[Ragged, Ragged]): A layer made by `build_rnn`, initialized.
        table (Optional[Floats2d]): [V, nI], e.g. an embedding: steps then take numbers of its rows. The first layer's projections
            of all of them are computed here, on a CPU.
        RAISES (ValueError): If the model is no such layer, or the table is not as wide as its input.
        """
        require_weights(model)
        self.model, self.table = model, table
        cell, precision = get_cell(model.attrs["cell"]), model.attrs["precision"].value
        self.cell = cell
        n_dirs = n_directions(model)
        self._directions = [
            session(cell, get_params(direction, cell), table=table if i < n_dirs else None, precision=precision)
            for i, direction in enumerate(model.layers)
        ]

    def start(self, n: int) -> State:
        """Give the state that the layer starts in.

        n (int): B, the number of sequences.
        RETURNS (Dict[str, Floats3d]): The state, as `spacy_rnn.layers.scan` takes it.
        """
        return stack_states(self.model, [own_state(direction, n) for direction in self.model.layers])

    def step(self, inputs: Any, state: State) -> Tuple[Floats2d, State]:
        """Make one time step of each sequence.

        inputs (Array): [B, nI]; or if there is a table, integers [B], the rows of it that are read.
        state (Dict[str, Floats3d]): The state before: [depth, B, nH] by name. It is not written to. To go on with other
            sequences, in another order or with fewer, index its second axis.
        RETURNS (Tuple[Floats2d, Dict[str, Floats3d]]): The output [B, nO], and the state after.
        RAISES (ValueError): If the layer has a backward direction, whose first step is a sequence's last row; if a shape or type
            does not fit, or the table has no such row.
        """
        model = self.model
        if model.attrs["bidirectional"]:
            raise ValueError("a layer with a backward direction makes no single steps: it reads sequences from their end")
        check_state(model, state, len(inputs))
        X, after = inputs, []
        for k, direction in enumerate(self._directions):
            after.append(direction.step(X, {name: array[k] for name, array in state.items()}))
            Y = after[-1][self.cell.output]
            if model.attrs["residual"]:
                rows = self.table[X] if k == 0 and self.table is not None else X
                Y = rows + Y if is_residual(model, rows) else Y
            X = Y
        return cast(Floats2d, X), stack_states(model, after)

    def run_sweeps(self, first: int, sweeps: Sequence[Sweep]) -> Tuple[List[Result], None]:
        """Run sweeps of some directions.

        first (int): The number of the first one's direction, counted through the layers.
        sweeps (Sequence[Sweep]): The sweeps of this direction and of those after it.
        RETURNS (Tuple[List[Result], None]): The result of each; and no backpropagation.
        RAISES (ValueError): If a shape does not fit.
        """
        return [self._sweep(first + i, sweep) for i, sweep in enumerate(sweeps)], None

    def _sweep(self, number: int, sweep: Sweep) -> Result:
        direction, batch = self._directions[number], sweep.batch
        if isinstance(sweep.X, TableRows):
            sweep = sweep._replace(X=sweep.X.take())
        if sweep.X.dtype != sweep.params["W"].dtype:
            # Rows of another type than the weights, which the reference engine takes.
            return run_sweeps([sweep], False, precision=self.model.attrs["precision"].value)[0][0]
        if self.table is None and sweep.out is not None and len(batch) and numpy.all(batch.lengths == 1):
            final = direction.step(sweep.X, sweep.initial or direction.start(len(batch)))
            sweep.out[...] = final[self.cell.output]
            return Result(sweep.out, final)
        return direction.sweep(sweep.X, batch, sweep.initial, sweep.reverse, sweep.out)
