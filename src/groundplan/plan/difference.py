"""What changes from one dossier to another: what comes, what goes and what is different."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Duration
from groundplan.decision.case import shown
from groundplan.decision.conflicts import WayOut
from groundplan.decision.flips import Flip
from groundplan.plan.amount import show_amount, show_band, show_load
from groundplan.plan.capacity import Band, Capacity
from groundplan.plan.dossier import Dossier
from groundplan.plan.failures import Failure
from groundplan.plan.stage import Stage
from groundplan.units import show_duration

Item = TypeVar("Item")


class Change(Struct, frozen=True):
    """One thing that is added, changed or removed.

    Args:
        action: what happens to it.
        name: what it is called.
        before: its value before, as people read it; None where it is added.
        after: its value after; None where it is removed.
        because: why it comes, goes or changes, where a rule says so.
        parts: what else is different about it.
    """

    action: Literal["add", "change", "remove"]
    name: str
    before: str | None = None
    after: str | None = None
    because: str = ""
    parts: tuple["Change", ...] = ()


class Difference(Struct, frozen=True):
    """Everything that one dossier says and another does not, part by part.

    Args:
        answers: the answers that differ, by key.
        patterns: the pattern that is decided, and those that are ruled out now or no longer.
        rulings: the rulings that come and go; the name is what they rule out.
        conflicts: the sets of answers that cannot hold together now, or no longer.
        components: what fills each role.
        stages: the stages, with their budgets.
        misfits: the stages that cannot fit, and what the capacity lacks, now or no longer.
        capacity: the bands of each component and of all.
        growth: what gives out first when traffic, corpus or history grow.
        failures: the failure modes that come and go.
        operation: retraining and monitoring.
        flips: the points at which one answer alone changes the decision.
        pairs: those at which two answers do together.
    """

    answers: tuple[Change, ...]
    patterns: tuple[Change, ...]
    rulings: tuple[Change, ...]
    conflicts: tuple[Change, ...]
    components: tuple[Change, ...]
    stages: tuple[Change, ...]
    misfits: tuple[Change, ...]
    capacity: tuple[Change, ...]
    growth: tuple[Change, ...]
    failures: tuple[Change, ...]
    operation: tuple[Change, ...]
    flips: tuple[Change, ...]
    pairs: tuple[Change, ...]

    @property
    def followed(self) -> tuple[Change, ...]:
        """All that follows from the answers and is different."""
        names = self.__struct_fields__[1:]
        return tuple(change for name in names for change in getattr(self, name))

    @property
    def empty(self) -> bool:
        """Whether the answers are equal, and so is all that follows."""
        return not self.answers and not self.followed

    @property
    def tally(self) -> dict[str, int]:
        """How much is to `add`, `change` and `remove` of what is built: components and stages."""
        built = [change.action for change in (*self.components, *self.stages)]
        return {action: built.count(action) for action in ("add", "change", "remove")}

    @property
    def summary(self) -> str:
        """The difference in a sentence."""
        if self.empty:
            return "Nothing is different."
        if not self.followed:
            return "Nothing changes: all that follows from these answers is the same."
        if any(change.after == "conflict" for change in self.patterns):
            return "The answers conflict then: nothing of it can be built."
        count = self.tally
        if not any(count.values()):
            return "What is built stays the same: 0 to add, 0 to change, 0 to remove."
        return (
            f"{count['add']} to add, {count['change']} to change, {count['remove']} to remove "
            "of the components and stages."
        )


def difference(before: Dossier, after: Dossier) -> Difference:
    """What is different from one dossier to the other.

    What is the same thing on both sides is told by its name: a component by its role, a stage by
    its side and name, a ruling by its rule, a failure by its component and cause, a flip by its
    answer, its direction and what it decides. A sentence that only quotes another number is no
    difference.
    """
    return Difference(
        answers=_answers(before.answers, after.answers),
        patterns=_patterns(before, after),
        rulings=_rulings(before, after),
        conflicts=_compared(_conflicts(before), _conflicts(after), str),
        components=_components(before, after),
        stages=_stages(before, after),
        misfits=_compared(_misfits(before), _misfits(after), str, _value),
        capacity=_capacity(before.capacity, after.capacity),
        growth=_compared(_growth(before), _growth(after), str, _value),
        failures=_failures(before.failures, after.failures),
        operation=_compared(_operation(before), _operation(after), str, _value),
        flips=_flips(before.flips, after.flips, 1),
        pairs=_flips(before.flips, after.flips, 2),
    )


def _answers(before: Answers, after: Answers) -> tuple[Change, ...]:
    return _compared(_stated(before), _stated(after), str, _value)


def _stated(answers: Answers) -> dict[str, str]:
    """Every answer that is stated, as people read it."""
    found = {}
    for key, field in FIELDS.items():
        value = getattr(getattr(answers, field.table), field.name)
        if field.required or value != field.default:
            found[key] = spoken(key, value)
    return found | {f"engines.{name}": url for name, url in answers.engines.items()}


def spoken(key: str, value: Any) -> str:
    """The value of an answer as people read it; `not stated` where there is none."""
    kind = FIELDS[key].kind
    if value is not None and isinstance(kind, Duration):
        return kind.told(value)
    plain = shown(key, value)
    if plain is None:
        return "not stated"
    if isinstance(plain, bool):
        return str(plain).lower()
    return f"{plain:,}" if isinstance(plain, int) else str(plain)


def _patterns(before: Dossier, after: Dossier) -> tuple[Change, ...]:
    """The decided pattern, then each of the four whose verdict is another one."""
    was, now = before.decision, after.decision
    out: list[Change] = []
    if was.pattern != now.pattern:
        out.append(
            Change("change", "pattern", was.pattern or "conflict", now.pattern or "conflict")
        )
    for name in (*was.standing, *(one for one in now.standing if one not in was.standing)):
        if name not in now.standing:
            out.append(Change("remove", name, "stands", None))
        elif name not in was.standing:
            out.append(Change("add", name, None, "stands"))
    return tuple(out)


def _rulings(before: Dossier, after: Dossier) -> tuple[Change, ...]:
    was = {(one.rules_out, one.rule): one for one in before.decision.rulings}
    now = {(one.rules_out, one.rule): one for one in after.decision.rulings}
    gone = [Change("remove", one.rules_out, one.because) for k, one in was.items() if k not in now]
    come = [
        Change("add", one.rules_out, None, one.because) for k, one in now.items() if k not in was
    ]
    return (*gone, *come)


def _components(before: Dossier, after: Dossier) -> tuple[Change, ...]:
    was, now = before.decision.components, after.decision.components
    changes = _compared(
        {role: words(one.choice) for role, one in was.items()},
        {role: words(one.choice) for role, one in now.items()},
        str,
        _value,
    )
    return tuple(
        Change(one.action, words(one.name), one.before, one.after, _reason(one.name, was, now))
        for one in changes
    )


def _reason(role: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why another component fills a role: what rules the former one out, or what the new one is."""
    if role not in now:
        return ""
    ruled = [
        r.because for r in now[role].rulings if role in was and r.rules_out == was[role].choice
    ]
    return "; ".join(ruled) or str(now[role].because)


_TOLD: Final[dict[str, Callable[[Stage], str]]] = {
    "does": lambda stage: stage.does,
    "served by": lambda stage: stage.served_by,
    "at scale": lambda stage: stage.at_scale,
    "fallback": lambda stage: stage.fallback.says,
}


def _stages(before: Dossier, after: Dossier) -> tuple[Change, ...]:
    was, now = _by_side(before), _by_side(after)
    changes = _compared(was, now, _budget, _stage)
    return tuple(sorted(changes, key=lambda change: change.name.endswith("(online)")))


def _by_side(dossier: Dossier) -> dict[str, Stage]:
    stages = dossier.plan.stages if dossier.plan else ()
    return {f"{stage.name} ({stage.side})": stage for stage in stages}


def _budget(stage: Stage) -> str:
    return show_duration(stage.budget) if stage.side == "online" else stage.served_by


def _stage(name: str, was: Stage, now: Stage) -> Change | None:
    told = {what: tell for what, tell in _TOLD.items() if tell(was) != tell(now)}
    if was.side == "offline":
        told.pop("served by", None)
    elif was.optional != now.optional:
        told["optional"] = lambda stage: str(stage.optional).lower()
    parts = tuple(Change("change", what, tell(was), tell(now)) for what, tell in told.items())
    before, after = _budget(was), _budget(now)
    same = before == after and not parts
    return None if same else Change("change", name, before, after, parts=parts)


def _capacity(before: Capacity | None, after: Capacity | None) -> tuple[Change, ...]:
    return _compared(_bands(before), _bands(after), str, _value)


def _bands(capacity: Capacity | None) -> dict[str, str]:
    if capacity is None:
        return {}
    found: dict[str, Band] = {
        f"{words(need.component)}: {resource}": band
        for need in capacity.needs
        for resource, band in need.bands.items()
    }
    found |= {f"in all: {resource}": band for resource, band in capacity.total.items()}
    found["one replica: saturation"] = capacity.saturation
    found |= {f"one replica: {show_load(share)}": b for share, b in capacity.latency.items()}
    found |= {f"cost per month: {what}": band for what, band in capacity.cost.items()}
    return {name: show_band(band) for name, band in found.items()}


def _conflicts(dossier: Dossier) -> dict[str, str]:
    """Each smallest set, with the nearest ways out of it."""
    return {
        ", ".join(one.answers): "; ".join(("cannot hold together", *map(_way, one.nearest)))
        for one in dossier.conflicts
    }


def _way(way: WayOut) -> str:
    moves = [f"{key} = {spoken(key, v)}" for key, v in zip(way.answers, way.after, strict=True)]
    return f"{' and '.join(moves)} decides {way.pattern}"


def _misfits(dossier: Dossier) -> dict[str, str]:
    misfits = dossier.plan.misfits if dossier.plan else ()
    shortages = dossier.capacity.shortages if dossier.capacity else ()
    stages = {
        one.stage: f"needs {show_duration(one.needs)}, has {show_duration(one.has)}"
        for one in misfits
    }
    stages |= {f"{words(one.component)}: from the start": "too small" for one in dossier.outgrown}
    return stages | {
        f"{words(one.component)}: {one.resource}": f"needs {show_band(one.needs)}, has "
        f"{show_amount(one.has, one.needs.unit)}"
        for one in shortages
        if one.misfit
    }


def _growth(dossier: Dossier) -> dict[str, str]:
    """What gives out first under each growth, and at which factor."""
    found = {}
    for growth in dossier.growth:
        name = ", ".join(f"{axis} {factor:g}x" for axis, factor in growth.factors.items())
        first = next((limit for limit in growth.limits if limit.factor is not None), None)
        found[name] = (
            "nothing gives out"
            if first is None
            else f"{words(first.component)} gives out at {first.factor:.3g}x"
        )
    return found


def _failures(was: Iterable[Failure], now: Iterable[Failure]) -> tuple[Change, ...]:
    """Failure modes that come, go, or show and are answered in another way."""
    return _compared(
        {(one.named, one.cause): one for one in was},
        {(one.named, one.cause): one for one in now},
        lambda one: one.seen,
        _failure,
        ": ".join,
    )


def _failure(name: str, was: Failure, now: Failure) -> Change | None:
    parts = tuple(
        Change("change", what, getattr(was, what), getattr(now, what))
        for what in ("seen", "signal", "mitigation", "fallback")
        if getattr(was, what) != getattr(now, what)
    )
    return Change("change", name, was.seen, now.seen, parts=parts) if parts else None


def _operation(dossier: Dossier) -> dict[str, str]:
    """Retraining and monitoring, line by line."""
    plan = dossier.plan
    if plan is None:
        return {}
    found = {"retraining": plan.retraining.cadence, "gate": plan.retraining.gate}
    found |= {f"sooner when {trigger}": "retrain" for trigger in plan.retraining.triggers}
    return found | {f"watch {one.signal}": one.threshold for one in plan.monitoring}


def _flips(was: Iterable[Flip], now: Iterable[Flip], size: int) -> tuple[Change, ...]:
    return _compared(_marks(was, size), _marks(now, size), str, _value, lambda key: str(key[0]))


def _marks(flips: Iterable[Flip], size: int) -> dict[tuple[str, ...], str]:
    """Where the flips of so many answers lie, by what they change and what is decided then."""
    found: dict[tuple[str, ...], str] = {}
    for flip in flips:
        if len(flip.answers) == size:
            moves = list(zip(flip.answers, flip.before, flip.after, strict=True))
            name = f"{' with '.join(flip.answers)}: {flip.pattern or 'conflict'}"
            key = (name, *(_direction(*move) for move in moves))
            found[key] = " and ".join(_place(*move) for move in moves)
    return found


def _place(key: str, before: Any, after: Any) -> str:
    """Where an answer has to go: `4,678 or more`, or the word of a choice."""
    said, direction = spoken(key, after), _direction(key, before, after)
    return said if direction == said or said.startswith("under") else f"{said} or {direction}"


def _direction(key: str, before: Any, after: Any) -> str:
    """`more` or `less` of a number, or the value that a choice moves to."""
    numbers = [isinstance(value, int) and not isinstance(value, bool) for value in (before, after)]
    if not all(numbers):
        return spoken(key, after)
    return "more" if after > before else "less"


def words(name: str) -> str:
    """A name of the table in words."""
    return name.replace("_", " ")


def _value(name: str, was: str, now: str) -> Change | None:
    return None if was == now else Change("change", name, was, now)


def _compared(
    was: Mapping[Any, Item],
    now: Mapping[Any, Item],
    show: Callable[[Item], str],
    changed: Callable[[str, Item, Item], Change | None] = lambda name, was, now: None,
    name: Callable[[Any], str] = str,
) -> tuple[Change, ...]:
    """What goes and what is different, in the order of before; then what comes."""

    def found() -> Iterator[Change | None]:
        for key, item in was.items():
            if key not in now:
                yield Change("remove", name(key), show(item), None)
            else:
                yield changed(name(key), item, now[key])
        for key, item in now.items():
            if key not in was:
                yield Change("add", name(key), None, show(item))

    return tuple(change for change in found() if change is not None)
