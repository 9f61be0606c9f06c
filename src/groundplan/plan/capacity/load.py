"""What there is to carry: requests, keys, things and history, counted from the answers."""

from collections.abc import Callable
from functools import cached_property
from math import inf

from groundplan.constraints import Answers
from groundplan.constraints.cron import longest_gap, shortest_gap
from groundplan.decision import Decision
from groundplan.decision.work import BUSY
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, each, known
from groundplan.units import duration

DAY = 86_400.0  # seconds
_MICRO = 1e6  # microseconds in a second
SHARE = BUSY[0] / BUSY[1]
"""How busy a core may be planned to be."""


class Load:
    """The amounts behind a plan.

    Args:
        answers: the answers.
        decision: what they decide.
        past: how many times the usual history there is.
        things: how many times the usual corpus there is, where no answer states one.
        left: bytes of the memory stated that the rest of the plan leaves for training.
    """

    def __init__(
        self,
        answers: Answers,
        decision: Decision,
        past: float = 1.0,
        things: float = 1.0,
        left: float = inf,
    ) -> None:
        self.answers = answers
        self.decision = decision
        self.past = past
        self.things = things
        self.left = left
        self.peak = answers.latency.throughput / 1e9
        """Requests per second at the peak."""
        self.mean = factors.MEAN.times(self.peak, "requests/s")
        """Requests per second, day and night."""
        self.delay = (answers.labels.delay or 0) / _MICRO / DAY
        """Days after which a label is known; 0 where no answer says."""

    def leaving(self, left: float) -> "Load":
        """The same with so many bytes left for training."""
        return Load(self.answers, self.decision, self.past, self.things, left)

    def chosen(self, role: str) -> str:
        """The component in a role; empty where the pattern has no such role."""
        component = self.decision.components.get(role)
        return "" if component is None else component.choice

    @cached_property
    def stated(self) -> int | None:
        """Things to choose among, where the answers say so."""
        candidates = self.answers.candidates
        if candidates.catalog is not None:
            return candidates.catalog
        return candidates.per_request if candidates.per_request > 1 else None

    @cached_property
    def corpus(self) -> Band:
        """Things or passages that are searched."""
        if self.stated is None:
            return factors.PASSAGES.times(self.things)
        return known(self.stated, "things")

    @cached_property
    def keys(self) -> Band:
        """Keys with a published result."""
        answers = self.answers
        if self.listed:
            return known(answers.candidates.catalog or 1, "keys")
        asked = self.mean.times(self.pause if self.arriving else factors.ASKED)
        return each("keys", lambda count: max(1.0, count), asked)

    @property
    def listed(self) -> bool:
        """Whether the answers count the keys."""
        answers = self.answers
        return answers.system.output == "score" and answers.candidates.catalog is not None

    @property
    def arriving(self) -> bool:
        """Whether a scheduled run scores what has arrived since the last one, not a population."""
        return self.decision.pattern == "batch" and self.answers.freshness.requests == "unforeseen"

    @property
    def interval(self) -> float:
        """Seconds between two scheduled runs at least: what one of them is made in.

        As the project's own schedule says, else as is decided; a day where nothing is scheduled.
        """
        return self._between(shortest_gap)

    @property
    def pause(self) -> float:
        """Seconds between two scheduled runs at most: what one of them may have to make up for."""
        return self._between(longest_gap)

    def _between(self, gap: Callable[[str], int]) -> float:
        decided = self.chosen("schedule")
        if not decided:
            return DAY
        stated = self.answers.schedule.score
        return (duration(decided) if stated is None else gap(stated)) / _MICRO

    @cached_property
    def remembered(self) -> Band:
        """Events within the windows, which a longer history does not lengthen."""
        return self.mean.times(factors.WINDOW).times(DAY, "events")

    @cached_property
    def history(self) -> Band:
        """Rows that a model may be trained on: requests, or each key each month."""
        return self._rows(factors.HISTORY)

    @cached_property
    def stored(self) -> Band:
        """Rows of the history with those whose label is not known yet."""
        return self._rows(later(factors.HISTORY, self.delay))

    def _rows(self, days: Band) -> Band:
        if self.decision.pattern == "batch" and not self.arriving:
            return self.keys.times(days).times(self.past / 30, "rows")
        return self.mean.times(days).times(DAY * self.past, "rows")

    @property
    def events(self) -> bool:
        """Whether the online state is made of events, not of values that a run has written."""
        return self.chosen("features") in {"streaming", "on_request"}

    @property
    def cores(self) -> float | None:
        """Cores of all hosts, where they are stated."""
        policy = self.answers.policy
        return None if policy.cores is None else float(policy.cores * (policy.hosts or 1))

    @property
    def room(self) -> float | None:
        """Bytes of memory of all hosts, where they are stated."""
        policy = self.answers.policy
        return None if policy.memory is None else float(policy.memory * (policy.hosts or 1))

    @property
    def memory(self) -> float:
        """Bytes of one machine."""
        return float(self.answers.policy.memory or factors.MACHINE)

    @cached_property
    def learned(self) -> Band:
        """Rows that a model is trained on: all, or a sample of as many as there is memory for."""
        if self.few:
            return factors.FEW.times(self.past)
        return each("rows", lambda rows: max(1.0, min(rows, self.trainable)), self.history)

    @property
    def few(self) -> bool:
        """Whether there are too few labels to learn from more than some rows."""
        return self.answers.labels.kind in {"sparse", "none"}

    @property
    def trainable(self) -> float:
        """Rows that half of one machine's memory holds while a model is trained, or what is left.

        However little is left, a sample of so many is learned from.
        """
        room = min(self.memory / 2, self.left - factors.TRAINING.typical)
        return max(factors.FEW.high, room / factors.HELD)

    @property
    def text(self) -> bool:
        """Whether what is searched are texts, and no learned towers embed it."""
        return self.decision.pattern == "rag" or "text" in self.chosen("model")

    @cached_property
    def vector(self) -> float:
        """Bytes of one vector in the index, its identifier included."""
        width = factors.DIMENSIONS["text" if self.text else "towers"]
        if self.chosen("index") == "ivf_pq":  # codes of half a byte, and a byte to refine
            return width / 4 + width + factors.IDENTIFIER
        return 4 * width + factors.IDENTIFIER


def later(days: Band, delay: float) -> Band:
    """So many days, and those until a label is known on top."""
    return days.plus(known(delay, "days"))
