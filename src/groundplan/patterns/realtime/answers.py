"""What the realtime server answers, as its clients read it."""

from msgspec import UNSET, Struct, UnsetType

from groundplan.models import Reason


class Versions(Struct, frozen=True):
    """What answered: the build, the fingerprint of its feature definitions, the library."""

    build: str
    features: str
    groundplan: str


class Explanation(Struct, frozen=True):
    """Why a score is what it is.

    Args:
        id: the event's identifier.
        score: the probability that was answered.
        reasons: what moved the score most, in log-odds, the strongest first.
        base: log-odds of the average training row; base + reasons + other are the score's.
        other: log-odds of all features that are not among the reasons.
        method: how far the reasons can be believed.
        build: the build that answered.
    """

    id: int | str
    score: float
    reasons: tuple[Reason, ...]
    base: float
    other: float
    method: str
    build: str


class Answer(Struct, frozen=True):
    """The answer to a request for a score.

    Args:
        id: the event's identifier.
        score: the probability of the label, 0..1.
        decision: the tier: approve, step_up or decline.
        reasons: what moved the score most, in log-odds, the strongest first; null where the plan
            has no reasons, or where they were left out (`degraded` says so).
        base: log-odds of the average training row; base + reasons + other are the score's.
        other: log-odds of all features that are not among the reasons.
        versions: what answered.
        timings_us: µs per stage.
        degraded: what a fallback answered, and why; empty when all is well.
        explanation: where to fetch the reasons that were left out.
        features: the values that the model saw, when the request asked with `?features=true`.
    """

    id: int | str
    score: float
    decision: str
    reasons: tuple[Reason, ...] | None
    base: float | None
    other: float | None
    versions: Versions
    timings_us: dict[str, int]
    degraded: list[str]
    explanation: str | UnsetType = UNSET
    features: dict[str, float | None] | UnsetType = UNSET


class Accepted(Struct, frozen=True):
    """What became of the events and labels of a body.

    Args:
        accepted: how many there were; all of a body are taken, or none.
        added: new events.
        repeated: events that were known already, and count once.
        late: events beyond the stated lateness, which no window counts.
        labelled: labels of known events.
        parked: labels of events that have not come yet.
        waiting: events and labels that are kept until the store answers again.
    """

    accepted: int
    added: int
    repeated: int
    late: int
    labelled: int
    parked: int
    waiting: int
