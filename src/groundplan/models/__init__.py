"""Models that score rows: training, exact attributions, figures of quality and thresholds."""

from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.costs import Bill, Costs
from groundplan.models.explainer import Attribution, Explainer
from groundplan.models.function import Function
from groundplan.models.intervals import Evaluation, Interval, evaluate
from groundplan.models.kinds import Model, Spec, explain, load, load_explainer, save
from groundplan.models.linear import Linear, Logistic
from groundplan.models.majority import Majority
from groundplan.models.onnx import Onnx
from groundplan.models.reasons import Reason, Words
from groundplan.models.scorer import Bools, Floats, Indices, Scorer
from groundplan.models.split import Split
from groundplan.models.surrogate import Surrogate
from groundplan.models.thresholds import Action, Thresholds
from groundplan.models.tiers import Tiers
from groundplan.models.xgboost import XGBoost

__all__ = [
    "Action",
    "Attribution",
    "Attributions",
    "Bill",
    "Bools",
    "BoostedTrees",
    "Costs",
    "Evaluation",
    "Explainer",
    "Floats",
    "Function",
    "Indices",
    "Interval",
    "Linear",
    "Logistic",
    "Majority",
    "Model",
    "Onnx",
    "Reason",
    "Scorer",
    "Spec",
    "Split",
    "Surrogate",
    "Thresholds",
    "Tiers",
    "Trees",
    "Words",
    "XGBoost",
    "evaluate",
    "explain",
    "load",
    "load_explainer",
    "save",
]
