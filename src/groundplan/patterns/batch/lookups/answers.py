"""What the server of published scores takes and answers, as its clients read it."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from groundplan.scores.scored import Because

MOST: Final = 1_000
"""Keys of one request."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that a request asks for, and what it knows of those that may not be scored.

    Args:
        keys: at least one; the answers have their order.
        rows: by key, as text, fields of the main source: the segment's gives a cold key its
            segment's average, a whole row a live score where the server can give one.
    """

    keys: Annotated[list[int | str], Meta(min_length=1, max_length=MOST)]
    rows: dict[str, dict[str, Any]] = {}


class Answer(Struct, frozen=True):
    """The published answer for a key.

    Args:
        key: whom it is about.
        score: the probability of the label, 0..1.
        decision: what follows from it.
        reasons: what moved the score most, the strongest first; empty where the decision needs
            none, and for an average.
        version: the published version that answered.
        build: the build whose model scored it.
        as_of: RFC 3339, UTC: the moment as of which the inputs were read.
        age_s: seconds since then.
        stale: whether that is more than was promised.
        fallback: what stood in where the key was not scored: `segment average`, `overall average`
            or `live score`; null where it was.
        degraded: what is old or was replaced, and why; empty when all is well.
        timings_us: µs per stage of the request.
    """

    key: int | str
    score: float
    decision: str
    reasons: tuple[Because, ...]
    version: str
    build: str
    as_of: str
    age_s: float
    stale: bool
    fallback: str | None
    degraded: list[str]
    timings_us: dict[str, int] | UnsetType = UNSET


class Answers(Struct, frozen=True):
    """The published answers for many keys, all of one version.

    Args:
        answers: in the order of the keys.
        timings_us: µs per stage of the request.
    """

    answers: list[Answer]
    timings_us: dict[str, int]


class Published(Struct, frozen=True):
    """A version that the server could answer from.

    Args:
        name: of the version.
        live: whether it answers now.
        build: the build whose model scored it.
        as_of: RFC 3339, UTC: the moment as of which its inputs were read.
        age_s: seconds since then.
        created: RFC 3339, UTC: when it was complete.
        rows: how many keys it has.
        score: the mean score.
    """

    name: str
    live: bool
    build: str
    as_of: str
    age_s: float
    created: str
    rows: int
    score: float


class Versions(Struct, frozen=True):
    """The complete versions, the newest first, and the one that answers; null before the first."""

    live: str | None
    versions: list[Published]
