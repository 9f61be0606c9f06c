"""One model that scores a live request with fresh features.

`definition` is what a project's `system.py` says, `training` the offline flow from past events
to a build. Online, `opening` is what happens between a build and its first request, `service`
the routes, `scoring` the flow from a request to an answer, `joining` its state side with the
`outbox` for what the store cannot take, `reasoning` why. `state` opens the online state and what
feeds it, `ingesting` fills it. `record` finds the log of a project, `replay` answers it again.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from groundplan.patterns.realtime.ingesting import Ingesting
    from groundplan.patterns.realtime.opening import past, serve
    from groundplan.patterns.realtime.training import build

_HOMES: Final = {
    "Ingesting": "ingesting",
    "build": "training",
    "past": "opening",
    "serve": "opening",
}

__all__ = ["Ingesting", "build", "past", "serve"]


def __getattr__(name: str) -> Any:
    """Import a flow on first use: ingesting needs no model library."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
