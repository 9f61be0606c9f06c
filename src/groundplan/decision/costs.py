"""The cost table: what one step takes, measured on a machine that the table names."""

from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from groundplan.decision.work import Work
from groundplan.errors import ProjectError

ROWS: Final = (
    "http",
    "lookup",
    "join_key",
    "gather_candidate",
    "gbm_row",
    "gbm_single",
    "linear_single",
    "attribution",
    "attribution_row",
    "vector_exact",
    "vector_probe",
    "item_list",
    "user_tower",
    "encoder",
    "pair",
    "heavy_network",
    "token",
    "prompt_token",
    "text_match",
    "first_token_hosted",
    "token_hosted",
)
"""What decisions and plans read: every table has all of them."""

FURTHER: Final = (
    "http_round_trip",
    "json_in",
    "json_out",
    "published_score",
    "mlp_single",
    "mlp_row",
    "exact_10k_64",
    "exact_1m_64",
    "exact_100k_384",
    "probe_20k_384",
    "graph_20k_64",
)
"""What is measured beside them, for people to read: a table has those that could be measured."""

NOT_ASKED: Final = "not asked for"
"""Why a row was not measured that could have been."""


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row: microseconds of one step.

    Args:
        value: the median.
        unit: always `us`.
        what: the step.
        source: where the figure comes from, if it was not measured on the table's machine.
        spread: the quartiles between which the medians of the rounds of measuring lie.
        model: the name of the user's own model that was measured; empty for a public size.
    """

    value: float
    unit: str
    what: str
    source: str | None = None
    spread: tuple[float, float] | None = None
    model: str = ""


class Costs(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True, omit_defaults=True):
    """A cost table; `reference` ships with the package, `calibrate` measures one's own.

    Args:
        name: what decisions and plans call it.
        machine: what it was measured on, with the versions of the libraries.
        measured_at: the day, as 2026-01-31.
        script: what measured it.
        rows: by name; those of `left` come from the reference.
        left: why each row that was not measured on this machine was not.
        processor: of the machine, to tell another one by.
        package: the version of Groundplan that measured.
    """

    name: str
    machine: str
    measured_at: str
    script: str
    rows: dict[str, Cost]
    left: dict[str, str] = {}
    processor: str = ""
    package: str = ""

    def us(self, row: str) -> float:
        """Microseconds of one step."""
        return self.rows[row].value

    @cached_property
    def ns(self) -> dict[str, int]:
        """Every row in integer nanoseconds, at least one, so that break points are exact."""
        return {name: max(1, round(cost.value * 1000)) for name, cost in self.rows.items()}

    @cached_property
    def work(self) -> Work:
        """What each pattern takes per request by this table."""
        return Work(self.ns)


def load(path: Path) -> Costs:
    """The cost table in a JSON file.

    Raises:
        ProjectError: the file cannot be read, or it is not a complete cost table.
    """
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror}); name a cost table"
        raise ProjectError(problem) from error


@lru_cache(maxsize=1)
def reference() -> Costs:
    """The table that ships with the package."""
    table = resources.files("groundplan.decision") / "reference.json"
    return decode(table.read_bytes(), "reference.json")


def decode(content: bytes, where: str) -> Costs:
    """The cost table in JSON; `where` is the name that messages give to it.

    Raises:
        ProjectError: it is not a complete cost table.
    """
    try:
        costs = msgspec.json.decode(content, type=Costs)
    except msgspec.DecodeError as error:
        raise ProjectError(f"{where}: not a cost table: {error}; measure it again") from error
    costs = completed(costs)
    problems = [f"{row} is missing" for row in ROWS if row not in costs.rows]
    known = {*ROWS, *FURTHER}
    problems += [
        f"{row} is not a known row" for row in {**costs.rows, **costs.left} if row not in known
    ]
    for name, cost in costs.rows.items():
        if cost.unit != "us":
            problems.append(f"{name}.unit = {cost.unit!r} must be 'us'")
        # A step takes time, and less than a day: whatever else stands there is a wrong unit.
        for value in (cost.value, *(cost.spread or ())):
            if not 0 < value < 86_400_000_000:
                problems.append(f"{name} = {value} must be above 0 and below a day")
    if problems:
        raise ProjectError(f"{where}: {'; '.join(problems)}; measure it again")
    return costs


def completed(costs: Costs) -> Costs:
    """The table with the rows that were left out, from the reference, each saying so."""
    lacking = [row for row in costs.left if row in ROWS and row not in costs.rows]
    if not lacking:
        return costs
    rows = dict(costs.rows)
    for row in lacking:
        known = reference().rows[row]
        source = known.source or f"the reference table (not measured here: {costs.left[row]})"
        rows[row] = msgspec.structs.replace(known, source=source)
    return msgspec.structs.replace(costs, rows=rows)
