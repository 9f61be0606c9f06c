"""Keys that nobody scored: what is decided about them, and who is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from groundplan.errors import DefinitionError, InputError
from groundplan.examples.churn import customers
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.lookups.lookup import Scores
from groundplan.patterns.batch.runs.running import score
from groundplan.project import Project, new
from patterns.batch.handmade import embedded, patient, put, serving
from patterns.batch.projects import small

NOBODY = [True, None, (1,), 1.0, b"a"]


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The shipped example, as it is, with a live version."""
    project = Project(new(str(tmp_path_factory.mktemp("projects") / "leaving"), "churn"))
    build(project, None, quiet)
    score(project, report=quiet)
    return project


@pytest.fixture(scope="module")
def client(churn: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(churn.folder, tmp_path_factory.mktemp("state")) as found:
        yield found


def test_the_shipped_example_scores_whole_rows_on_the_spot(client: httpx.Client) -> None:
    """Within its own plan's budget, with the score and the reasons that the row's own key has."""
    rows = customers().drop_columns(["Churn"]).slice(0, 5).to_pylist()
    alike = [{k: v for k, v in row.items() if k not in ("customerID", "as_of")} for row in rows]
    keys = [f"new-{at}" for at in range(5)]
    found: list[dict[str, Any]] = []
    for _ in range(20):  # a machine that is busy elsewhere may leave no time for one request
        for key, row in zip(keys, alike, strict=True):
            body = {"keys": [key], "rows": {key: row}}
            answer = client.post("/scores", json=body, headers={"x-request-timeout-ms": "5000"})
            found.append(answer.json()["answers"][0])
        if found[-1]["fallback"] == "live score":
            break
    assert found[-1]["fallback"] == "live score"
    own = client.get(f"/scores/{rows[-1]['customerID']}").json()
    same = ("score", "decision", "reasons")
    assert [found[-1][name] for name in same] == [own[name] for name in same]


def test_a_stranger_gets_the_decision_for_strangers(churn: Project, client: httpx.Client) -> None:
    """Not that of an average which calls for reasons: the version says which one it is."""
    with Scores.open(churn) as scores:
        assert scores.version.cold == "wait"
        assert scores.get("nobody", "Month-to-month").decision == "wait"
        assert scores.version.segments["Month-to-month"].score > 0.3
    found = client.get("/scores/nobody?Contract=Month-to-month").json()
    assert (found["fallback"], found["decision"]) == ("segment average", "wait")


def test_an_audited_system_says_what_strangers_get(tmp_path: Path) -> None:
    """Without it nothing is built or served; the shipped example has it."""
    project = Project(new(str(tmp_path / "credit"), "credit"))
    assert define(project).cold == "review"
    system = project.folder / "system.py"
    system.write_text(system.read_text().replace('cold = "review"', "nothing = 0"))
    with pytest.raises(DefinitionError, match="lacks `cold`"):
        define(Project(project.folder))


@pytest.mark.parametrize("name", ["cold", "favourable"])
def test_a_decision_that_there_is_not_is_refused(tmp_path: Path, name: str) -> None:
    """By its name, with those that there are."""
    project = small(tmp_path / "small", 50)
    system = project.folder / "system.py"
    system.write_text(f'{system.read_text()}\n{name} = "ring"\n')
    with pytest.raises(DefinitionError, match=f"`{name}` is 'ring': the decisions are leave"):
        define(Project(project.folder))


@pytest.mark.parametrize("key", NOBODY)
@pytest.mark.parametrize("kind", ["int", "str"])
def test_what_is_no_key_is_refused(tmp_path: Path, key: Any, kind: str) -> None:
    """In process too: not answered by an average, and a truth value is not the key 1."""
    project = small(tmp_path / "small", 50)
    put(embedded(project.folder), project.folder, "v1", [1, 2] if kind == "int" else ["1", "2"])
    with Scores.open(project) as scores:
        with pytest.raises(InputError, match="give an int or a text"):
            scores.get(key)
        with pytest.raises(InputError, match="give an int or a text"):
            scores.get_many([1 if kind == "int" else "1", key])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, httpx.Client]]:
    """A server of handmade versions, whose keys are texts."""
    folder = patient(tmp_path_factory.mktemp("projects") / "small").folder
    put(embedded(folder), folder, "v1", ["a", "é"])
    with serving(folder, tmp_path_factory.mktemp("state")) as found:
        yield folder, found


@pytest.mark.parametrize("path", ["/scores/", "/scores/%FF%FE", "/scores/?contract=month"])
def test_a_path_without_a_key_is_refused(plain: tuple[Path, httpx.Client], path: str) -> None:
    """Nobody is called nothing, or by bytes that are no text."""
    answer = plain[1].get(path)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "key")
    assert plain[1].get("/scores/%C3%A9").json()["fallback"] is None


def test_a_number_that_is_too_large_is_told_so(tmp_path: Path) -> None:
    """It is a whole number all the same."""
    folder = patient(tmp_path / "small").folder
    put(embedded(folder), folder, "v1", [1, 2])
    with serving(folder, tmp_path / "state") as client:
        answer = client.get("/scores/99999999999999999999999")
        assert answer.status_code == 422
        assert "integers of 64 bits" in answer.json()["error"]["message"]


def test_averages_of_another_field_are_not_taken(tmp_path: Path) -> None:
    """A server whose system.py names another segment than the version was averaged by says so."""
    folder = patient(tmp_path / "small").folder
    store = embedded(folder)
    put(store, folder, "v1", ["a"])
    put(store, folder, "v2", ["a"], segment="sex")
    with serving(folder, tmp_path / "state") as client:
        assert client.get("/scores/x?contract=month").json()["fallback"] == "overall average"
        store.point("v1")  # which does not say
        for _ in range(50):
            found = client.get("/scores/x?contract=month").json()
        assert (found["version"], found["fallback"]) == ("v1", "segment average")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("MonthlyCharges", float("inf"), "finite"), ("customerID", "", "one character or more")],
)
def test_a_value_that_no_model_takes_is_named(
    churn: Project, field: str, value: Any, says: str
) -> None:
    """With its place, its row and its rule, before anything is computed."""
    rows = customers().drop_columns(["Churn"]).slice(0, 20)
    column = rows.column(field).to_pylist()
    column[6] = value
    table = rows.set_column(rows.column_names.index(field), field, [column])
    with pytest.raises(InputError, match=r"row 7 is the first.*Nothing was written") as error:
        score(churn, report=quiet, population=lambda _: table, publish=False)
    assert error.value.field == field
    assert says in error.value.message
