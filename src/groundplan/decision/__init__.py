"""From answers to a pattern: rulings eliminate, nothing votes, the simplest left standing wins."""

from groundplan.decision.calibrated import current as current_costs
from groundplan.decision.conflicts import Conflict, WayOut, conflicts
from groundplan.decision.costs import Cost, Costs
from groundplan.decision.costs import load as load_costs
from groundplan.decision.costs import reference as reference_costs
from groundplan.decision.decision import Decision, decide
from groundplan.decision.flips import Flip, flips
from groundplan.decision.patterns import PATTERNS, Pattern
from groundplan.decision.report import more_complex, report
from groundplan.decision.role import Component
from groundplan.decision.ruling import Rule, Ruling

__all__ = [
    "PATTERNS",
    "Component",
    "Conflict",
    "Cost",
    "Costs",
    "Decision",
    "Flip",
    "Pattern",
    "Rule",
    "Ruling",
    "WayOut",
    "conflicts",
    "current_costs",
    "decide",
    "flips",
    "load_costs",
    "more_complex",
    "reference_costs",
    "report",
]
