"""Print the reference from the program's own tables: `python docs/reference.py`.

What stands on the pages of `docs/reference` is read from the answers, the rules, the components
and the commands; a test holds the pages to it. The metrics come from running servers:
`python docs/reference.py realtime=http://localhost:8000/metrics batch=http://localhost:8001/metrics`.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

import click
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from groundplan import constraints
from groundplan.cli import main
from groundplan.constraints import ENGINES, FIELDS, QUESTIONS, Answers, Field
from groundplan.constraints.file import literal
from groundplan.constraints.kind import Choice, Count, Duration, Flag, Fraction, Rate, Size
from groundplan.decision import PATTERNS, Rule, Ruling, decide, reference_costs
from groundplan.decision.case import KEYS, Case
from groundplan.decision.components import ROLES
from groundplan.decision.role import Role
from groundplan.decision.rules import RULES
from groundplan.errors import ConstraintError
from groundplan.plan.markdown import cell, code, setting, table

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE.parent / "examples"


def pages() -> Iterator[tuple[Path, str]]:
    """Each page's file, and what it should say; the metrics need running servers."""
    found = Examples()
    for name, text in (
        ("answers", answers_page()),
        ("rules", rules_page(found)),
        ("components", components_page(found)),
        ("commands", commands_page()),
    ):
        yield HERE / "reference" / f"{name}.md", text


# What a file may say.


def answers_page() -> str:
    """The keys of `groundplan.toml`, question by question."""
    pieces = [
        "# The answers",
        "What `groundplan.toml` may say. A key without a default is asked for; unknown keys are "
        "refused with the nearest known one.",
    ]
    texts = {q.table: f"{q.number}. {q.text}" for q in QUESTIONS}
    decides = {q.table: f"It decides {q.decides}." for q in QUESTIONS}
    for name in dict.fromkeys(field.table for field in FIELDS.values()):
        fields = [field for field in FIELDS.values() if field.table == name]
        record = constraints.answers.RECORDS[name]
        title = texts.get(name, cell(record.__doc__ or "").rstrip("."))
        pieces += [f"## {code(f'[{name}]')} {title}"]
        pieces += [decides[name]] if name in decides else []
        pieces.append(
            table(
                ("key", "values", "default", "meaning"),
                [(code(one.name), _values(one), _default(one), cell(one.doc)) for one in fields],
            )
        )
    pieces += [
        "## `[engines]` Where things run",
        "Everything is embedded by default. An engine is named by its URL.",
        table(("key", "what it names"), [(code(k), cell(doc)) for k, doc in ENGINES.items()]),
    ]
    return _page(pieces)


def _values(field: Field) -> str:
    kind = field.kind
    if isinstance(kind, Choice):
        return ", ".join(code(word) for word in kind.words)
    if isinstance(kind, Flag):
        return "`true`, `false`"
    if isinstance(kind, Fraction):
        return "a share from 0 to 1"
    if isinstance(kind, Count):
        return f"a whole number from {kind.least:,} to {kind.most:,}"
    example = code(literal(getattr(kind, "example", "UTC")))
    if isinstance(kind, Duration | Rate | Size):
        what = type(kind).__name__.lower()
        least, most = kind.plain(kind.least), kind.plain(kind.most)
        return f"a {what} such as {example}, from {least} to {most}"
    what = {"Cron": "a cron expression", "Zone": "a time zone"}.get(type(kind).__name__, "a text")
    return f"{what} such as {example}"


def _default(field: Field) -> str:
    if field.required:
        return "asked for"
    return "none" if field.default is None else code(literal(field.kind.plain(field.default)))


# What the rules say.


class Example(NamedTuple):
    """A ruling that some answers lead to, and which answers those are."""

    where: str
    answers: Answers
    ruling: Ruling


_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "labels.positive_rate": (None, 0.008, 0.5),
    "labels.delay": (None, "1h", "90d"),
    "latency.p99": ("1us", "200us", "1ms", "5ms", "20ms", "100ms", "500ms", "2s", "6h"),
    "latency.throughput": ("500/s", "100000/s"),
    "freshness.predictions": ("0s", "30m", "2h", "24h", "60d"),
    "freshness.features": ("0s", "30m", "2h", "24h", "60d"),
    "freshness.knowledge": (None, "10m", "60d"),
    "candidates.per_request": (1, 300, 50_000, 2_000_000),
    "candidates.catalog": (None, 10_000_000, 1_000_000_000),
    "policy.hosts": (None, 2),
    "policy.cores": (None, 2, 1_000),
    "policy.memory": (None, "4GB", "24GB"),
}


class Examples:
    """For every rule the first answers that fire it: a worked example, else a change of one."""

    def __init__(self) -> None:
        self.found: dict[str, Example] = {}
        self._wanted = {rule.name for rule in (*RULES, *(r for one in ROLES for r in one.rules))}
        worked = {
            str(file.relative_to(EXAMPLES)).removesuffix("/groundplan.toml"): constraints.load(file)
            for file in sorted(EXAMPLES.glob("*/*.toml"))
        }
        for size in (0, 1, 2):
            for where, answers in worked.items():
                for moves in combinations(list(_moves()), size):
                    if self._wanted <= set(self.found):
                        return
                    if len({key for key, _ in moves}) == size:
                        self._try(where, answers, moves)

    def _try(self, where: str, answers: Answers, moves: tuple[tuple[str, Any], ...]) -> None:
        for key, value in moves:
            answers = _moved(answers, key, value)
        decision = decide(answers, reference_costs())
        rulings = [*decision.rulings]
        for part in decision.components.values():
            rulings += part.rulings
        fresh = [ruling for ruling in rulings if ruling.rule not in self.found]
        if fresh and _allowed(answers):
            said = ", ".join([where, *(code(f"{key} = {literal(value)}") for key, value in moves)])
            for ruling in fresh:
                self.found.setdefault(ruling.rule, Example(said, answers, ruling))


def _moves() -> Iterator[tuple[str, Any]]:
    for key in (*KEYS, "engines.online_store", "engines.scores", "engines.language_model"):
        kind = FIELDS[key].kind if key in FIELDS else None
        if isinstance(kind, Choice | Flag):
            words = kind.words if isinstance(kind, Choice) else (False, True)
            yield from ((key, word) for word in words)
        elif key.startswith("engines."):
            yield key, "redis://localhost:6379/0"
        else:
            yield from ((key, value) for value in _VALUES.get(key, ()) if value is not None)


def _moved(answers: Answers, key: str, value: Any) -> Answers:
    name, slot = key.split(".")
    if name == "engines":
        return msgspec.structs.replace(answers, engines={**answers.engines, slot: value})
    held = msgspec.structs.replace(getattr(answers, name), **{slot: FIELDS[key].kind.read(value)})
    return msgspec.structs.replace(answers, **{name: held})


def _allowed(answers: Answers) -> bool:
    try:
        constraints.parse(constraints.render(answers), "example")
    except ConstraintError:
        return False
    return True


def rules_page(examples: Examples) -> str:
    """The table of rules, pattern by pattern."""
    pieces = [
        "# The rules",
        "A rule reads answers and, where it needs one, a measured cost, and rules a pattern out. "
        "What is left standing is ordered by simplicity, and the simplest is chosen; where nothing "
        "stands, the answers are in conflict. Each rule is shown with the first answers of the "
        "[worked examples](../../examples/README.md) that fire it, changed where none does; a "
        "rule turns at the break points beside it, with the other answers of that example as they "
        f"are, by the cost table {code(reference_costs().name)}.",
    ]
    for pattern in PATTERNS:
        mine = [rule for rule in RULES if rule.out == pattern.name]
        pieces += [f"## {pattern.name}", f"{cell(pattern.shape).capitalize()}."]
        pieces += [f"It wins where {cell(pattern.wins)}."]
        pieces += [_rules(mine, examples, turns=True)]
    return _page(pieces)


def _rules(rules: list[Rule], examples: Examples, *, turns: bool) -> str:
    rows = []
    for rule in rules:
        reads = "<br>".join(map(code, rule.reads))
        example = examples.found.get(rule.name)
        said, where, edges = "", "", ""
        if example is not None:
            said, where = cell(example.ruling.because), example.where
            edges = "<br>".join(_edges(rule, example.answers))
        rest = (edges,) if turns else ()
        rows.append((code(rule.name), reads, said, where, *rest))
    heads = ("rule", "reads", "it says, for example", "with the answers of")
    return table((*heads, "turns at") if turns else heads, rows)


def _edges(rule: Rule, answers: Answers) -> list[str]:
    case, work = Case(answers), reference_costs().work
    keys = {key.split(".")[1]: key for key in KEYS}
    found = []
    for slot, edge in rule.edges:
        at = edge(case, work)
        kind = FIELDS[keys[slot]].kind
        assert isinstance(kind, Duration | Rate | Count | Size)
        if at is not None and kind.least < at <= kind.most:
            found.append(f"{code(keys[slot])} {setting(keys[slot], at)}")
    return list(dict.fromkeys(found))


def components_page(examples: Examples) -> str:
    """The roles, their options, and what rules them out."""
    pieces = [
        "# The components",
        "Inside the pattern the same kind of table fills each role. Options stand in the order of "
        "choice; the first that no rule rules out is taken. A shape is a pattern, or a pattern "
        "with `-answer` where the output is a text.",
    ]
    for role in ROLES:
        pieces += [f"## {role.name.replace('_', ' ')}", _options(role)]
        if role.rules:
            pieces.append(_role_rules(role, examples))
    return _page(pieces)


def _options(role: Role) -> str:
    return table(
        ("option", "what it is", "in the shapes"),
        [
            (code(option.name), cell(option.what), ", ".join(sorted(option.shapes)))
            for option in role.options
        ],
    )


def _role_rules(role: Role, examples: Examples) -> str:
    rows = []
    for rule in role.rules:
        example = examples.found.get(rule.name)
        said, where = (
            ("", "")
            if example is None
            else (
                cell(example.ruling.because),
                example.where,
            )
        )
        rows.append(
            (code(rule.name), code(rule.out), "<br>".join(map(code, rule.reads)), said, where)
        )
    heads = ("rule", "rules out", "reads", "it says, for example", "with the answers of")
    return table(heads, rows)


# What the command line says.


def commands_page() -> str:
    """The help of every command, as the program prints it."""
    pieces = [
        "# The commands",
        "What `groundplan COMMAND --help` prints.",
        _help(main, ("groundplan",)),
    ]
    for name, command in main.commands.items():
        pieces += [f"## groundplan {name}", _help(command, ("groundplan", name))]
        if isinstance(command, click.Group):
            for sub, below in command.commands.items():
                path = ("groundplan", name, sub)
                pieces += [f"### {' '.join(path)}", _help(below, path)]
    return _page(pieces)


def _help(command: click.Command, path: tuple[str, ...]) -> str:
    context: click.Context | None = None
    for name in path[:-1]:
        context = click.Context(main, info_name=name, parent=context)
    context = click.Context(
        command,
        info_name=path[-1],
        parent=context,
        terminal_width=90,
        max_content_width=90,
        **main.context_settings,
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    return "```\n" + "\n".join(lines) + "\n```"


# What the servers say.


class Metric(NamedTuple):
    """A metric as servers tell it."""

    kind: str
    labels: frozenset[str]
    says: str
    of: tuple[str, ...]


def _later(says: str, *labels: str, kind: str = "gauge") -> Metric:
    return Metric(kind, frozenset(labels), says, ("realtime",))


LATER: Final = {
    "groundplan_breaker_changes_total": _later(
        "New states of breakers.", "engine", "state", kind="counter"
    ),
    "groundplan_consistency_answers": _later("Answers compared."),
    "groundplan_consistency_beyond": _later("Events too late to count."),
    "groundplan_consistency_checked_seconds": _later("When it was checked."),
    "groundplan_consistency_differing": _later(
        "Recent answers whose value differs from the recomputed one.", "feature", "outcome"
    ),
    "groundplan_feed_staleness_seconds": _later("How far the state is behind its stream."),
    "groundplan_process_restarts_total": _later(
        "Processes started again after they ended.", kind="counter"
    ),
    "groundplan_processes": _later("Processes of this server."),
}
"""What a server tells once it has compared, follows a stream, or has several processes."""


def metrics(exported: Mapping[str, str]) -> dict[str, Metric]:
    """Each metric by its name.

    Args:
        exported: for each pattern, what `/metrics` of a running server of it says.
    """
    found = dict(LATER)
    for pattern, text in exported.items():
        for family in text_string_to_metric_families(text):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = frozenset(key for each in family.samples for key in each.labels) - {"le"}
            before = found.get(name, Metric(family.type, labels, family.documentation, ()))
            of = tuple(dict.fromkeys((*before.of, pattern)))
            found[name] = before._replace(labels=before.labels | labels, of=of)
    return {name: found[name] for name in sorted(found) if name.startswith("groundplan_")}


def metrics_page(found: Mapping[str, Metric]) -> str:
    """What servers tell Prometheus."""
    rows = [
        (code(name), one.kind, ", ".join(sorted(one.labels)), cell(one.says), ", ".join(one.of))
        for name, one in found.items()
    ]
    return _page(
        [
            "# The metrics",
            "What `/metrics` of a running server tells Prometheus, in the text format. What counts "
            "something that has not happened yet may be missing until it has: comparisons, a "
            "stream that is followed, several processes.",
            table(("metric", "kind", "labels", "what it is", "of"), rows),
        ]
    )


def _page(pieces: list[str]) -> str:
    return "\n\n".join(pieces) + "\n"


def _exported(named: list[str]) -> dict[str, str]:
    """What running servers say: `realtime=http://localhost:8000/metrics` names one."""
    found = {}
    for one in named:
        pattern, _, url = one.partition("=")
        with urlopen(url) as answer:
            found[pattern] = answer.read().decode()
    return found


if __name__ == "__main__":
    written = dict(pages())
    if sys.argv[1:]:
        text = metrics_page(metrics(_exported(sys.argv[1:])))
        written[HERE / "reference" / "metrics.md"] = text
    for file, text in written.items():
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{file.relative_to(HERE.parent)}\n")
