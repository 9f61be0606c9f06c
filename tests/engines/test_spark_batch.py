"""Runs on a real Spark: what the embedded engine computes, bit for bit, and refused alike."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from groundplan.engines.partitions import part_name
from groundplan.engines.spark import SparkBatch
from groundplan.engines.table import find
from groundplan.errors import EngineError, InputError
from groundplan.features import Source
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.live import live
from groundplan.patterns.batch.runs.embedded import Embedded
from groundplan.patterns.batch.runs.run import load, parts
from groundplan.patterns.batch.runs.running import Outcome, score
from groundplan.patterns.batch.runs.scoring import Scoring
from groundplan.patterns.batch.runs.snapshot import Snapshots
from groundplan.project import Project
from patterns.batch.projects import AS_OF, small

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of Spark's client

MEMORY = 1 << 30
SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",  # to compile takes longer than the few rows
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[SparkBatch]:
    made = SparkBatch("spark://local[2]", Snapshots, SETTINGS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with a live build."""
    project = small(tmp_path_factory.mktemp("duckdb") / "small")
    build(project, None, quiet)
    return project


def quiet(*_: Any) -> None:
    """No progress."""


def run(project: Project) -> Outcome:
    """A run whose parts stay, of the population in its folder."""
    return score(
        project,
        report=quiet,
        publish=False,
        at=AS_OF,
        population=str(project.folder / "population.parquet"),
        others={"charges": str(project.folder / "charges.parquet")},
        partitions=3,
    )


def equal(mine: Path | None, theirs: Path | None) -> None:
    """Equal parts, each with the same rows, whatever their order."""
    assert mine is not None
    assert theirs is not None
    assert [part.name for part in parts(mine)] == [part.name for part in parts(theirs)]
    for one, other in zip(parts(mine), parts(theirs), strict=True):
        found, right = pq.read_table(one), pq.read_table(other)
        assert found.schema == right.schema
        assert found.sort_by("key").equals(right.sort_by("key"))


def asked(**more: Any) -> dict[str, Any]:
    """What the port asks of a snapshot of the small project's population."""
    columns = ["tenure", "monthly", "contract"]
    common = {"columns": columns, "key": "customer", "segment": "contract"}
    return common | {"as_of": AS_OF, "partitions": 3, "progress": quiet} | more


def same(mine: Path, theirs: Path, by: str) -> None:
    """Equal files of a snapshot, but for the numbers that rows were given."""
    names = sorted(file.name for file in theirs.iterdir())
    assert sorted(file.name for file in mine.iterdir()) == names
    for name in names:
        found, right = pq.read_table(mine / name), pq.read_table(theirs / name)
        assert found.schema.names == right.schema.names
        kept = [column for column in right.schema.names if column != "row"]
        assert found.select(kept).sort_by(by).equals(right.select(kept).sort_by(by))


@pytest.mark.parametrize("kind", ["files", "csv", "catalog", "memory"])
def test_a_snapshot_is_that_of_the_embedded_engine(
    engine: SparkBatch, embedded: Project, tmp_path: Path, kind: str
) -> None:
    """Rows, partitions, types and fingerprints, from whatever Spark or the driver reads."""
    source = define(embedded).inputs.source
    file = embedded.folder / "population.parquet"
    rows = pq.read_table(file)
    place: Any = rows
    if kind == "files":
        place = str(tmp_path / "rows")
        Path(place).mkdir()
        for number in range(3):
            pq.write_table(rows.slice(number * 700, 700), f"{place}/{number}.parquet")
    elif kind == "csv":
        place = str(tmp_path / "rows.csv")
        pa.csv.write_csv(rows, place)
    elif kind == "catalog":
        place = "table:people"
        session = SparkSession.active()
        session.read.parquet(str(file)).createOrReplaceTempView("people")
    assert engine.count(place) == len(rows)
    mine = engine.population(source, place, tmp_path / "mine", **asked())
    theirs = Embedded(MEMORY).population(
        source, rows if kind == "catalog" else place, tmp_path / "theirs", **asked()
    )
    assert tuple(mine) == tuple(theirs)
    same(tmp_path / "mine", tmp_path / "theirs", "@key")


@pytest.mark.parametrize("by", ["customer", None])
def test_a_history_is_that_of_the_embedded_engine(
    engine: SparkBatch, embedded: Project, tmp_path: Path, by: str | None
) -> None:
    """Events are dealt out by their keys, or whole, without those that count nowhere."""
    _, source = define(embedded).inputs.sources
    place = str(embedded.folder / "charges.parquet")
    wanted = {
        "columns": ["charge", "charged", "customer", "amount"],
        "by": by,
        "since": AS_OF - 86_400_000_000 * 90,
        "as_of": AS_OF - 86_400_000_000,
        "partitions": 3,
        "progress": quiet,
    }
    mine = engine.history(source, place, tmp_path / "mine", **wanted)
    theirs = Embedded(MEMORY).history(source, place, tmp_path / "theirs", **wanted)
    assert tuple(mine) == tuple(theirs)
    assert 0 < mine.rows < 12_000
    same(tmp_path / "mine", tmp_path / "theirs", "charge")


PEOPLE = Source("people", time="at", id="person", fields={"age": int, "name": str})
GOOD = {"person": ["1", "2", "+3"], "age": ["30", " 40 ", "50"], "name": ["a", "b", "c"]}
BAD = {
    "twice": GOOD | {"person": ["1", "2", "2"]},
    "no key": GOOD | {"person": ["1", "", "3"]},
    "no number": GOOD | {"age": ["30", "old", "50"]},
    "no column": {"person": ["1", "2", "3"], "name": ["a", "b", "c"]},
    "too late": GOOD | {"at": ["2026-01-01", "2026-01-01", "2036-01-01"]},
}


@pytest.mark.parametrize("columns", BAD.values(), ids=BAD)
def test_what_is_refused_is_refused_alike(
    engine: SparkBatch, tmp_path: Path, columns: dict[str, list[str]]
) -> None:
    """The same field is named, with the place and no folder of ours, and nothing is left."""
    place = str(tmp_path / "people.csv")
    pa.csv.write_csv(pa.table(columns), place)
    wanted = asked(columns=["age"], key="person", segment=None)
    with pytest.raises(InputError) as theirs:
        Embedded(MEMORY).population(PEOPLE, place, tmp_path / "theirs", **wanted)
    with pytest.raises(InputError) as ours:
        engine.population(PEOPLE, place, tmp_path / "ours", **wanted)
    assert ours.value.field == theirs.value.field
    assert place in ours.value.message
    assert ".raw" not in ours.value.message
    assert [file.name for file in tmp_path.iterdir()] == ["people.csv"]


def test_integer_keys_are_dealt_out_by_their_value(engine: SparkBatch, tmp_path: Path) -> None:
    """However a file writes an integer, its partition is that of the number."""
    place = str(tmp_path / "people.csv")
    pa.csv.write_csv(pa.table(GOOD), place)
    wanted = asked(columns=["age"], key="person", segment=None, partitions=5)
    mine = engine.population(PEOPLE, place, tmp_path / "mine", **wanted)
    theirs = Embedded(MEMORY).population(PEOPLE, place, tmp_path / "theirs", **wanted)
    assert tuple(mine) == tuple(theirs)
    same(tmp_path / "mine", tmp_path / "theirs", "@key")


def test_what_is_not_there_is_named(engine: SparkBatch, tmp_path: Path) -> None:
    """A missing file, a missing table, and a database without a driver or a table."""
    for place, match in (
        (str(tmp_path / "none.parquet"), "none.parquet is not there"),
        ("table:nowhere", "table:nowhere cannot be read"),
        ("jdbc:postgresql://localhost/shop", "names no table"),
        ("jdbc:postgresql://u:pw@host/shop?table=t&password=pw", "cannot be read: .*[Dd]river"),
    ):
        with pytest.raises(InputError, match=match) as found:
            engine.count(place)
        assert "pw" not in found.value.message


def test_pending_partitions_are_computed_and_no_others(
    engine: SparkBatch, embedded: Project, tmp_path: Path
) -> None:
    """What a cut has left is computed, as the embedded engine would have; an empty part as well."""
    done = run(embedded).folder
    assert done is not None
    folder = Path(shutil.copytree(done, tmp_path / "run"))
    made, inputs = live(embedded)
    for at in ("in/customers", "in/charges"):
        pq.write_table(
            pq.read_table(folder / at / "part-00002.parquet").slice(0, 0),
            folder / at / "part-00002.parquet",
        )
    kept, *missing = parts(folder)
    for part in missing:
        part.unlink()
    stood = kept.stat().st_mtime_ns
    scoring = Scoring(embedded.folder, made.folder, folder)
    said: list[tuple[int, int]] = []
    engine.compute(inputs, folder, scoring, [1, 2], lambda *told: said.append(told))
    rows = pq.read_metadata(done / "out" / "part-00001.parquet").num_rows
    assert said[-1] == (rows, rows)
    assert kept.stat().st_mtime_ns == stood
    empty = folder / "out" / "part-00002.parquet"
    assert pq.read_table(empty).num_rows == 0
    assert pq.read_metadata(empty).metadata.keys() == pq.read_metadata(kept).metadata.keys()
    shutil.copy(done / "out" / "part-00002.parquet", empty)
    equal(folder, done)
    assert not [file for file in (folder / "out").iterdir() if file.name.startswith(".")]


def test_a_part_that_cannot_be_written_leaves_nothing(
    engine: SparkBatch, embedded: Project, tmp_path: Path
) -> None:
    """The error says that the run goes on where it stopped, and no half of a part is there."""
    done = run(embedded).folder
    assert done is not None
    folder = Path(shutil.copytree(done, tmp_path / "run"))
    made, inputs = live(embedded)
    part = folder / "out" / "part-00001.parquet"
    part.unlink()
    part.mkdir()
    scoring = Scoring(embedded.folder, made.folder, folder)
    with pytest.raises(EngineError, match="goes on where it stopped"):
        engine.compute(inputs, folder, scoring, [1], quiet)
    assert sorted(file.name for file in (folder / "out").iterdir()) == [
        part_name(number) for number in range(3)
    ]


def test_the_table_leads_to_it() -> None:
    """A URL with its scheme is answered by this engine."""
    assert find("batch", "spark://local[2]") is SparkBatch


def test_a_run_is_that_of_the_embedded_engine(
    engine: SparkBatch, embedded: Project, tmp_path: Path
) -> None:
    """Scores, decisions, reasons, fingerprints and counts: every bit; it ends the session."""
    project = small(tmp_path / "small")
    with project.file.open("a") as answers:
        answers.write('\n[engines]\nbatch = "spark://local[2]"\n')
    project = Project(project.folder)
    build(project, None, quiet)
    mine, theirs = run(project), run(embedded)
    equal(mine.folder, theirs.folder)
    assert mine.counts == theirs.counts
    assert mine.folder is not None
    assert theirs.folder is not None
    found, right = load(mine.folder), load(theirs.folder)
    assert found is not None
    assert right is not None
    assert [each["fingerprint"] for each in found.data.values()] == [
        each["fingerprint"] for each in right.data.values()
    ]
    assert found.engine == "spark"
