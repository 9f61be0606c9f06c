"""From labelled rows to a build: what is in it, and that nobody judged what trained them."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundplan.errors import BuildError, InputError, ProjectError
from groundplan.features import offline
from groundplan.models import Words, kinds
from groundplan.models.metrics import roc_auc
from groundplan.patterns.batch.building.rows import features, fingerprint, past
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.live import cuts, live
from groundplan.project import Project
from groundplan.rollout.builds import Build
from patterns.batch.projects import ANSWERS, SYSTEM, small


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project."""
    return small(tmp_path_factory.mktemp("projects") / "small")


@pytest.fixture(scope="module")
def built(project: Project) -> Build:
    """Its live build."""
    return build(project, None, quiet)


@pytest.fixture
def copy(project: Project, built: Build, tmp_path: Path) -> Project:
    """The built project in a folder that a test may change."""
    shutil.copytree(project.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")


def test_a_build_has_what_scoring_reads(project: Project, built: Build) -> None:
    """Model, explainer, words, cuts and features come back from the folder, and agree."""
    found, inputs = live(project)
    assert found.manifest == built.manifest
    model = kinds.load(found.folder)
    assert model.names == inputs.names
    explainer = kinds.load_explainer(found.folder, model)
    assert explainer.names == inputs.names
    words = Words.load(found.folder)
    contract = next(word for word in words.words if word.feature == "contract")
    assert set(contract.kinds) == {"month", "one year", "two years"}
    made = cuts(found)
    assert made.names == ("leave", "offer", "call")
    assert 0 < made.above[0] < made.above[1] < 1


def test_features_are_as_of_each_rows_time(project: Project) -> None:
    """The rows that train have the features that a loop over the charges gives at their time."""
    definition = define(project)
    made, rows = features(project, definition, past(project, definition, None, {}, quiet), quiet)
    charges = pq.read_table(project.folder / "charges.parquet").to_pylist()
    names = rows.table.column("customer").to_pylist()
    at = made.inputs.names.index("charges_90d")
    mean = made.inputs.names.index("charged_30d")
    for row in range(0, len(rows.y), 157):
        now = int(rows.time[row])
        ages = [
            (now - int(each["charged"].timestamp() * 1_000_000), each["amount"])
            for each in charges
            if each["customer"] == names[row]
        ]
        day = 86_400_000_000
        assert rows.x[row, at] == sum(0 < age <= 90 * day for age, _ in ages)
        amounts = [amount for age, amount in ages if 0 < age <= 30 * day]
        if amounts:
            assert rows.x[row, mean] == pytest.approx(np.mean(amounts))
        else:
            assert np.isnan(rows.x[row, mean])


def test_figures_are_of_scores_out_of_fold(project: Project, built: Build) -> None:
    """The ROC AUC told is that of models that did not see the rows, not that of the last one."""
    definition = define(project)
    made, rows = features(project, definition, past(project, definition, None, {}, quiet), quiet)
    scores = definition.judge.scores(  # type: ignore[union-attr]  # folds here
        definition.model, rows.x, rows.y, rows.key, made.inputs.names
    )
    told = built.manifest.report["models"][0]["roc_auc"]["value"]
    assert told == roc_auc(rows.y, scores)
    seen = roc_auc(rows.y, kinds.load(built.folder).scores(rows.x))
    assert seen > told + 0.01
    above = [each["above"] for each in built.manifest.report["decisions"]]
    assert above == [None, *cuts(built).above]
    assert cuts(built) == definition.decisions.choose(scores, rows.y)


def test_one_data_gives_one_build(project: Project, built: Build) -> None:
    """Built again from the same rows, all figures, cuts and files are the same."""
    again = build(project, None, quiet, live=False)
    assert again.manifest.report == built.manifest.report
    assert again.manifest.thresholds == built.manifest.thresholds
    same = {"trees.txt", "reasons.json", "attributions.tables"}
    assert same <= built.manifest.files.keys()
    for name in same:
        assert again.manifest.files[name] == built.manifest.files[name]
    assert live(project)[0].manifest.build == built.manifest.build


def test_any_form_of_the_same_rows_trains_the_same_model(
    project: Project, built: Build, tmp_path: Path
) -> None:
    """Parquet and CSV files that are named give the model that `system.py`'s table gives."""
    rows = pq.read_table(project.folder / "customers.parquet")
    with (tmp_path / "customers.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows.column_names)
        for row in rows.to_pylist():
            writer.writerow("" if value is None else value for value in row.values())
    others = {"charges": project.folder / "charges.parquet"}
    for data in (project.folder / "customers.parquet", tmp_path / "customers.csv"):
        made = build(project, data, quiet, live=False, others=others)
        assert made.manifest.files["trees.txt"] == built.manifest.files["trees.txt"]
        assert made.manifest.data["sha256"] == built.manifest.data["sha256"]
        assert made.manifest.data["file"] == str(data)


def test_the_fingerprint_of_rows_is_that_of_their_values() -> None:
    """Memory under a missing value, or before a slice, changes nothing; a value does."""
    rows = pa.table({"a": [1.0, None], "b": ["x", None], "c": [True, None], "d": [7, 8]})
    values = pa.py_buffer(np.array([1.0, 5.0]).tobytes())
    other = pa.Array.from_buffers(pa.float64(), 2, [pa.py_buffer(b"\x01"), values])
    same = rows.set_column(0, "a", other)
    assert same.equals(rows)
    assert fingerprint(same) == fingerprint(rows)
    assert fingerprint(pa.concat_tables([rows, rows]).slice(2)) == fingerprint(rows)
    changed = [fingerprint(rows.set_column(1, "b", pa.array(b))) for b in (["", None], ["x", ""])]
    assert len({*changed, fingerprint(rows)}) == 3


def test_answers_or_features_that_changed_ask_for_a_build(copy: Project) -> None:
    """Scoring does not go on with a build that was made for an architecture without reasons, or
    by other features; what only serving reads may change.
    """
    (copy.folder / "groundplan.toml").write_text(ANSWERS.replace('"10ms"', '"20ms"'))
    (copy.folder / "system.py").write_text(SYSTEM)
    live(Project(copy.folder))
    (copy.folder / "groundplan.toml").write_text(ANSWERS.replace('"explain"', '"none"'))
    with pytest.raises(BuildError, match="decide another architecture"):
        live(Project(copy.folder))
    (copy.folder / "groundplan.toml").write_text(ANSWERS)
    (copy.folder / "system.py").write_text(SYSTEM.replace('count("90d")', 'count("60d")'))
    with pytest.raises(BuildError, match="defines other features"):
        live(Project(copy.folder))


def test_what_does_not_beat_the_base_rate_stays_off_line(copy: Project) -> None:
    """With labels drawn at random the gate is not passed, and `live` stays where it points."""
    before = live(copy)[0].manifest.build
    rows = pq.read_table(copy.folder / "customers.parquet")
    at = rows.column_names.index("left")
    label = pa.array(np.random.default_rng(3).random(rows.num_rows) < 0.3)
    pq.write_table(rows.set_column(at, "left", label), copy.folder / "customers.parquet")
    made = build(copy, None, quiet)
    assert not made.manifest.report["gate"]["passed"]
    assert live(copy)[0].manifest.build == before


def test_periods_judge_what_came_later(copy: Project) -> None:
    """By a split, the model is trained on one period and judged on a later one."""
    split = 'Split(train=("2026-03-04", "40d"), delay="30d", test="14d")'
    system = SYSTEM.replace("judge = Folds(3)", f"from groundplan import Split\njudge = {split}")
    (copy.folder / "system.py").write_text(system)
    report = build(Project(copy.folder), None, quiet, live=False).manifest.report
    seen = pq.read_table(copy.folder / "customers.parquet").column("seen").to_pylist()
    start = min(seen)
    days = [(each - start).days for each in seen]
    assert report["rows"]["train"] == sum(day < 40 for day in days)
    assert report["rows"]["test"] == sum(70 <= day < 84 for day in days)
    assert "tested on the 14d after 30d" in report["judge"]


def test_costs_choose_the_cheapest_cut(copy: Project) -> None:
    """By costs, the report has the bill and the curve, whose cheapest point is the cut."""
    system = SYSTEM.replace(
        'Bands.top("leave", call=0.05, offer=0.2)',
        'Bands.costs("leave", "call", act_wrongly=50, miss=200)',
    ).replace(', decisions=("call", "offer")', "")
    (copy.folder / "system.py").write_text(system)
    made = build(Project(copy.folder), None, quiet, live=False)
    report = made.manifest.report
    curve = report["costs"]
    best = curve["cost"].index(min(curve["cost"]))
    assert curve["above"][best] == cuts(made).above[0]
    bill = {name: cost["value"] for name, cost in report["bill"].items()}
    assert bill["perfect"] <= bill["decided"] < min(bill["nobody"], bill["everybody"])
    page = (made.folder / "report.html").read_text()
    assert "Cost per row" in page


def test_no_reasons_where_none_are_asked_for(copy: Project) -> None:
    """With the level none, a build has neither explainer nor words, and its report no codes."""
    (copy.folder / "groundplan.toml").write_text(ANSWERS.replace('"explain"', '"none"'))
    made = build(Project(copy.folder), None, quiet, live=False)
    assert not {"reasons.json", "attributions.tables"} & made.manifest.files.keys()
    assert made.manifest.report["codes"] == []


def test_a_missing_time_is_refused_where_it_matters(copy: Project, tmp_path: Path) -> None:
    """Windows need the moment of each row; features without them do not."""
    rows = pq.read_table(copy.folder / "customers.parquet").drop_columns(["seen"])
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="the column seen of customers is missing, and features"):
        build(
            copy,
            tmp_path / "rows.parquet",
            quiet,
            others={"charges": copy.folder / "charges.parquet"},
        )
    lines = [line for line in SYSTEM.splitlines() if "charged." not in line]
    (copy.folder / "system.py").write_text("\n".join(lines))
    made = build(Project(copy.folder), tmp_path / "rows.parquet", quiet, live=False)
    assert (made.manifest.data["first"], made.manifest.data["last"]) == (None, None)


@pytest.mark.parametrize(
    ("data", "others", "says"),
    [
        ("nothing.parquet", {}, "nothing.parquet is not there"),
        ("customers.parquet", {}, "charges"),
        ("customers.parquet", {"payments": "charges.parquet"}, "there is no source payments"),
        (
            "charges.parquet",
            {"charges": "charges.parquet"},
            "the column seen of customers is missing",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused(
    project: Project, data: str, others: dict[str, str], says: str
) -> None:
    """A file that is not there, a source that is missing or unknown, a column that is missing."""
    places: Any = {name: project.folder / file for name, file in others.items()}
    with pytest.raises(InputError, match=says):
        build(project, project.folder / data, quiet, live=False, others=places)


def test_no_data_at_all_says_what_to_do(copy: Project) -> None:
    """Without `data` and without --data there is nothing to train on."""
    (copy.folder / "system.py").write_text(SYSTEM.replace("def data(", "def nothing("))
    with pytest.raises(ProjectError, match="nothing to train on: name a file with --data"):
        build(Project(copy.folder), None, quiet)


def test_places_in_system_py_are_counted_from_the_project(copy: Project, built: Build) -> None:
    """`data` may name files by source; relative paths begin in the project's folder."""
    places = '{"customers": "customers.parquet", "charges": "charges.parquet"}'
    system = SYSTEM.replace("def data(", "def unused(") + f"\ndata = {places}\n"
    (copy.folder / "system.py").write_text(system)
    made = build(Project(copy.folder), None, quiet, live=False)
    assert made.manifest.files["trees.txt"] == built.manifest.files["trees.txt"]
    other = copy.folder.parent / "others.parquet"
    (copy.folder / "customers.parquet").rename(other)
    again = build(Project(copy.folder), other, quiet, live=False)  # the charges are as stated
    assert again.manifest.files["trees.txt"] == made.manifest.files["trees.txt"]


def test_the_matrix_is_that_of_the_offline_path(project: Project, built: Build) -> None:
    """What trains is what the offline path computes for the same rows."""
    definition = define(project)
    read = past(project, definition, None, {}, quiet)
    made, rows = features(project, definition, read, quiet)
    table = offline.table(made.inputs, read.rows, others=read.others)
    found = offline.matrix(table, made.inputs.names)
    assert np.array_equal(found, rows.x, equal_nan=True)
