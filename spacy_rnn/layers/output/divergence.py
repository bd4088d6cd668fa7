"""How far a conditional random field is from another one."""

from typing import Any, List, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ...crf import Crf
from .crf import CRFGradient, crf_decode, crf_log_likelihood


def crf_divergence(
    model: Model, scores: List[Floats2d], teacher: Model, teacher_scores: List[Floats2d]
) -> Tuple[float, CRFGradient]:
    """Find the Kullback-Leibler divergence between two layers' distributions over whole sequences, and its gradient.

    Distributions of an exponential family diverge by the Bregman divergence of their log-partition functions (Wainwright & Jordan
    2008, "Graphical models, exponential families, and variational inference"), and the gradient is the difference of their
    expectations. Both models stay as they are.

    model (Model): A layer made by `build_crf`.
    scores (List[Floats2d]): Its output, [n, nO] for each sequence.
    teacher (Model): Another such layer with the same labels and constraints.
    teacher_scores (List[Floats2d]): Its output.
    RETURNS (Tuple[float, CRFGradient]): The divergence, summed over the sequences, and its gradient in the shape of the scores.
    RAISES (ValueError): If a shape or type does not fit, or a score is not a number.
    """
    xp: Any = model.ops.xp
    # The log-likelihood of any path is that path's score less the log-partition function, so in a difference it cancels out.
    eye = xp.eye(model.get_dim("nO"), dtype=bool)
    path = [eye[labels] for labels in crf_decode(teacher, teacher_scores)]
    loss, d_scores = crf_log_likelihood(model, scores, path)
    teacher_loss, d_teacher = crf_log_likelihood(teacher, teacher_scores, path)
    divergence = loss - teacher_loss
    for rows, teacher_rows, d_rows in zip(scores, teacher_scores, d_teacher, strict=True):
        divergence += float(xp.vdot(d_rows, teacher_rows - rows))
    for name, grad in zip(Crf._fields, d_teacher.parameters, strict=True):
        divergence += float(xp.vdot(grad, teacher.get_param(name) - model.get_param(name)))
    parameters = Crf(*(a - b for a, b in zip(d_scores.parameters, d_teacher.parameters, strict=True)))
    return divergence, CRFGradient((a - b for a, b in zip(d_scores, d_teacher, strict=True)), parameters)
