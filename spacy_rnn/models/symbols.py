"""What architectures of language models do with their symbols."""

from typing import Any, Callable, Iterable, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Floats2d

from ..layers.capabilities import ScoresSymbols, find
from ..layers.output.adaptive_softmax import build_adaptive_softmax
from ..layers.output.full_softmax import build_full_softmax
from ..layers.output.sampled_softmax import build_sampled_softmax
from ..text.symbols import N_SPECIAL, SymbolBatch, Symbols

OUTPUTS = ("full", "adaptive", "sampled")


def symbols_of(model: Model) -> Symbols:
    """Give the symbols of a language model.

    model (Model): The model.
    RETURNS (Symbols): Its symbols.
    """
    return model.attrs["symbols"]


def count_symbols(model: Model) -> int:
    """Count the symbols of a language model that has learned them.

    model (Model): The model.
    RETURNS (int): V, the special ones included.
    RAISES (ValueError): If there are only special ones.
    """
    n_symbols = len(symbols_of(model))
    if n_symbols <= N_SPECIAL:
        raise ValueError(
            f"the language model {model.name!r} has no {symbols_of(model).unit}s yet: it learns them from the training corpus "
            "(spacy_rnn.layers.learn_vocabulary) before its weights are made"
        )
    return n_symbols


def check_batch(batch: SymbolBatch, n_symbols: int) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Refuse what is no batch of symbols.

    batch (SymbolBatch): The batch.
    n_symbols (int): V.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]): Inputs and targets int64 [N] and lengths int32 [B], on the host.
    RAISES (ValueError): If there is no such symbol, or inputs, targets and lengths do not fit each other.
    """
    inputs, targets = as_symbols(batch.inputs, n_symbols), as_symbols(batch.targets, n_symbols)
    lengths = as_lengths(batch.lengths)
    if not len(inputs) == len(targets) == int(lengths.sum()):
        raise ValueError(f"lengths add up to {int(lengths.sum())}, but there are {len(inputs)} inputs and {len(targets)} targets")
    return inputs, targets, lengths


def as_lengths(lengths: Any) -> numpy.ndarray:
    """Check how many symbols sequences have.

    lengths (Sequence[int]): Integers [B], on the host.
    RETURNS (numpy.ndarray): int32 [B].
    RAISES (ValueError): If they are no integers, or one is below 0.
    """
    lengths = numpy.asarray(lengths)
    if lengths.ndim != 1 or (lengths.size and (lengths.dtype.kind not in "iu" or lengths.min() < 0)):
        raise ValueError(f"lengths are whole numbers [B], at least 0, got {lengths.dtype} of shape {lengths.shape}")
    return lengths.astype("int32")


def as_symbols(numbers: Any, n_symbols: int) -> numpy.ndarray:
    """Check numbers of symbols.

    numbers (Array): Integers [N], on the host or a device.
    n_symbols (int): V.
    RETURNS (numpy.ndarray): int64 [N], on the host.
    RAISES (ValueError): If they are no integers, or there is no such symbol.
    """
    numbers = numpy.asarray(numbers.get() if hasattr(numbers, "get") else numbers)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"symbols are whole numbers [N], got {numbers.dtype} of shape {numbers.shape}")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < n_symbols:
        raise ValueError(f"symbols are numbered from 0 to {n_symbols - 1}, got {int(numbers.min())} to {int(numbers.max())}")
    return numbers.astype("int64")


def build_head(
    output: str,
    nI: int,
    cutoffs: Optional[Sequence[int]],
    n_samples: int,
    tied: Optional[Model] = None,
) -> Model[Floats2d, Floats2d]:
    """Build the layer that scores symbols.

    output (str): "full", "adaptive" or "sampled".
    nI (int): The width of the rows that it sees.
    cutoffs (Optional[Sequence[int]]): Those of "adaptive".
    n_samples (int): Those of "sampled".
    tied (Optional[Model]): The embedding that its weights are those of.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    RAISES (ValueError): If there is no such output, or it has no tied weights or cutoffs.
    """
    if cutoffs is not None and output != "adaptive":
        raise ValueError(f"cutoffs are those of output = 'adaptive', got {list(cutoffs)} with {output!r}: set cutoffs = null")
    if output == "full":
        return build_full_softmax(nI, tied=tied)
    if output == "sampled":
        return build_sampled_softmax(nI, n_samples=n_samples, tied=tied)
    if output != "adaptive":
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
    if tied is not None:
        raise ValueError("weights of an adaptive softmax cannot be tied: set tied = false, or output = 'full' or 'sampled'")
    return build_adaptive_softmax(nI, cutoffs=cutoffs)


def head_of(model: Model) -> ScoresSymbols:
    """Say how the last layer of a language model scores symbols.

    model (Model): The model.
    RETURNS (ScoresSymbols): What the layer has declared.
    """
    found = find(model.layers[-1], ScoresSymbols)
    assert found is not None
    return found


def distinct_symbols(inputs: numpy.ndarray, n_symbols: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give symbols whose embeddings a batch needs, each once.

    inputs (numpy.ndarray): int64 [N], the symbols of the batch.
    n_symbols (int): V.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [D], the symbols, all there are if that is fewer than N; int64 [N], which
        of them each input is.
    """
    if n_symbols <= len(inputs):
        return numpy.arange(n_symbols), inputs
    return numpy.unique(inputs, return_inverse=True)


def begin_symbols(model: Model) -> Any:
    """Begin to count the symbols of a corpus, as `LearnsVocabulary` has it.

    model (Model): The language model.
    RETURNS (SymbolCounter): What counts them.
    """
    return symbols_of(model).begin()


def end_symbols(model: Model, counter: Any) -> None:
    """Learn the symbols of a corpus. Weights that the model has are gone: they are those of other symbols.

    model (Model): The language model.
    counter (SymbolCounter): What has counted them.
    """
    symbols_of(model).end(counter)
    _forget_weights(model)


def take_symbols(model: Model, learned: Any, get_docs: Callable[[], Iterable[Doc]]) -> None:
    """Take symbols that were learned before. Weights that the model has are gone.

    model (Model): The language model.
    learned (Dict[str, Any]): What `Symbols.to_data` has given.
    get_docs (Callable[[], Iterable[Doc]]): Gives the training texts, which are not read.
    RAISES (ValueError): If these are no symbols, or other ones than the model's.
    """
    symbols_of(model).from_data(learned)
    _forget_weights(model)


def _forget_weights(model: Model) -> None:
    for node in model.walk():
        if "nV" in node.dim_names:
            set_symbol_count(node, len(symbols_of(model)))


def refuse_backward(symbols: Optional[Symbols], what: str) -> None:
    """Refuse symbols that are read backward where texts are read and written from their beginning.

    symbols (Optional[Symbols]): The symbols.
    what (str): The argument that they are.
    RAISES (ValueError): If they are read backward.
    """
    if symbols is not None and symbols.backward:
        raise ValueError(f"{what} is read from its beginning, but its symbols are read backward: set {what}.backward = false")


def set_symbol_count(node: Model, n_symbols: int) -> None:
    """Set the number of symbols of a layer. Weights that it has are gone: they are those of other symbols.

    node (Model): The layer, with a dimension nV.
    n_symbols (int): V.
    """
    for name in node.param_names:
        # Thinc changes no dimension of a layer that has parameters.
        node.set_param(name, None)
    node.set_dim("nV", n_symbols, force=True)


def forget_gradients(model: Model) -> None:
    """Set the gradients of new weights to zero: updates of a model with other symbols may have left theirs behind.

    model (Model): The language model, initialized.
    """
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))


def check_saved_symbols(model: Model, n_symbols: Optional[int]) -> None:
    """Refuse weights of another number of symbols than a file has.

    model (Model): The language model, loaded.
    n_symbols (Optional[int]): V, as its weights have it; None if they have not been made.
    RAISES (ValueError): If the two differ.
    """
    if n_symbols is not None and n_symbols != len(symbols_of(model)):
        raise ValueError(f"it has {len(symbols_of(model))} symbols, but weights of {n_symbols}")


def check_network(model: Model) -> None:
    """Refuse a network whose embedding or last layer has another number of symbols than it.

    model (Model): The language model, loaded: an embedding, any layers, and one that scores symbols.
    RAISES (ValueError): If one has.
    """
    for node in (model.layers[0], model.layers[-1]):
        check_saved_symbols(model, node.maybe_get_dim("nV"))


def no_backprop(dY: Floats1d) -> SymbolBatch:
    """Refuse to backpropagate through what was run without training.

    dY (Floats1d): The gradient.
    RAISES (ValueError): Always.
    """
    raise ValueError("inference keeps nothing to backpropagate with: run the model with is_train=True")
