"""What a pipeline does, in numbers: decisions, scores, calibration, comparisons, speed, the reach of gradients."""

from .bootstrap import Difference, compare, compare_decisions
from .calibration import CalibratedComponent, Reliability, calibrate_components, measure_reliability
from .components import Evaluation, evaluate_component, find_task
from .decisions import Decision, Decisions, Task, find_tasks
from .findings import Findings, summarize
from .gradients import cut_pieces, measure_cells, measure_pipeline
from .jacobians import Reach, clipped_norm, jacobian_norms, mean_reach, measure_cell, measure_layer, parameter_gradient
from .known import GroupDifference, GroupScores, can_be_known, compare_by_known, find_known, score_by_known
from .language.diversity import distinct_n, self_bleu
from .scores import (
    Calibration,
    LabelScores,
    confuse,
    count_binary,
    frequent_confusions,
    measure_calibration,
    score_all,
    score_labels,
    worst_errors,
)
from .speed import Speed, measure_speed, processor
from .temperature import TemperatureFit, fit_temperature
from .training_log import TrainingLog, find_log, read_log

__all__ = [
    "CalibratedComponent",
    "Calibration",
    "Decision",
    "Decisions",
    "Difference",
    "Evaluation",
    "Findings",
    "GroupDifference",
    "GroupScores",
    "LabelScores",
    "Reach",
    "Reliability",
    "Speed",
    "Task",
    "TemperatureFit",
    "TrainingLog",
    "calibrate_components",
    "can_be_known",
    "clipped_norm",
    "compare",
    "compare_by_known",
    "compare_decisions",
    "confuse",
    "count_binary",
    "cut_pieces",
    "distinct_n",
    "evaluate_component",
    "find_known",
    "find_log",
    "find_task",
    "find_tasks",
    "fit_temperature",
    "frequent_confusions",
    "jacobian_norms",
    "mean_reach",
    "measure_calibration",
    "measure_cell",
    "measure_cells",
    "measure_layer",
    "measure_pipeline",
    "measure_reliability",
    "measure_speed",
    "parameter_gradient",
    "processor",
    "read_log",
    "score_all",
    "score_by_known",
    "score_labels",
    "self_bleu",
    "summarize",
    "worst_errors",
]
