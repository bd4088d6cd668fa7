"""What the components of this package share."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Union

from spacy.errors import Errors
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, Optimizer, set_dropout_rate

# The attributes in which layers keep the dropout rates that belong to the architecture.
OWN_RATES = ["dropout", "recurrent_dropout", "rate", "word_dropout"]


class RNNPipe(TrainablePipe):
    """What all components of this package add to spaCy's: clear errors before initialization and in loading, and a teacher
    without dropout in rehearsal."""

    _rehearsal_model: Any

    def run_model(self, docs: List[Doc]) -> Any:
        """Run the model, and only if it fails look whether it has been initialized, which takes a walk through all its layers.

        docs (List[Doc]): The texts.
        RETURNS (Any): What the model predicts.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        RAISES (MemoryError): If the memory of a GPU is not enough.
        """
        _use_engine_products(self.model)
        try:
            with name_batch(self.name, docs):
                return self.model.predict(docs)
        except Exception:
            require_initialized(self.name, self.model)
            raise

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate, where the model does not have its own.
        sgd (Optional[Optimizer]): The optimizer; without one, gradients are only accumulated.
        losses (Optional[Dict[str, float]]): Losses by component, which this one's is added to.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; or if an annotation is invalid.
        RAISES (MemoryError): If the memory of a GPU is not enough.
        """
        self.prepare_update()
        with name_batch(self.name, examples):
            return self.run_update(examples, drop=drop, sgd=sgd, losses=losses)

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch, with the model ready: spaCy's own `update`.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses.
        """
        return super().update(examples, **settings)

    def prepare_update(self) -> None:
        """Make the model ready to learn.

        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        require_initialized(self.name, self.model)
        _use_engine_products(self.model)

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from the model as it was, so that it is not forgotten. That model is the teacher, and drops nothing.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses.
        """
        if self._rehearsal_model is not None:
            set_dropout_rate(self._rehearsal_model, 0.0, attrs=OWN_RATES)
        return super().rehearse(examples, **settings)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "RNNPipe":
        """Load the component from a directory.

        path (Union[str, Path]): The directory.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNPipe): The component.
        RAISES (FileNotFoundError): If a file is missing.
        RAISES (ValueError): If a file is damaged, or was saved under another config.
        """
        for part in ("cfg", "model"):
            if part not in exclude and not (Path(path) / part).exists():
                raise FileNotFoundError(f"'{self.name}' could not be loaded: {Path(path) / part} is missing")
        expected = _recurrent_cells(self.model)
        try:
            super().from_disk(path, exclude=exclude)
        except ValueError as error:
            raise ValueError(
                f"'{self.name}' could not be loaded from {path}: {error}. The directory is damaged, or was saved under another "
                "config"
            ) from error
        _require_cells(self.name, expected, self.model)
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "RNNPipe":
        """Load the component from bytes.

        bytes_data (bytes): What `to_bytes` has made.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNPipe): The component.
        RAISES (ValueError): If the bytes were made under another config.
        """
        expected = _recurrent_cells(self.model)
        super().from_bytes(bytes_data, exclude=exclude)
        _require_cells(self.name, expected, self.model)
        return self


@contextmanager
def name_batch(name: str, batch: Iterable[Union[Doc, Example]]) -> Iterator[None]:
    """Say which batch was too large, if the memory of a GPU runs out inside a `with` block. Recurrent layers say so themselves.

    name (str): The component's name.
    batch (Iterable[Union[Doc, Example]]): The batch.
    RAISES (MemoryError): If memory runs out.
    """
    try:
        yield
    except Exception as error:
        # CuPy's and PyTorch's errors have the same name, and no class of their own above it.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        lengths = [len(item.predicted if isinstance(item, Example) else item) for item in batch]
        raise MemoryError(
            f"'{name}': the GPU's memory is not enough for {len(lengths)} texts of {sum(lengths)} tokens, the longest of "
            f"{max(lengths, default=0)}: lower the size of the batches (training.batcher.size, nlp.batch_size) or the width of "
            "the model, or cut long texts with spacy_rnn.Truncate.v1"
        ) from error


def require_initialized(name: str, model: Model) -> None:
    """Refuse to run a model whose parameters have not been allocated.

    name (str): The component's name.
    model (Model): Its model.
    RAISES (ValueError): spaCy's E109, if a parameter is missing.
    """
    for node in model.walk():
        for param in node.param_names:
            if node.has_param(param) is None:
                raise ValueError(Errors.E109.format(name=name))


def _use_engine_products(model: Model) -> None:
    # Imported here because importing a factory must stay cheap.
    from ..layers import use_engine_products

    use_engine_products(model)


def _recurrent_cells(model: Model) -> List[str]:
    # Imported here because importing a factory must stay cheap.
    from ..layers.capabilities import IsRnn, find_all

    return [node.attrs["cell"] for node in find_all(model, IsRnn)]


def _require_cells(name: str, expected: List[str], model: Model) -> None:
    found = _recurrent_cells(model)
    if found != expected:
        raise ValueError(
            f"'{name}' could not be loaded: the config asks for cells {expected}, but the weights are those of {found}"
        )


def learn_vocabularies(model: Model, get_examples: Callable[[], Iterable[Example]]) -> None:
    """Let the `Embed` layers of a model learn their words from all examples, not only from those that spaCy initializes with.

    model (Model): The model.
    get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
    """
    # Imported here because importing a factory must stay cheap.
    from ..layers import learn_vocabulary

    learn_vocabulary(model, (example.predicted for example in get_examples()))
