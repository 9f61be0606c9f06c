"""A scoring run: a folder that survives a kill, partition by partition."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from groundplan.durable import written
from groundplan.errors import BuildError

FILE: Final = "run.json"


class Run(Struct, frozen=True, kw_only=True):
    """What a run is about, written to `run.json` before its first partition.

    Parts are `out/part-00000.parquet`, one for each partition, with the columns of
    `scores.store.PART`; a part that is there is complete.

    Args:
        name: names the run and the version that it becomes: `20260801-030000-123`.
        build: the build that scores.
        as_of: µs since 1970, UTC: the moment as of which features are computed.
        key: the type of the keys.
        partitions: how many parts there are in the end.
        population: rows of the population.
        data: by source, the place that its rows were read from, rows and fingerprint.
        delta_of: the version whose unchanged rows are taken over; None for a full run.
        engine: what computed.
        asked: what was asked for; a run that is asked for the same goes on with it.
    """

    name: str
    build: str
    as_of: int
    key: Literal["int", "str"]
    partitions: int
    population: int
    data: dict[str, Any]
    delta_of: str | None = None
    engine: str = "duckdb"
    asked: dict[str, Any] = {}


def parts(folder: Path) -> list[Path]:
    """The complete parts of a run, in order."""
    return sorted((folder / "out").glob("part-*.parquet"))


def pending(run: Run, folder: Path) -> list[int]:
    """The partitions that have no part yet."""
    done = {int(part.stem.removeprefix("part-")) for part in parts(folder)}
    return [number for number in range(run.partitions) if number not in done]


def name_of(now: int) -> str:
    """What a run that begins now, in us, is called."""
    return moment(now, "%Y%m%d-%H%M%S-%f")[:-3]


def moment(us: int, form: str = "%Y-%m-%dT%H:%M:%S.%fZ") -> str:
    """A moment for people and for names, UTC."""
    whole, rest = divmod(us, 1_000_000)  # a float would round the microseconds
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest).strftime(form)


def save(run: Run, folder: Path) -> None:
    """Write `run.json`, whole or not at all."""
    written(folder / FILE, msgspec.json.format(msgspec.json.encode(run), indent=1))


def load(folder: Path) -> Run | None:
    """The run of a folder; None where it was cut before its first partition.

    Raises:
        BuildError: `run.json` is damaged.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Run)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise BuildError(
            f"{folder / FILE} is damaged ({error}): `groundplan score --fresh` starts anew"
        ) from error
