"""The latency budget: the p99, less the headroom, shared out by measured cost."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from groundplan.plan.stage import Misfit, Stage
from groundplan.units import show_enough

HEADROOM: Final = 0.2
"""The share of the p99 that no stage may plan with: see `RESERVED`."""
RESERVED: Final = "queueing, collections, a slow network"
"""What the headroom is kept for, in words."""

_FLOOR: Final = 0.02
"""The least share of a stage: a stage measured in microseconds still needs time to be run."""


def share(stages: Sequence[Stage], p99: int) -> tuple[tuple[Stage, ...], tuple[Misfit, ...]]:
    """Give each online stage its part of the p99, in proportion to its estimate.

    Args:
        stages: online stages with their estimates, µs.
        p99: the promise for the whole request, µs.

    Returns:
        The stages with budgets that add up to the p99 less the headroom, and the stages that
        cannot fit: none, or the most expensive ones whose removal would make the rest fit. A
        stage that cannot fit keeps its estimate as its budget.
    """
    allotted = p99 - round(p99 * HEADROOM)
    total = sum(stage.estimate for stage in stages)
    if total > allotted:
        return tuple(replace(stage, budget=stage.estimate) for stage in stages), _misfits(
            stages, allotted
        )
    floor = max(1, int(allotted * _FLOOR))
    spare = allotted - floor * len(stages)
    if spare < total:  # so tight that the floor itself would starve the expensive stages
        floor, spare = 0, allotted
    weights = [max(1, stage.estimate) for stage in stages]
    budgets = [floor + spare * weight // sum(weights) for weight in weights]
    budgets[budgets.index(max(budgets))] += allotted - sum(budgets)
    return (
        tuple(replace(stage, budget=budget) for stage, budget in zip(stages, budgets, strict=True)),
        (),
    )


def _misfits(stages: Sequence[Stage], allotted: int) -> tuple[Misfit, ...]:
    misfits: list[Misfit] = []
    rest = sum(stage.estimate for stage in stages)
    for stage in sorted(stages, key=lambda stage: -stage.estimate):
        if rest <= allotted:
            break
        rest -= stage.estimate
        has = max(0, allotted - rest)
        needed = round((rest + stage.estimate) / (1 - HEADROOM))
        misfits.append(
            Misfit(
                stage.name,
                stage.estimate,
                has,
                f"a p99 of {show_enough(needed)}, or its fallback: {stage.fallback.says}",
            )
        )
    return tuple(misfits)
