"""The published protocol in time: train on one period, wait for the labels, test on the next.

After Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 3:
between the training and the test period lies the label delay, and each test day leaves out the
entities (cards) whose fraud is known by then, since those would be blocked already.
"""

import datetime
from typing import NamedTuple

import msgspec
import numpy as np

from groundplan import units
from groundplan.errors import InputError
from groundplan.models.scorer import Bools, Indices


class Parts(NamedTuple):
    """Row indices, ascending, of the training and the test part."""

    train: Indices
    test: Indices


def days(time_us: Indices) -> Indices:
    """Day numbers (UTC, 0 is 1970-01-01) of times in microseconds."""
    return np.floor_divide(np.asarray(time_us, dtype=np.int64), units.DAY)


class Split(msgspec.Struct, frozen=True):
    """Which period trains, how long the label takes, and how long the test is; whole days (UTC).

    Args:
        train: the first day (`2018-07-25`) and the length of the training period.
        delay: how long after an event its label is known.
        test: the length of the test period, which begins `delay` after training ends.
    """

    train: tuple[str, str] = ("2018-07-25", "7d")
    delay: str = "7d"
    test: str = "7d"

    def apply(self, time_us: Indices, entity: Indices, label: Bools) -> Parts:
        """The rows to train on and to test on.

        Args:
            time_us: int64[n], microseconds since the epoch.
            entity: int64[n], whom a known positive label removes from later test days.
            label: bool[n].

        Raises:
            InputError: the shapes differ, or a period has no rows.
        """
        time_us, entity, label = np.asarray(time_us), np.asarray(entity), np.asarray(label)
        if not time_us.shape == entity.shape == label.shape == (len(time_us),):
            raise InputError("entity", "time, entity and label must have one value per row each")
        first, trained, delay, tested = self._days()
        day = days(time_us)
        test_start = first + trained + delay
        train = np.flatnonzero((day >= first) & (day < first + trained))
        test = [
            self._unknown(day, entity, label, first, test_day)
            for test_day in range(test_start, test_start + tested)
        ]
        parts = Parts(train, np.sort(np.concatenate(test)))
        for name, rows in zip(parts._fields, parts, strict=True):
            if not len(rows):
                raise InputError(
                    name, f"the {name} period of {self} has no rows: choose days that the data has"
                )
        return parts

    def previous(self) -> "Split":
        """The same protocol one round earlier: it tests on days whose labels are known by now.

        Its test period ends a label delay before this one's begins, so that a model and its
        thresholds may be chosen on it without a look at the test.
        """
        first, _, delay, tested = self._days()
        start = datetime.date.fromordinal(first - delay - tested + _EPOCH).isoformat()
        return msgspec.structs.replace(self, train=(start, self.train[1]))

    def _unknown(
        self, day: Indices, entity: Indices, label: Bools, first: int, test_day: int
    ) -> Indices:
        """The rows of a test day whose entity has no positive label that is known by then."""
        known_before = test_day - self._days()[2]
        known = np.unique(entity[label & (day >= first) & (day < known_before)])
        rows = np.flatnonzero(day == test_day)
        return rows[~np.isin(entity[rows], known)]

    def _days(self) -> tuple[int, int, int, int]:
        """First day number, and the lengths of training, delay and test in days."""
        start, trained = self.train
        first = datetime.date.fromisoformat(start).toordinal() - _EPOCH
        return first, _whole(trained), _whole(self.delay), _whole(self.test)


_EPOCH = datetime.date(1970, 1, 1).toordinal()


def _whole(text: str) -> int:
    """A duration in whole days."""
    length, rest = divmod(units.duration(text), units.DAY)
    if rest:
        raise InputError("split", f"{text!r} is not a number of whole days: write 7d, say")
    return length
