"""Features of a request: joined from a history, and gathered for candidates."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from groundplan.practice.calibrate.measure import Clock, Timing, measure


@measure(
    "join_key",
    "six windows (counts and means over 1, 7 and 30 days) of one entity out of 1,000 with 300 "
    "events each, read from the package's embedded store",
    *("duckdb", "lmdb", "numpy", "pyarrow"),
)
def windows(clock: Clock) -> Timing:
    """A feature join."""
    import numpy as np
    import pyarrow as pa

    from groundplan.features import Event, Source, decimal, features
    from groundplan.features.embedded import EmbeddedStore

    rng = np.random.default_rng(3)
    events, first, days = 300_000, datetime(2026, 1, 1, tzinfo=UTC), 30
    times = np.sort(rng.integers(0, days * 86_400_000_000, events)) + int(first.timestamp() * 1e6)
    table = pa.table(
        {
            "id": np.arange(events),
            "at": pa.array(times, pa.timestamp("us")),
            "customer": rng.integers(0, 1_000, events),
            "amount": rng.integers(0, 20_000, events) / 100,
        }
    )
    source = Source("events", time="at", id="id", fields={"customer": int, "amount": decimal(2)})
    customer, lengths = source.by("customer"), ("1d", "7d", "30d")
    inputs = features(
        *(customer.count(length, current=True) for length in lengths),
        *(customer.mean("amount", length, current=True) for length in lengths),
    )
    now = int(times[-1]) + 1
    asked = [Event(events, now, (key, 1_000)) for key in rng.integers(0, 1_000, 5_000).tolist()]
    with TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder), inputs)
        try:
            store.ingest(table)
            return clock.each(store.peek, asked)
        finally:
            store.close()


@measure(
    "gather_candidate",
    "per candidate: 30 float64 features of 500 random rows out of 1 million in memory, gathered "
    "into one matrix by row number",
    "numpy",
)
def candidates(clock: Clock) -> Timing:
    """Features of items, which are in memory."""
    import numpy as np

    rng = np.random.default_rng(4)
    table = rng.random((1_000_000, 30))
    rows = [rng.integers(0, len(table), 500) for _ in range(2_000)]
    matrix = np.empty((500, 30))
    return clock.each(lambda picked: np.take(table, picked, axis=0, out=matrix), rows).per(500)
