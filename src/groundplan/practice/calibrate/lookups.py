"""Reading what was computed before: a value, a list of items, a published score."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from groundplan.practice.calibrate.measure import Clock, Timing, measure

LISTS: Final = 100_000
SCORES: Final = 200_000


@measure(
    "lookup",
    "one point read of a 200-byte value from LMDB by a random key out of 1 million, its read "
    "transaction included",
    *("lmdb", "numpy"),
)
def value(clock: Clock) -> Timing:
    """A key-value lookup."""
    with _store(lambda key: key.to_bytes(200, "big"), 1_000_000) as read:
        return clock.each(read, _random(1_000_000))


@measure(
    "item_list",
    "reading one published list of 500 ids (int32) from LMDB by a random key out of 100,000, "
    "and decoding it",
    *("lmdb", "numpy"),
)
def item_list(clock: Clock) -> Timing:
    """A ranked list that was computed ahead."""
    import numpy as np

    ids = np.random.default_rng(2).integers(0, 10_000_000, 500_000, dtype=np.int32)
    with _store(lambda key: ids[key : key + 500].tobytes(), LISTS) as read:
        return clock.each(lambda key: np.frombuffer(read(key), np.int32), _random(LISTS))


@measure(
    "published_score",
    "one published score with its decision and two reasons, by a random integer key out of "
    "200,000, from the package's embedded scores",
    *("numpy", "pyarrow", "xxhash"),
)
def published_score(clock: Clock) -> Timing:
    """A lookup in the batch pattern's own store, in process."""
    from groundplan.scores.embedded import EmbeddedScores

    with TemporaryDirectory() as folder:
        scores = EmbeddedScores(Path(folder, "scores"))
        _publish(scores, Path(folder), SCORES)
        return clock.each(scores.get, _random(SCORES))


def _publish(scores: Any, folder: Path, keys: int) -> None:
    """One live version with a random score, a decision and two reasons for each key."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from groundplan.scores.store import PART
    from groundplan.scores.version import Average, Code, Version

    rng = np.random.default_rng(1)
    reasons = rng.integers(1, 11, keys * 2, dtype=np.int16)
    columns = {
        "key": pa.array(np.arange(keys)),
        "score": pa.array(rng.random(keys)),
        "decision": pa.array(rng.integers(0, 2, keys).astype(np.uint8)),
        "reasons": pa.ListArray.from_arrays(np.arange(0, 2 * keys + 1, 2, dtype=np.int32), reasons),
        "segment": pa.nulls(keys, pa.string()),
        "inputs": pa.array(np.zeros(keys, np.uint64)),
    }
    schema = PART.set(0, pa.field("key", pa.int64(), nullable=False))
    part = folder / "part-00000.parquet"
    pq.write_table(pa.table(columns, schema=schema), part)
    version = Version(
        name="20260101-000000-1",
        system="calibration",
        build="calibration",
        as_of=0,
        created=0,
        rows=keys,
        key="int",
        decisions=("leave", "call"),
        codes=tuple(Code(f"R{n:02}", f"reason number {n}") for n in range(10)),
        overall=Average(keys, 0.5, "leave"),
    )
    scores.load(version, [part])
    scores.point(version.name)


@contextmanager
def _store(content: Callable[[int], bytes], keys: int) -> Iterator[Callable[[int], Any]]:
    """A function that reads the value of one of so many 8-byte keys from LMDB."""
    import lmdb

    with TemporaryDirectory() as folder, lmdb.open(folder, map_size=2 << 30, sync=False) as store:
        with store.begin(write=True) as transaction:
            for key in range(keys):
                transaction.put(key.to_bytes(8, "big"), content(key), append=True)

        def read(key: int) -> Any:
            with store.begin() as transaction:
                return transaction.get(key.to_bytes(8, "big"))

        yield read


def _random(keys: int) -> list[int]:
    import numpy as np

    found: list[int] = np.random.default_rng(1).integers(0, keys, 100_000).tolist()
    return found
