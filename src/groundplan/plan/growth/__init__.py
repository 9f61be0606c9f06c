"""At ten times the traffic, corpus or history: what gives out first, and what replaces it."""

from groundplan.plan.growth.bill import Bill, bills, grown_by
from groundplan.plan.growth.growth import Growth, growth
from groundplan.plan.growth.limit import AXES, Axis, Limit
from groundplan.plan.growth.scaled import scaled

__all__ = [
    "AXES",
    "Axis",
    "Bill",
    "Growth",
    "Limit",
    "bills",
    "grown_by",
    "growth",
    "scaled",
]
