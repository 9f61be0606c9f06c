"""The decision as an architecture decision record: Markdown to commit beside the code."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from groundplan.constraints import FIELDS, QUESTIONS, Answers
from groundplan.constraints.file import literal
from groundplan.decision import PATTERNS, Component, Conflict, Decision, Flip, WayOut, more_complex
from groundplan.plan.amount import show_amount
from groundplan.plan.budget import RESERVED
from groundplan.plan.capacity import Band, Capacity
from groundplan.plan.dossier import Dossier
from groundplan.plan.failures import Failure
from groundplan.plan.growth import Growth, bills
from groundplan.plan.markdown import cell, change, code, quoted, span, table
from groundplan.plan.served import planned
from groundplan.plan.stage import Plan, Stage
from groundplan.units import show_about, show_duration, show_enough, show_rate

_Pieces = Iterator[str]


def record(dossier: Dossier, *, status: str = "", date: str = "") -> str:
    """The record of a decision, in the order of a Markdown architecture decision record (MADR).

    Drivers, options with why each is out, decision, consequences, confirmation, when to revisit.
    The same dossier gives the same text; no clock is read.

    Args:
        dossier: the decision with all that follows from it.
        status: `accepted`, `superseded by ...`; without it, `proposed`, or `open` in a conflict.
        date: of the decision, as it should stand there; empty: none.
    """
    pieces = [
        *_head(dossier, status, date),
        *_drivers(dossier.answers),
        *_options(dossier),
        *(_decided(dossier, dossier.plan) if dossier.plan else _undecided(dossier.conflicts)),
        *_revisit(dossier),
        *_measured(dossier),
    ]
    return "\n\n".join(pieces) + "\n"


def _head(dossier: Dossier, status: str, date: str) -> _Pieces:
    system = dossier.answers.system
    yield f"# {quoted(system.name)}: {dossier.decision.pattern or 'conflict'}"
    status = status or ("proposed" if dossier.plan else "open")
    lines = [f"- Status: {quoted(status)}"]
    lines += [f"- Date: {quoted(date)}"] if date else []
    lines += ["- Source: the answers in `groundplan.toml` and the cost table that is named below"]
    yield "\n".join(lines)
    yield "## Context"
    yield quoted(system.goal)


def _drivers(answers: Answers) -> _Pieces:
    yield "## Decision drivers"
    yield "The five questions and what was answered."
    output = code(f"output = {literal(answers.system.output)}")
    rows = [("", "What does a request get back?", output)]
    for question in QUESTIONS:
        rows.append((str(question.number), question.text, _answered(answers, question.table)))
    policy = _answered(answers, "policy")
    engines = "<br>".join(
        code(f"{name} = {literal(_masked(url))}") for name, url in answers.engines.items()
    )
    rows += [("", "What may the plan use?", policy)] if policy else []
    rows += [("", "Where do things run?", engines)] if engines else []
    yield table(("", "question", "answers"), rows)


def _answered(answers: Answers, name: str) -> str:
    """The answers of one table, those left at their defaults apart."""
    held, found = getattr(answers, name), []
    for field in FIELDS.values():
        if field.table == name:
            value = getattr(held, field.name)
            if field.required or value != field.default:
                found.append(code(f"{field.name} = {literal(field.kind.plain(value))}"))
    return "<br>".join(found)


def _masked(url: str) -> str:
    """Without the password: the record is read by more people than the file."""
    return re.sub(r"//[^/@]*@", "//***@", url)


def _options(dossier: Dossier) -> _Pieces:
    decision = dossier.decision
    complex_too = more_complex(decision)
    yield "## Options considered"
    yield (
        "From the simplest to the most complex to run. A rule reads answers and rules an option "
        "out; of those left standing, the simplest is chosen."
    )
    for pattern in PATTERNS:
        against = [r for r in decision.rulings if r.rules_out == pattern.name]
        chosen = pattern.name == decision.pattern
        yield f"### {pattern.name}: {'chosen' if chosen else 'out' if against else 'not needed'}"
        yield f"{_sentence(pattern.shape)}"
        if against:
            yield "\n".join(
                f"- {cell(r.because)} ({', '.join(map(code, r.answers))}; rule {code(r.rule)})"
                for r in against
            )
        elif not chosen:
            yield f"{_sentence(complex_too[pattern.name])}"


def _decided(dossier: Dossier, plan: Plan) -> _Pieces:
    yield "## Decision"
    yield f"**{plan.pattern}**: the simplest pattern left standing. Its components:"
    yield table(
        ("role", "choice", "because", "ruled out"),
        [_component(part) for part in dossier.decision.components.values()],
    )
    yield "## Consequences"
    yield from _stages(plan)
    if dossier.capacity:
        yield from _capacity(dossier.capacity, plan)
    if dossier.growth:
        yield from _growth(dossier.growth, plan.pattern, dossier.capacity)
    if dossier.failures:
        yield from _failures(dossier.failures)
    yield from _upkeep(plan)
    yield from _confirmation(dossier.answers, dossier.decision, plan)


def _component(part: Component) -> Sequence[str]:
    out = [f"{_words(r.rules_out)}: {cell(r.because)}" for r in part.rulings]
    return _words(part.role), _words(part.choice), cell(part.because), "<br>".join(out)


def _stages(plan: Plan) -> _Pieces:
    if plan.offline:
        yield "### Before a request"
        yield table(
            ("stage", "does", "served by", "at scale", "if it fails"),
            [
                (s.name, cell(s.does), cell(s.served_by), cell(s.at_scale), cell(s.fallback.says))
                for s in plan.offline
            ],
        )
    yield f"### In a request: {show_duration(plan.p99)} p99 at {show_rate(plan.throughput)}"
    rows = [_online(stage) for stage in plan.online]
    rest = ("headroom", RESERVED, "", "", show_about(plan.headroom), "")
    yield table(
        ("stage", "does", "served by", "estimate", "budget", "fallback"),
        [*rows, rest],
        right=("estimate", "budget"),
    )
    for misfit in plan.misfits:
        yield (
            f"> [!WARNING]\n> {code(misfit.stage)} cannot fit: it takes "
            f"{show_enough(misfit.needs)}, and {show_about(misfit.has)} are left. "
            f"What would make it fit: {cell(misfit.remedy)}."
        )


def _online(stage: Stage) -> Sequence[str]:
    does = cell(stage.does) + (" (optional: left out first)" if stage.optional else "")
    return (
        stage.name,
        does,
        cell(stage.served_by),
        show_about(stage.estimate),
        show_about(stage.budget),
        cell(stage.fallback.says),
    )


def _capacity(need: Capacity, plan: Plan) -> _Pieces:
    yield "### Capacity"
    yield f"At {show_rate(plan.throughput)}, as low / typical / high."
    resources = list(dict.fromkeys(name for one in (*need.needs, need) for name in _bands(one)))
    rows = [
        (_words(one.component), *_cells(one.bands, resources), cell(one.because))
        for one in need.needs
    ]
    yield table(
        ("component", *resources, "because"),
        [*rows, ("**in all**", *_cells(need.total, resources), "")],
    )
    lines = [f"- One replica saturates at {span(need.saturation)}."]
    for share, band in need.latency.items():
        where = f"{share} of that" if share.endswith("%") else f"the {share}"
        lines.append(f"- The p99 at {where} is {span(band)}.")
    lines += [f"- {_sentence(need.model)}"] if need.model else []
    yield "\n".join(lines)
    for short in need.shortages:
        kind = "WARNING" if short.misfit else "NOTE"
        yield f"> [!{kind}]\n> {cell(f'{short.head}: {short.says}')}."
    if need.cost:
        yield "With the prices that were given, per month:"
        yield table(
            ("component", "per month"),
            [(_words(name), span(band)) for name, band in need.cost.items()],
        )


def _bands(one: Any) -> Iterable[str]:
    found: dict[str, Band] = getattr(one, "bands", None) or getattr(one, "total", {})
    return found


def _cells(bands: dict[str, Band], resources: Iterable[str]) -> list[str]:
    return [span(bands[name]) if name in bands else "" for name in resources]


def _growth(found: Sequence[Growth], pattern: str, now: Capacity | None) -> _Pieces:
    yield "### When it grows"
    months = [
        (one.size, span(one.month) if one.month else "none: a conflict", one.ratio)
        for one in bills(now, found)
    ]
    if months:
        yield "What it costs, with the prices that were given:"
        yield table(("size", "per month", "of now"), months)
    for one in found:
        grown = ", ".join(f"{axis} × {show_amount(by, '')}" for axis, by in one.factors.items())
        yield f"**{grown}**: {_outcome(one, pattern)}"
        reached = [limit for limit in one.limits if limit.factor is not None]
        if reached:
            yield table(
                ("gives out", "at", "because", "replaced by"),
                [
                    (
                        _words(limit.component),
                        f"{limit.axis} × {show_amount(limit.factor or 0, '')}",
                        cell(limit.because),
                        cell(limit.replaced_by),
                    )
                    for limit in reached
                ],
            )


def _outcome(one: Growth, pattern: str) -> str:
    then = one.pattern or "a conflict"
    decides = f"it stays {then}" if then == pattern else f"the decision becomes {then}"
    changes = [
        f"{_words(role)} goes from {_words(before) or 'nothing'} to {_words(after) or 'nothing'}"
        for role, before, after in one.changes
    ]
    needs = []
    if one.capacity:
        needs = [
            f"{span(band)} of {name}" if band.unit == "bytes" else span(band)
            for name, band in one.capacity.total.items()
        ]
    ending = f" It then needs {', '.join(needs)}." if needs else ""
    lasts = "" if any(limit.factor for limit in one.limits) else " Nothing gives out."
    return "; ".join([decides, *changes]) + "." + lasts + ending


def _failures(found: Iterable[Failure]) -> _Pieces:
    rows = list(found)
    yield "### How it fails"
    if not all(one.running for one in rows):
        yield (
            "Signals and fallbacks marked † are what to build: this version plans them and does "
            "not run them."
        )
    yield table(
        ("component", "cause", "what users see", "signal", "mitigation", "fallback"),
        [
            (
                one.named,
                cell(one.cause),
                cell(one.seen),
                cell(one.signal) + ("" if one.running else " †"),
                cell(one.mitigation),
                cell(one.fallback) or "none",
            )
            for one in rows
        ],
    )


def _upkeep(plan: Plan) -> _Pieces:
    yield "### Retraining and monitoring"
    yield "\n".join(
        [f"- Retrained {cell(plan.retraining.cadence)}."]
        + [f"- Sooner when: {cell(trigger)}." for trigger in plan.retraining.triggers]
        + [f"- A new model serves only if it passes: {cell(plan.retraining.gate)}."]
    )
    yield table(
        ("watched", "threshold", "then"),
        [(cell(w.signal), cell(w.threshold), cell(w.action)) for w in plan.monitoring],
    )


def _confirmation(answers: Answers, decision: Decision, plan: Plan) -> _Pieces:
    yield "## Confirmation"
    missing = planned(answers, decision)
    if missing:
        yield (
            "This version of Groundplan decides and plans this architecture, and does not build or "
            f"serve it: {cell(_masked('; '.join(missing)))}. Whoever builds it confirms it by "
            "measuring, under the promised load:"
        )
        yield "\n".join(f"- {line}" for line in _promises(answers))
        return
    lines = [
        "`groundplan build` exits 2 where a model does not pass its gate, and leaves the live one.",
        "`groundplan verify` loads a server as promised and exits 2 unless every promise holds, "
        f"among them: {'; '.join(_promises(answers))}; each stage keeps its budget; no fallback "
        "is needed; every answer is in the log.",
    ]
    if plan.pattern == "realtime":
        lines.append(
            "`groundplan consistency` recomputes every served feature value offline and exits 2 "
            "where one differs."
        )
    else:
        lines.append(
            "`groundplan score` exits 2 where a version fails a check (rows, coverage, missing "
            "values, drift, a sample made again), and the last one keeps serving."
        )
    yield "\n".join(f"- {line}" for line in lines)


def _promises(answers: Answers) -> list[str]:
    latency, freshness = answers.latency, answers.freshness
    whole = "the first token" if latency.streamed else "a request"
    found = [
        f"{whole} takes at most {show_duration(latency.p99)} at the 99th percentile, at "
        f"{show_rate(latency.throughput)}",
        "each prediction reflects its very request"
        if freshness.predictions == 0
        else f"predictions are at most {show_duration(freshness.predictions)} old",
        f"feature values are at most {show_duration(freshness.features)} old",
    ]
    if freshness.knowledge is not None:
        changed = show_duration(freshness.knowledge)
        found.append(f"a changed document is searchable within {changed}")
    if answers.interpretability.level != "none":
        found.append(f"{answers.interpretability.level}: predictions carry their reasons")
    return found


def _undecided(found: Iterable[Conflict]) -> _Pieces:
    yield "## Decision"
    yield "None: the answers cannot hold together. Each set below is a smallest one."
    for conflict in found:
        yield f"### {', '.join(map(code, conflict.answers))}"
        yield "\n".join(f"- {cell(because)}" for because in conflict.because)
        if conflict.nearest:
            yield "The nearest changes that would resolve it:"
            yield _changes(conflict.nearest)


def _revisit(dossier: Dossier) -> _Pieces:
    yield "## When to revisit"
    alone = [flip for flip in dossier.flips if len(flip.answers) == 1]
    pairs = [flip for flip in dossier.flips if len(flip.answers) > 1]
    if not dossier.flips:
        yield "No change of one answer, or of two, changes the decision."
        return
    yield (
        "At each of these points another decision follows; up to it, with the other answers as "
        "they are, this one stays."
    )
    yield _changes(alone) if alone else "No answer alone changes it."
    if pairs:
        yield "<details>\n<summary>Two answers at once</summary>"
        yield _changes(pairs)
        yield "</details>"


def _changes(found: Iterable[Flip | WayOut]) -> str:
    return table(
        ("answer", "from", "to", "decides"),
        [(*change(one), one.pattern or "conflict") for one in found],
    )


def _measured(dossier: Dossier) -> _Pieces:
    costs = dossier.costs
    yield "## Costs"
    yield (
        f"Cost table {code(costs.name)}, measured {quoted(costs.measured_at)} on "
        f"{quoted(costs.machine)}."
    )
    if costs.left:
        left = ", ".join(map(code, costs.left))
        yield f"Not measured there, and taken from the reference: {left}."


def _sentence(text: str) -> str:
    said = cell(text)
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")


def _words(text: str) -> str:
    return cell(text.replace("_", " "))
