"""A realtime server answers with reasons, refuses with the field, and forgets nothing."""

import itertools
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import Server, serving

_ids = itertools.count(900_000_000)


def event(**changes: Any) -> dict[str, Any]:
    body = {
        "transaction_id": next(_ids),
        "tx_datetime": "2018-08-16T10:00:00",
        "customer_id": 1,
        "terminal_id": changes.get("customer_id", 1),  # one terminal for each card: none is late
        "tx_amount": 57.16,
    }
    return {**body, **changes}


def test_an_answer_has_everything_that_an_auditor_asks_for(server: Server) -> None:
    """Score, decision, signed reasons in plain words, versions, timings; nothing degraded."""
    answer = server.client.post("/predict", json=event()).json()
    assert 0 < answer["score"] < 1
    assert answer["decision"] in {"approve", "step_up", "decline"}
    assert answer["degraded"] == []
    assert set(answer["versions"]) == {"build", "features", "groundplan"}
    assert list(answer["timings_us"]) == [
        *("validate", "features", "score", "explain", "decide", "log")
    ]
    sizes = [abs(reason["contribution"]) for reason in answer["reasons"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(" " in reason["description"] for reason in answer["reasons"])
    total = answer["base"] + answer["other"] + sum(r["contribution"] for r in answer["reasons"])
    assert 1 / (1 + math.exp(-total)) == pytest.approx(answer["score"], abs=1e-9)


def test_the_scored_transaction_is_history_for_the_next(server: Server) -> None:
    """Two transactions of one card a minute apart: the second one counts the first."""
    first = event(customer_id=2, tx_datetime="2018-08-16T11:00:00", tx_amount=10.0)
    second = event(customer_id=2, tx_datetime="2018-08-16T11:01:00", tx_amount=30.0)
    counts = [
        server.client.post("/predict?features=true", json=body).json()["features"]
        for body in (first, second)
    ]
    assert counts[1]["customer_count_1d"] == counts[0]["customer_count_1d"] + 1


def test_a_repeated_request_counts_once(server: Server) -> None:
    """A client that retries gets the same score, and history holds the event once."""
    body = event(customer_id=3)
    answers = [server.client.post("/predict?features=true", json=body).json() for _ in range(3)]
    assert len({json.dumps(answer["features"]) for answer in answers}) == 1
    assert len({answer["score"] for answer in answers}) == 1


def test_an_extreme_amount_is_explained(server: Server) -> None:
    """Fraud of the simulator's first kind, an amount above 220, moves the score and says why."""
    low, high = (
        server.client.post("/predict", json=event(customer_id=4, tx_amount=amount)).json()
        for amount in (20.0, 900.0)
    )
    assert high["score"] > low["score"]
    assert high["reasons"][0]["feature"] == "tx_amount"
    assert high["reasons"][0]["contribution"] > 0


def test_events_and_labels_are_taken_whole_or_not_at_all(server: Server) -> None:
    """A batch with one bad line changes nothing and names the line; a good one is counted."""
    good = [event(customer_id=5, tx_datetime=f"2018-08-16T12:0{i}:00") for i in range(3)]
    lines = [json.dumps(body) for body in good]
    spoilt = [*lines, json.dumps(event(customer_id=5, tx_amount="much"))]
    refused = server.client.post("/events", content="\n".join(spoilt))
    assert refused.status_code == 422
    assert "tx_amount" in refused.json()["error"]["field"]
    assert "4" in refused.json()["error"]["message"]
    probe = event(customer_id=5, tx_datetime="2018-08-16T12:30:00")
    before = server.client.post("/predict?features=true", json=probe).json()["features"]
    label = json.dumps({"transaction_id": good[0]["transaction_id"], "tx_fraud": True})
    taken = server.client.post("/events", content="\n".join([*lines, label]))
    assert taken.json()["accepted"] == 4
    later = event(customer_id=5, tx_datetime="2018-08-16T12:31:00")
    after = server.client.post("/predict?features=true", json=later).json()["features"]
    assert after["customer_count_1d"] == before["customer_count_1d"] + 1 + 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", "seven"),
        ("transaction_id", None),
        ("tx_datetime", "yesterday"),
        ("tx_datetime", "2090-01-01T00:00:00"),
        ("tx_datetime", "2018-05-01T00:00:00"),
        ("tx_datetime", 1534413600),
        ("customer_id", 1.5),
        ("customer_id", True),
        ("customer_id", 2**70),
        ("terminal_id", []),
        ("tx_amount", "57.16"),
        ("tx_amount", 1e300),
        ("tx_amount", math.nan),
        ("tx_amount", math.inf),
        ("tx_amuont", 1),
    ],
)
def test_a_wrong_field_is_named(server: Server, field: str, value: Any) -> None:
    """Whatever is wrong with a field, the answer is 422 and names it."""
    body = json.dumps(event(**{field: value}))
    refused = server.client.post("/predict", content=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["field"] == field
    assert refused.json()["error"]["message"]


def test_a_missing_entity_is_named(server: Server) -> None:
    """Without the customer there is no history to join, and the answer says which field."""
    body = event()
    del body["customer_id"]
    refused = server.client.post("/predict", json=body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "customer_id")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 413),
        (b"[" * 50_000, 400),
        (b" " * 10_000_000, 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(server: Server, body: bytes, status: int) -> None:
    """Broken JSON is 400, a body beyond the limit 413; never a 5xx, and the server goes on."""
    try:
        assert server.client.post("/predict", content=body).status_code == status
    except httpx.WriteError:
        assert status == 413  # the server answered and closed while the client was still sending
    assert server.client.get("/health/ready").status_code == 200


def test_the_bare_model_speaks_the_open_inference_protocol(server: Server) -> None:
    """Metadata tell the shape; inference gives the score and contributions that sum to it."""
    name = "card-fraud"
    metadata = server.client.get(f"/v2/models/{name}").json()
    width = metadata["inputs"][0]["shape"][1]
    assert width == len(metadata["parameters"]["features"]) == 15
    request = {
        "id": "7",
        "inputs": [
            {"name": "features", "shape": [2, width], "datatype": "FP64", "data": [1.0] * 2 * width}
        ],
        "outputs": [{"name": "score"}, {"name": "contributions"}],
    }
    answer = server.client.post(f"/v2/models/{name}/infer", json=request).json()
    score, contributions = answer["outputs"]
    assert (answer["id"], score["shape"], contributions["shape"]) == ("7", [2], [2, width])
    assert score["data"][0] == score["data"][1]
    assert server.client.get(f"/v2/models/{name}/ready").status_code == 200
    assert server.client.get("/v2/models/other").status_code == 404
    request["inputs"][0]["shape"] = [2, 3]  # type: ignore[index]  # JSON
    refused = server.client.post(f"/v2/models/{name}/infer", json=request)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "shape")


def test_metrics_tell_of_stages_and_decisions(server: Server) -> None:
    """Prometheus reads latency per stage beside its budget, decisions and degraded answers."""
    server.client.post("/predict", json=event())
    page = server.client.get("/metrics").text
    for line in (
        'groundplan_stage_seconds_count{stage="features"}',
        'groundplan_stage_budget_seconds{stage="explain"}',
        'groundplan_requests_total{path="/predict",status="200"}',
        "groundplan_decisions_total",
        "groundplan_promised_p99_seconds 0.1",
    ):
        assert line in page


def test_what_is_not_there_says_what_is(server: Server) -> None:
    """An unknown path and a wrong method are answered in the same form as other errors."""
    missing = server.client.get("/predicts")
    assert missing.status_code == 404
    assert "/openapi.json" in missing.json()["error"]["message"]
    assert server.client.get("/predict").status_code == 405


def test_reasons_can_be_fetched_later(server: Server) -> None:
    """What an answer gave as reasons, the log gives again by its identifier."""
    body = event(customer_id=7)
    answer = server.client.post("/predict", json=body).json()
    later = server.client.get(f"/explanations/{body['transaction_id']}").json()
    assert later["reasons"] == answer["reasons"]
    assert later["score"] == answer["score"]
    assert "exact" in later["method"]
    assert server.client.get("/explanations/nobody").status_code == 404


def test_a_client_may_shorten_the_deadline(server: Server) -> None:
    """Who waits less than an answer takes is told at once to come back; nonsense is refused."""
    hasty = server.client.post("/predict", json=event(), headers={"x-request-timeout-ms": "60000"})
    assert hasty.status_code == 200
    wrong = server.client.post("/predict", json=event(), headers={"x-request-timeout-ms": "soon"})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["field"] == "x-request-timeout-ms"


def test_the_consistency_page_stands_before_the_first_check(server: Server) -> None:
    """It is a page of its own, and says that nothing was compared yet."""
    page = server.client.get("/consistency")
    assert page.headers["content-type"].startswith("text/html")
    assert "<html" in page.text
    assert "groundplan_consistency_failures 0.0" in server.client.get("/metrics").text


def _send(client: httpx.Client, stop: threading.Event, number: int) -> list[dict[str, Any]]:
    """Post transactions of one customer until told to stop or cut off; those acknowledged."""
    sent = []
    for second in itertools.count():
        body = event(
            customer_id=100 + number,
            tx_datetime=f"2018-08-17T{second // 60:02}:{second % 60:02}:00",
        )
        try:
            answer = client.post("/predict", json=body)
        except httpx.HTTPError:
            break
        if answer.status_code == 503:  # the machine is busy: it was refused, not recorded
            time.sleep(0.05)
            continue
        assert answer.status_code == 200, answer.text
        sent.append(body)
        if stop.is_set() or second == 23 * 60:
            break
    return sent


def test_a_killed_server_has_what_it_acknowledged(fraud: Path, tmp_path: Path) -> None:
    """After kill -9 under load and a restart, every acknowledged transaction is in the history."""
    stop = threading.Event()
    with serving(fraud, tmp_path) as first, ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(_send, first.client, stop, number) for number in range(4)]
        while sum(1 for _ in (tmp_path / "log").glob("*")) == 0:
            stop.wait(0.1)
        stop.wait(2.0)
        first.kill()
        acknowledged = [load.result() for load in loads]
    assert all(len(sent) > 20 for sent in acknowledged)
    with serving(fraud, tmp_path) as second:
        for number, sent in enumerate(acknowledged):
            known = second.client.post("/predict?features=true", json=sent[-1]).json()
            assert known["features"]["customer_count_1d"] >= len(sent)
            last = event(customer_id=100 + number, tx_datetime="2018-08-17T23:59:59")
            body = second.client.post("/predict?features=true", json=last).json()
            assert body["features"]["customer_count_1d"] >= len(sent) + 1
