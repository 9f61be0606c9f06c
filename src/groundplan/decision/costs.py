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


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row: microseconds of one step, and where the figure comes from if not measured here."""

    value: float
    unit: str
    what: str
    source: str | None = None


class Costs(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """A cost table; `reference` ships with the package, `calibrate` measures one's own."""

    name: str
    machine: str
    measured_at: str
    script: str
    rows: dict[str, Cost]

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
    problems = [f"{row} is missing" for row in ROWS if row not in costs.rows]
    problems += [f"{row} is not a known row" for row in costs.rows if row not in ROWS]
    for name, cost in costs.rows.items():
        if cost.unit != "us":
            problems.append(f"{name}.unit = {cost.unit!r} must be 'us'")
        # A step takes time, and less than a day: whatever else stands there is a wrong unit.
        if not 0 < cost.value < 86_400_000_000:
            problems.append(f"{name}.value = {cost.value} must be above 0 and below a day")
    if problems:
        raise ProjectError(f"{where}: {'; '.join(problems)}; measure it again")
    return costs
