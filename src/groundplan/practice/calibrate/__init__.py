"""What the steps of an architecture cost on this machine."""

from groundplan.practice.calibrate.calibration import calibrate
from groundplan.practice.calibrate.comparison import Line, compare
from groundplan.practice.calibrate.named import models

__all__ = ["Line", "calibrate", "compare", "models"]
