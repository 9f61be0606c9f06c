"""A run scores whom it is asked to, with the features that hold then, and nothing else."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest

from conftest import groundplan
from groundplan.engines.partitions import DIGITS, part_name
from groundplan.errors import BuildError, EngineError, InputError
from groundplan.features import offline
from groundplan.models import Words, kinds, load_explainer
from groundplan.models.codes import Coded
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.live import cuts, live
from groundplan.patterns.batch.runs.run import load, moment, parts
from groundplan.patterns.batch.runs.running import Outcome, score
from groundplan.patterns.batch.versions.turn import turn
from groundplan.project import Project
from groundplan.units import DAY
from patterns.batch.projects import AS_OF, small

Make = Callable[[], Project]


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with a live build."""
    folder = tmp_path_factory.mktemp("built") / "small"
    build(small(folder), None, quiet)
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Project:
    """A copy of it for each test."""
    return Project(shutil.copytree(built, tmp_path / "small", symlinks=True))


def unpublished(project: Project, **asked: Any) -> Outcome:
    """The outcome of a run whose parts stay."""
    return score(project, report=quiet, publish=False, **{"at": AS_OF, **asked})


def rows(found: Outcome) -> pa.Table:
    """All rows of its parts, sorted by key."""
    assert found.folder is not None
    return pa.concat_tables(map(pq.read_table, parts(found.folder))).sort_by("key")


def twin(project: Project, population: pa.Table, charges: Any, as_of: int) -> list[dict[str, Any]]:
    """The same rows by the plainest means: one table of features, one row at a time."""
    made, inputs = live(project)
    definition = define(project)
    number = pa.array(range(len(population)))
    moment = pa.array([as_of] * len(population)).cast(pa.timestamp("us"))
    events = population.append_column("row", number).append_column("seen", moment)
    keep = ("customer",) + (("contract",) if "contract" not in inputs.names else ())
    found = offline.table(inputs, events, keep=keep, others={"charges": charges})
    matrix = offline.matrix(found, inputs.names)
    model = kinds.load(made.folder)
    explainer = load_explainer(made.folder, model)
    coded = Coded(Words.load(made.folder), definition.reasons)
    wanted = []
    for at, row in enumerate(matrix):
        value = model.score(row)
        decision = int(cuts(made).decide(np.array([value]))[0])
        reasons: list[int] = []
        if cuts(made).names[decision] in (definition.reasons.decisions or ()):
            reasons = coded.choose(explainer.row(row).contributions[None])[0].tolist()
        wanted.append(
            {
                "key": found.column("customer")[at].as_py(),
                "score": value,
                "decision": decision,
                "reasons": reasons,
                "segment": population.column("contract")[at].as_py(),
            }
        )
    return sorted(wanted, key=lambda each: each["key"])


def test_a_run_is_what_the_plain_way_gives(project: Project) -> None:
    """Every score, decision and reason equals that of its row alone, to the bit."""
    found = unpublished(project, partitions=3)
    population = pq.read_table(project.folder / "population.parquet")
    wanted = twin(project, population, project.folder / "charges.parquet", AS_OF)
    assert rows(found).drop_columns(["inputs"]).to_pylist() == wanted
    assert found.counts.rows == len(wanted)
    assert found.counts.explained == sum(bool(each["reasons"]) for each in wanted) > 0
    decided = [each["decision"] for each in wanted]
    assert found.counts.decided == {n: decided.count(n) for n in sorted(set(decided))}
    first = [abs(each["reasons"][0]) - 1 for each in wanted if each["reasons"]]
    assert found.counts.first == {n: first.count(n) for n in set(first)}


def partition_of(key: int | str, partitions: int) -> int:
    """The naive twin of the statement that deals all keys out."""
    digest = hashlib.md5(str(key).encode(), usedforsecurity=False).hexdigest()
    return int(digest[:DIGITS], 16) % partitions


@pytest.mark.parametrize("partitions", [1, 7])
def test_partitions_change_nothing(project: Project, partitions: int) -> None:
    """However the keys are dealt out, the rows are the same, each key in its partition."""
    found = unpublished(project, partitions=partitions)
    assert rows(found).equals(rows(unpublished(project, partitions=3)))
    assert found.folder is not None
    for number, part in enumerate(parts(found.folder)):
        assert part.name == part_name(number)
        keys = pq.read_table(part).column("key").to_pylist()
        assert {partition_of(key, partitions) for key in keys} == {number}


def test_events_at_the_moment_or_later_do_not_count(project: Project) -> None:
    """A run as of an earlier moment is that over the events before it."""
    then = AS_OF - 20 * DAY
    charges = pq.read_table(project.folder / "charges.parquet")
    charged = charges.column("charged").cast(pa.int64())
    on_it = pa.table(
        {
            "charge": [10**6],
            "charged": pa.array([then]).cast(pa.timestamp("us", "UTC")),
            "customer": ["p00000-ü"],
            "amount": [9999.0],
        }
    )
    before = charges.filter(pc.less(charged, then))
    late = pa.concat_tables([charges, on_it.cast(charges.schema)])
    whole = unpublished(project, at=then, others={"charges": late})
    cut = unpublished(project, at=then, others={"charges": before})
    assert rows(whole).equals(rows(cut))
    assert not rows(whole).equals(rows(unpublished(project)))


def test_the_moment_of_a_row_may_not_be_later(project: Project) -> None:
    """What was recorded after the moment of the run is not known in it; earlier rows hold then."""
    population = pq.read_table(project.folder / "population.parquet")

    def seen(us: int) -> pa.Table:
        times = pa.array([us] * len(population)).cast(pa.timestamp("us"))
        return population.append_column("seen", times)

    charges = {"charges": str(project.folder / "charges.parquet")}
    early = unpublished(project, population=lambda _: seen(AS_OF - 5 * DAY), others=charges)
    assert rows(early).equals(rows(unpublished(project)))
    with pytest.raises(InputError, match="not later than the moment of the run, 2026-07-01"):
        unpublished(project, population=lambda _: seen(AS_OF + 1), others=charges)
    with pytest.raises(InputError, match="yet to come"):
        unpublished(project, at=AS_OF * 2)


def test_any_place_gives_the_same_rows(project: Project) -> None:
    """A CSV file, a Parquet file and a table in memory are scored alike."""
    population = pq.read_table(project.folder / "population.parquet")
    pc_csv.write_csv(population, project.folder / "population.csv")
    charges = {"charges": project.folder / "charges.parquet"}
    wanted = rows(unpublished(project))
    for name in ("population.csv", "population.parquet"):
        place = project.folder / name
        assert rows(unpublished(project, population=place, others=charges)).equals(wanted)


def test_a_key_that_stands_twice_is_refused(project: Project) -> None:
    """Nothing is written, and the error has examples."""
    population = pq.read_table(project.folder / "population.parquet")
    twice = pa.concat_tables([population, population.slice(5, 1)])
    charges = {"charges": project.folder / "charges.parquet"}
    with pytest.raises(InputError, match=r"'p00005-ü' \(2 times\)"):
        unpublished(project, population=lambda _: twice, others=charges, partitions=3)
    keyless = population.set_column(0, "customer", pa.array([None, *["x"] * 1999], pa.string()))
    with pytest.raises(InputError, match="customer is a text, and every row has one"):
        unpublished(project, population=lambda _: keyless, others=charges)
    assert list((project.home / "runs").iterdir()) == []


def test_a_source_that_nobody_names_is_asked_for(project: Project) -> None:
    """The error says which, and how to name it."""
    with pytest.raises(InputError, match="--source charges=charges"):
        unpublished(project, population=project.folder / "population.parquet")
    empty = pq.read_table(project.folder / "population.parquet").slice(0, 0)
    with pytest.raises(InputError, match="has no rows"):
        unpublished(project, population=lambda _: empty, others={"charges": empty})


def test_a_file_that_system_py_does_not_find_is_named(project: Project) -> None:
    """As an error of the data, not of the program; nothing is left of the run."""
    (project.folder / "population.parquet").unlink()
    with pytest.raises(InputError, match=r"FileNotFoundError: .*population\.parquet; see that"):
        unpublished(project)
    assert not (project.home / "runs").exists()


@pytest.fixture
def stated(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, whose system.py names its places by source; commands begin elsewhere."""
    system = project.folder / "system.py"
    text = system.read_text().replace("def population(", "def today(")
    named = '{"customers": "population.parquet", "charges": "charges.parquet"}'
    system.write_text(f"{text}\n\npopulation = {named}\n")
    (project.folder / "elsewhere").mkdir()
    monkeypatch.chdir(project.folder / "elsewhere")
    return Project(project.folder)


def test_sources_that_system_py_names_stay_whoever_is_scored(stated: Project) -> None:
    """`--population` says whom to score, and no more; `--source` is still above system.py."""
    wanted = rows(unpublished(stated))
    few = pq.read_table(stated.folder / "population.parquet").slice(0, 40)
    pq.write_table(few, "few.parquet")
    found = rows(unpublished(stated, population="few.parquet"))
    assert found.equals(wanted.filter(pc.is_in(wanted["key"], few["customer"].combine_chunks())))
    given = {"customers": "few.parquet"}
    assert rows(unpublished(stated, population=given)).equals(found)
    assert rows(unpublished(stated, population=lambda _: few)).equals(found)
    none = pq.read_table(stated.folder / "charges.parquet").slice(0, 0)
    pq.write_table(none, "none.parquet")
    without = rows(
        unpublished(stated, population="few.parquet", others={"charges": "none.parquet"})
    )
    assert not without.equals(found)


@pytest.mark.parametrize("change", [None, "charges.parquet", "population.parquet"])
def test_a_cut_run_of_stated_places_goes_on_while_they_stay(
    stated: Project, change: str | None
) -> None:
    """Another file of any source is another question."""
    first = unpublished(stated)
    if change is not None:
        table = pq.read_table(stated.folder / change)
        pq.write_table(table.slice(1), stated.folder / change)
    assert (unpublished(stated).run.name == first.run.name) == (change is None)


def test_a_cut_run_goes_on(project: Project) -> None:
    """What is done stays as it is, and only the rest is computed; `fresh` begins anew."""
    charges = {"charges": project.folder / "charges.parquet"}
    asked: dict[str, Any] = {"population": project.folder / "population.parquet", "others": charges}
    first = unpublished(project, partitions=4, **asked)
    assert first.folder is not None
    wanted = rows(first)
    kept = parts(first.folder)[1]
    for number in (0, 2, 3):
        (first.folder / "out" / part_name(number)).unlink()
    (first.folder / "out" / ".part-00000.parquet.1").write_text("half of it")
    stamp = kept.stat().st_mtime_ns
    steps = []
    again = score(
        project, report=lambda step, *_: steps.append(step), publish=False, at=AS_OF, **asked
    )
    assert again.done == 1
    assert any("1 of 4 partitions were done" in step for step in steps)
    assert kept.stat().st_mtime_ns == stamp
    assert rows(again).equals(wanted)
    anew = unpublished(project, fresh=True, **asked)
    assert anew.done == 0
    assert anew.run.name != again.run.name
    assert rows(anew).equals(wanted)


@pytest.mark.parametrize("change", ["file", "moment", "build", "age"])
def test_a_run_of_something_else_is_not_gone_on_with(project: Project, change: str) -> None:
    """Another file, another moment, another build, or answers older than promised: a new run."""
    asked: dict[str, Any] = {
        "population": project.folder / "population.parquet",
        "others": {"charges": project.folder / "charges.parquet"},
        "at": None if change == "age" else AS_OF,
    }
    first = unpublished(project, **asked)
    assert first.folder is not None
    if change == "file":
        table = pq.read_table(project.folder / "population.parquet")
        pq.write_table(table.slice(1), project.folder / "population.parquet")
    elif change == "moment":
        asked["at"] = AS_OF - 1
    elif change == "build":
        build(project, None, quiet)
    else:
        run = load(first.folder)
        assert run is not None
        text = (first.folder / "run.json").read_text()
        aged = text.replace(f'"as_of": {run.as_of}', f'"as_of": {run.as_of - DAY}')
        (first.folder / "run.json").write_text(aged)
    assert unpublished(project, **asked).run.name != first.run.name


def test_one_run_at_a_time(project: Project) -> None:
    """A second one is told which process is at it."""
    with (
        turn(project.home / "score.lock", "scoring", wait=0),
        pytest.raises(EngineError, match=r"process \d+, scoring"),
    ):
        unpublished(project)


def test_a_file_beside_the_runs_is_no_run(project: Project) -> None:
    """What a file manager leaves in their folder ends nothing."""
    (project.home / "runs").mkdir(parents=True, exist_ok=True)
    (project.home / "runs" / ".DS_Store").touch()
    first = unpublished(project, partitions=1)
    assert unpublished(project, partitions=1).run.name == first.run.name
    (project.home / "runs" / ".DS_Store").unlink()


def test_a_published_run_leaves_no_folder(project: Project) -> None:
    """The version has the parts; what was cut before is gone too."""
    unpublished(project, at=AS_OF - 1)
    found = score(project, report=quiet, at=AS_OF, out=project.folder / "out.csv", partitions=2)
    assert found.published is not None
    assert found.published.passed
    assert found.folder is None
    assert list((project.home / "runs").iterdir()) == []
    assert found.published.version.rows == found.counts.rows
    written = pc_csv.read_csv(project.folder / "out.csv")
    assert found.out == (str(project.folder / "out.csv"), len(written))
    called = written.filter(pc.equal(written.column("decision"), "call"))
    assert len(called) == found.counts.decided[2]
    codes = {code.code for code in found.codes}
    for text in called.column("reasons").to_pylist():
        assert {each[1:] for each in text.split()} <= codes
        assert {each[0] for each in text.split()} <= {"+", "-"}


def test_a_refused_run_is_not_gone_on_with(project: Project) -> None:
    """Data that a check refused is read again, not the snapshot of it."""
    score(project, report=quiet, at=AS_OF)
    half = pq.read_table(project.folder / "population.parquet").slice(1000)
    pq.write_table(half, project.folder / "population.parquet")
    refused = score(project, report=quiet, at=AS_OF + 1)
    assert not refused.passed
    assert refused.published is not None
    assert [each.name for each in refused.published.checks if not each.passed] == ["rows", "churn"]
    assert list((project.home / "runs").iterdir()) == []
    with pytest.raises(InputError, match="'scores' cannot be allowed to fail"):
        score(project, report=quiet, at=AS_OF + 1, allow=("scores",))
    allowed = score(project, report=quiet, at=AS_OF + 1, allow=("rows", "churn"))
    assert allowed.passed


def test_without_a_build_there_is_nothing_to_score_by(tmp_path: Path) -> None:
    """The error says what to run first."""
    with pytest.raises(BuildError, match="groundplan build"):
        unpublished(small(tmp_path / "small", customers=50))


NUMBERED = """
from groundplan import Logistic, Source, Table, features
from groundplan.models.bands import Bands

machines = Source("machines", time="seen", id="machine", fields={"site": str, "age": int},
                  labels={"broke": "30d"})
sites = Table("sites", key="site", key_type=str, time="since", fields={"heat": float})
inputs = features(machines.age, heat=sites.heat, of=machines)
label = "broke"
model = Logistic()
decisions = Bands.at("leave", look=0.5)
"""


def test_a_key_may_be_the_identifier_and_a_source_go_by_another_field(project: Project) -> None:
    """Profiles of sites are read whole by every partition; negative and huge keys have theirs."""
    shutil.rmtree(project.home)
    (project.folder / "system.py").write_text(NUMBERED)
    drawn = np.random.default_rng(1)
    keys = np.concatenate([drawn.permutation(400) * 20, [-(2**63), 2**63 - 1]])
    sites = drawn.choice(["a", "b", "c"], len(keys))
    age = drawn.integers(0, 50, len(keys))
    heat = {"a": 1.5, "b": -2.0, "c": 0.25}
    machines = pa.table({"machine": keys, "site": sites, "age": age})
    seen = pa.array([AS_OF] * len(keys)).cast(pa.timestamp("us"))
    broke = drawn.random(len(keys)) < 1 / (1 + np.exp(2 - age / 25 - [heat[s] for s in sites]))
    past = machines.append_column("seen", seen).append_column("broke", pa.array(broke))
    since = pa.array([0, 0, 0, AS_OF]).cast(pa.timestamp("us"))
    profiles = pa.table(
        {"site": ["a", "b", "c", "a"], "since": since, "heat": [*heat.values(), 99.0]}
    )
    for name, table in (("past", past), ("machines", machines), ("sites", profiles)):
        pq.write_table(table, project.folder / f"{name}.parquet")
    changed = Project(project.folder)
    others = {"sites": project.folder / "sites.parquet"}
    build(changed, project.folder / "past.parquet", quiet, others=others)
    found = unpublished(
        changed, population=project.folder / "machines.parquet", others=others, partitions=5
    )
    assert found.run.key == "int"
    made, _ = live(changed)
    features = np.column_stack([age, [heat[site] for site in sites]]).astype(np.float64)
    scores = kinds.load(made.folder).scores(features)
    wanted = dict(zip(keys.tolist(), scores.tolist(), strict=True))
    table = rows(found)
    got = dict(zip(table.column("key").to_pylist(), table.column("score").to_pylist(), strict=True))
    assert got == wanted


def test_the_command_says_what_a_run_came_to(project: Project) -> None:
    """`groundplan score` ends with 0 for a version that is live, 2 for a refused one, 1 else."""
    place = project.folder / "population.parquet"
    charges = f"charges={project.folder / 'charges.parquet'}"
    asked: list[str | Path] = ["score", project.folder, "--population", place, "--source", charges]
    asked += ["--at", moment(AS_OF)]
    done = groundplan(*asked, "--partitions", "2")
    assert done.returncode == 0, done.stderr
    assert "version" in done.stdout
    assert "is live" in done.stdout
    assert "the pointer moved in" in done.stdout
    done = groundplan(*asked, "--delta", "--compare", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"], told["counts"]["unequal"]) == (0, True, 0)
    pq.write_table(pq.read_table(place).slice(1500), place)
    refused = groundplan(*asked)
    assert refused.returncode == 2
    assert "REFUSED by" in refused.stdout
    assert f"version {told['version']} keeps serving" in refused.stdout
    place.unlink()
    gone = groundplan(*asked)
    assert gone.returncode == 1
    assert "is not there" in gone.stderr
