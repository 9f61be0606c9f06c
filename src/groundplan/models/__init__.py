"""Models that score rows: training, exact attributions, figures of quality and thresholds."""

from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.intervals import Evaluation, Interval, evaluate
from groundplan.models.linear import Linear, Logistic
from groundplan.models.majority import Majority
from groundplan.models.reasons import Reason, top_reasons
from groundplan.models.scorer import Bools, Floats, Indices
from groundplan.models.split import Split
from groundplan.models.tiers import Action, Thresholds, Tiers

__all__ = [
    "Action",
    "Attributions",
    "Bools",
    "BoostedTrees",
    "Evaluation",
    "Floats",
    "Indices",
    "Interval",
    "Linear",
    "Logistic",
    "Majority",
    "Reason",
    "Split",
    "Thresholds",
    "Tiers",
    "Trees",
    "evaluate",
    "top_reasons",
]
