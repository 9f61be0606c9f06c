"""What the steps of an architecture cost on this machine."""

from groundplan.practice.calibrate.calibration import calibrate
from groundplan.practice.calibrate.comparison import Line, compare

__all__ = ["Line", "calibrate", "compare"]
