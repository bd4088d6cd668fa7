"""An encoder-decoder in torch, as one would write it: packed sequences, batched products, a beam over a batch of sentences."""

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from thinc.api import Model
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from spacy_rnn.interop import to_torch
from spacy_rnn.text.symbols import END, START, UNKNOWN, PairBatch, SourceBatch

FORBIDDEN = [UNKNOWN, START]


class TorchBatch(NamedTuple):
    """A padded batch.

    sources (Tensor): int64 [B, S].
    source_lengths (Tensor): int64 [B].
    inputs, targets (Tensor): int64 [B, T].
    lengths (Tensor): int64 [B], of inputs and targets.
    """

    sources: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    lengths: Tensor


class Memory(NamedTuple):
    """What a decoder looks at: rows [B, S, nH], keys [B, S, nH], and where there are none, bool [B, S]."""

    rows: Tensor
    keys: Tensor
    is_padding: Tensor

    def take(self, index: Tensor) -> "Memory":
        """Take some sequences.

        index (Tensor): int64 [B'], which.
        RETURNS (Memory): Their memory.
        """
        return Memory(*(part[index] for part in self))


class TorchSeq2Seq(nn.Module):
    """The model of `spacy_rnn.Seq2Seq.v1` with a GRU of one layer.

    It has general attention after the sweep, or additive attention and input feeding."""

    def __init__(self, model: Model) -> None:
        """Take the weights of a model.

        model (Model): The model, with `cell = "gru"`, one layer each, and attention "general" or "additive".
        """
        super().__init__()
        nodes = {name: model.get_ref(name) for name in ("source_embed", "encoder", "bridge", "embed", "rnn", "head")}
        attention, attentional = model.get_ref("attention"), model.get_ref("attentional")
        self.is_fed, self.kind = model.attrs["input_feeding"], attention.attrs["kind"]
        self.source_embed, self.embed = (_embedding(nodes[name]) for name in ("source_embed", "embed"))
        self.encoder, self.decoder = (to_torch(nodes[name]).train() for name in ("encoder", "rnn"))
        self.bridge, self.head = (_linear(nodes[name].get_param("W"), nodes[name].get_param("b")) for name in ("bridge", "head"))
        joined = [attentional.get_param(name) for name in ("Wh", "Wc")]
        self.attentional = _linear(numpy.concatenate(joined, axis=1))
        if self.kind == "general":
            self.key, self.query = _linear(attention.get_param("W")), nn.Identity()
        else:
            self.key = _linear(attention.get_param("Wk"))
            self.query = _linear(attention.get_param("Wq"), attention.get_param("b"))
            self.score = _linear(attention.get_param("u")[None])

    def forward(self, batch: TorchBatch) -> Tensor:
        """Score targets.

        batch (TorchBatch): Pairs.
        RETURNS (Tensor): The log-likelihood of all targets, a scalar, in nats.
        """
        memory, state = self.encode(batch.sources, batch.source_lengths)
        X = self.embed(batch.inputs)
        is_row = torch.arange(X.shape[1]) < batch.lengths[:, None]
        if self.is_fed:
            rows = self._decode_by_steps(X, memory, state)[is_row]
        else:
            packed = pack_padded_sequence(X, batch.lengths, batch_first=True, enforce_sorted=False)
            H = pad_packed_sequence(self.decoder(packed, state[None])[0], batch_first=True)[0]
            rows = self._look(H, memory)[is_row]
        return -nn.functional.cross_entropy(self.head(rows), batch.targets[is_row], reduction="sum")

    def encode(self, sources: Tensor, lengths: Tensor) -> Tuple[Memory, Tensor]:
        """Read sources.

        sources (Tensor): int64 [B, S].
        lengths (Tensor): int64 [B].
        RETURNS (Tuple[Memory, Tensor]): What is looked at, and the state of the decoder [B, nH].
        """
        packed = pack_padded_sequence(self.source_embed(sources), lengths, batch_first=True, enforce_sorted=False)
        Y, state = self.encoder(packed)
        rows = pad_packed_sequence(Y, batch_first=True)[0]
        is_padding = torch.arange(rows.shape[1]) >= lengths[:, None]
        return Memory(rows, self.key(rows), is_padding), torch.tanh(self.bridge(torch.cat([state[0], state[1]], dim=1)))

    def step(self, symbols: Tensor, state: Tensor, fed: Tensor, memory: Memory) -> Tuple[Tensor, Tensor, Tensor]:
        """Read one symbol of each sequence.

        symbols (Tensor): int64 [B].
        state, fed (Tensor): [B, nH], of the recurrent layer, and the attentional row of the step before.
        memory (Memory): What is looked at.
        RETURNS (Tuple[Tensor, Tensor, Tensor]): The log-probabilities [B, V], the state, and the attentional row.
        """
        X = self.embed(symbols)
        H = self._read(X, state, fed)
        A = self._look(H[:, None], memory)[:, 0]
        return torch.log_softmax(self.head(A), dim=1), H, A

    def _read(self, X: Tensor, state: Tensor, fed: Tensor) -> Tensor:
        cell, X = self.decoder, torch.cat([X, fed], dim=1) if self.is_fed else X
        return torch.gru_cell(X, state, cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)

    def _decode_by_steps(self, X: Tensor, memory: Memory, state: Tensor) -> Tensor:
        fed, rows = torch.zeros_like(state), []
        for t in range(X.shape[1]):
            state = self._read(X[:, t], state, fed)
            fed = self._look(state[:, None], memory)[:, 0]
            rows.append(fed)
        return torch.stack(rows, dim=1)

    def _look(self, H: Tensor, memory: Memory) -> Tensor:
        """Look at the source from hidden rows [B, T, nH]."""
        queries = self.query(H)
        if self.kind == "general":
            scores = queries @ memory.keys.transpose(1, 2)
        else:
            scores = self.score(torch.tanh(queries[:, :, None] + memory.keys[:, None]))[..., 0]
        weights = torch.softmax(scores.masked_fill(memory.is_padding[:, None], -math.inf), dim=2)
        return torch.tanh(self.attentional(torch.cat([H, weights @ memory.rows], dim=2)))


def pad(batch: PairBatch) -> TorchBatch:
    """Pad a ragged batch.

    batch (PairBatch): The batch.
    RETURNS (TorchBatch): The same for torch.
    """
    lengths = batch.targets.lengths
    inputs, targets = (_pad(each, lengths) for each in (batch.targets.inputs, batch.targets.targets))
    return TorchBatch(*pad_sources(batch.sources), inputs, targets, torch.from_numpy(lengths.astype("int64")))


def pad_sources(sources: SourceBatch) -> Tuple[Tensor, Tensor]:
    """Pad ragged sources.

    sources (SourceBatch): The sources.
    RETURNS (Tuple[Tensor, Tensor]): int64 [B, S] and lengths [B].
    """
    return _pad(sources.numbers, sources.lengths), torch.from_numpy(sources.lengths.astype("int64"))


@torch.inference_mode()
def search(model: TorchSeq2Seq, sources: SourceBatch, width: int, max_symbols: int, alpha: float) -> List[List[int]]:
    """Search for the best targets of sources by a beam; by a width of 1 that is greedy.

    Hypotheses that have ended leave the beam. A sentence is done, and leaves the batch, when none that goes on can surpass its
    best. Scores are normalized by length (Wu et al. 2016).

    model (TorchSeq2Seq): The model.
    sources (SourceBatch): The sources.
    width (int): How many hypotheses of each go on.
    max_symbols (int): How many symbols a target has at most.
    alpha (float): The power of the normalization.
    RETURNS (List[List[int]]): The best target of each, the end included.
    """
    memory, state = model.encode(*pad_sources(sources))
    n = len(state)
    # A sentence's hypotheses stand beside each other; at first there is one of each.
    owners = torch.arange(n).repeat_interleave(width)
    memory, state = memory.take(owners), state[owners]
    fed, symbols = torch.zeros_like(state), torch.full((n * width,), START)
    sums = torch.full((n, width), -math.inf)
    sums[:, 0] = 0
    written = torch.empty((n * width, 0), dtype=torch.int64)
    found: List[List[int]] = [[] for _ in range(n)]
    numbers, best = list(range(n)), [-math.inf] * n
    for length in range(1, max_symbols + 1):
        scores, state, fed = model.step(symbols, state, fed, memory)
        scores[:, FORBIDDEN] = -math.inf
        V = scores.shape[1]
        candidates = (sums[:, :, None] + scores.view(-1, width, V)).view(-1, width * V)
        sums, chosen = candidates.topk(width, dim=1)
        parents = (torch.arange(len(sums))[:, None] * width + chosen // V).view(-1)
        symbols = (chosen % V).view(-1)
        written = torch.cat([written[parents], symbols[:, None]], dim=1)
        state, fed = state[parents], fed[parents]
        is_over = (symbols.view(-1, width) == END) | (length == max_symbols)
        normalized = sums / ((5 + length) / 6) ** alpha
        for i, j in is_over.nonzero().tolist():
            if normalized[i, j] > best[numbers[i]]:
                best[numbers[i]], found[numbers[i]] = float(normalized[i, j]), written[i * width + j].tolist()
        sums = sums.masked_fill(is_over, -math.inf)
        bounds = (sums.max(dim=1).values / ((5 + max_symbols) / 6) ** alpha).tolist()
        live = [i for i, number in enumerate(numbers) if bounds[i] > best[number]]
        if not live:
            break
        if len(live) < len(numbers):
            numbers, sums = [numbers[i] for i in live], sums[live]
            rows = (torch.tensor(live)[:, None] * width + torch.arange(width)).view(-1)
            memory, state, fed, symbols, written = memory.take(rows), state[rows], fed[rows], symbols[rows], written[rows]
    return found


def _pad(numbers: Any, lengths: numpy.ndarray) -> Tensor:
    parts: Sequence[numpy.ndarray] = numpy.split(numpy.asarray(numbers, dtype="int64"), numpy.cumsum(lengths)[:-1])
    return pad_sequence([torch.from_numpy(part) for part in parts], batch_first=True)


def _embedding(layer: Model) -> nn.Embedding:
    return nn.Embedding.from_pretrained(torch.tensor(layer.get_param("E")), freeze=False)


def _linear(W: Any, b: Optional[Any] = None) -> nn.Linear:
    linear = nn.Linear(W.shape[1], W.shape[0], bias=b is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(W))
        if b is not None:
            linear.bias.copy_(torch.tensor(b))
    return linear
