"""Each promise of the five answers, beside what was measured; one file a pattern."""

from groundplan.practice.promises.promise import Promise

__all__ = ["Promise"]
