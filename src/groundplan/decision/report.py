"""The decision as data: what `groundplan decide --json` prints."""

from typing import Any

from groundplan.constraints import Answers
from groundplan.decision.calibrated import current
from groundplan.decision.case import shown
from groundplan.decision.conflicts import Conflict, WayOut, conflicts
from groundplan.decision.costs import Costs
from groundplan.decision.decision import Decision, decide
from groundplan.decision.flips import Flip, flips
from groundplan.decision.role import Component
from groundplan.decision.ruling import Ruling


def report(answers: Answers, costs: Costs | None = None) -> dict[str, Any]:
    """The decision with its rulings, conflicts, flips, components and cost table.

    Values stand as in `groundplan.toml`; null is an answer that is not stated. A change of
    several answers has lists under `answer`, `from` and `to`.
    """
    table = costs or current()
    decision = decide(answers, table)
    return {
        "pattern": decision.pattern,
        "standing": list(decision.standing),
        "more_complex": more_complex(decision),
        "rulings": [_ruling(ruling) for ruling in decision.rulings],
        "conflicts": [_conflict(conflict) for conflict in conflicts(answers, table)],
        "flips": [_change(flip) for flip in flips(answers, table)],
        "components": {name: _component(one) for name, one in decision.components.items()},
        "costs": {
            "name": table.name,
            "machine": table.machine,
            "measured_at": table.measured_at,
            "script": table.script,
        },
    }


def more_complex(decision: Decision) -> dict[str, str]:
    """For each pattern that stands but was not chosen, the sentence that says so."""
    return {
        name: f"{name} stands, but is more complex than needed: {decision.pattern} suffices"
        for name in decision.standing[1:]
    }


def _ruling(ruling: Ruling) -> dict[str, Any]:
    return {
        "rule": ruling.rule,
        "rules_out": ruling.rules_out,
        "because": ruling.because,
        "answers": list(ruling.answers),
    }


def _component(component: Component) -> dict[str, Any]:
    return {
        "choice": component.choice,
        "because": component.because,
        "rulings": [_ruling(ruling) for ruling in component.rulings],
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "answers": list(conflict.answers),
        "because": list(conflict.because),
        "nearest": [_change(way) for way in conflict.nearest],
    }


def _change(change: Flip | WayOut) -> dict[str, Any]:
    before = [shown(*one) for one in zip(change.answers, change.before, strict=True)]
    after = [shown(*one) for one in zip(change.answers, change.after, strict=True)]
    single = len(change.answers) == 1
    return {
        "answer": change.answers[0] if single else list(change.answers),
        "from": before[0] if single else before,
        "to": after[0] if single else after,
        "pattern": change.pattern,
    }
