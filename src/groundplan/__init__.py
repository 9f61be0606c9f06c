"""State five constraints; get the simplest machine-learning architecture that meets them.

The public names are imported lazily, so that thinking (`decide`, `plan`) never loads what only
running needs (NumPy, DuckDB, LightGBM).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from groundplan.constraints import Answers
    from groundplan.decision.conflicts import conflicts
    from groundplan.decision.decision import Decision, decide
    from groundplan.decision.flips import flips
    from groundplan.engines.inference import Remote
    from groundplan.errors import GroundplanError
    from groundplan.features import (
        FeatureSet,
        Source,
        Table,
        apply,
        category,
        decimal,
        features,
    )
    from groundplan.models import (
        BoostedTrees,
        Function,
        Logistic,
        Onnx,
        Split,
        Tiers,
        XGBoost,
    )
    from groundplan.models.bands import Bands
    from groundplan.models.codes import Reasons
    from groundplan.models.folds import Folds
    from groundplan.patterns.batch.lookups.lookup import Scores
    from groundplan.plan import Plan
    from groundplan.project import Project
    from groundplan.scores.publication import Publication

__version__: Final = "0.1.0"

_HOMES: Final = {
    "Answers": "constraints",
    "Bands": "models.bands",
    "BoostedTrees": "models",
    "Decision": "decision",
    "FeatureSet": "features",
    "Folds": "models.folds",
    "Function": "models",
    "GroundplanError": "errors",
    "Logistic": "models",
    "Onnx": "models",
    "Plan": "plan",
    "Project": "project",
    "Publication": "scores.publication",
    "Reasons": "models.codes",
    "Remote": "engines.inference",
    "Scores": "patterns.batch.lookups.lookup",
    "Source": "features",
    "Split": "models",
    "Table": "features",
    "Tiers": "models",
    "XGBoost": "models",
    "apply": "features",
    "category": "features",
    "conflicts": "decision",
    "decide": "decision",
    "decimal": "features",
    "features": "features",
    "flips": "decision",
}

__all__ = [
    "Answers",
    "Bands",
    "BoostedTrees",
    "Decision",
    "FeatureSet",
    "Folds",
    "Function",
    "GroundplanError",
    "Logistic",
    "Onnx",
    "Plan",
    "Project",
    "Publication",
    "Reasons",
    "Remote",
    "Scores",
    "Source",
    "Split",
    "Table",
    "Tiers",
    "XGBoost",
    "__version__",
    "apply",
    "category",
    "conflicts",
    "decide",
    "decimal",
    "features",
    "flips",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'groundplan' has no attribute {name!r}")
    return getattr(import_module(f"groundplan.{_HOMES[name]}"), name)
