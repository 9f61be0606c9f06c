"""What there is to carry: requests, keys, things and history, counted from the answers."""

from functools import cached_property

from groundplan.constraints import Answers
from groundplan.decision import Decision
from groundplan.decision.work import BUSY
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, each, known

DAY = 86_400.0  # seconds
SHARE = BUSY[0] / BUSY[1]
"""How busy a core may be planned to be."""


class Load:
    """The amounts behind a plan.

    Args:
        answers: the answers.
        decision: what they decide.
        past: how many times the usual history there is.
        things: how many times the usual corpus there is, where no answer states one.
    """

    def __init__(
        self, answers: Answers, decision: Decision, past: float = 1.0, things: float = 1.0
    ) -> None:
        self.answers = answers
        self.decision = decision
        self.past = past
        self.things = things
        self.peak = answers.latency.throughput / 1e9
        """Requests per second at the peak."""
        self.mean = factors.MEAN.times(self.peak, "requests/s")
        """Requests per second, day and night."""

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
        if answers.system.output == "score" and answers.candidates.catalog is not None:
            return known(answers.candidates.catalog, "keys")
        asked = self.mean.times(factors.ASKED)
        return each("keys", lambda count: max(1.0, count), asked)

    @cached_property
    def remembered(self) -> Band:
        """Events within the windows."""
        return self.mean.times(factors.WINDOW).times(DAY * self.past, "events")

    @cached_property
    def history(self) -> Band:
        """Rows of the history that a model may be trained on: requests, or each key each month."""
        if self.decision.pattern == "batch":
            return self.keys.times(factors.HISTORY).times(self.past / 30, "rows")
        return self.mean.times(factors.HISTORY).times(DAY * self.past, "rows")

    @property
    def events(self) -> bool:
        """Whether the online state is made of events, not of values that a run has written."""
        return self.chosen("features") in {"streaming", "on_request"}

    @property
    def memory(self) -> float:
        """Bytes of one machine."""
        return float(self.answers.policy.memory or factors.MACHINE)

    @cached_property
    def learned(self) -> Band:
        """Rows that a model is trained on: all, or as many as half of a machine's memory holds."""
        if self.answers.labels.kind in {"sparse", "none"}:
            return factors.FEW.times(self.past)
        return each("rows", lambda rows: max(1.0, min(rows, self.trainable)), self.history)

    @property
    def trainable(self) -> float:
        """Rows that half of one machine's memory holds while a model is trained."""
        return self.memory / 2 / factors.HELD

    @cached_property
    def vector(self) -> float:
        """Bytes of one vector in the index, its identifier included."""
        text = self.decision.pattern == "rag" or "text" in self.chosen("model")
        width = factors.DIMENSIONS["text" if text else "towers"]
        if self.chosen("index") == "ivf_pq":  # codes of half a byte, and a byte to refine
            return width / 4 + width + factors.IDENTIFIER
        return 4 * width + factors.IDENTIFIER
