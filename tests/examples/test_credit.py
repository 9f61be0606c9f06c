"""The credit example: UCI's clients as they were published, and what an auditor may hold it to."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from groundplan.decision import decide
from groundplan.examples.credit import clients
from groundplan.features import offline
from groundplan.models import Floats, kinds
from groundplan.patterns.batch.building.rows import features, past
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.project import Project, new
from groundplan.rollout.builds import Build
from shared_data import credit_default


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example, as `groundplan new` writes it."""
    return Project(new(str(tmp_path_factory.mktemp("projects") / "card-credit"), "credit"))


@pytest.fixture(scope="module")
def built(project: Project) -> Build:
    """Its build on the shipped data."""
    return build(project, None, quiet)


def test_the_shipped_rows_are_the_published_ones() -> None:
    """All rows and columns in their order; the identifier numbers them."""
    published, shipped = pq.read_table(credit_default()), clients()
    assert shipped.column("ID").to_pylist() == list(range(1, 30_001))
    for name in published.column_names:
        ours = "default_next_month" if name.startswith("default") else name
        assert shipped.column(ours).to_pylist() == published.column(name).to_pylist()
    assert shipped.num_columns == published.num_columns + 1


def test_the_answers_decide_batch_for_an_auditor(project: Project) -> None:
    """Scores on a schedule, with exact reasons."""
    decision = decide(project.answers)
    assert decision.pattern == "batch"
    assert project.answers.interpretability.level == "audit"
    assert decision.components["explainer"].choice == "tree_attributions"


def test_no_feature_reads_what_may_not_count(project: Project) -> None:
    """Sex, education, marital status and age reach no feature."""
    definition = define(project)
    read = {
        str(node.definition().get("field"))
        for expression in definition.inputs.expressions
        for node in expression.nodes()
    }
    assert "LIMIT_BAL" in read
    assert not read & {"SEX", "EDUCATION", "MARRIAGE", "AGE"}
    assert set(definition.groups) == {"sex", "education", "age"}


def test_the_score_keeps_its_directions(project: Project, built: Build) -> None:
    """Whatever the client, the score never falls as they are further behind or use more of the
    limit, and never rises as the limit or a payment grows.
    """
    definition = define(project)
    rows = features(project, definition, past(project, definition, None, {}, quiet), quiet)[1]
    model = kinds.load(built.folder)
    ways = built.manifest.report["monotone"]
    assert set(ways) == set(definition.inputs.names)
    some = rows.x[np.random.default_rng(0).choice(len(rows.x), 40, replace=False)]
    for at, name in enumerate(definition.inputs.names):
        values = np.unique(np.quantile(rows.x[:, at], np.linspace(0, 1, 40)))
        swept = np.repeat(some, len(values), axis=0)
        swept[:, at] = np.tile(values, len(some))
        scores = model.scores(swept).reshape(len(some), len(values))
        assert (np.diff(scores, axis=1) * ways[name] >= 0).all()


FIELDS = {
    "LIMIT_BAL": -1,
    **{f"PAY_{month}": 1 for month in (0, 2, 3, 4, 5, 6)},
    **{f"BILL_AMT{month}": 1 for month in range(1, 7)},
    **{f"PAY_AMT{month}": -1 for month in range(1, 7)},
}
"""The fields that features read, and where the score may go as one of them grows."""


def test_the_fields_keep_the_directions_too(project: Project, built: Build) -> None:
    """An auditor changes what a client's row says, not a feature: as the limit or a payment grows
    the score never rises, as a bill or the months behind grow it never falls, all features
    computed anew, also where more was paid than billed.
    """
    inputs, model = define(project).inputs, kinds.load(built.folder)
    table = clients()
    overpaid = pc.less(table.column("BILL_AMT1"), 0)
    some = pa.concat_tables([table.filter(overpaid).slice(0, 500), table.slice(0, 500)])
    moment = pa.array([0] * len(some)).cast(pa.timestamp("us"))
    some = some.set_column(0, "ID", pa.array(range(len(some)))).append_column("as_of", moment)

    def scores(rows: pa.Table) -> Floats:
        found: Floats = model.scores(offline.matrix(offline.table(inputs, rows), inputs.names))
        return found

    read = {
        node.definition()["field"]
        for expression in inputs.expressions
        for node in expression.nodes()
        if "field" in node.definition()
    }
    assert read == FIELDS.keys()
    before = scores(some)
    for name, way in FIELDS.items():
        for times, more in ((1, 1), (2, 0), (5, 0), (1, 50_000)):
            now = some.column(name).to_numpy().astype(np.int64)
            larger = np.maximum(now, now * times + more)
            changed = some.set_column(some.column_names.index(name), name, pa.array(larger))
            assert ((scores(changed) - before) * way >= 0).all(), (name, times, more)


def test_the_figures_are_those_of_the_readme(built: Build) -> None:
    """The README's table of ROC AUC is what the shipped data gives, above what was published."""
    report = built.manifest.report
    readme = (Path(__file__).parents[2] / "src/groundplan/examples/credit/README.md").read_text()
    told = report["repeated"]["models"]
    for name, said in (("boosted trees", "boosted trees with directions"), *_same(told)):
        mean, spread = told[name]
        assert f"| {said} (`groundplan build`) | {mean:.3f} ± {spread:.3f} |" in readme
    for name, (mean, _) in report["published"].items():
        assert f"| {name} (published) | {mean:.3f} |" in readme
        assert told["boosted trees"][0] > mean
    assert report["gate"]["passed"]


def _same(told: dict[str, list[float]]) -> list[tuple[str, str]]:
    return [(name, name) for name in told if name != "boosted trees"]


def test_reasons_are_principal_and_adverse(built: Build, project: Project) -> None:
    """At most four, of what raised the score, for those who are reviewed or declined; each code
    says in words what it is.
    """
    reasons = define(project).reasons
    assert (reasons.top, reasons.only) == (4, "raised")
    assert reasons.decisions == ("review", "decline")
    codes = built.manifest.report["codes"]
    assert {code["code"] for code in codes} == {f"R0{at}" for at in range(1, 7)}
    assert sum(len(code["features"]) for code in codes) == len(built.manifest.features["names"])
    behind = next(code for code in codes if code["code"] == "R01")
    assert behind["description"] == "payments behind in the last two months"


def test_groups_are_told_with_what_is_wrong_with_them(built: Build) -> None:
    """Every client is in one group of each attribute, and the README's finding is in the table."""
    told = {each["attribute"]: each for each in built.manifest.report["fairness"]}
    for each in told.values():
        assert sum(group["rows"] for group in each["groups"]) == 30_000
    other = next(
        group for group in told["education"]["groups"] if group["name"] == "other or unknown"
    )
    assert other["score"]["low"] > other["rate"]["high"]
    card = (built.folder / "model_card.md").read_text()
    assert "other or unknown" in card


def test_equal_opportunity_is_that_of_those_who_pay(built: Build) -> None:
    """The label is what nobody wants, so that those who should be approved are the negatives, and
    the difference of false positive rates is the one that is named.
    """
    for told in built.manifest.report["fairness"]:
        rates = [group["fpr"]["value"] for group in told["groups"] if not group["small"]]
        assert told["opportunity"] == "fpr"
        assert told["fpr"]["value"] == pytest.approx(max(rates) - min(rates))
    said = "reatest difference of false positive rates (equal opportunity)"
    for file in ("report.html", "model_card.md"):
        text = (built.folder / file).read_text()
        assert text.count(said) == 3
        assert "true positive rates (equal" not in text
    assert (
        "(Hardt et al., 2016) looks at the difference of false positive rates"
        in (built.folder / "report.html").read_text()
    )


def test_higher_scores_are_worse(built: Build) -> None:
    """Those who are declined default more often than those who are reviewed, and these more often
    than those who are approved, surely so.
    """
    approve, review, decline = built.manifest.report["decisions"]
    assert approve["precision"]["high"] < review["precision"]["low"]
    assert review["precision"]["high"] < decline["precision"]["low"]
