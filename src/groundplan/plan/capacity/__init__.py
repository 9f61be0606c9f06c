"""What a plan needs: cores, memory, storage and replicas, as low, typical and high."""

from groundplan.plan.capacity.band import Band
from groundplan.plan.capacity.capacity import MODEL, Capacity, capacity
from groundplan.plan.capacity.money import PRICES
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.shortage import Shortage

__all__ = ["MODEL", "PRICES", "Band", "Capacity", "Need", "Shortage", "capacity"]
