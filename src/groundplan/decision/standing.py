"""Partial answers: what can still be decided while some answers are open, and what it takes.

Within one output the rules pull one way (`domain.py`): each answer has a loosest and a tightest
value, and a rule that fires at the loosest fires everywhere. So a pattern is reached by search
over few places: answers that only rules to keep silent read stay loose, those that only rules
to fire read go tight, and the few that both read are tried at the break points that these rules
themselves name. A hit is a completion that the table was asked about, so it is never wrong; the
break points are all there are, so none is missed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise, product
from typing import Any, Final, NamedTuple

from groundplan.constraints.answers import (
    Answers,
    Candidates,
    Freshness,
    Interpretability,
    Labels,
    Latency,
    System,
)
from groundplan.decision.calibrated import current
from groundplan.decision.case import Case
from groundplan.decision.costs import Costs
from groundplan.decision.domain import DOMAINS, loosen
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Rule

_TIGHTEST: Final[dict[str, Any]] = {
    "labels.kind": "none",
    "latency.p99": 1,
    "latency.throughput": DOMAINS["latency.throughput"].most,
    "latency.streamed": False,
    "freshness.predictions": 0,
    "freshness.features": 0,
    "freshness.requests": "unforeseen",
    "freshness.knowledge": 0,
    "candidates.per_request": DOMAINS["candidates.per_request"].most,
    "candidates.catalog": None,
    "interpretability.level": "audit",
    "policy.private_corpus": True,
    "policy.fine_tuning": False,
    "policy.external_api": "none",
    "policy.hosts": 1,
    "policy.cores": 1,
}
"""The value of each answer at which every rule of one output fires that fires anywhere."""

_ORDER: Final = (
    *(key for key in DOMAINS if DOMAINS[key].values),
    "freshness.predictions",
    "freshness.features",
    "freshness.knowledge",
    "candidates.catalog",
    "candidates.per_request",
    "policy.hosts",
    "policy.cores",
    "latency.throughput",
    "latency.p99",
)
"""Words first, then the numbers that break points of later ones depend on."""

_AGAINST: Final = {name: tuple(rule for rule in RULES if rule.out == name) for name in NAMES}
_OUTPUT: Final = "system.output"
_ANSWERS_ONLY: Final = {"latency.streamed": False, "freshness.knowledge": None}
_ANY: Final = Answers(
    System("any", "any", "score"),
    Labels("none"),
    Latency(p99=1, throughput=1),
    Freshness(predictions=0, features=0, requests="foreseen"),
    Candidates(1),
    Interpretability("none"),
)  # what a case is made of; every answer that a pattern depends on is put over it
CONFLICT: Final = None
"""The outcome in which nothing stands."""

Outcomes = tuple[str | None, ...]


class Span(NamedTuple):
    """Neighbouring values of one answer that leave the same outcomes open.

    Args:
        least, most: the first and the last value; equal for a word. None: it is not stated.
        outcomes: the patterns that can still be decided, the simplest first; None, a conflict,
            comes last.
    """

    least: Any
    most: Any
    outcomes: Outcomes


class Out(NamedTuple):
    """Why a pattern stands in no completion.

    Args:
        rule: the rule that rules it out.
        because: its sentence, with open answers at their loosest values.
        answers: the dotted keys that it read and that are given.
        whatever: those that are open: the rule holds whatever they are.
    """

    rule: str
    because: str
    answers: tuple[str, ...]
    whatever: tuple[str, ...]


class Standing:
    """Some answers, the rest open: which patterns stand in some completion, and which can win.

    No engine is named yet: `[engines]` is no answer.

    Args:
        given: values by dotted key, as the program holds them; None states that the answer is
            left out. Keys that no pattern depends on are passed over.
        costs: the cost table; the one in force where it is not given.
    """

    def __init__(self, given: Mapping[str, Any], costs: Costs | None = None) -> None:
        self.given = {key: value for key, value in given.items() if key in DOMAINS}
        self._costs = costs
        self._work = (costs or current()).work
        self._case = Case(_ANY)

    @property
    def open(self) -> tuple[str, ...]:
        """The keys that are open, in the file's order."""
        return tuple(key for key in DOMAINS if key not in self.given)

    def but(self, key: str, value: Any) -> "Standing":
        """The same with one answer given."""
        return Standing({**self.given, key: value}, self._costs)

    def without(self, key: str) -> "Standing":
        """The same with one answer open."""
        return Standing({k: v for k, v in self.given.items() if k != key}, self._costs)

    def patterns(self) -> tuple[str, ...]:
        """The patterns that stand in at least one completion, the simplest first."""
        return tuple(name for name in NAMES if self.completion(name, alone=True) is not None)

    def outcomes(self) -> Outcomes:
        """What can still be decided: every outcome of at least one completion."""
        return tuple(name for name in (*NAMES, CONFLICT) if self.completion(name) is not None)

    def completion(self, goal: str | None, *, alone: bool = False) -> dict[str, Any] | None:
        """A completion that decides `goal` (None: a conflict), or None where there is none.

        Args:
            goal: the pattern.
            alone: it suffices that the pattern stands, even beside a simpler one.
        """
        simpler = () if alone else NAMES[: len(NAMES) if goal is None else NAMES.index(goal)]
        for output in self._outputs():
            found = self._reach(output, goal, simpler)
            if found is not None:
                return found
        return None

    def because(self, pattern: str) -> tuple[Out, ...]:
        """Why a pattern that stands nowhere is out: for each output that is open, a reason.

        None where it takes several rules, each in other completions.
        """
        found: dict[str, Out] = {}
        for output in self._outputs():
            free = self._free(output)
            self._start(output)
            self._loose(free)
            firing = [rule for rule in _AGAINST[pattern] if rule.when(self._case, self._work)]
            firing.sort(key=lambda rule: (rule.instead is not None, self._guessed(rule)))
            for rule in firing[:1]:
                sentence = rule.because(self._case, self._work)
                read = tuple(key for key in rule.reads if key in self.given or key == _OUTPUT)
                whatever = tuple(key for key in rule.reads if key in free)
                found.setdefault(sentence, Out(rule.name, sentence, read, whatever))
        return tuple(found.values())

    def spans(self, key: str) -> tuple[Span, ...]:
        """What each value of one answer would leave open: ranges of a number, or every word.

        Values that no file could state beside the given answers are left out.
        """
        domain = DOMAINS[key]
        rest = self.without(key)
        if domain.values:
            found = [(value, rest.but(key, value).outcomes()) for value in domain.values]
            return tuple(Span(value, value, outcomes) for value, outcomes in found if outcomes)
        spans = rest._ranges(key)
        if domain.optional and (unstated := rest.but(key, None).outcomes()):
            spans.append(Span(None, None, unstated))
        return tuple(spans)

    def _ranges(self, key: str) -> list[Span]:
        known: dict[int, Outcomes] = {}

        def at(value: int) -> Outcomes:
            if value not in known:
                known[value] = self.but(key, value).outcomes()
            return known[value]

        least, most = self._range(key)
        if least > most:
            return []
        places = sorted({least, most, *self._places(key, least, most)})
        starts = [least]
        for low, high in pairwise(places):
            starts += _turns(at, low, high)
        ends = [start - 1 for start in starts[1:]]
        spans = [Span(low, high, at(low)) for low, high in zip(starts, [*ends, most], strict=True)]
        return [span for span in spans if span.outcomes]

    def _places(self, key: str, least: int, most: int) -> Iterator[int]:
        """Both sides of the break points of one number, wherever the open answers may be.

        These are put at their loosest and at their tightest, and each number among them also
        where it turns itself; what lies between is searched by halves.
        """
        for output in self._outputs():
            free = [other for other in self._free(output) if other != key]
            for corner in (self._loose, self._tight):
                self._start(output)
                corner(free)
                for turn in self._turned(key, free):
                    if least < turn <= most:
                        yield from (turn - 1, turn)

    def _turned(self, key: str, free: list[str]) -> Iterator[int]:
        yield from self._edges(key)
        for other in free:
            slot = DOMAINS[other].slot
            before = getattr(self._case, slot)
            for value in () if DOMAINS[other].values else self._edges(other):
                self._put({other: value})
                yield from self._edges(key)
            self._put({other: before})

    def _edges(self, key: str, rules: tuple[Rule, ...] = RULES) -> list[int]:
        """Both sides of the break points of a number, the others as they stand."""
        least, most = self._range(key)
        slot = DOMAINS[key].slot
        edges = {edge for rule in rules for of, edge in rule.edges if of == slot}
        turns = {edge(self._case, self._work) for edge in edges}
        inside = {turn for turn in turns if turn is not None and least < turn <= most}
        return sorted(inside | {turn - 1 for turn in inside})

    def _range(self, key: str) -> tuple[int, int]:
        """The values that a file could state for a number beside the given answers."""
        least, most = DOMAINS[key].least, DOMAINS[key].most
        if key == "candidates.per_request":
            most = min(most, self.given.get("candidates.catalog") or most)
        if key == "candidates.catalog":
            least = max(least, self.given.get("candidates.per_request") or least)
        return least, most

    def _outputs(self) -> tuple[str, ...]:
        outputs = DOMAINS[_OUTPUT].values
        if _OUTPUT in self.given:
            outputs = (self.given[_OUTPUT],)
        if self.given.get("latency.streamed") or self.given.get("freshness.knowledge") is not None:
            outputs = tuple(output for output in outputs if output == "answer")
        least, most = self._range("candidates.per_request")
        chosen = self.given.get("candidates.per_request", least)
        return outputs if chosen <= most else ()

    def _free(self, output: str) -> list[str]:
        fixed = set(self.given) | {_OUTPUT} | (set() if output == "answer" else set(_ANSWERS_ONLY))
        return [key for key in _ORDER if key not in fixed]

    def _start(self, output: str) -> None:
        self._put({**_ANSWERS_ONLY, **self.given, _OUTPUT: output})

    def _put(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            setattr(self._case, DOMAINS[key].slot, value)

    def _loose(self, keys: list[str]) -> None:
        loosen(self._case, [DOMAINS[key] for key in keys])

    def _tight(self, keys: list[str]) -> None:
        self._put({key: self._tightest(key) for key in keys})

    def _tightest(self, key: str) -> Any:
        return self._range(key)[1] if key == "candidates.per_request" else _TIGHTEST[key]

    def _guessed(self, rule: Rule) -> int:
        """How many open answers a rule reads: the fewer, the more its sentence says."""
        return sum(key not in self.given for key in rule.reads if key in DOMAINS)

    def _reach(
        self, output: str, goal: str | None, simpler: tuple[str, ...]
    ) -> dict[str, Any] | None:
        free = self._free(output)
        silent = () if goal is None else _AGAINST[goal]
        self._start(output)
        self._loose(free)
        if self._fires(rule for rule in silent if rule.instead is None):
            return None
        self._tight(free)
        # What prefers a simpler pattern never leaves none, so it is no way to rule one out.
        ways = [
            [rule for rule in _AGAINST[name] if rule.instead is None and self._fires([rule])]
            for name in simpler
        ]
        # A rule that reads nothing but what is given fires in any case: no other way is needed.
        ways = [[r for r in way if not self._guessed(r)][:1] or way for way in ways]
        for firing in product(*ways):
            found = self._search(output, free, silent, tuple(firing))
            if found is not None:
                return found
        return None

    def _search(
        self, output: str, free: list[str], silent: tuple[Rule, ...], firing: tuple[Rule, ...]
    ) -> dict[str, Any] | None:
        """A completion in which the ones are silent and the others fire."""
        preferring = [rule for rule in silent if rule.instead is not None]
        hard = tuple(rule for rule in silent if rule.instead is None)
        to_loosen = {key for rule in hard for key in rule.reads}
        to_tighten = {key for rule in (*firing, *preferring) for key in rule.reads}
        torn = [key for key in free if key in to_loosen and key in to_tighten]
        tight = [key for key in free if key in to_tighten and key not in to_loosen]
        loose = [key for key in free if key not in to_tighten]
        self._start(output)
        self._loose(loose)
        self._tight(tight)
        return self._settle(torn, (*silent, *firing), hard, firing, preferring, free, output)

    def _settle(
        self,
        torn: list[str],
        rules: tuple[Rule, ...],
        hard: tuple[Rule, ...],
        firing: tuple[Rule, ...],
        preferring: list[Rule],
        free: list[str],
        output: str,
    ) -> dict[str, Any] | None:
        self._loose(torn)
        if self._fires(hard):
            return None
        self._tight(torn)
        if not all(self._fires([rule]) for rule in firing):
            return None
        if not torn:
            if self._fires(preferring):
                return None
            stated = {key: getattr(self._case, DOMAINS[key].slot) for key in free}
            return {**_ANSWERS_ONLY, **self.given, _OUTPUT: output, **stated}
        key, *later = torn
        domain = DOMAINS[key]
        self._loose(later)
        values: list[Any] = list(domain.values) or [
            domain.loosest,
            self._tightest(key),
            *self._edges(key, rules),
        ]
        if domain.optional and None not in values:
            values.append(None)
        for value in values:
            self._put({key: value})
            found = self._settle(later, rules, hard, firing, preferring, free, output)
            if found is not None:
                return found
        return None

    def _fires(self, rules: Iterable[Rule]) -> bool:
        return any(rule.when(self._case, self._work) for rule in rules)


def _turns(at: Callable[[int], Outcomes], low: int, high: int) -> list[int]:
    """The values after `low` and up to `high` at which the outcomes turn, found by halves."""
    if at(low) == at(high):
        return []
    if high == low + 1:
        return [high]
    middle = (low + high) // 2
    return [*_turns(at, low, middle), *_turns(at, middle, high)]
