"""What a published version says of itself: where it comes from, and how good it looked."""

from typing import Any, Literal

from msgspec import Struct


class Code(Struct, frozen=True):
    """A reason that an answer may name.

    Args:
        code: short and stable, such as `R03` or `tenure`.
        description: in plain words.
        features: the features of which it speaks.
    """

    code: str
    description: str
    features: tuple[str, ...] = ()


class Average(Struct, frozen=True):
    """The answer of a segment, for keys that were not scored.

    Args:
        rows: how many were scored.
        score: their mean score.
        decision: the one for keys that were not scored where the system names one, else what the
            thresholds decide for that mean.
    """

    rows: int
    score: float
    decision: str


class Check(Struct, frozen=True):
    """One check of a version before it is announced.

    Args:
        name: one word or two, such as `coverage`.
        passed: whether the version may go live by it.
        says: what was found, with figures.
        limit: what was asked for, with figures.
    """

    name: str
    passed: bool
    says: str
    limit: str


class Version(Struct, frozen=True, kw_only=True):
    """An immutable set of scores, one for each key of a population.

    Args:
        name: tells the time at which the run began: `20260801-030000-123`.
        system: the name of the system.
        build: the build whose model scored.
        as_of: µs since 1970, UTC: the moment as of which inputs were read; ages count from it.
        created: µs since 1970, UTC: when it was complete.
        rows: how many keys.
        key: the type of the keys.
        decisions: names of the decisions; part files and stores hold positions in it.
        codes: the reasons; stores hold +n or -n for the nth, counted from 1: raised or lowered.
        overall: the average of all rows.
        segments: averages by the value of the segment's field, of segments that have enough rows;
            empty where there is none.
        figures: of the distribution of scores, and what the checks compared.
        checks: those that it had to pass.
        data: where the population came from: place, rows, fingerprint.
        delta_of: the version whose unchanged rows it took over; None for a full run.
        sha256: of each part file, by its name.
        segment: the field whose values name the segments; None without, or where nobody noted it.
        cold: the decision for keys that were not scored; None where the averages' own stand.
        serial: above those of all versions that were there before, whatever the clock said; 0
            where nobody noted it.
    """

    name: str
    system: str
    build: str
    as_of: int
    created: int
    rows: int
    key: Literal["int", "str"]
    decisions: tuple[str, ...]
    codes: tuple[Code, ...]
    overall: Average
    segments: dict[str, Average] = {}
    figures: dict[str, Any] = {}
    checks: tuple[Check, ...] = ()
    data: dict[str, Any] = {}
    delta_of: str | None = None
    sha256: dict[str, str] = {}
    segment: str | None = None
    cold: str | None = None
    serial: int = 0

    @property
    def order(self) -> tuple[int, str]:
        """Sorts versions as they were published."""
        return self.serial, self.name
