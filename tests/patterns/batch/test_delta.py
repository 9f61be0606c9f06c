"""A delta run is a full run: it only knows which rows need not be scored again."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from msgspec.structs import replace

from groundplan.errors import BuildError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs import counts
from groundplan.patterns.batch.runs.running import Outcome, score
from groundplan.patterns.batch.runs.scoring import fingerprints
from groundplan.project import Project
from groundplan.units import DAY
from patterns.batch.projects import AS_OF, small


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with a build and a version."""
    folder = tmp_path_factory.mktemp("published") / "small"
    project = small(folder)
    build(project, None, quiet)
    found = score(project, report=quiet, at=AS_OF, partitions=2)
    assert found.passed
    return folder


@pytest.fixture
def project(published: Path, tmp_path: Path) -> Project:
    """A copy of it for each test."""
    return Project(shutil.copytree(published, tmp_path / "small", symlinks=True))


def rows(project: Project, found: Outcome) -> pa.Table:
    """The rows of a published version, sorted by key."""
    parts = Archive(project.home).parts(found.run.name)
    return pa.concat_tables(map(pq.read_table, parts)).sort_by("key")


def both(project: Project, at: int, **asked: Any) -> tuple[Outcome, pa.Table, pa.Table]:
    """A delta run, its rows, and those of a full run of the same."""
    before = Archive(project.home).names()[-1]
    old = rows_of(project, before)
    full_ = project.folder.with_name("full")
    other = Project(shutil.copytree(project.folder, full_, symlinks=True))
    third = Project(shutil.copytree(project.folder, full_.with_name("third"), symlinks=True))
    delta = score(project, report=quiet, at=at, delta=True, **asked)
    compared = score(third, report=quiet, at=at, delta=True, compare=True, **asked)
    full = score(other, report=quiet, at=at, **asked)
    assert delta.passed
    assert compared.passed
    assert full.passed
    assert compared.counts == replace(delta.counts, compared=True)
    got, wanted = rows(project, delta), rows(other, full)
    assert rows(third, compared).equals(wanted)
    assert distributions(project) == distributions(other)
    _check_counts(compared, old, wanted)
    return delta, got, wanted


def distributions(project: Project) -> Any:
    """Those of the features of the version that was published last."""
    archive = Archive(project.home)
    return archive.sketches(archive.names()[-1])


def rows_of(project: Project, name: str) -> pa.Table:
    return pa.concat_tables(map(pq.read_table, Archive(project.home).parts(name)))


def _check_counts(found: Outcome, before: pa.Table, after: pa.Table) -> None:
    """The counts are those of a comparison of the two versions, key by key."""
    old, new = (
        dict(zip(t.column("key").to_pylist(), t.column("inputs").to_pylist(), strict=True))
        for t in (before, after)
    )
    shared = old.keys() & new.keys()
    assert found.counts.unchanged == sum(old[key] == new[key] for key in shared)
    assert found.counts.changed == sum(old[key] != new[key] for key in shared)
    assert found.counts.new == len(new.keys() - old.keys())
    assert found.gone == len(old.keys() - new.keys())
    assert found.counts.compared
    assert found.counts.unequal == 0


def test_nothing_changed(project: Project) -> None:
    """As of the same moment all is taken over, and the version is the same but for its name."""
    found, got, wanted = both(project, AS_OF)
    assert got.equals(wanted)
    assert found.counts.unchanged == 2_000
    assert found.counts.candidates == 0
    assert found.counts.everyone == {}
    assert found.counts.moved == {}
    assert found.published is not None
    assert found.published.version.figures["inputs_changed"] == found.counts.differing == 0.0


def test_changed_new_and_gone_rows(project: Project) -> None:
    """Each is counted, and the version is that of a full run, bit for bit."""
    file = project.folder / "population.parquet"
    table = pq.read_table(file)
    tenure = table.column("tenure").to_numpy().copy()
    tenure[:30] += 1
    monthly = table.column("monthly").to_pylist()
    monthly[20:40] = [None if value else 1.0 for value in monthly[20:40]]
    contract = ["never seen"] * 5 + table.column("contract").to_pylist()[5:]
    names = [
        f"new{at}" if at in (50, 51, 52) else name
        for at, name in enumerate(table.column("customer").to_pylist())
    ]
    changed = pa.table(
        {
            "customer": names,
            "tenure": tenure,
            "monthly": monthly,
            "contract": contract,
            "sex": table.column("sex"),
        }
    )
    pq.write_table(changed, file)
    found, got, wanted = both(project, AS_OF, partitions=3)
    assert got.equals(wanted)
    assert found.counts.changed == 40
    assert found.counts.new == found.gone == 3
    assert found.counts.candidates == 2_000  # the last run had other partitions
    assert found.counts.everyone == {"the inputs of the last version are not known here": 2_000}
    assert set(found.counts.moved) <= {"tenure", "monthly", "contract"}
    assert 0 < found.counts.traced < found.counts.changed  # a sample: there were two partitions


def test_windows_age(project: Project) -> None:
    """A later moment changes features whose rows nobody touched."""
    found, got, wanted = both(project, AS_OF + 3 * DAY)
    assert got.equals(wanted)
    assert 0 < found.counts.changed <= found.counts.candidates < 1_000
    assert found.counts.everyone == {}
    assert found.published is not None
    share = found.published.version.figures["inputs_changed"]
    assert share == found.counts.differing == found.counts.changed / 2_000
    assert set(found.counts.moved) <= {"charges_30d", "charges_90d", "charged_30d"}


def test_what_moved_is_counted_row_by_row(project: Project) -> None:
    """With one partition the count by feature is that of all changed rows."""
    score(project, report=quiet, at=AS_OF, partitions=1, fresh=True)
    file = project.folder / "population.parquet"
    table = pq.read_table(file)
    moved = pc.add(table.column("tenure"), pa.array([1] * 7 + [0] * 1993))
    pq.write_table(table.set_column(1, "tenure", moved), file)
    found = score(project, report=quiet, at=AS_OF, delta=True)
    assert found.counts.moved == {"tenure": 7}
    assert found.counts.candidates == 7
    assert found.counts.traced == found.counts.changed == 7
    assert not found.counts.compared


def test_a_delta_after_a_delta_and_without_what_was_kept(project: Project) -> None:
    """Each leaves its inputs to the next; where they are gone, everybody is computed."""
    kept = project.home / "inputs"
    for _ in range(2):
        found = score(project, report=quiet, at=AS_OF, delta=True)
        assert found.counts.candidates == 0
        assert [each.name for each in kept.iterdir()] == [found.run.name]
    assert not list((project.home / "runs").iterdir())
    (kept / found.run.name / "made.json").write_text('{"groundplan": "0.0.1"}')
    found = score(project, report=quiet, at=AS_OF, delta=True)
    assert found.counts.candidates == found.counts.unchanged == 2_000
    shutil.rmtree(kept)
    found = score(project, report=quiet, at=AS_OF, delta=True)
    assert found.counts.unchanged == 2_000
    assert list(found.counts.everyone.values()) == [2_000]


def test_a_comparison_finds_features_that_were_not_shown_to_change(project: Project) -> None:
    """Features that a delta would have taken over, and a full run computes otherwise, count."""
    for file in (project.home / "inputs").rglob("in/customers/part-00000.parquet"):
        table = pq.read_table(file)  # as the population is now, and the last run did not see it
        tenure = table.schema.get_field_index("tenure")
        values = table.column("tenure").to_pylist()
        wrong = pa.array([values[0] + 1, *values[1:]])
        file.unlink()
        pq.write_table(table.set_column(tenure, "tenure", wrong), file)
        key = table.column("@key")[0].as_py()
    population = project.folder / "population.parquet"
    table = pq.read_table(population)
    moved = pc.equal(table.column("customer"), key).cast("int64")
    pq.write_table(table.set_column(1, "tenure", pc.add(table.column("tenure"), moved)), population)
    found = score(project, report=quiet, at=AS_OF, delta=True, compare=True)
    assert found.counts.changed == found.counts.unequal == 1
    assert not found.passed


def test_a_segment_follows_though_the_inputs_did_not(project: Project) -> None:
    """What is no feature comes from the population, not from the last version."""
    system = project.folder / "system.py"
    system.write_text(system.read_text().replace('segment = "contract"', 'segment = "sex"'))
    _, got, wanted = both(Project(project.folder), AS_OF)
    assert got.equals(wanted)
    assert set(got.column("segment").to_pylist()) == {"f", "m"}


def test_what_a_delta_cannot_be_taken_from_is_refused(project: Project, tmp_path: Path) -> None:
    """Without a version, after another build or with other reasons, a full run comes first."""
    system = project.folder / "system.py"
    text = system.read_text()
    system.write_text(text.replace("top=3", 'top=3, codes={"tenure": ("R1", "stay")}'))
    with pytest.raises(BuildError, match=r"system.py defines others"):
        score(Project(project.folder), report=quiet, delta=True)
    system.write_text(text)
    build(project, None, quiet)
    with pytest.raises(BuildError, match="scores now"):
        score(project, report=quiet, delta=True)
    first = small(tmp_path / "first", customers=300)
    build(first, None, quiet)
    with pytest.raises(BuildError, match="none is live"):
        score(first, report=quiet, delta=True)


def _altered(part: Path) -> None:
    table = pq.read_table(part)
    score = table.schema.get_field_index("score")
    moved = pc.subtract(pa.scalar(1.0), table.column("score"))
    part.unlink()  # another version may share the file
    pq.write_table(table.set_column(score, table.schema.field("score"), moved), part)


@pytest.mark.parametrize("spoil", [_altered, Path.unlink])
def test_what_was_published_is_taken_over_and_nothing_else(project: Project, spoil: Any) -> None:
    """A part of the last version that was altered or lost is named before anything is scored."""
    archive = Archive(project.home)
    spoil(archive.parts(archive.names()[-1])[1])
    with pytest.raises(BuildError, match=r"part-00001\.parquet missing, or without the SHA-256"):
        score(project, report=quiet, at=AS_OF, delta=True)
    assert list((project.home / "runs").iterdir()) == []
    assert score(project, report=quiet, at=AS_OF).passed


def test_a_comparison_finds_what_differs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that a full run gives otherwise would be counted, and refused."""
    monkeypatch.setattr(Archive, "damaged", lambda *_: [])  # as though it had been published so
    part = Archive(project.home).parts(Archive(project.home).names()[-1])[0]
    table = pq.read_table(part)
    scores = table.column("score").to_numpy().copy()
    scores[3] = np.nextafter(scores[3], 1)
    part.unlink()
    pq.write_table(table.set_column(1, table.schema.field("score"), pa.array(scores)), part)
    found = score(project, report=quiet, at=AS_OF, delta=True, compare=True)
    assert found.counts.unequal == 1
    assert not found.passed
    assert found.published is None


def test_counts_add_up() -> None:
    """The counts of parts add up to those of the run."""
    one = counts.Counts(rows=2, decided={0: 1, 2: 1}, changed=1, moved={"a": 1}, traced=1)
    other = counts.Counts(rows=1, decided={2: 1}, new=1, compared=True, moved={"b": 1})
    assert counts.added([one, other]) == counts.Counts(
        rows=3, decided={0: 1, 2: 2}, changed=1, new=1, compared=True, moved={"a": 1, "b": 1},
        traced=1,
    )  # fmt: skip


FLOATS = st.floats(allow_nan=True, allow_infinity=False, width=64)


@settings(max_examples=100, deadline=None)
@given(nps.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=FLOATS))
def test_a_fingerprint_tells_rows_apart(matrix: Any) -> None:
    """Rows have one fingerprint where their bits are equal, all NaN being alike, and only there."""
    prints = fingerprints(matrix)
    canonical = [
        tuple(b"nan" if np.isnan(value) else value.tobytes() for value in row) for row in matrix
    ]
    for one in range(len(matrix)):
        for other in range(len(matrix)):
            assert (prints[one] == prints[other]) == (canonical[one] == canonical[other])
    assert fingerprints(np.asfortranarray(matrix)).tolist() == prints.tolist()


def test_a_fingerprint_is_the_same_everywhere() -> None:
    """It is kept in files and compared by other runs, so it never changes."""
    rows = np.array([[0.0, 1.5, np.nan], [-0.0, 1.5, np.nan], [1.5, 0.0, np.nan]])
    assert len(set(fingerprints(rows).tolist())) == 3
    assert fingerprints(rows[:1]).tolist() == [fingerprints(np.array([[0.0, 1.5, -np.nan]]))[0]]
