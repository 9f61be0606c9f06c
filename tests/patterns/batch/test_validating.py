import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.models.fairness import SMALL
from groundplan.monitoring.distribution import FOOTER, packed, sketch
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs.scoring import part_schema
from groundplan.patterns.batch.versions import measuring, publishing
from groundplan.patterns.batch.versions.candidate import Before, Candidate
from groundplan.patterns.batch.versions.measuring import Database
from groundplan.patterns.batch.versions.validating import validate
from groundplan.scores.version import Check, Version
from groundplan.units import DAY
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import Scored, quiet, scored


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """The whole population, scored in two parts."""
    project = small(tmp_path_factory.mktemp("small"), customers=600)
    build(project, None, quiet)
    return scored(project, 1)


@pytest.fixture
def run(whole: Scored, tmp_path: Path) -> Scored:
    """A copy of its parts, to be spoilt; the snapshot is shared."""
    folder = tmp_path / whole.run.name
    folder.mkdir()
    shutil.copytree(whole.folder / "out", folder / "out")
    (folder / "in").symlink_to(whole.folder / "in")
    return other_than(whole, folder=folder)


def other_than(one: Scored, **changed: Any) -> Scored:
    return Scored(**{**vars(one), **changed})


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """What reads the parts."""
    with measuring.database(tmp_path_factory.mktemp("spill")) as opened:
        _OPENED.append(opened)
        yield opened
        _OPENED.clear()


_OPENED: list[Database] = []


def candidate(one: Scored) -> tuple[Candidate, Version]:
    about = (one.project, one.definition, one.build, one.run, one.folder)
    return publishing._candidate(*about, _OPENED[0], quiet)


def before_of(one: Scored) -> Before:
    """A version of these parts, live."""
    found, version = candidate(one)
    return Before(version, found.parts, found.sketches, found.measured.scores)


def candidate_of(one: Scored) -> Candidate:
    return candidate(one)[0]


def checks(one: Scored, before: Before | None = None, **limits: Any) -> dict[str, Check]:
    """What the checks say of a run."""
    publication = msgspec.structs.replace(one.definition.publication, sample=40, **limits)
    made = validate(
        candidate_of(one), before, publication, one.definition.reasons, lambda done, of: None
    )
    return {check.name: check for check in made}


def failed(found: dict[str, Check]) -> set[str]:
    return {name for name, check in found.items() if not check.passed}


def change(one: Scored, edit: Callable[[pa.Table], pa.Table], part: int = 0) -> None:
    """Write a part again, after a change."""
    file = one.folder / "out" / f"part-{part:05d}.parquet"
    table = pq.read_table(file)
    footer = {FOOTER: (pq.read_metadata(file).metadata or {})[FOOTER]}
    pq.write_table(edit(table).replace_schema_metadata(footer), file)


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(
        at, table.schema.field(name), pa.array(values, table.schema.field(name).type)
    )


def test_what_is_right_passes(whole: Scored) -> None:
    """A good run passes every check, as the first version and against one like it."""
    first = checks(whole)
    assert not failed(first)
    assert list(first) == [
        *("rows", "coverage", "keys", "scores", "nulls", "ranges"),
        *("drift", "churn", "reasons", "sample", "checksum"),
    ]
    assert "the first version" in first["drift"].says
    again = checks(whole, before_of(whole))
    assert not failed(again)
    assert "index 0.000" in again["drift"].says
    assert all(check.says and check.limit for check in again.values())


def test_a_missing_part_is_found(run: Scored, whole: Scored) -> None:
    """Half of the rows gone fail rows, coverage, churn and the count of parts, with figures."""
    (run.folder / "out" / "part-00001.parquet").unlink()
    found = checks(run, before_of(whole))
    assert failed(found) >= {"rows", "coverage", "churn", "checksum"}
    left = pq.read_metadata(run.folder / "out" / "part-00000.parquet").num_rows
    assert f"{left:,} of 600 keys" in found["coverage"].says
    assert f"{600 - left:,} keys are gone" in found["churn"].says
    assert "1 parts of 2" in found["checksum"].says


def test_repeated_and_null_keys_are_found(run: Scored) -> None:
    """A key that stands twice, in two parts, and a null key fail the check of keys."""
    other = pq.read_table(run.folder / "out" / "part-00001.parquet").slice(0, 3)
    change(run, lambda table: pa.concat_tables([table.slice(3), other]))
    found = checks(run)
    assert "keys" in failed(found)
    assert "3 are repeated or null" in found["keys"].says

    def nulled(table: pa.Table) -> pa.Table:
        keys = table.column("key").to_pylist()
        field = pa.field("key", pa.string())
        return table.set_column(0, field, pa.array([*keys[:-1], None], pa.string()))

    change(run, nulled, part=1)
    assert "4 are repeated or null" in checks(run)["keys"].says


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.5, float("inf")])
def test_a_score_that_is_no_probability_is_found(run: Scored, wrong: float) -> None:
    """One score outside of 0..1, or none at all, fails the range."""
    change(run, lambda t: with_column(t, "score", [wrong, *t.column("score").to_pylist()[1:]]))
    found = checks(run)
    assert "scores" in failed(found)
    assert "1 scores are no probability" in found["scores"].says


def test_an_unknown_decision_is_found(run: Scored) -> None:
    """A position past the last decision fails the range."""
    change(run, lambda t: with_column(t, "decision", [3, *t.column("decision").to_pylist()[1:]]))
    assert "1 decisions unknown" in checks(run)["scores"].says


def spoil(name: str, edit: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: with_column(table, name, [edit(v) for v in table.column(name).to_pylist()])


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("score", lambda score: float(np.nextafter(score, 1))),
        ("decision", lambda decision: {1: 2, 2: 1}.get(decision, decision)),
        ("reasons", lambda reasons: reasons[::-1] if len(reasons) > 1 else reasons),
        ("inputs", lambda inputs: inputs ^ 1),
        ("segment", lambda _: "another"),
    ],
)
def test_the_sample_finds_one_bit(run: Scored, name: str, edit: Callable[[Any], Any]) -> None:
    """One bit off in scores, another decision, order of reasons or segment: each fails."""
    for part in (0, 1):
        change(run, spoil(name, edit), part)
    found = checks(run)
    assert failed(found) == {"sample"}
    assert f"{name} " in found["sample"].says
    assert "made again" in found["sample"].says


def test_the_sample_finds_keys_that_nobody_asked_for(run: Scored) -> None:
    """A key that the population does not have cannot be made again."""
    for part in (0, 1):
        change(run, spoil("key", lambda key: f"{key}-x"), part)
    assert "is not in the population" in checks(run)["sample"].says


def test_reasons_have_to_be_there(run: Scored) -> None:
    """Rows whose decision needs reasons and that lost them fail, named by an example."""
    for part in (0, 1):
        change(run, spoil("reasons", lambda _: []), part)
    found = checks(run)
    assert failed(found) == {"reasons", "sample"}
    assert "0 of" in found["reasons"].says


@pytest.mark.parametrize("reasons", [[0], [9], [-9], [1, 2, 3, 4]])
def test_reasons_name_known_codes(run: Scored, reasons: list[int]) -> None:
    """A reason past the codes, one that names none, and more than there may be: each fails."""
    change(run, lambda t: with_column(t, "reasons", [reasons] * t.num_rows))
    assert "reasons" in failed(checks(run))


def test_rows_without_reasons_may_be_right(run: Scored, database: Database) -> None:
    """Where nothing speaks in the wanted direction there are no reasons, and that passes."""
    only = msgspec.structs.replace(run.definition.reasons, only="lowered", top=1)
    definition = type(run.definition)(**{**vars(run.definition), "reasons": only})
    bare = other_than(run, definition=definition)
    found_ = candidate_of(bare)
    for part in (0, 1):
        change(run, spoil("reasons", lambda _: []), part)
    again = measuring.measure(database, found_.parts, 3)
    spoilt = Candidate(**{**vars(found_), "measured": again, "recompute": _nothing(found_)})
    limits = run.definition.publication
    made = validate(spoilt, None, limits, only, lambda done, of: None)
    found = {check.name: check for check in made}
    assert found["reasons"].passed
    assert "nothing speaks" in found["reasons"].says


@pytest.mark.parametrize("only", ["raised", "both"])
def test_at_the_level_audit_every_such_row_has_a_reason(run: Scored, only: Any) -> None:
    """One row that nothing can be said about fails, by its decision, with what to do."""
    reasons = msgspec.structs.replace(run.definition.reasons, only=only)
    one = 0

    def first(table: pa.Table) -> pa.Table:
        nonlocal one
        kept = table.column("reasons").to_pylist()
        one = next(at for at, each in enumerate(kept) if each)
        return with_column(table, "reasons", [[] if at == one else r for at, r in enumerate(kept)])

    change(run, first)
    found = candidate_of(run)
    decision = pq.read_table(found.parts[0]).column("decision")[one].as_py()
    checked = {}
    for audit in (False, True):
        spoilt = Candidate(**{**vars(found), "recompute": _nothing(found), "audit": audit})
        made = validate(spoilt, None, run.definition.publication, reasons, lambda done, of: None)
        checked[audit] = next(check for check in made if check.name == "reasons")
    assert checked[False].passed
    assert not checked[True].passed
    assert f"need one too (1 {found.decisions[decision]}): choose cuts" in checked[True].says
    assert ('only="both"' in checked[True].says) == (only == "raised")


def _nothing(of: Candidate) -> Callable[[Any], dict[Any, dict[str, Any]]]:
    """A model whose rows have no reasons."""
    return lambda keys: {key: {**row, "reasons": []} for key, row in of.recompute(keys).items()}


def test_drift_says_why(run: Scored, whole: Scored) -> None:
    """Scores that moved fail with the features that moved most and the decisions' shares."""
    limits = {"rows": 1.0, "keys": 1.0}
    project = whole.project
    population = project.folder / "population.parquet"
    kept = population.read_bytes()
    table = pq.read_table(population)
    older = with_column(table, "tenure", np.zeros(table.num_rows, dtype=np.int64))
    try:
        pq.write_table(older, population)
        moved = scored(project, 2)
    finally:
        population.write_bytes(kept)
    found = checks(moved, before_of(whole), **limits)
    assert failed(found) == {"drift", "ranges"}
    assert "tenure: 0.00% of rows above 0, where 9" in found["ranges"].says
    says = found["drift"].says
    assert "moved far" in says
    assert "moved most: tenure" in says
    assert "leave" in says
    assert "before" in says
    shutil.rmtree(moved.folder)


def test_few_rows_drift_by_chance(whole: Scored) -> None:
    """What two samples of so few rows reach by chance is no drift, and it is said."""
    few = scored(whole.project, 3, rows=slice(0, 40))
    other = scored(whole.project, 4, rows=slice(40, 80))
    found = checks(few, before_of(other), drift=0.001, keys=1.0, rows=1.0)
    assert "drift" not in failed(found)
    assert "by chance" in found["drift"].limit


def test_missing_values_that_rise_are_found(run: Scored, whole: Scored) -> None:
    """A feature that lost its values fails by name, with its share before and now."""
    before = before_of(whole)
    emptied = dict(before.sketches)
    emptied["monthly"] = sketch(np.full(600, np.nan))

    def footer(part: int) -> None:
        file = run.folder / "out" / f"part-{part:05d}.parquet"
        table = pq.read_table(file)
        pq.write_table(table.replace_schema_metadata({FOOTER: packed(emptied)}), file)

    for part in (0, 1):
        footer(part)
    found = checks(run, before)
    assert failed(found) == {"nulls"}
    assert "monthly 100.00%, was" in found["nulls"].says


@pytest.mark.parametrize("live", ["nothing", "an unknown version"])
def test_missing_values_of_a_first_version_are_found(run: Scored, whole: Scored, live: str) -> None:
    """Where no version can be compared with, by those of the rows that the model learned from."""
    before = None if live == "nothing" else replace(before_of(whole), sketches={})
    assert not failed(checks(run, before))
    emptied = {**candidate_of(whole).sketches, "monthly": sketch(np.full(600, np.nan))}
    for file in run.folder.glob("out/*.parquet"):
        table = pq.read_table(file).replace_schema_metadata({FOOTER: packed(emptied)})
        pq.write_table(table, file)
    found = checks(run, before)
    assert failed(found) == {"nulls"}
    assert "monthly 100.00%, was " in found["nulls"].says
    assert "in training" in found["nulls"].says
    if before is None:
        assert "moved most since training: monthly" in found["drift"].says


def test_values_outside_of_training_are_found(run: Scored, whole: Scored) -> None:
    """A feature in another unit fails by name, also in a first version; what was live may stay."""
    cents = {**candidate_of(whole).sketches, "monthly": sketch(np.linspace(2_000, 15_000, 600))}
    for file in run.folder.glob("out/*.parquet"):
        table = pq.read_table(file).replace_schema_metadata({FOOTER: packed(cents)})
        pq.write_table(table, file)
    for before in (None, before_of(whole)):
        found = checks(run, before)
        assert failed(found) == {"ranges"}
        assert found["ranges"].says.startswith("monthly: 100.00% of rows far above ")
        assert found["ranges"].says.endswith(" in training")
        assert "rises by at most 1 %" in found["ranges"].limit
        assert "ranges" not in failed(checks(run, before, ranges=1.0))
    assert not failed(checks(run, replace(before_of(whole), sketches=cents)))


def test_a_build_without_ranges_is_not_compared(whole: Scored) -> None:
    """A build that does not say how its features were distributed passes, and that is said."""
    silent = replace(candidate_of(whole), trained={})
    limits = whole.definition.publication
    made = validate(silent, None, limits, whole.definition.reasons, lambda done, of: None)
    found = {check.name: check for check in made}["ranges"]
    assert found.passed
    assert found.says.endswith("not compared")


def test_what_is_known_of_the_features_is_taken_from_the_build(whole: Scored) -> None:
    """Categories with their values by code; a part of the time is the same for every row."""
    found = candidate_of(whole)
    assert {name: set(each) for name, each in found.categories.items()} == {
        "contract": {"month", "one year", "two years"}
    }
    assert found.moments == frozenset()
    source = whole.definition.inputs.source
    hour, month = source.time.hour(), source.time.month()
    assert publishing._timed(hour)
    assert publishing._timed(hour + month * 24)
    assert not publishing._timed(hour - source.tenure)
    late = {**found.sketches, "hour": sketch(np.full(600, 3.0))}
    early = {**found.trained, "hour": sketch(np.full(600, 15.0))}
    timed = replace(found, sketches=late, trained=early)
    limits, reasons = whole.definition.publication, whole.definition.reasons
    for moments, passes in ((frozenset({"hour"}), True), (frozenset(), False)):
        there = replace(timed, moments=moments)
        made = validate(there, None, limits, reasons, lambda done, of: None)
        assert {check.name: check.passed for check in made}["ranges"] is passes


def test_parts_that_say_nothing_of_the_features_fail(run: Scored) -> None:
    """Without distributions nobody could tell whether values went missing."""
    file = run.folder / "out" / "part-00000.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({}), file)
    assert "nulls" in failed(checks(run))


def test_a_part_that_changed_is_found(run: Scored) -> None:
    """Bytes that differ from those that were measured fail the checksum."""
    measured = candidate_of(run)
    change(run, lambda table: table.slice(0, table.num_rows).sort_by("key"))
    limits, reasons = run.definition.publication, run.definition.reasons
    made = validate(measured, None, limits, reasons, lambda done, of: None)
    assert not {check.name: check for check in made}["checksum"].passed


def test_another_moment_is_seen_in_the_features(whole: Scored) -> None:
    """Runs as of two moments differ in windows; both are made again from their own snapshots."""
    earlier = scored(whole.project, 5, as_of=AS_OF - 60 * DAY)
    assert not failed(checks(earlier))
    one, two = (pq.read_table(each.folder / "out") for each in (whole, earlier))
    assert pc.sum(pc.not_equal(one.sort_by("key")["score"], two.sort_by("key")["score"])).as_py()


KEYS = st.lists(st.tuples(st.text(max_size=4), st.floats(0, 1), st.integers(0, 2)))


@settings(max_examples=12, deadline=None)
@given(KEYS.filter(bool), KEYS.filter(bool), st.integers(1, 40), st.integers(0, 30))
def test_measuring_is_what_a_loop_finds(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, float, int]],
    others: list[tuple[str, float, int]],
    times: int,
    cut: int,
) -> None:
    """Counts, exact means by segment, and churn: all as plain Python has them."""
    folder, rows = tmp_path_factory.mktemp("parts"), rows * times  # so that some are many
    parts = [written(folder / "a-0", rows[:cut]), written(folder / "a-1", rows[cut:])]
    mine, theirs = {key for key, _, _ in rows}, {key for key, _, _ in others}
    keys = [written(folder / "c", [(key, 0.5, 0) for key in mine])]
    before = [written(folder / "d", [(key, 0.5, 0) for key in theirs])]
    with measuring.database(folder) as reads:
        found = measuring.measure(reads, parts, 3)
        swapped = measuring.measure(reads, parts[::-1], 3)
        churn = measuring.churn(reads, keys, before)
    assert found.rows == len(rows)
    assert found.distinct == len(mine)
    assert found.decisions == tuple(sum(d == n for _, _, d in rows) for n in range(3))
    assert found.mean == pytest.approx(np.mean([score for _, score, _ in rows]), rel=1e-12)
    assert sum(found.histogram) == len(rows)
    by_segment = {f"s{n}": [score for _, score, d in rows if d == n] for n in range(3)}
    owns = {segment: own for segment, own in by_segment.items() if len(own) >= SMALL}
    assert found.segments.keys() == owns.keys()
    for segment, (count, mean) in found.segments.items():
        assert count == len(owns[segment])
        assert mean == pytest.approx(np.mean(owns[segment]), rel=1e-12)
    assert found.others == sum(bool(own) for own in by_segment.values()) - len(owns)
    assert (swapped.mean, swapped.segments) == (found.mean, found.segments)
    assert (churn.gone, churn.new) == (len(theirs - mine), len(mine - theirs))


def test_the_largest_segments_have_averages(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that are large enough, a bounded number; of equally large ones the first by name."""
    sizes = {"b": SMALL, "a": SMALL, "few": SMALL - 1, "most": SMALL + 1, "one": 1}
    rows = [(f"{name}{at}", 0.5, 0) for name, size in sizes.items() for at in range(size)]
    part = written(tmp_path / "part", rows)
    table = pq.read_table(part)
    named = [key.rstrip("0123456789") for key, _, _ in rows]
    pq.write_table(with_column(table, "segment", named), part)
    found = measuring.measure(database, [part], 3)
    assert found.segments == {name: (sizes[name], 0.5) for name in ("a", "b", "most")}
    assert found.others == 2
    few = measuring._BY_SEGMENT.replace(f"LIMIT {measuring.SEGMENTS}", "LIMIT 2")
    assert few != measuring._BY_SEGMENT
    monkeypatch.setattr(measuring, "_BY_SEGMENT", few)
    found = measuring.measure(database, [part], 3)
    assert (list(found.segments), found.others) == (["a", "most"], 3)


def written(file: Path, rows: list[tuple[str, float, int]]) -> Path:
    schema = part_schema(pa.string())
    columns = {
        "key": [key for key, _, _ in rows],
        "score": [score for _, score, _ in rows],
        "decision": [decision for _, _, decision in rows],
        "reasons": [[1]] * len(rows),
        "segment": [f"s{decision}" for _, _, decision in rows],
        "inputs": [0] * len(rows),
    }
    pq.write_table(pa.table(columns, schema=schema), file)
    return file


def test_keys_of_another_type_are_compared_as_text(database: Database, tmp_path: Path) -> None:
    """A population whose keys became numbers has churn only where their text differs."""
    text = written(tmp_path / "text", [("1", 0.5, 0), ("x", 0.5, 0)])
    table = pq.read_table(text)
    field = pa.field("key", pa.int64(), nullable=False)
    numbers = tmp_path / "numbers"
    pq.write_table(table.set_column(0, field, pa.array([1, 2])), numbers)
    assert measuring.churn(database, [numbers], [text]) == measuring.Churn(gone=1, new=1)


def test_what_is_no_part_is_refused(database: Database, tmp_path: Path) -> None:
    """A file with other columns is named with the column, and so is a run without parts."""
    file = tmp_path / "part"
    pq.write_table(pa.table({"key": ["a"], "score": ["high"]}), file)
    with pytest.raises(InputError, match="the column score is string"):
        measuring.measure(database, [file], 3)
    with pytest.raises(InputError, match="no parts"):
        measuring.measure(database, [], 3)
