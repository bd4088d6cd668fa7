"""Text classification: a text's tokens, pooled to one vector, and a dense output."""

from functools import partial
from typing import Any, List, Optional, Sequence, Union, cast

import numpy
from spacy.ml.models.textcat import resize_and_set_ref
from spacy.ml.models.tok2vec import get_tok2vec_width
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import (
    Gelu,
    Linear,
    Logistic,
    Model,
    Softmax,
    chain,
    resizable,
    to_numpy,
)
from thinc.layers.chain import init as init_chain
from thinc.layers.resizable import resize_linear_weighted
from thinc.types import Floats2d, Ints1d, Ragged

from ..layers import (
    attention_weights,
    build_dropout,
    build_ensemble,
    build_list2ragged,
    build_pool,
    build_softmax,
    init_ensemble,
    join_rows,
    on_filled_texts,
)
from ..layers.capabilities import GivesProbabilities, Pools, Recurrent, find, find_all
from .encoder import build_cnn
from .tok2vec import allow_truncation, build_tok2vec

# The most that the probability of a class can be that was just added to a trained exclusive model.
NEW_CLASS_PROBABILITY = 1e-6


def build_textcat(
    tok2vec: Model[List[Doc], List[Floats2d]],
    pooling: Union[str, Sequence[str]],
    exclusive_classes: bool,
    nO: Optional[int] = None,
    hidden_width: int = 0,
    dropout: float = 0.0,
    linear_model: Optional[Model[List[Doc], Floats2d]] = None,
) -> Model[List[Doc], Floats2d]:
    """Classify texts by their pooled token vectors.

    tok2vec (Model[List[Doc], List[Floats2d]]): The token vectors: an embedding with an encoder, or an embedding alone.
    pooling (Union[str, Sequence[str]]): One or several of "last", "mean", "max", "attention", see `spacy_rnn.Pool.v1`.
    exclusive_classes (bool): Whether exactly one class is true of a text (softmax) or any number of them (sigmoid units).
    nO (Optional[int]): The number of classes. Inferred from the data if None.
    hidden_width (int): The width of a dense layer (GELU) between pooling and output; 0 for none.
    dropout (float): The share of the pooled vector, and of the hidden layer, that is dropped.
    linear_model (Optional[Model[List[Doc], Floats2d]]): A model of class scores that learns beside the network, from a loss of
        its own; the class probabilities of the two are averaged. `spacy_rnn.NGrams.v1`, or `spacy.TextCatBOW.v3` with
        `no_output_layer = true`.
    RETURNS (Model[List[Doc], Floats2d]): The model, from B texts to class probabilities [B, nO].
    RAISES (ValueError): If an argument is out of its range, or if linear_model gives probabilities.
    """
    if hidden_width < 0:
        raise ValueError(f"hidden_width must be at least 0, got {hidden_width}")
    pool = build_pool(
        pooling,
        bidirectional=None,
        nI=tok2vec.maybe_get_dim("nO"),
    )
    layers: List[Model] = [tok2vec, build_list2ragged(), pool, build_dropout(dropout)]
    if hidden_width:
        layers += [Gelu(nO=hidden_width), build_dropout(dropout)]
    dense: Model[Floats2d, Floats2d] = Softmax(nO) if exclusive_classes else Linear(nO)
    output: Model[Floats2d, Floats2d] = resizable(dense, resize_layer=resize_linear_weighted)
    network: Model[List[Doc], Floats2d] = chain(*layers, output, *([] if exclusive_classes else [Logistic()]))
    model = network
    if linear_model is not None:
        _require_scores(linear_model)
        to_probabilities = build_softmax() if exclusive_classes else Logistic()
        model = build_ensemble([network, chain(on_filled_texts(linear_model), to_probabilities)])
    model.init = init
    allow_truncation(tok2vec)
    if nO is not None:
        model.set_dim("nO", nO)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("pool", pool)
    model.set_ref("output_layer", dense)
    model.set_ref("linear_model", linear_model)
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = partial(resize, resizable_layer=output)
    return model


def resize(model: Model[List[Doc], Floats2d], new_nO: int, resizable_layer: Model) -> Model[List[Doc], Floats2d]:
    """Add classes to a trained model.

    Where classes do not exclude each other, a new one has the probability 0.5. Where they do, its probability is
    `NEW_CLASS_PROBABILITY` at most, whatever the text, so that no text's class changes; from there it is learned like any other.

    model (Model[List[Doc], Floats2d]): The model.
    new_nO (int): The number of classes.
    resizable_layer (Model): Its dense output.
    RETURNS (Model[List[Doc], Floats2d]): The model.
    """
    old_nO = resizable_layer.layers[0].maybe_get_dim("nO")
    linear_model = model.maybe_get_ref("linear_model")
    if linear_model is not None:
        linear_model.attrs["resize_output"](linear_model, new_nO)
    model = resize_and_set_ref(model, new_nO, resizable_layer)
    if not model.attrs["multi_label"] and old_nO is not None:
        start_classes(model, old_nO)
    return model


def start_classes(model: Model[List[Doc], Floats2d], n_old: int) -> None:
    """Give classes that were added to an exclusive model the mean score of the old ones, less a constant.

    Thinc's first sparse layer, of `spacy.TextCatBOW.v1` and `v2`, shares its weights between classes: over it alone they stay as
    they are.

    model (Model[List[Doc], Floats2d]): A model of this package or of spaCy's, whose reference "output_layer" is linear.
    n_old (int): How many classes it had before.

    For any weights a that sum to 1, log sum exp(z) >= a·z + H(a), where H is the entropy (Wainwright & Jordan 2008, "Graphical
    models, exponential families, and variational inference"). So with a score of a·z + H(a) + log p, which is linear in the
    features as z is, a class has the probability p at most. With a = softmax(b), it is p where all features are 0.
    """
    for node in (model, model.maybe_get_ref("linear_model")):
        layer = None if node is None else node.maybe_get_ref("output_layer")
        if layer is not None and layer.has_param("W") and not layer.attrs.get("v1_indexing"):
            _start_rows(layer, n_old)


def _start_rows(layer: Model, n_old: int) -> None:
    biases: Any = to_numpy(layer.get_param("b")).astype("float64")[:n_old]
    shares = numpy.exp(biases - numpy.max(biases))
    shares /= shares.sum()
    entropy = -(shares * numpy.log(numpy.maximum(shares, numpy.finfo("float64").tiny))).sum()
    weights: Any = layer.ops.asarray1f(shares.astype("float32"))
    for name in ("W", "b"):
        param: Any = layer.get_param(name)
        rows = param.reshape(layer.get_dim("nO"), -1)
        rows[n_old:] = weights @ rows[:n_old]
        layer.set_param(name, rows.reshape(param.shape))
    bias: Any = layer.get_param("b")
    bias[n_old:] += float(entropy + numpy.log(NEW_CLASS_PROBABILITY))
    layer.set_param("b", bias)


def _require_scores(linear_model: Model) -> None:
    if find_all(linear_model, GivesProbabilities):
        raise ValueError("linear_model has to give scores, not probabilities: set its no_output_layer = true")


def build_textcat_cnn(
    tok2vec: Model[List[Doc], List[Floats2d]],
    exclusive_classes: bool,
    filter_widths: Sequence[int] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
    nO: Optional[int] = None,
) -> Model[List[Doc], Floats2d]:
    """Classify texts by n-gram filters over an embedding.

    It is `spacy_rnn.TextCat.v1` with pooling "max" over a `spacy_rnn.CNN.v1`, with the settings of Kim 2014 ("Convolutional
    neural networks for sentence classification", section 3.1) as defaults.

    tok2vec (Model[List[Doc], List[Floats2d]]): The token vectors the filters read: an embedding.
    exclusive_classes (bool): Whether exactly one class is true of a text (softmax) or any number of them (sigmoid units).
    filter_widths (Sequence[int]): How many tokens a filter sees, one or several different numbers.
    filters (int): The number of filters of each width.
    dropout (float): The share of the pooled vector that is dropped.
    nO (Optional[int]): The number of classes. Inferred from the data if None.
    RETURNS (Model[List[Doc], Floats2d]): The model, from B texts to class probabilities [B, nO].
    RAISES (ValueError): If an argument is out of its range.
    """
    if filters < 1:
        raise ValueError(f"filters must be at least 1, got {filters}")
    encode = build_cnn(filters * len(filter_widths), filter_widths)
    return build_textcat(build_tok2vec(tok2vec, encode), "max", exclusive_classes, nO, dropout=dropout)


def has_pool(model: Model) -> bool:
    """Tell whether a model was made by `build_textcat`.

    model (Model): The model of any text categorizer.
    RETURNS (bool): Whether its reference "pool" is a layer made by `build_pool`.
    """
    pool = model.maybe_get_ref("pool")
    return pool is not None and find(pool, Pools) is not None


def has_attention(model: Model) -> bool:
    """Tell whether a model pools by attention.

    model (Model): The model of any text categorizer.
    RETURNS (bool): Whether `attend` takes it.
    """
    return has_pool(model) and "attention" in model.get_ref("pool").attrs["pooling"]


def attend(model: Model[List[Doc], Floats2d], docs: List[Doc]) -> List[numpy.ndarray]:
    """Say how much each token counts in attention pooling.

    model (Model[List[Doc], Floats2d]): A model of `build_textcat` with attention pooling, initialized.
    docs (List[Doc]): Texts of n tokens.
    RETURNS (List[numpy.ndarray]): float32 [n] for each text, which sums to 1; 0 for tokens that are cut off (`Truncate.v1`).
    """
    attention = [numpy.zeros(len(doc), dtype="float32") for doc in docs]
    filled = [(doc, shares) for doc, shares in zip(docs, attention, strict=True) if len(doc)]
    if filled:
        vectors = model.get_ref("tok2vec").predict([doc for doc, _ in filled])
        lengths = numpy.asarray([len(rows) for rows in vectors], dtype="int32")
        # No layer is made for it: Thinc takes a lock then, which would survive a fork.
        joined = Ragged(join_rows(model.ops, vectors), cast(Ints1d, lengths))
        weights = to_numpy(attention_weights(model.get_ref("pool"), joined))
        ends = numpy.cumsum(lengths)
        for (_, shares), read in zip(filled, numpy.split(weights, ends[:-1]), strict=True):
            shares[: len(read)] = read
    return attention


def ends_bidirectional(tok2vec: Model) -> Optional[bool]:
    """Tell whether a model's last recurrent layer reads texts in both directions.

    tok2vec (Model): The model.
    RETURNS (Optional[bool]): False also if the model has no recurrent layer of this package's or of torch's; None if it is a
        listener, which does not know.
    """
    if any(isinstance(node, Tok2VecListener) for node in tok2vec.walk()):
        return None
    found = False
    for node in tok2vec.walk(order="dfs_pre"):
        recurrent = find(node, Recurrent)
        if recurrent is not None:
            found = recurrent.is_bidirectional(node)
        for shim in node.shims:
            found = getattr(getattr(shim, "_model", None), "bidirectional", found)
    return found


def init(
    model: Model[List[Doc], Floats2d],
    X: Optional[List[Doc]] = None,
    Y: Optional[Floats2d] = None,
) -> None:
    # The width of some embeddings is known only when they have been initialized.
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X)
    pool = model.get_ref("pool")
    width = get_tok2vec_width(model)
    if width is not None:
        pool.set_dim("nI", width)
    bidirectional = ends_bidirectional(tok2vec)
    if bidirectional is not None:
        pool.attrs["bidirectional"] = bidirectional
    linear_model = model.maybe_get_ref("linear_model")
    if linear_model is not None:
        # Neither output is the last layer of the model, whose width is inferred.
        nO = model.maybe_get_dim("nO") or (None if Y is None else Y.shape[1])
        for layer in (model.get_ref("output_layer"), linear_model.get_ref("output_layer")):
            if nO is not None:
                layer.set_dim("nO", nO)
        init_ensemble(model, X, Y)
    else:
        init_chain(model, X, Y)
