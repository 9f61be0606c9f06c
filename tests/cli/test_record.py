"""What a server logged can be compared, replayed and joined with labels from the command line."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from conftest import groundplan, serving
from groundplan.serving import log
from groundplan.serving.log import Log, Prediction, Row

ID = 700_000_000


@pytest.fixture(scope="module")
def state(fraud: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a server that answered forty requests, some of them late, and took labels."""
    folder = tmp_path_factory.mktemp("recorded")
    with serving(fraud, folder) as server:
        for number in range(40):
            minute = number if number % 7 else 59 - number  # some come late, within an hour
            body = {
                "transaction_id": ID + number,
                "tx_datetime": f"2018-08-16T10:{minute:02}:00",
                "customer_id": number % 3,
                "terminal_id": number % 2,
                "tx_amount": 10.0 + number,
            }
            answer = server.client.post("/predict", json=body)
            assert answer.status_code == 200, answer.text
            if number % 10 == 0:
                server.client.post("/predict", json=body)
        for number in (1, 2):
            server.client.post("/events", json={"transaction_id": ID + number, "tx_fraud": True})
        running = groundplan("consistency", fraud, "--state", folder, "--json")
        assert running.returncode == 0, running.stdout + running.stderr
        assert json.loads(running.stdout)["rows"] == 44
    return folder


def _altered(state: Path, folder: Path, **changes: Any) -> Path:
    """A copy of the log in which the last answer was another."""
    rows: list[Row] = list(log.read(state / "log"))
    at = max(at for at, row in enumerate(rows) if isinstance(row, Prediction))
    found = rows[at]
    assert isinstance(found, Prediction)
    if "amount" in changes:
        changes = {"features": (changes["amount"], *found.features[1:])}
    rows[at] = msgspec.structs.replace(found, **changes)
    (part,) = (p for s in log.segments(state / "log")[:1] for p in list(s.tables())[:1])
    copy = Log(folder / "log", log.names(part))
    for row in rows:
        copy.append(row)
    copy.close()
    return folder


def test_consistency_holds_for_what_was_served(fraud: Path, state: Path, tmp_path: Path) -> None:
    """Late transactions are called late, nothing is wrong: exit code 0, JSON, text and page."""
    page = tmp_path / "page.html"
    done = groundplan("consistency", fraud, "--state", state, "--json", "--html", page)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["holds"]
    assert (found["rows"], found["repeated"]) == (44, 4)
    assert found["late_events"] > 0
    assert sum(feature["late"] for feature in found["features"]) > 0
    assert "Consistent" in page.read_text()
    text = groundplan("consistency", fraud, "--state", state, "--last", "5", "--since", "24h")
    assert text.returncode == 0
    assert "5 answers compared" in text.stdout


def test_consistency_exits_2_where_a_value_is_wrong(
    fraud: Path, state: Path, tmp_path: Path
) -> None:
    """One altered value among all is found, named with its event, and the exit code says so."""
    done = groundplan("consistency", fraud, "--state", _altered(state, tmp_path, amount=1.0))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "NOT consistent" in done.stdout
    assert str(ID + 39) in done.stdout


def test_replay_gives_the_same_bits(fraud: Path, state: Path, tmp_path: Path) -> None:
    """Every logged decision comes out as it was; an altered one is named, with exit code 2."""
    done = groundplan("replay", fraud, "--state", state)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "44 answers made again" in done.stdout
    assert "all equal bit for bit" in done.stdout
    altered = _altered(state, tmp_path, score=0.123)
    other = groundplan("replay", fraud, "--state", altered, "--last", "3", "--json")
    assert other.returncode == 2
    found = json.loads(other.stdout)
    assert (found["answers"], found["equal"], found["holds"]) == (3, 2, False)
    assert found["differences"][0]["id"] == ID + 39
    assert found["differences"][0]["score"][0] == 0.123


def test_replay_explains_one_decision(fraud: Path, state: Path) -> None:
    """An event's answer is shown with the values and the reasons behind it."""
    done = groundplan("replay", fraud, "--state", state, "--id", str(ID + 5), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["holds"]
    assert found["score"] in found["answer"]
    assert found["features"]["tx_amount"] == 15.0
    assert found["reasons"]
    text = groundplan("replay", fraud, "--state", state, "--id", str(ID + 5))
    assert "equal bit for bit" in text.stdout
    missing = groundplan("replay", fraud, "--state", state, "--id", "1")
    assert missing.returncode == 1
    assert "no answer about '1'" in missing.stderr


def test_dataset_joins_answers_with_labels(fraud: Path, state: Path, tmp_path: Path) -> None:
    """One row for each event, with the labels that were told, and what was left out counted."""
    out = tmp_path / "served.parquet"
    done = groundplan("dataset", fraud, "--state", state, "--out", out, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["answers"], found["rows"], found["positive"]) == (44, 40, 2)
    assert found["repeated"] == 4
    rows = pq.read_table(out).to_pylist()
    assert {row["transaction_id"] for row in rows if row["tx_fraud"]} == {ID + 1, ID + 2}
    early = groundplan(
        *("dataset", fraud, "--state", state, "--out", out, "--until", "2018-08-20"), "--json"
    )
    assert json.loads(early.stdout)["rows"] == 0
    assert json.loads(early.stdout)["waiting"] == 40


def test_a_moment_that_is_none_is_refused(fraud: Path, state: Path) -> None:
    """The error says how a moment is written."""
    done = groundplan("consistency", fraud, "--state", state, "--since", "yesterday")
    assert done.returncode != 0
    assert "write a date such as 2026-08-15" in done.stderr


def test_without_a_build_the_commands_say_what_to_run(tmp_path: Path) -> None:
    """Before the first build, the error is the command to run."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    done = groundplan("consistency", folder)
    assert done.returncode == 1
    assert "groundplan build" in done.stderr
