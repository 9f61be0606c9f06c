"""Everything that will be asked about is scored on a schedule, published, and served by lookup."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from groundplan.patterns.batch.building.training import build
    from groundplan.patterns.batch.lookups.opening import serve
    from groundplan.patterns.batch.runs.running import score

_HOMES: Final = {
    "build": "building.training",
    "score": "runs.running",
    "serve": "lookups.opening",
}

__all__ = ["build", "score", "serve"]


def __getattr__(name: str) -> Any:
    """Import a flow on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
