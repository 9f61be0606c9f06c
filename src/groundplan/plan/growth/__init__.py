"""At ten times the traffic, corpus or history: what gives out first, and what replaces it."""

from groundplan.plan.growth.growth import Growth, growth
from groundplan.plan.growth.limit import AXES, Axis, Limit
from groundplan.plan.growth.scaled import scaled

__all__ = ["AXES", "Axis", "Growth", "Limit", "growth", "scaled"]
