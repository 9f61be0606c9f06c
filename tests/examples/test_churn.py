"""The churn example: IBM's customers as they were published, and figures as the README has them."""

import csv
from pathlib import Path

import pytest

from groundplan.decision import decide
from groundplan.examples.churn import customers
from groundplan.patterns.batch.building.rows import features, past
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.project import Project, new
from groundplan.rollout.builds import Build
from shared_data import telco_churn


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example, as `groundplan new` writes it."""
    return Project(new(str(tmp_path_factory.mktemp("projects") / "telco-churn"), "churn"))


@pytest.fixture(scope="module")
def built(project: Project) -> Build:
    """Its build on the shipped data."""
    return build(project, None, quiet)


def test_the_shipped_rows_are_the_published_ones() -> None:
    """All rows and columns in their order; blanks are missing, yes and no of the label a bool."""
    with telco_churn().open() as stream:
        published = list(csv.DictReader(stream))
    shipped = customers().to_pylist()
    assert len(shipped) == len(published) == 7_043
    for ours, theirs in zip(shipped, published, strict=True):
        assert list(ours) == list(theirs)
        assert ours["Churn"] == (theirs["Churn"] == "Yes")
        assert ours["SeniorCitizen"] == (theirs["SeniorCitizen"] == "1")
        charged = theirs["TotalCharges"].strip()
        assert ours["TotalCharges"] == (float(charged) if charged else None)
        assert ours["MonthlyCharges"] == float(theirs["MonthlyCharges"])
        assert ours["tenure"] == int(theirs["tenure"])
        texts = ours.keys() - {"Churn", "SeniorCitizen", "TotalCharges", "MonthlyCharges", "tenure"}
        assert all(ours[name] == theirs[name] for name in texts)


def test_keys_are_unique_and_blanks_are_missing() -> None:
    """A customer stands once, 1,869 left, and 11 have no total yet."""
    table = customers()
    assert len(set(table.column("customerID").to_pylist())) == 7_043
    assert sum(table.column("Churn").to_pylist()) == 1_869
    assert table.column("TotalCharges").null_count == 11


def test_the_answers_decide_batch(project: Project) -> None:
    """The example is one of scores on a schedule."""
    assert decide(project.answers).pattern == "batch"


def test_the_population_has_no_label(project: Project) -> None:
    """Whom to score is everybody, without the label."""
    population = define(project).population
    assert callable(population)
    table = population(lambda done, total: None)
    assert table.num_rows == 7_043
    assert "Churn" not in table.column_names


def test_the_figures_are_those_of_the_readme(built: Build) -> None:
    """The README's table of ROC AUC is what the shipped data gives, beside what was published."""
    report = built.manifest.report
    readme = (Path(__file__).parents[2] / "src/groundplan/examples/churn/README.md").read_text()
    told = report["repeated"]["models"]
    for name, (mean, spread) in told.items():
        line = f"| {name} (`groundplan build`) | {mean:.3f} ± {spread:.3f} |"
        assert line in readme
    for name, (mean, spread) in report["published"].items():
        assert f"| {name} (InterpretML) | {mean:.3f} ± {spread:.3f} |" in readme
    assert told["boosted trees"][0] > report["published"]["XGBoost"][0]
    assert report["gate"]["passed"]
    assert not report["gate"]["simpler_would_do"]


def test_offers_save_money_and_reach_those_who_leave(built: Build) -> None:
    """By the assumed costs, deciding by the cut is cheaper than both alternatives, surely so."""
    bill = built.manifest.report["bill"]
    assert bill["saved"]["low"] > 0
    offer = built.manifest.report["decisions"][1]
    assert offer["decision"] == "offer"
    assert offer["recall"]["value"] > 2 * offer["share"]["value"]


def test_equal_opportunity_is_that_of_those_who_leave(built: Build) -> None:
    """An offer is wanted and for those who leave: it is the difference of true positive rates."""
    assert {told["opportunity"] for told in built.manifest.report["fairness"]} == {"tpr"}
    page = (built.folder / "report.html").read_text()
    assert page.count("greatest difference of true positive rates (equal opportunity)") == 2
    assert "(Hardt et al., 2016) looks at the difference of true positive rates" in page


def test_scores_are_calibrated(built: Build) -> None:
    """The mean gap between what was said and what came is below 2 %."""
    assert built.manifest.report["models"][0]["calibration_error"]["high"] < 0.02


def test_the_published_file_is_read_as_it_is(project: Project) -> None:
    """IBM's own CSV file gives the very features and labels of the shipped table."""
    definition = define(project)
    shipped = features(project, definition, past(project, definition, None, {}, quiet), quiet)[1]
    named = past(project, definition, telco_churn(), {}, quiet)
    rows = features(project, definition, named, quiet)[1]
    assert rows.x.tobytes() == shipped.x.tobytes()
    assert rows.y.tolist() == shipped.y.tolist()
