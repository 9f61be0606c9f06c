"""The decision as one JavaScript source, compiled from the Python of the rules themselves.

The source defines `groundplan`. It loads nothing, evaluates no text, and stands in a page under
`script-src` with a hash or a nonce. `answers` is a flat record with a slot per answer, as
`slots` gives it: integers (microseconds, nanohertz, bytes, counts) as BigInt, as decimal texts,
or as Numbers that are safe integers; `positive_rate` a Number; null or absent where an answer is
not stated; `engines` an object of texts. An unknown slot or a value of another kind is a
TypeError. Every integer is a BigInt inside, so that results are equal to Python's, not close.

- `groundplan.decide(answers)`: `{pattern, standing, rulings, components, costs}` as
  `groundplan.decision.decide` gives them; a pattern of null is a conflict.
- `groundplan.edges(answers, key)`: for a number that the pattern can depend on,
  `{edges, ranges, unstated}`: the BigInts at which rules turn, as `Board.edges` has them;
  `{least, most, pattern}` of each range between them, both ends included; and, where the answer
  is optional, the pattern without it. `"impossible"` is more candidates than the catalog holds.
- `groundplan.read(key, text)`: the value of a text that the file would hold (without its quotes);
  a RangeError says the rule. `groundplan.shown(key, value)`: the text of a value; null for null.
  Digits are those of ASCII.
- `groundplan.fields`: for each answer `key`, `slot`, `kind`, `options`, `least`, `most`,
  `required`, `default`, `example`, `rule`, `doc`, and whether it `decides` the pattern.
- `groundplan.patterns`: `{name, shape, wins}` of each, the simplest first.
"""

from functools import lru_cache
from importlib import resources

from groundplan.decision.calibrated import current
from groundplan.decision.costs import Costs
from groundplan.decision.script.answer import fields, literal, slots
from groundplan.decision.script.program import Program
from groundplan.decision.script.source import OutsideError, Read, read
from groundplan.decision.script.types import INT, STR, Type, listed

__all__ = ["OutsideError", "script", "slots"]

_DECISION = "groundplan.decision"


def script(costs: Costs | None = None) -> str:
    """The script of the decision by a cost table, the one in force where none is given.

    Raises:
        OutsideError: a rule is written with what the script cannot say; file and line are named.
    """
    table = costs or current()
    given = [
        f"const $name = {literal(table.name)};",
        f"const $ns = new Map({literal([list(row) for row in table.ns.items()])});",
        f"const $fields = {literal(fields())};",
    ]
    parts = ['"use strict";', _own("runtime.js"), _compiled(), *given, _own("page.js")]
    inner = "\n\n".join(part.strip() for part in parts)
    title = "// The decision of groundplan, compiled from its Python."
    return f"{title}\nconst groundplan = (() => {{\n{inner}\n}})();\n"


def compiled(read: Read = read) -> str:
    """The rules, the components and the units as JavaScript; `read` gives a module's source."""
    program = Program(read)
    role, case = _record("role.Role"), _record("case.Case")
    work = _record("work.Work")
    for module, name, *arguments in (
        ("rules", "RULES"),
        ("board", "_BEYOND"),
        ("patterns", "NAMES"),
        ("components", "ROLES"),
        ("decision", "_EXPLAINED"),
        ("role", "shape", STR, STR),
        ("role", "within", listed(role), STR),
        ("role", "fill", role, case, work),
    ):
        program.root(f"{_DECISION}.{module}", str(name), *arguments)
    for name in ("duration", "rate", "size"):
        program.root("groundplan.units", name, STR)
        program.root("groundplan.units", f"show_{name}", INT)
    return "\n".join(program.chunks)


@lru_cache(maxsize=1)
def _compiled() -> str:
    return compiled()


def _own(name: str) -> str:
    return (resources.files("groundplan.decision.script") / name).read_text(encoding="utf-8")


def _record(name: str) -> Type:
    return Type("record", (), f"{_DECISION}.{name}")
