"""One published answer, as a reader gets it."""

import time
from dataclasses import dataclass

from msgspec import Struct

from groundplan.scores.version import Version


class Because(Struct, frozen=True):
    """A reason of an answer.

    Args:
        code: of the version's codes.
        description: in plain words.
        raised: whether it raised the score.
    """

    code: str
    description: str
    raised: bool


@dataclass(frozen=True, slots=True)
class Live:
    """The version that a reader reads, and how old it may get.

    Args:
        version: its record.
        promised: µs, the oldest acceptable answer; None where nobody promised.
    """

    version: Version
    promised: int | None = None


class Scored(Struct, frozen=True, gc=False):
    """The answer for one key.

    Args:
        key: whom it is about.
        score: the probability, 0..1.
        decision: what follows from it.
        reasons: the strongest first; empty where the decision needs none.
        of: the version that it comes from.
        fallback: what stood in where the key was not scored; empty where it was.
    """

    key: int | str
    score: float
    decision: str
    reasons: tuple[Because, ...]
    of: Live
    fallback: str = ""

    def __repr__(self) -> str:
        """The answer in a line: its version by name, which else is as long as its segments."""
        told = (
            f"key={self.key!r}, score={self.score!r}, decision={self.decision!r}, "
            f"reasons={tuple(each.code for each in self.reasons)!r}, version={self.version!r}, "
            f"age={self.age:.0f}"
        )
        return f"Scored({told}{f', fallback={self.fallback!r}' if self.fallback else ''})"

    @property
    def version(self) -> str:
        """The name of the version that answered."""
        return self.of.version.name

    @property
    def age(self) -> float:
        """Seconds since the moment as of which the inputs were read."""
        return max(0.0, time.time() - self.of.version.as_of / 1e6)

    @property
    def stale(self) -> bool:
        """Whether it is older than was promised."""
        promised = self.of.promised
        return promised is not None and self.age * 1e6 > promised
