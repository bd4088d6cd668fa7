"""Write what torch's recurrent layers compute to tests/fixtures/torch_rnn.npz, for the tests to compare with. Needs torch."""

from pathlib import Path
from typing import Any, Dict

import numpy
import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

PATH = Path(__file__).parent.parent / "tests" / "fixtures" / "torch_rnn.npz"
LENGTHS = [3, 1, 5, 2]
DEPTH = 2
nI, nH = 3, 4
MODULES: Dict[str, Any] = {
    "elman_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
    "elman_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": (torch.nn.GRU, {}),
    "lstm": (torch.nn.LSTM, {}),
}


def compute(cell: str, seed: int) -> Dict[str, numpy.ndarray]:
    """Run a deep bidirectional layer of torch over a packed batch, forward and backward, in float64.

    cell (str): The name of the cell in this package.
    seed (int): Determines the weights, the batch, the initial state and the gradients of the output and of the final state.
    RETURNS (Dict[str, numpy.ndarray]): The rows "X" and "Y" of the batch, the states "h0", "hn", for an LSTM "c0", "cn"
        [DEPTH · 2, B, nH], the weights of each layer and direction "0" … "3" (columns: weight_ih, weight_hh, bias_ih, bias_hh),
        and under the same names with a "d_" in front their gradients.
    """
    rng = numpy.random.default_rng(seed)
    build, options = MODULES[cell]
    module = build(nI, nH, num_layers=DEPTH, bidirectional=True, dtype=torch.float64, **options)
    for param in module.parameters():
        param.data = torch.from_numpy(rng.normal(scale=0.5, size=tuple(param.shape)))

    states = ["h", "c"] if cell == "lstm" else ["h"]
    X = torch.from_numpy(rng.normal(size=(sum(LENGTHS), nI))).requires_grad_()
    initial = [torch.from_numpy(rng.normal(size=(DEPTH * 2, len(LENGTHS), nH))).requires_grad_() for _ in states]
    packed = pack_sequence(list(X.split(LENGTHS)), enforce_sorted=False)
    output, final = module(packed, tuple(initial) if cell == "lstm" else initial[0])
    padded, _ = pad_packed_sequence(output, batch_first=True)
    Y = torch.cat([rows[:n] for rows, n in zip(padded, LENGTHS, strict=True)])
    finals = list(final) if cell == "lstm" else [final]
    outputs = [Y, *finals]
    d_outputs = [torch.from_numpy(rng.normal(size=tuple(array.shape))) for array in outputs]
    torch.autograd.backward(outputs, d_outputs)

    result: Dict[str, Any] = {"X": X, "d_X": X.grad, "Y": Y, "d_Y": d_outputs[0]}
    for state, start, end, d_end in zip(states, initial, finals, d_outputs[1:], strict=True):
        result.update({f"{state}0": start, f"d_{state}0": start.grad, f"{state}n": end, f"d_{state}n": d_end})
    for i in range(DEPTH * 2):
        suffix = f"_l{i // 2}{'_reverse' if i % 2 else ''}"
        params = [getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        result[str(i)] = torch.cat([p.reshape(len(p), -1) for p in params], dim=1)
        result[f"d_{i}"] = torch.cat([p.grad.reshape(len(p), -1) for p in params], dim=1)
    return {name: array.detach().numpy() for name, array in result.items()}


def main() -> None:
    arrays: Dict[str, Any] = {"lengths": numpy.asarray(LENGTHS, dtype="int32")}
    for cell in MODULES:
        arrays.update({f"{cell}/{name}": array for name, array in compute(cell, seed=0).items()})
    PATH.parent.mkdir(exist_ok=True)
    numpy.savez_compressed(PATH, **arrays)


if __name__ == "__main__":
    main()
