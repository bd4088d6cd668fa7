"""What the components share that label every token of a text."""

import math
from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from .heads import Gold, constraints_of, make_head
from .listeners import require_whole_texts
from .pipe import RNNPipe, learn_vocabularies

_ALLOWED = ("allowed_start", "allowed_transitions", "allowed_end")


class SequencePipe(RNNPipe):
    """A component that labels every token of a text."""

    def set_head(self, use_crf: bool, model: Model[List[Doc], List[Floats2d]], constraints: Optional[str]) -> None:
        """Choose what makes labels of scores, and put what it needs around the model.

        use_crf (bool): Whether that is a conditional random field.
        model (Model[List[Doc], List[Floats2d]]): The model.
        constraints (Optional[str]): As in `spacy_rnn.CRF.v1`.
        RAISES (ValueError): If the model leaves tokens out, or the model or the constraints do not go with it.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers.capabilities import Truncates, find_all

        if find_all(model, Truncates):
            raise ValueError(
                f"'{self.name}' labels every token, but its model leaves tokens out by spacy_rnn.Truncate.v1: take that layer "
                "out of the encoder"
            )
        self.head, self.model = make_head(use_crf, model, self.name, constraints)
        self.cfg["use_crf"] = use_crf

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch, with the model ready.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): What `get_loss` raises.
        """
        # Tagger.update looks for NaN in the scores of one text after the other; get_loss does it for all of them at once.
        return TrainablePipe.update(self, examples, **settings)

    def find_loss(self, examples: List[Example], scores: List[Floats2d], gold: Gold) -> Tuple[float, List[Floats2d]]:
        """Find the loss of annotation and its gradient.

        examples (List[Example]): The batch.
        scores (List[Floats2d]): What the model gave, [n, labels] for each text of n tokens.
        gold (Gold): The annotation.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If constraints do not allow the annotation, or the head cannot learn from such scores; or spaCy's
            E910, if the loss is not a number.
        """
        try:
            loss, d_scores = self.head.loss(self.model, scores, gold)
        except ValueError as error:
            impossible = self.head.find_impossible(self.model, scores, gold)
            fault = str(error) if impossible is None else self.describe_impossible(examples, *impossible)
            raise ValueError(f"'{self.name}' could not learn: {fault}") from error
        if math.isnan(loss):
            raise ValueError(Errors.E910.format(name=self.name))
        return loss, d_scores

    def gold_labels(self, example: Example) -> Sequence[Optional[str]]:
        """Give the annotation of a text, for messages.

        example (Example): The text, of n tokens.
        RETURNS (Sequence[Optional[str]]): n labels, None or "" where there is none.
        """
        raise NotImplementedError

    def require_shapes(self, examples: List[Example], scores: List[Floats2d], n_labels: int) -> None:
        """Refuse scores that are not one for each token and label.

        examples (List[Example]): The batch.
        scores (List[Floats2d]): The scores.
        n_labels (int): The number of labels.
        RAISES (ValueError): If they are not.
        """
        for example, rows in zip(examples, scores, strict=True):
            expected = (len(example.x), n_labels)
            if rows.shape != expected:
                raise ValueError(
                    f"'{self.name}' needs scores {expected}, for each token and label, but its model gave {rows.shape}"
                )

    def describe_impossible(self, examples: Sequence[Example], number: int, t: int) -> str:
        """Say which labels of a text the constraints do not allow: those before and at a token.

        examples (Sequence[Example]): Annotated texts.
        number (int): The number of the text.
        t (int): The number of the token; that of tokens if the text cannot end as it does.
        RETURNS (str): A clause with what to do about it.
        """
        example = examples[number]
        around = slice(max(0, t - 3), t + 1)
        labels = " ".join(label or "-" for label in self.gold_labels(example)[around])
        where = f"{example.x[around].text!r}" + (", at its end" if t == len(example.x) else "")
        return (
            f"the text that begins with {example.x[:8].text!r} has the labels {labels!r} (- for none) for {where}, which "
            f"constraints = {self.model.attrs['constraints']!r} do not allow: correct the labels, or set constraints to null"
        )

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        **settings: Any,
    ) -> Dict[str, float]:
        """Learn from the model as it was when training was resumed, so that it is not forgotten.

        That model is the teacher, and drops nothing.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate, where the model does not have its own.
        sgd (Optional[Optimizer]): The optimizer; without one, gradients are only accumulated.
        losses (Optional[Dict[str, float]]): Losses by component, which this one's is added to.
        **settings (Any): Without effect, as in spaCy.
        RETURNS (Dict[str, float]): The losses.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers import drop_nothing

        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        validate_examples(examples, f"{type(self).__name__}.rehearse")
        docs = [example.predicted for example in examples]
        teacher = self._rehearsal_model
        if teacher is None or not any(len(doc) for doc in docs):
            return losses
        self.prepare_update()
        set_dropout_rate(self.model, drop)
        set_dropout_rate(teacher, 0.0)
        drop_nothing(teacher)
        scores, backprop = self.model.begin_update(docs)
        teacher_scores, _ = teacher.begin_update(docs)
        loss, d_scores = self.head.rehearsal_loss(self.model, scores, teacher, teacher_scores)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def initialize_model(
        self, get_examples: Callable[[], Iterable[Example]], nlp: Optional[Language], labels: Sequence[str]
    ) -> None:
        """Allocate the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Sequence[str]): What the scores are those of.
        RAISES (ValueError): If there are no examples, a shared encoder leaves tokens out, or constraints do not know a label.
        """
        if nlp is not None:
            require_whole_texts(nlp, self.name, self.model)
        docs = [example.x for example in islice(get_examples(), 10)]
        if not docs:
            raise ValueError(Errors.E923.format(name=self.name))
        if not any(len(doc) for doc in docs):
            # Not every embedding tells its width when there are no tokens at all.
            docs += [example.x for example in islice((example for example in get_examples() if len(example.x)), 1)]
        self.head.set_labels(self.model, labels)
        self.model.initialize(X=docs, Y=[self.model.ops.alloc2f(len(doc), len(labels)) for doc in docs])
        learn_vocabularies(self.model, get_examples)

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, e.g. another use_crf, or one of them has a value that it
            cannot have.
        """
        super().check_settings(settings)
        found = settings.get("use_crf", self.cfg["use_crf"])
        if found != self.cfg["use_crf"]:
            asked, saved = (f"use_crf = {str(use_crf).lower()}" for use_crf in (self.cfg["use_crf"], found))
            raise ValueError(
                f"the config has {asked}, but the weights were saved with {saved}. Load them with the config that they were "
                "saved with, or train anew"
            )

    def check_labels(self) -> None:
        """Refuse labels that do not go with the model.

        RAISES (ValueError): If there are not as many as the model gives scores, or constraints are not those of the labels.
        """
        super().check_labels()
        if constraints_of(self.model) is None or self.model.attrs["allowed_start"] is None:
            return
        saved = {name: self.model.attrs[name] for name in _ALLOWED}
        self.head.set_labels(self.model, self.score_names)
        if any((saved[name] != self.model.attrs[name]).any() for name in _ALLOWED):
            raise ValueError("the labels that constraints allow after each other are not those of its labels")

    @property
    def score_names(self) -> Sequence[str]:
        """RETURNS (Sequence[str]): What the scores of the model are those of."""
        return self.labels

    def count_scores(self) -> int:
        """RETURNS (int): How many scores the model gives for the labels that there are."""
        return len(self.score_names)
