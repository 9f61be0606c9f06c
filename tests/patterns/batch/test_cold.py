"""A row that comes with a request is scored as a run would score it, or answered by an average."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundplan.errors import BuildError, InputError
from groundplan.features import offline
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.live import live as live_build
from groundplan.patterns.batch.lookups.answering import Answering, _Request
from groundplan.patterns.batch.lookups.cold import OnDemand, average, text_of
from groundplan.patterns.batch.runs.scoring import Loaded
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.scores.scored import Live
from groundplan.serving.http import Call
from groundplan.serving.log import Log
from groundplan.serving.stages import Trace
from patterns.batch.handmade import embedded, patient, put, serving, version
from patterns.batch.projects import AS_OF


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project without its histories, built, and with one version of two keys."""
    folder = tmp_path_factory.mktemp("projects") / "small"
    patient(folder, 400)
    system = folder / "system.py"
    lines = system.read_text().splitlines(keepends=True)
    gone = ("charges_", "charged_", '"charges":')
    kept = "".join(line for line in lines if not line.strip().startswith(gone))
    system.write_text(kept.replace("= features(", "= features(\n    month=customers.time.month(),"))
    project = Project(folder)
    made = build(project, None, lambda *_: None)
    put(embedded(folder), folder, "v1", ["a", "b"], build=made.manifest.build)
    return project


@pytest.fixture(scope="module")
def model(project: Project) -> OnDemand:
    """The model of the live build, at the moment as of which the population is scored."""
    found, inputs = live_build(project)
    loaded = Loaded(project, found)
    return OnDemand(found.manifest.build, inputs, "customer", loaded, clock=lambda: AS_OF)


def population(project: Project) -> pa.Table:
    """Today's customers, with a number and the time that a run gives them."""
    table = pq.read_table(project.folder / "population.parquet")
    moment = pa.array([AS_OF] * len(table)).cast(pa.timestamp("us", "UTC"))
    numbers = pa.array(range(len(table)))
    return table.append_column("seen", moment).append_column("row", numbers)


def test_a_live_score_is_what_a_run_would_publish(project: Project, model: OnDemand) -> None:
    """For every row of the population: score, decision and reasons, to the bit."""
    found, inputs = live_build(project)
    loaded = Loaded(project, found)
    table = population(project)
    matrix = offline.matrix(offline.table(inputs, table), inputs.names)
    wanted = loaded.answers(matrix)
    live = Live(version("v1", 2, build=found.manifest.build))
    explained = 0
    rows = table.drop_columns(["seen", "row"]).to_pylist()
    for at, row in enumerate(rows):
        one = model.score(live, row["customer"], row)
        numbers = [(loaded.codes[abs(n) - 1].code, n > 0) for n in wanted.reasons[at].as_py() or ()]
        assert one.score == wanted.scores[at]
        assert one.decision == loaded.cuts.names[wanted.decided[at]]
        assert [(r.code, r.raised) for r in one.reasons] == numbers
        assert (one.key, one.fallback, one.of) == (row["customer"], "live score", live)
        explained += bool(numbers)
    assert 0 < explained < len(rows)


def test_key_time_and_number_need_not_be_sent(project: Project, model: OnDemand) -> None:
    """What says who and when is known already; what may be missing may be left out."""
    live = Live(version("v1", 2))
    row = {"tenure": 3, "contract": "month", "sex": "f"}
    whole = row | {"customer": "x", "monthly": None, "row": 9, "seen": "2001-01-01T00:00:00"}
    assert model.takes(row)
    assert not model.takes({"tenure": 3, "contract": "month"})
    assert model.score(live, "x", row) == model.score(live, "x", whole)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tenure": "3"}, "rows.x.tenure"),
        ({"tenure": None}, "rows.x.tenure"),
        ({"monthly": [1]}, "rows.x.monthly"),
        ({"tenur": 3}, "rows.x.tenur"),
        ({"left": True}, "rows.x.left"),
        ({"customer": "y"}, "rows.x.customer"),
    ],
)
def test_a_wrong_field_is_named(model: OnDemand, fields: dict[str, Any], named: str) -> None:
    """Whose row it stands in, and what is wrong; a label is no field."""
    row = {"tenure": 3, "contract": "month", "sex": "f"} | fields

    def ask() -> None:
        model.check("x", row)
        model.score(Live(version("v1", 2)), "x", row)

    with pytest.raises(InputError) as error:
        ask()
    assert error.value.field == named


def test_there_is_none_where_features_read_histories(tmp_path: Path) -> None:
    """A request brings a row, and no history."""
    project = patient(tmp_path / "small", 300)
    made = build(project, None, lambda *_: None)
    assert OnDemand.of(project, define(project), made.manifest.build) is None


def test_there_is_none_where_definitions_have_changed(project: Project, tmp_path: Path) -> None:
    """A build that is gone is an error; one that others defined is not asked."""
    definition = define(project)
    with pytest.raises(BuildError):
        OnDemand.of(project, definition, "gone")
    made = live_build(project)[0].manifest.build
    assert OnDemand.of(project, definition, made) is not None
    system = project.folder / "system.py"
    before = system.read_text()
    try:
        system.write_text(
            before.replace("month=customers.time.month()", "day=customers.time.day()")
        )
        changed = Project(project.folder)
        assert OnDemand.of(changed, define(changed), made) is None
    finally:
        system.write_text(before)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (3, "3"), ("a", "a"), (None, None)]
)
def test_a_segment_is_a_text(value: Any, text: str | None) -> None:
    """As part files have it."""
    assert text_of(value) == text


def test_an_average_has_the_decision_of_its_mean() -> None:
    """And no reasons, since it is about nobody."""
    live = Live(version("v1", 2))
    one = average(live, "x", "two years")
    assert (one.score, one.decision, one.reasons) == (0.125, "leave", ())
    assert average(live, "x").fallback == "overall average"


@pytest.fixture(scope="module")
def client(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(project.folder, tmp_path_factory.mktemp("state")) as found:
        yield found


def test_a_server_scores_rows_of_cold_keys_only(client: httpx.Client, model: OnDemand) -> None:
    """A whole row gets a live score, a part of one its segment's average, a known key its own."""
    row = {"tenure": 1, "monthly": 120.0, "contract": "month", "sex": "f"}
    rows = {"a": row, "x": row, "y": {"contract": "two years"}, "z": {}}
    body = {"keys": ["a", "x", "y", "z"], "rows": rows}
    before = counted(client)
    found = client.post("/scores", json=body).json()["answers"]
    assert [one["fallback"] for one in found] == [
        *(None, "live score", "segment average", "overall average")
    ]
    assert {one["version"] for one in found} == {"v1"}
    assert found[1]["score"] > found[2]["score"]
    assert counted(client) - before == 1


def counted(client: httpx.Client) -> float:
    """The live scores that a server has counted."""
    page = client.get("/metrics").text
    found = re.search(r'groundplan_lookups_total\{outcome="live score"\} (\S+)', page)
    return float(found[1]) if found else 0.0


def test_a_server_names_the_wrong_field_of_a_row(client: httpx.Client) -> None:
    """As the row of that key; nothing is answered in its place."""
    body = {"keys": ["x"], "rows": {"x": {"tenure": "1", "contract": "month", "sex": "f"}}}
    refused = client.post("/scores", json=body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "rows.x.tenure")


@pytest.mark.parametrize(("left_s", "fallback"), [(-1, "segment average"), (60, "live score")])
def test_what_is_left_decides_whether_a_live_score_is_begun(
    project: Project, model: OnDemand, tmp_path: Path, left_s: int, fallback: str
) -> None:
    """Where less is left than one takes, it is not begun."""
    assert 1 <= model.us < 1_000_000
    plan = draw(project.answers)
    with closing(embedded(Path(project.folder))) as store, closing(Log(tmp_path)) as written:
        answering = Answering(plan, store, written, "contract")
        answering.model = model
        request = _Request(Call(b"", {}, b"", 0), True, Trace())
        request.live = store.current()
        request.rows = {"x": {"tenure": 1, "monthly": 120.0, "contract": "month", "sex": "f"}}
        request.trace.until_ns = time.perf_counter_ns() + left_s * 10**9
        assert answering._cold(request, "x", "x").fallback == fallback


def test_a_client_that_cannot_wait_gets_the_average(client: httpx.Client, model: OnDemand) -> None:
    """Many live scores end within the time of the request, and averages stand in for the rest."""
    assert 0 < model.us < 1_000_000
    row = {"tenure": 1, "monthly": 120.0, "contract": "month", "sex": "f"}
    keys = [f"x{at}" for at in range(1_000)]
    body = {"keys": keys, "rows": dict.fromkeys(keys, row)}
    began = time.monotonic()
    answer = client.post("/scores", json=body, headers={"x-request-timeout-ms": "120"})
    assert time.monotonic() - began < 20
    if answer.status_code == 200:
        found = [one["fallback"] for one in answer.json()["answers"]]
        assert set(found) <= {"live score", "segment average"}
        assert found == sorted(found)  # once there is no time, there is none for those behind
    else:
        assert answer.status_code == 503
