"""What a delta run says of its rows: counts that stand in the footers of the parts and add up."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from groundplan.errors import BuildError

K = TypeVar("K", int, str)

FOOTER: Final = b"groundplan.counts"
"""Where the footer of a part file has them, as JSON."""


class Counts(Struct, frozen=True, kw_only=True):
    """What became of the rows of a part, or of a run.

    Args:
        rows: how many.
        decided: rows by decision, as a position in the version's decisions.
        explained: rows that have reasons.
        first: rows by their strongest reason, as a position in the version's codes.
        unchanged: of a delta run, rows whose answers were taken over.
        changed: rows that the last version had, with other inputs.
        new: rows that it did not have.
        compared: whether rows that were taken over were scored too.
        unequal: those whose features or answers came out otherwise: there is none.
        candidates: of a delta run, rows whose inputs may have changed, as far as could be shown.
        everyone: by the reason why, rows whose features were computed all the same.
        moved: by feature, changed rows in which it changed; of `traced` changed rows.
        traced: changed rows whose features in the last version are known.
    """

    rows: int = 0
    decided: dict[int, int] = {}
    explained: int = 0
    first: dict[int, int] = {}
    unchanged: int = 0
    changed: int = 0
    new: int = 0
    compared: bool = False
    unequal: int = 0
    candidates: int = 0
    everyone: dict[str, int] = {}
    moved: dict[str, int] = {}
    traced: int = 0

    @property
    def differing(self) -> float | None:
        """The share of the keys of both versions whose inputs differ; None where there is none."""
        both = self.unchanged + self.changed
        return self.changed / both if both else None


def added(all_: Iterable[Counts]) -> Counts:
    """The counts of several parts together."""
    total = Counts()
    for each in all_:
        total = Counts(
            rows=total.rows + each.rows,
            decided=_summed(total.decided, each.decided),
            explained=total.explained + each.explained,
            first=_summed(total.first, each.first),
            unchanged=total.unchanged + each.unchanged,
            changed=total.changed + each.changed,
            new=total.new + each.new,
            compared=total.compared or each.compared,
            unequal=total.unequal + each.unequal,
            candidates=total.candidates + each.candidates,
            everyone=_summed(total.everyone, each.everyone),
            moved=_summed(total.moved, each.moved),
            traced=total.traced + each.traced,
        )
    return total


def of_parts(parts: Iterable[Path]) -> Counts:
    """The counts of part files.

    Raises:
        BuildError: a file has none.
    """
    return added(map(_read, parts))


def footer(counts: Counts) -> dict[bytes, bytes]:
    """The counts as the footer of a part file holds them."""
    return {FOOTER: msgspec.json.encode(counts)}


def _read(part: Path) -> Counts:
    try:
        held: Mapping[bytes, bytes] = pq.read_metadata(part).metadata or {}
        return msgspec.json.decode(held[FOOTER], type=Counts)
    except (KeyError, OSError, pa.ArrowInvalid, msgspec.DecodeError) as error:
        raise BuildError(
            f"{part} does not say what became of its rows ({error}): it is damaged, or of another "
            "version; run `groundplan score --fresh`"
        ) from error


def _summed(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
