"""What a load sent and what came back: one column per fact, one row per request."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.durable import replacing
from groundplan.errors import InputError
from groundplan.units import SECOND, show_duration

Microseconds = npt.NDArray[np.int64]
NEVER: Final = -1
FAILURES: Final = ("", "refused", "reset", "timeout", "malformed")
_NEVER_ANSWERED: Final = np.iinfo(np.int64).max


class Percentiles(msgspec.Struct, frozen=True):
    """Exact order statistics, in microseconds; None where that request was never answered."""

    p50: int | None
    p90: int | None
    p99: int | None
    p999: int | None
    worst: int | None

    @classmethod
    def of(cls, values: Microseconds) -> "Percentiles":
        """The nearest-rank percentiles: of n values, the ceil(q n)-th smallest."""
        ordered = np.sort(values)
        return cls(*(_rank(ordered, per_mille) for per_mille in (500, 900, 990, 999, 1000)))

    def __str__(self) -> str:
        shown = {
            "p50": self.p50,
            "p90": self.p90,
            "p99": self.p99,
            "p99.9": self.p999,
            "worst": self.worst,
        }
        return "  ".join(
            f"{name} {'never' if value is None else show_duration(value)}"
            for name, value in shown.items()
        )


class Summary(msgspec.Struct, frozen=True):
    """A load in a few figures, its warm-up left out.

    Attributes:
        requests: how many were due.
        answered: how many got a 2xx answer.
        statuses: how many answers had each HTTP status.
        failures: how many requests got no answer, by what happened to them.
        offered: requests per second that were due.
        achieved: 2xx answers per second, from the first intended time to the last answer.
        latency: from the intended time to the answer; whatever is not a 2xx answer was never.
        service: from the sending to the answer, for comparison only: it hides what queues.
        lag: from the intended time until the generator turned to the request. A lag that is not
            far below the latency means that the generator was slow, not the server.
    """

    requests: int
    answered: int
    statuses: dict[int, int]
    failures: dict[str, int]
    offered: float
    achieved: float
    latency: Percentiles
    service: Percentiles
    lag: Percentiles


@dataclass(frozen=True)
class Results:
    """The requests of one load in order of their intended times.

    Attributes:
        started: the moment that all the other times count from, in microseconds since 1970.
        warmup: requests intended before this are left out of the summary, in microseconds.
        intended: when the request was due, in microseconds, as are the next three columns.
        taken: when the generator turned to it.
        sent: when its last byte was handed to the connection; NEVER where it was not sent.
        done: when its answer was complete; NEVER where none came.
        status: the HTTP status; 0 where no answer came.
        failure: index into FAILURES; 0 where an answer came.
        bodies: the answers' bodies; empty where none came.
    """

    started: int
    warmup: int
    intended: Microseconds
    taken: Microseconds
    sent: Microseconds
    done: Microseconds
    status: npt.NDArray[np.int16]
    failure: npt.NDArray[np.int8]
    bodies: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.intended)

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Which requests come after the warm-up."""
        return self.intended >= self.warmup

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which requests got a 2xx answer."""
        return (self.status >= 200) & (self.status < 300)

    def latency(self) -> Microseconds:
        """Intended time to answer of the measured requests; the largest integer for never."""
        late = np.where(self.answered, self.done - self.intended, _NEVER_ANSWERED)
        return late[self.measured]

    def summary(self) -> Summary:
        """The few figures that a promise is held to.

        Raises:
            InputError: nothing was due after the warm-up.
        """
        due, good = self.measured, self.measured & self.answered
        if not due.any():
            raise InputError(
                "warmup",
                f"none of the {len(self)} requests was due after the warm-up of "
                f"{show_duration(self.warmup)}: send more of them, or warm up for less long",
            )
        statuses, counts = np.unique(self.status[due & (self.status > 0)], return_counts=True)
        kinds, failed = np.unique(self.failure[due & (self.failure > 0)], return_counts=True)
        first = self.intended[due][0]
        over = max(int(self.done[good].max() if good.any() else first) - int(first), 1)
        return Summary(
            requests=int(due.sum()),
            answered=int(good.sum()),
            statuses={int(s): int(n) for s, n in zip(statuses, counts, strict=True)},
            failures={FAILURES[k]: int(n) for k, n in zip(kinds, failed, strict=True)},
            offered=int(due.sum()) * SECOND / max(int(self.intended[-1]) - int(first), 1),
            achieved=int(good.sum()) * SECOND / over,
            latency=Percentiles.of(self.latency()),
            service=Percentiles.of(np.where(good, self.done - self.sent, _NEVER_ANSWERED)[due]),
            lag=Percentiles.of((self.taken - self.intended)[due]),
        )

    def save(self, path: Path) -> None:
        """Write everything to one NumPy archive, whole or not at all."""
        ends = np.cumsum([0, *map(len, self.bodies)], dtype=np.int64)
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez(
                file,
                started=self.started,
                warmup=self.warmup,
                intended=self.intended,
                taken=self.taken,
                sent=self.sent,
                done=self.done,
                status=self.status,
                failure=self.failure,
                bodies=np.frombuffer(b"".join(self.bodies), dtype=np.uint8),
                ends=ends,
            )

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            joined, ends = file["bodies"].tobytes(), file["ends"].tolist()
            return cls(
                started=int(file["started"]),
                warmup=int(file["warmup"]),
                intended=file["intended"],
                taken=file["taken"],
                sent=file["sent"],
                done=file["done"],
                status=file["status"],
                failure=file["failure"],
                bodies=tuple(joined[a:b] for a, b in pairwise(ends)),
            )


def _rank(ordered: Microseconds, per_mille: int) -> int | None:
    value = int(ordered[math.ceil(len(ordered) * per_mille / 1000) - 1])
    return None if value == _NEVER_ANSWERED else value
