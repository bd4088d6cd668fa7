"""What the components of this package share."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Union

import srsly
from spacy.errors import Errors
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, Optimizer

from .settings import check_settings

# What a component saves besides the vocabulary that it shares.
PARTS = ("cfg", "model")


class RNNPipe(TrainablePipe):
    """What all components of this package add to spaCy's.

    That is clear errors before initialization and in loading, and a teacher without dropout in rehearsal."""

    _rehearsal_model: Any

    def run_model(self, docs: List[Doc], predict: Callable[[Model, List[Doc]], Any] = Model.predict) -> Any:
        """Run the model, and only if it fails look whether it has been initialized, which takes a walk through all its layers.

        docs (List[Doc]): The texts.
        predict (Callable): (model, texts) -> what is predicted.
        RETURNS (Any): What the model predicts.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        RAISES (MemoryError): If the memory of a GPU is not enough.
        """
        _use_engine_products(self.model)
        try:
            with name_batch(self.name, docs):
                return predict(self.model, docs)
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
        # Imported here because importing a factory must stay cheap.
        from ..layers import drop_nothing

        if self._rehearsal_model is not None:
            drop_nothing(self._rehearsal_model)
        return super().rehearse(examples, **settings)

    def further_parts(self) -> Dict[str, Callable[[], bytes]]:
        """Say what a component saves besides its vocabulary, settings and weights.

        RETURNS (Dict[str, Callable[[], bytes]]): The names of files, and what gives their content. `_load` takes it.
        """
        return {}

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory.

        path (Union[str, Path]): The directory.
        exclude (Iterable[str]): Names of what is left out.
        """
        exclude = list(exclude)
        super().to_disk(path, exclude=exclude)
        for part, dump in self.further_parts().items():
            if part not in exclude:
                (Path(path) / part).write_bytes(dump())

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component as bytes.

        exclude (Iterable[str]): Names of what is left out.
        RETURNS (bytes): What `from_bytes` takes.
        """
        exclude = list(exclude)
        data = super().to_bytes(exclude=exclude)
        further = {part: dump() for part, dump in self.further_parts().items() if part not in exclude}
        return srsly.msgpack_dumps({**srsly.msgpack_loads(data), **further}) if further else data

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "RNNPipe":
        """Load the component from a directory.

        path (Union[str, Path]): The directory.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNPipe): The component.
        RAISES (FileNotFoundError): If a file is missing.
        RAISES (ValueError): If a file is damaged, or was saved under another config.
        """
        folder, exclude, parts = Path(path), list(exclude), (*PARTS, *self.further_parts())
        files = {part: folder / part for part in parts if part not in exclude}
        for file in files.values():
            if not file.exists():
                raise FileNotFoundError(f"'{self.name}' could not be loaded: {file} is missing")
        with name_source(self.name, folder / "vocab"):
            super().from_disk(path, exclude=[*exclude, *parts])
        self._load({part: file.read_bytes() for part, file in files.items()}, files)
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "RNNPipe":
        """Load the component from bytes.

        bytes_data (bytes): What `to_bytes` has made.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNPipe): The component.
        RAISES (ValueError): If the bytes are damaged, or were made under another config.
        """
        exclude, parts = list(exclude), (*PARTS, *self.further_parts())
        with name_source(self.name, "bytes"):
            super().from_bytes(bytes_data, exclude=[*exclude, *parts])
            saved = srsly.msgpack_loads(bytes_data)
            data = {part: saved[part] for part in parts if part not in exclude}
        self._load(data, dict.fromkeys(parts, "bytes"))
        return self

    def _load(self, data: Mapping[str, bytes], sources: Mapping[str, Union[str, Path]]) -> None:
        """Load settings and weights, as far as they are given, and refuse those that do not go with the config."""
        # Imported here because importing a factory must stay cheap.
        from ..layers.weights import load_weights

        settings: Dict[str, Any] = {}
        if "cfg" in data:
            with name_source(self.name, sources["cfg"]):
                settings = srsly.json_loads(data["cfg"])
                self.check_settings(settings)
        if "model" in data:
            with name_source(self.name, sources["model"]):
                load_weights(self.model, data["model"])
        self.cfg.update(settings)
        if "cfg" in data and "model" in data:
            with name_source(self.name, " and ".join(dict.fromkeys(str(sources[part]) for part in PARTS))):
                self.check_labels()

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, or one of them has a value that it cannot have.
        """
        check_settings(settings, self.cfg)

    def check_labels(self) -> None:
        """Refuse labels that do not go with the model.

        RAISES (ValueError): If there are not as many as the model gives scores.
        """
        n_labels, nO = self.count_scores(), self.model.maybe_get_dim("nO")
        if nO is not None and nO != n_labels:
            raise ValueError(f"its labels need {n_labels} scores, but the model gives {nO}")

    def count_scores(self) -> int:
        """RETURNS (int): How many scores the model gives for the labels that there are."""
        return len(self.labels)


@contextmanager
def name_source(name: str, source: Union[str, Path]) -> Iterator[None]:
    """Say what could not be loaded, whatever went wrong inside a `with` block: reading damaged data can raise anything.

    name (str): The component's name.
    source (Union[str, Path]): Where the data comes from.
    RAISES (ValueError): If anything was raised but an error of the operating system.
    """
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"'{name}' could not be loaded from {source}: {what}. It is damaged, or was saved under another config"
        ) from error


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


def learn_vocabularies(model: Model, get_examples: Callable[[], Iterable[Example]]) -> None:
    """Let the `Embed` layers of a model learn their words from all examples, not only from those that spaCy initializes with.

    model (Model): The model.
    get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
    """
    # Imported here because importing a factory must stay cheap.
    from ..layers import learn_vocabulary

    learn_vocabulary(model, (example.predicted for example in get_examples()))
