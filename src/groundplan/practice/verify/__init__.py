"""Start a server, load it as promised, and hold every promise against what was measured."""

from importlib import import_module
from typing import Final

from groundplan.decision import decide
from groundplan.errors import ProjectError
from groundplan.practice.verify.verification import Report, Verification
from groundplan.project import Project

PATTERNS: Final = ("batch", "realtime")
"""The patterns whose promises can be measured; each is a file of this folder."""


def verify(project: Project, seconds: float, report: Report) -> Verification:
    """Measure every promise of a project, in the way of the pattern that its answers decide.

    Args:
        project: the project, built and, where it publishes scores, scored.
        seconds: how long the load lasts.
        report: told the progress.

    Raises:
        ProjectError: the answers conflict, or decide a pattern that cannot be verified yet.
        BuildError: there is nothing to serve, or it does not fit the answers.
        EngineError: the server did not start, or died.
    """
    pattern = decide(project.answers).pattern
    if pattern not in PATTERNS:
        raise ProjectError(
            f"the answers in {project.file} decide {pattern or 'nothing'}: promises of "
            f"{', '.join(PATTERNS)} can be measured; `groundplan decide` says why"
        )
    found: Verification = import_module(f"{__name__}.{pattern}").verify(project, seconds, report)
    return found


__all__ = ["Verification", "verify"]
