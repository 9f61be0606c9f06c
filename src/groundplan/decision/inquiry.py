"""The five questions being answered: what was said so far, and what each answer ruled out."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from groundplan.constraints import FIELDS
from groundplan.constraints.kind import Plain, RefusedError
from groundplan.constraints.question import ASKED, OF_LABELS, Asked, asked_as
from groundplan.constraints.spoken import Meant, understand
from groundplan.decision.costs import Costs
from groundplan.decision.standing import CONFLICT, Out, Outcomes, Standing

_TOGETHER: Final = ("candidates.per_request", "candidates.catalog")


class Step(NamedTuple):
    """One answer, and what it changed.

    Args:
        key: the dotted key.
        plain: the value as the file writes it; None: open, or left out.
        ruled_out: for each pattern that stood before and stands no more, why.
        standing: the patterns that still stand, the simplest first.
        outcomes: what can still be decided; None, a conflict, comes last.
    """

    key: str
    plain: Plain | None
    ruled_out: dict[str, tuple[Out, ...]]
    standing: tuple[str, ...]
    outcomes: Outcomes


class Inquiry:
    """Answers in the order of the questions; each can be given, left out, left open, taken back.

    Args:
        costs: the cost table; the package's reference where it is not given.
    """

    def __init__(self, costs: Costs | None = None) -> None:
        self.costs = costs
        self.assumed: set[str] = set()
        self._meant: dict[str, Meant | None] = {}
        self._opened: set[str] = set()

    @property
    def plain(self) -> dict[str, Plain]:
        """What was answered, by dotted key, as the file writes it."""
        meant = {asked.key: self._meant.get(asked.key) for asked in self.asked()}
        return {key: found.plain for key, found in meant.items() if found is not None}

    @property
    def missing(self) -> tuple[str, ...]:
        """The required answers that are not there."""
        return tuple(
            asked.key
            for asked in self.asked()
            if FIELDS[asked.key].required and self._meant.get(asked.key) is None
        )

    def asked(self) -> Iterator[Asked]:
        """The questions that belong to what is known so far, in order and in its words."""
        for asked in ASKED:
            output = self.value("system.output")  # it may be answered on the way
            if asked.answers_only and output != "answer":
                continue
            if asked.key in OF_LABELS and self.value("labels.kind") == "none":
                continue
            yield asked_as(asked.key, output)

    def value(self, key: str) -> Any:
        """What was answered, as the program holds it; None: nothing, or it was left out."""
        meant = self._meant.get(key)
        return None if meant is None else meant.value

    def standing(self) -> Standing:
        """What the answers so far leave standing; what was not asked yet is open."""
        return Standing(self._given(), self.costs)

    def clash(self) -> tuple[str, ...]:
        """Some of the answers so far that leave a conflict only; none of them could be spared.

        Empty where something can still be decided.
        """
        kept = self.standing()
        if kept.outcomes() != (CONFLICT,):
            return ()
        for key in reversed(kept.given):  # the first answers say the most of what is built
            less = kept.without(key)
            if less.outcomes() == (CONFLICT,):
                kept = less
        return tuple(kept.given)

    def give(self, key: str, text: str, *, assumed: bool = False) -> Step:
        """Take an answer as somebody says it.

        Raises:
            RefusedError: it cannot be understood, or breaks the rule of its kind.
        """
        return self.put(key, understand(FIELDS[key].kind, text), assumed=assumed)

    def put(self, key: str, meant: Meant | None, *, assumed: bool = False) -> Step:
        """Take an answer that was understood; None leaves it out."""
        before = self.standing().patterns()
        self._check_together(key, meant)
        self._opened.discard(key)
        self.assumed.discard(key)
        self._meant[key] = meant
        if assumed:
            self.assumed.add(key)
        return self._step(key, before)

    def open(self, key: str) -> Step:
        """Leave an answer open: every value of it stays possible."""
        self.take_back(key)
        before = self.standing().patterns()
        self._opened.add(key)
        return self._step(key, before)

    def take_back(self, key: str) -> None:
        """Forget what was said to a question."""
        self._meant.pop(key, None)
        self._opened.discard(key)
        self.assumed.discard(key)

    def known(self, key: str) -> bool:
        """Whether a question has been answered, left out or left open."""
        return key in self._meant or key in self._opened

    def _given(self) -> dict[str, Any]:
        given = {}
        for asked in self.asked():
            if asked.key in self._meant:
                meant = self._meant[asked.key]
                given[asked.key] = FIELDS[asked.key].default if meant is None else meant.value
        return given

    def _check_together(self, key: str, meant: Meant | None) -> None:
        """Refuse a choice among more things than there are."""
        both = {other: self._meant.get(other) for other in _TOGETHER} | {key: meant}
        some, whole = (both[other] for other in _TOGETHER)
        if some is not None and whole is not None and some.value > whole.value:
            rule = f"a request cannot choose among more than the catalog, which has {whole.value:,}"
            raise RefusedError(rule, (whole if key == _TOGETHER[0] else some).plain)

    def _step(self, key: str, before: tuple[str, ...]) -> Step:
        now = self.standing()
        patterns = now.patterns()
        out = {name: now.because(name) for name in before if name not in patterns}
        meant = self._meant.get(key)
        plain = None if meant is None else meant.plain
        return Step(key, plain, out, patterns, now.outcomes())
