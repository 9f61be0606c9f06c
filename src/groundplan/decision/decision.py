"""The decision: rulings eliminate, the simplest pattern left standing wins."""

from typing import Final

import msgspec

from groundplan.constraints import Answers
from groundplan.decision.calibrated import current
from groundplan.decision.case import Case
from groundplan.decision.components import roles_of
from groundplan.decision.costs import Costs
from groundplan.decision.patterns import NAMES
from groundplan.decision.role import Component, fill, shape
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Ruling
from groundplan.decision.work import Work

_EXPLAINED: Final = {"model", "ranker"}  # the last of these is what an explainer explains


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided, and why.

    Args:
        pattern: the simplest pattern left standing, or None in a conflict.
        standing: all that are left, the simplest first.
        rulings: what was ruled out, in the table's order.
        components: what fills each role of the pattern; empty in a conflict.
        costs: the name of the cost table that was used.
    """

    pattern: str | None
    standing: tuple[str, ...]
    rulings: tuple[Ruling, ...]
    components: dict[str, Component]
    costs: str


def decide(answers: Answers, costs: Costs | None = None) -> Decision:
    """The simplest pattern that the answers leave standing, with every ruling.

    Args:
        answers: the answers of a project.
        costs: the cost table; the one in force where it is not given.
    """
    table = costs or current()
    a, w = Case(answers), table.work
    rulings = tuple(
        [
            Ruling(rule.name, rule.out, rule.because(a, w), rule.reads)
            for rule in RULES
            if rule.when(a, w)
        ]
    )
    out = {ruling.rules_out for ruling in rulings}
    standing = tuple([name for name in NAMES if name not in out])
    pattern = standing[0] if standing else None
    components = {} if pattern is None else _components(pattern, a, w)
    return Decision(pattern, standing, rulings, components, table.name)


def _components(pattern: str, a: Case, w: Work) -> dict[str, Component]:
    a.pattern = pattern
    found = {}
    for role in roles_of(shape(pattern, a.output)):
        component = found[role.name] = fill(role, a, w)
        if role.name in _EXPLAINED:
            a.model = component.choice
    return found
