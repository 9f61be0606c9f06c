"""Failure modes: how each component of a plan fails, how it shows, and what answers it.

One file per pattern says what its components do when they fail. Where the pattern is built and
served by this version, signals are metrics and commands of ours, and fallbacks the words of our
server: the tests hold both to a running one.
"""

from collections.abc import Callable, Sequence
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Decision, reference_costs
from groundplan.plan import sketches
from groundplan.plan.failures.batch import batch
from groundplan.plan.failures.failure import Failure, Mode
from groundplan.plan.failures.generated import generated
from groundplan.plan.failures.rag import rag
from groundplan.plan.failures.ranking import ranking
from groundplan.plan.failures.realtime import realtime
from groundplan.plan.served import planned
from groundplan.plan.stage import Stage

__all__ = ["Failure", "failures"]

_MODES: Final[dict[str, Callable[[Answers, Decision], list[Mode]]]] = {
    "batch": batch,
    "realtime": realtime,
    "ranking": ranking,
    "rag": rag,
}


def failures(
    answers: Answers, decision: Decision, stages: Sequence[Stage] | None = None
) -> tuple[Failure, ...]:
    """The failure modes of the decided architecture, in the order of its stages.

    Those of its other components follow. A conflict has none.

    Args:
        answers: the five answers.
        decision: what follows from them.
        stages: those of the plan, where it is drawn already; only their words are read.
    """
    if decision.pattern is None:
        return ()
    if stages is None:
        stages = sketches.sketch(answers, decision, reference_costs()).stages
    text = decision.pattern == "realtime" and answers.system.output == "answer"
    modes = generated(answers) if text else _MODES[decision.pattern](answers, decision)
    built = not planned(answers, decision)
    roles = list(decision.components)
    found = []
    for mode in modes:
        at, stage = _place(mode, stages)
        if stage is None:
            if not _fills(mode, decision):
                continue
            at = len(stages) + roles.index(mode.component)
        twice = stage is not None and len([s for s in stages if s.name == stage.name]) > 1
        found.append((at, _failure(mode, stage, built, twice)))
    return tuple(failure for _, failure in sorted(found, key=lambda one: one[0]))


def _place(mode: Mode, stages: Sequence[Stage]) -> tuple[int, Stage | None]:
    """The stage that fails, and its place; of two of one name the one on the mode's side."""
    if mode.options:
        return 0, None
    named = [(at, stage) for at, stage in enumerate(stages) if stage.name == mode.component]
    if not named:
        return 0, None
    side = "offline" if mode.offline else "online"
    found = next(((at, stage) for at, stage in named if stage.side == side), None)
    return found or ((0, None) if mode.offline else named[0])


def _fills(mode: Mode, decision: Decision) -> bool:
    """Whether a role is filled by what fails so."""
    component = decision.components.get(mode.component)
    if component is None or mode.offline:
        return False
    return component.choice in mode.options if mode.options else component.choice != "none"


def _failure(mode: Mode, stage: Stage | None, built: bool, twice: bool) -> Failure:
    """A mode as it stands in a plan; `twice` where both sides have a stage of its name."""
    seen, fallback = mode.seen, mode.fallback
    if stage is not None:
        seen = stage.breaks if seen is None else seen
        fallback = stage.fallback.says if fallback is None else fallback
    return Failure(
        component=mode.component,
        cause=mode.cause,
        seen=seen or "",
        signal=mode.signal,
        mitigation=mode.mitigation,
        fallback=fallback or "",
        running=built and mode.running,
        main=mode.main,
        offline=twice and stage is not None and stage.side == "offline",
    )
