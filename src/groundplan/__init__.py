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
    from groundplan.errors import GroundplanError
    from groundplan.features import FeatureSet, Source, decimal, features
    from groundplan.models import BoostedTrees, Split, Tiers
    from groundplan.plan import Plan
    from groundplan.project import Project

__version__: Final = "0.1.0"

_HOMES: Final = {
    "Answers": "constraints",
    "BoostedTrees": "models",
    "Decision": "decision",
    "FeatureSet": "features",
    "GroundplanError": "errors",
    "Plan": "plan",
    "Project": "project",
    "Source": "features",
    "Split": "models",
    "Tiers": "models",
    "conflicts": "decision",
    "decide": "decision",
    "decimal": "features",
    "features": "features",
    "flips": "decision",
}

__all__ = [
    "Answers",
    "BoostedTrees",
    "Decision",
    "FeatureSet",
    "GroundplanError",
    "Plan",
    "Project",
    "Source",
    "Split",
    "Tiers",
    "__version__",
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
