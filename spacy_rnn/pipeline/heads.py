"""What becomes of a model's scores: labels, probabilities, and the loss of annotation."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
from thinc.api import Model, SequenceCategoricalCrossentropy, to_numpy
from thinc.types import Floats2d

from .temperature import temper_exclusive

Rows = List[Floats2d]


class Gold(NamedTuple):
    """The annotation of a batch of N tokens.

    truth (numpy.ndarray): float32 [K, labels], the probabilities that K kinds of annotation stand for.
    known (numpy.ndarray): float32 [K, labels], 1 where these are known, 0 elsewhere.
    kinds (numpy.ndarray): int64 [N], which of them each token has.
    """

    truth: numpy.ndarray
    known: numpy.ndarray
    kinds: numpy.ndarray

    def allowed(self) -> numpy.ndarray:
        """Give which labels the annotation allows, if it leaves no doubt about what it knows.

        RETURNS (numpy.ndarray): bool [N, labels].
        """
        return ((self.known == 0) | (self.truth > 0))[self.kinds]


class SoftmaxHead:
    """Each token's label by itself, from a model that ends in a softmax."""

    def set_labels(self, model: Model, labels: Sequence[str]) -> None:
        """Do nothing: a softmax needs no labels.

        model (Model): The model.
        labels (Sequence[str]): The labels.
        """

    def predict(self, model: Model, scores: Rows) -> numpy.ndarray:
        """Find the labels.

        model (Model): The model.
        scores (List[Floats2d]): What it predicts, [n, labels] for each text of n tokens, or for all texts together.
        RETURNS (numpy.ndarray): int64 [N], the numbers of the labels, on the host.
        """
        return to_numpy(model.ops.flatten(scores).argmax(axis=1))

    def probabilities(self, model: Model, scores: Rows, temperature: float = 1.0) -> numpy.ndarray:
        """Find how probable each label is.

        model (Model): The model.
        scores (List[Floats2d]): What it predicts, [n, labels] for each text of n tokens.
        temperature (float): What the scores are divided by before the softmax, above 0.
        RETURNS (numpy.ndarray): float32 [N, labels], on the host.
        """
        return temper_exclusive(softmax_probabilities(model, scores), temperature)

    def loss(self, model: Model, scores: Rows, gold: Gold) -> Tuple[float, Rows]:
        """Find the loss of annotation and its gradient, those of Thinc's `SequenceCategoricalCrossentropy`.

        model (Model): The model.
        scores (List[Floats2d]): The probabilities it gives in training, [n, labels] for each text of n tokens.
        gold (Gold): The annotation.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If the scores are no probabilities.
        """
        from ..layers import split_array

        ops: Any = model.ops
        d_scores = ops.flatten(scores)
        if not d_scores.size:
            return 0.0, list(scores)
        lowest, highest = d_scores.min(), d_scores.max()
        kinds = ops.asarray1i(gold.kinds)
        # What is no probability, perhaps no number, is refused below.
        with numpy.errstate(invalid="ignore"):
            d_scores -= ops.asarray2f(gold.truth)[kinds]
            d_scores *= ops.asarray2f(gold.known)[kinds]
        # All at once: each number that the host asks for waits for a GPU.
        lowest, highest, loss = to_numpy(ops.xp.stack([lowest, highest, (d_scores**2).sum()])).tolist()
        if lowest < 0 or highest > 1:
            raise ValueError(
                "without use_crf a tagger learns from probabilities, but the model gave scores that are not between 0 and 1"
            )
        return loss, split_array(d_scores, [len(rows) for rows in scores])

    def find_impossible(self, model: Model, scores: Rows, gold: Gold) -> Optional[Tuple[int, int]]:
        """Find annotation that constraints do not allow. There are no constraints.

        model (Model): The model.
        scores (List[Floats2d]): Its scores.
        gold (Gold): The annotation.
        RETURNS (Optional[Tuple[int, int]]): None.
        """
        return None

    def rehearsal_loss(self, model: Model, scores: Rows, teacher: Model, teacher_scores: Rows) -> Tuple[float, Rows]:
        """Find how far a model is from a teacher.

        model (Model): The model.
        scores (List[Floats2d]): The probabilities it gives in training, [n, labels] for each text of n tokens.
        teacher (Model): The teacher.
        teacher_scores (List[Floats2d]): The probabilities that it gives.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        """
        d_scores, loss = SequenceCategoricalCrossentropy()(scores, teacher_scores)
        return float(loss), d_scores


class CRFHead:
    """The labels of a text together, by the conditional random field that the model is."""

    def set_labels(self, model: Model, labels: Sequence[str]) -> None:
        """Tell a model what its labels are, for its constraints.

        model (Model): The model.
        labels (Sequence[str]): The labels.
        RAISES (ValueError): If a label is none of the constraints' scheme.
        """
        from ..layers import set_labels

        set_labels(model, labels)

    def predict(self, model: Model, scores: Rows) -> numpy.ndarray:
        """Find the most probable path of labels through each text.

        model (Model): The model.
        scores (List[Floats2d]): What it predicts, [n, labels] for each text of n tokens.
        RETURNS (numpy.ndarray): int64 [N], the numbers of the labels, on the host.
        """
        from ..layers import crf_decode

        return to_numpy(model.ops.xp.concatenate(crf_decode(model, scores)))

    def probabilities(self, model: Model, scores: Rows, temperature: float = 1.0) -> numpy.ndarray:
        """Find how probable each label is, all paths considered.

        model (Model): The model.
        scores (List[Floats2d]): What it predicts, [n, labels] for each text of n tokens.
        temperature (float): What the scores of paths are divided by, above 0.
        RETURNS (numpy.ndarray): float32 [N, labels], on the host.
        """
        from ..layers import crf_marginals

        return to_numpy(model.ops.flatten(crf_marginals(model, scores, temperature)))

    def loss(self, model: Model, scores: Rows, gold: Gold) -> Tuple[float, Rows]:
        """Find the negative log-likelihood of annotation and its gradient. What is not known is summed over.

        model (Model): The model.
        scores (List[Floats2d]): The scores it gives, [n, labels] for each text of n tokens.
        gold (Gold): The annotation.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If a score is not a number, or no path of labels fits the annotation.
        """
        from ..layers import crf_log_likelihood

        return crf_log_likelihood(model, scores, gold.allowed())

    def find_impossible(self, model: Model, scores: Rows, gold: Gold) -> Optional[Tuple[int, int]]:
        """Find annotation that the constraints do not allow.

        model (Model): The model.
        scores (List[Floats2d]): The scores it gives, [n, labels] for each text of n tokens.
        gold (Gold): The annotation.
        RETURNS (Optional[Tuple[int, int]]): The number of the first text that has some, and of its first token to which no path
            of labels leads, which is n if the text cannot end as it does. None if there is no such text.
        """
        from ..layers import split_array

        if model.attrs["constraints"] is None:
            return None
        start, transitions, end = (numpy.asarray(model.attrs[f"allowed_{name}"]) for name in ("start", "transitions", "end"))
        for i, rows in enumerate(split_array(gold.allowed(), [len(rows) for rows in scores])):
            reached = start
            for t, allowed in enumerate(rows):
                here = (reached if t == 0 else reached @ transitions) & allowed
                if not here.any():
                    return i, t
                reached = here
            if len(rows) and not (reached & end).any():
                return i, len(rows)
        return None

    def rehearsal_loss(self, model: Model, scores: Rows, teacher: Model, teacher_scores: Rows) -> Tuple[float, Rows]:
        """Find how far the paths that a model expects are from those that a teacher expects.

        model (Model): The model.
        scores (List[Floats2d]): The scores it gives, [n, labels] for each text of n tokens.
        teacher (Model): The teacher.
        teacher_scores (List[Floats2d]): The scores that it gives.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        """
        from ..layers import crf_divergence

        return crf_divergence(model, scores, teacher, teacher_scores)


Head = Union[SoftmaxHead, CRFHead]


def make_head(use_crf: bool, model: Model, name: str, constraints: Optional[str]) -> Tuple[Head, Model]:
    """Make a head, and the model that it needs.

    use_crf (bool): Whether labels are predicted together, by a conditional random field.
    model (Model): The model; with use_crf it may be a `spacy_rnn.CRF.v1`, or any that this can be put around.
    name (str): The component's name.
    constraints (Optional[str]): As in `spacy_rnn.CRF.v1`.
    RETURNS (Tuple[Head, Model]): The head, and the model.
    RAISES (ValueError): If the model or the constraints do not go with it.
    """
    # Imported here because importing a factory must stay cheap.
    from ..layers import build_crf
    from ..layers.capabilities import IsCrf, find

    is_crf = find(model, IsCrf) is not None
    if not use_crf:
        if is_crf:
            raise ValueError(f"the model of '{name}' is a CRF, but use_crf is false: set use_crf = true")
        if constraints is not None:
            raise ValueError(f"'{name}' can only have constraints with use_crf = true, got constraints = {constraints!r}")
        return SoftmaxHead(), model
    if not is_crf:
        return CRFHead(), build_crf(model, constraints=constraints)
    if constraints not in (None, model.attrs["constraints"]):
        raise ValueError(
            f"'{name}' has constraints = {constraints!r}, but those of its model are {model.attrs['constraints']!r}: set the "
            "same for both"
        )
    return CRFHead(), model


def constraints_of(model: Model) -> Optional[str]:
    """Give the constraints of a model.

    model (Model): The model of a tagger.
    RETURNS (Optional[str]): As in `spacy_rnn.CRF.v1`; None if it is none.
    """
    # Imported here because importing a factory must stay cheap.
    from ..layers.capabilities import IsCrf, find

    return model.attrs["constraints"] if find(model, IsCrf) else None


def softmax_probabilities(model: Model, scores: Rows) -> numpy.ndarray:
    """Find how probable each label is, from a model that ends in a softmax.

    model (Model): The model.
    scores (List[Floats2d]): What it predicts, [n, labels] for each text of n tokens.
    RETURNS (numpy.ndarray): float32 [N, labels], on the host.
    """
    from ..layers.capabilities import IsSoftmax, find

    rows = model.ops.flatten(scores)
    last = _last_layer(model)
    # A softmax layer may leave out what does not matter for the highest score, as that of spacy.Tagger.v2 does at prediction.
    if find(last, IsSoftmax) and not last.attrs["softmax_normalize"]:
        rows = model.ops.softmax(rows, temperature=last.attrs["softmax_temperature"])
    return to_numpy(rows)


def _last_layer(model: Model) -> Model:
    while model.layers:
        model = model.layers[-1]
    return model
