"""Which pattern runs a project: the one that its answers decide."""

from importlib import import_module
from types import ModuleType
from typing import Final

from groundplan.decision import decide
from groundplan.errors import ProjectError
from groundplan.project import Project

RUNNING: Final = ("batch", "realtime")
"""The patterns that this version builds and serves; the others are decided and planned."""


def flow(project: Project) -> ModuleType:
    """The flow of the pattern that the project's answers decide.

    Raises:
        ProjectError: the answers conflict, or this version only plans their pattern.
    """
    pattern = decide(project.answers).pattern
    if pattern is None:
        raise ProjectError(
            f"the answers in {project.file} conflict: `groundplan decide` says which cannot "
            "hold together, and the nearest change that would resolve it"
        )
    if pattern not in RUNNING:
        raise ProjectError(
            f"the answers in {project.file} decide {pattern}, which this version decides and "
            f"plans but does not yet build and serve (it does {', '.join(RUNNING)}): "
            "`groundplan plan` shows its stages"
        )
    return import_module(f"groundplan.patterns.{pattern}")
