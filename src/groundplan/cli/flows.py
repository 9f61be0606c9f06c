"""Which pattern runs a project: the one that its answers decide."""

from importlib import import_module
from types import ModuleType
from typing import Final

from groundplan.decision import decide
from groundplan.errors import ProjectError
from groundplan.plan.served import BUILT
from groundplan.project import Project

_INSTEAD: Final = {
    "batch": "there, `groundplan score` recomputes a sample before it publishes, and `groundplan "
    "verify` holds what is served against the published version",
    "realtime": "there, `groundplan serve` scores each request as it comes",
}


def flow(project: Project, only: str | None = None) -> ModuleType:
    """The flow of the pattern that the project's answers decide.

    Args:
        project: the answers.
        only: the pattern that a command is for; None where it is for all that run.

    Raises:
        ProjectError: the answers conflict, this version only plans their pattern, or the command
            is for another.
    """
    pattern = decide(project.answers).pattern
    if pattern is None:
        raise ProjectError(
            f"the answers in {project.file} conflict: `groundplan decide` says which cannot "
            "hold together, and the nearest change that would resolve it"
        )
    if pattern not in BUILT:
        raise ProjectError(
            f"the answers in {project.file} decide {pattern}, which this version decides and "
            f"plans but does not yet build and serve (it does {', '.join(BUILT)}): "
            "`groundplan plan` shows its stages"
        )
    if only is not None and pattern != only:
        raise ProjectError(
            f"the answers in {project.file} decide {pattern}, and this command is for {only}: "
            f"{_INSTEAD[pattern]}"
        )
    return import_module(f"groundplan.patterns.{pattern}")
