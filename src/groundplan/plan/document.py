"""A dossier and a difference as JSON, and the JSON Schemas that they keep."""

from inspect import cleandoc
from typing import Any, Final

import msgspec
from msgspec import Struct

from groundplan import constraints
from groundplan.constraints import FIELDS, Answers
from groundplan.decision import Costs, Decision, more_complex
from groundplan.decision.case import shown
from groundplan.decision.conflicts import WayOut
from groundplan.decision.flips import Flip
from groundplan.decision.role import Component
from groundplan.decision.ruling import Ruling
from groundplan.plan.capacity import Capacity
from groundplan.plan.difference import Difference, difference
from groundplan.plan.dossier import Dossier
from groundplan.plan.failures import Failure
from groundplan.plan.growth import Growth
from groundplan.plan.stage import Plan

Said = str | int | float | bool | None
"""The value of an answer as the file writes it; null where it is not stated."""


class Decided(Struct, frozen=True):
    """The decision: the pattern (null in a conflict), what stands, what is ruled out and why."""

    pattern: str | None
    standing: tuple[str, ...]
    more_complex: dict[str, str]
    rulings: tuple[Ruling, ...]
    components: dict[str, Component]


class Move(Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A change of answers, each value as the file writes it, and what is decided then."""

    answers: tuple[str, ...]
    before: tuple[Said, ...]
    after: tuple[Said, ...]
    pattern: str | None


class Clash(Struct, frozen=True):
    """A smallest set of answers that cannot hold together, and the nearest ways out."""

    answers: tuple[str, ...]
    because: tuple[str, ...]
    nearest: tuple[Move, ...]


class Table(Struct, frozen=True):
    """The cost table that was used, and where it was measured.

    `left` says of each row that comes from the reference why it was not measured there.
    """

    name: str
    machine: str
    measured_at: str
    script: str
    left: dict[str, str]


class Document(Struct, frozen=True):
    """A plan in depth, as `groundplan plan --format json` prints it.

    `answers` are those of groundplan.toml, as the file writes them. In a conflict, `plan` and
    `capacity` are null, `growth` and `failures` empty. Elsewhere durations are microseconds
    (`p99`, `budget`, `estimate`, `headroom`), rates nanohertz (`throughput`), and each band says
    its unit.
    """

    answers: dict[str, dict[str, Any]]
    costs: Table
    decision: Decided
    conflicts: tuple[Clash, ...]
    flips: tuple[Move, ...]
    plan: Plan | None
    capacity: Capacity | None
    growth: tuple[Growth, ...]
    failures: tuple[Failure, ...]


class Comparison(Struct, frozen=True):
    """Two plans in depth and their difference, as `--what-if` and `groundplan compare` print it.

    `tally` counts the components and stages to add, change and remove; `summary` is the
    difference in a sentence.
    """

    before: Document
    after: Document
    difference: Difference
    tally: dict[str, int]
    summary: str


def document(dossier: Dossier) -> Document:
    """A dossier with its answers, flips and conflicts as the file writes values."""
    decision, costs = dossier.decision, dossier.costs
    return Document(
        answers=_answers(dossier.answers),
        costs=_table(costs),
        decision=_decided(decision),
        conflicts=tuple(
            Clash(one.answers, one.because, tuple(_move(way) for way in one.nearest))
            for one in dossier.conflicts
        ),
        flips=tuple(_move(flip) for flip in dossier.flips),
        plan=dossier.plan,
        capacity=dossier.capacity,
        growth=dossier.growth,
        failures=dossier.failures,
    )


def comparison(before: Dossier, after: Dossier) -> Comparison:
    """Two dossiers and their difference."""
    found = difference(before, after)
    return Comparison(document(before), document(after), found, found.tally, found.summary)


def written(record: Document | Comparison) -> str:
    """A document as the text of a JSON file."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def schema(of: type[Document] | type[Comparison] = Document) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a document or of a comparison."""
    found = msgspec.json.schema(of)
    answers = {key: value for key, value in constraints.schema().items() if key != "$schema"}
    found["$defs"]["Document"]["properties"]["answers"] = answers
    for name, definition in found["$defs"].items():
        if "properties" in definition:
            # Records say all their keys; only a file may leave some out.
            definition["additionalProperties"] = False
            definition["description"] = cleandoc(definition.get("description", name))
            definition["required"] = list(definition["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


SCHEMAS: Final[dict[str, type[Document] | type[Comparison]]] = {
    "plan": Document,
    "comparison": Comparison,
}
"""What has a schema beside groundplan.toml."""


def _answers(answers: Answers) -> dict[str, dict[str, Any]]:
    """The tables of groundplan.toml with what is stated in them."""
    tables: dict[str, dict[str, Any]] = {}
    for field in FIELDS.values():
        value = getattr(getattr(answers, field.table), field.name)
        if field.required or value != field.default:
            tables.setdefault(field.table, {})[field.name] = field.kind.plain(value)
    return {**tables, "engines": dict(answers.engines)} if answers.engines else tables


def _table(costs: Costs) -> Table:
    return Table(costs.name, costs.machine, costs.measured_at, costs.script, dict(costs.left))


def _decided(decision: Decision) -> Decided:
    return Decided(
        decision.pattern,
        decision.standing,
        more_complex(decision),
        decision.rulings,
        decision.components,
    )


def _move(change: Flip | WayOut) -> Move:
    def said(values: tuple[Any, ...]) -> tuple[Said, ...]:
        return tuple(shown(*one) for one in zip(change.answers, values, strict=True))

    return Move(change.answers, said(change.before), said(change.after), change.pattern)
