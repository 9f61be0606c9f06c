"""Filling the online state goes on where it was cut off, source by source."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.features import EmbeddedStore, FeatureSet, Source, features
from groundplan.patterns.realtime.state import begin, fill


def definition() -> FeatureSet:
    sales = Source("sales", time="at", id="id", fields={"user": int})
    visits = Source("visits", time="at", id="id", fields={"user": int})
    return features(
        sales=sales.by("user").count("1d"), visits=visits.by("user").count("1d"), of=sales
    )


def histories(folder: Path) -> list[Path]:
    files = [folder / "sales.parquet", folder / "visits.parquet"]
    for rows, file in zip((3, 5), files, strict=True):
        at = pa.array(range(rows), pa.timestamp("us"))
        pq.write_table(pa.table({"id": range(rows), "at": at, "user": [1] * rows}), file)
    return files


def quiet(what: str, done: int, total: int) -> None:
    """Nobody is told."""


def test_a_start_that_was_cut_between_two_sources_fills_the_second(tmp_path: Path) -> None:
    """The mark of one source's history does not stand for the others'."""
    files = histories(tmp_path)
    with EmbeddedStore(tmp_path / "state", definition()) as store:
        fill(store, files[0], files[0].name, quiet)
        begin(store, files, quiet)
        assert store.stats().events == 8
        begin(store, files, quiet)
        assert store.stats().events == 8


def test_what_was_ingested_by_hand_is_left_as_it_is(tmp_path: Path) -> None:
    """A state that was filled from other files is not filled from the build's."""
    files = histories(tmp_path)
    with EmbeddedStore(tmp_path / "state", definition()) as store:
        fill(store, files[0], "mine.parquet", quiet)
        begin(store, files, quiet)
        assert store.stats().events == 3
