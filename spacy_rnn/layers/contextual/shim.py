"""How a Thinc layer holds language models: they are saved, moved and trained with it, and are no parameters of its own."""

import hashlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

import srsly
from thinc.api import Model, Ops, Optimizer, Shim, get_current_ops, get_ops

from .language_models import LanguageModels, load_language_models, share

_SETTINGS = ("trainable", "save", "precision", "cache_size", "training_cache_size")


class LanguageModelShim(Shim):
    """Language models that a layer reads.

    Those that are not trained are shared by all layers that read the same ones.
    """

    def __init__(
        self,
        source: Optional[Union[str, Path]],
        names: Sequence[str],
        *,
        trainable: bool,
        save: bool,
        precision: str,
        cache_size: int,
        training_cache_size: int,
    ) -> None:
        """Hold none yet.

        source (Optional[Union[str, Path]]): The pipeline that they are taken from, a package or a path.
        names (Sequence[str]): The components of that.
        trainable (bool): Whether they are trained.
        save (bool): Whether they are saved, and not only where they are from.
        precision (str): The precision of the recurrent layers.
        cache_size (int): How many tokens' states are kept.
        training_cache_size (int): How many are kept in training.
        """
        super().__init__(None)
        self.source, self.names = source, tuple(names)
        self.trainable, self.save, self.precision = trainable, save, precision
        self.cache_size, self.training_cache_size = cache_size, training_cache_size
        self.ops: Ops = get_current_ops()
        self.models: Optional[LanguageModels] = None
        self._digest: Optional[str] = None

    def load(self) -> LanguageModels:
        """Take the language models from their pipeline.

        RETURNS (LanguageModels): The models.
        RAISES (OSError): spaCy's E050 or E052, if there is no such pipeline.
        RAISES (ValueError): If none is named, or it has no such language models.
        """
        if self.source is None:
            raise ValueError(
                "spacy_rnn.LMEmbed.v1 embeds words by a language model, but lm = null: set lm to the name of a package or the "
                "path of a pipeline that has one, e.g. one made by `python -m spacy rnn train-lm`"
            )
        return self._take(load_language_models(self.source, self.names).to_bytes())

    def _take(self, data: bytes) -> LanguageModels:
        if self.trainable:
            self.models = LanguageModels.from_bytes(data)
            self.models.set_precision(self.precision)
            self.models.to_ops(self.ops)
        else:
            self.models = share(data, self.ops, self.precision, self.cache_size)
        self._digest = hashlib.sha256(data).hexdigest()
        return self.models

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters that are trained."""
        return [] if self.models is None or not self.trainable else self.models.layers()

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights, if they are trained.

        optimizer (Optimizer): The optimizer.
        """
        for layer in self.layers():
            layer.finish_update(optimizer)

    @contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Use other weights inside a `with` block, e.g. averages, if the weights are trained.

        params (Dict[Tuple[int, str], FloatsXd]): The weights, as the optimizer names them.
        """
        with ExitStack() as stack:
            for layer in self.layers():
                stack.enter_context(layer.use_params(params))
            yield

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the weights to a device.

        device_type (str): "cpu" or "gpu".
        device_id (int): Its number.
        """
        self.ops = get_ops("cupy" if device_type == "gpu" else "numpy", device_id=device_id)
        if self.models is not None:
            if self.trainable:
                self.models.to_ops(self.ops)
            else:
                self.models = share(self.models.to_bytes(), self.ops, self.precision, self.cache_size)

    def copy(self) -> "LanguageModelShim":
        """RETURNS (LanguageModelShim): A copy, with weights of its own if they are trained."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        copied = LanguageModelShim(self.source, self.names, **settings)
        copied.ops = self.ops
        if self.models is not None:
            copied._take(self.models.to_bytes())
        return copied

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The language models, or what they are known by if they are not saved."""
        models = None if self.models is None or not self.save else self.models.to_bytes()
        return srsly.msgpack_dumps({"sha256": self._digest, "models": models})

    def from_bytes(self, data: bytes) -> "LanguageModelShim":
        """Take the language models that were saved, or load them from their pipeline if they were not.

        data (bytes): What `to_bytes` has given.
        RETURNS (LanguageModelShim): This.
        RAISES (OSError): spaCy's E050 or E052, if there is no such pipeline.
        RAISES (ValueError): If the pipeline has other language models now. Damaged data can raise anything.
        """
        saved = srsly.msgpack_loads(data)
        if saved["sha256"] is None:
            self.models = self._digest = None
        elif saved["models"] is not None:
            self._take(saved["models"])
        else:
            self.load()
            if self._digest != saved["sha256"]:
                raise ValueError(
                    f"the language models of {str(self.source)!r} are not those that these weights were trained with: load the "
                    "same ones, or train anew; with save = true they are saved with what is trained"
                )
        return self

    def __reduce__(self) -> Any:
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return _unpickle, (self.source, self.names, settings, None if self.models is None else self.models.to_bytes())


def _unpickle(
    source: Optional[Union[str, Path]], names: Sequence[str], settings: Dict[str, Any], data: Optional[bytes]
) -> LanguageModelShim:
    shim = LanguageModelShim(source, names, **settings)
    if data is not None:
        shim._take(data)
    return shim
