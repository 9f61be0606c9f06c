"""A server of published scores answers each key with all that is known of its answer."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from groundplan.patterns.batch.stores import open_store
from groundplan.project import Project
from groundplan.scores.embedded import EmbeddedScores
from groundplan.serving import log, openapi
from patterns.batch.handmade import (
    CODES,
    DAY,
    DECISIONS,
    connected,
    embedded,
    patient,
    put,
    score_of,
    serving,
)
from servers import valkey

TIMEOUT = str(openapi.TIMEOUT["name"]).lower()
KEYS = ["a", "b", "ü/ö", "100%", "a b", "12", "x\ny", "?#"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one version, which no build is needed to serve."""
    folder = patient(tmp_path_factory.mktemp("projects") / "small").folder
    put(embedded(folder), folder, "v1", KEYS)
    return folder


@pytest.fixture(scope="module")
def client(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(project, tmp_path_factory.mktemp("state")) as found:
        yield found


@pytest.mark.parametrize(("kept", "files"), [("1B", 0), ("1GB", 1)])
def test_a_log_keeps_what_it_is_told(project: Path, tmp_path: Path, kept: str, files: int) -> None:
    """With `--keep-log`, what is older than so many bytes is gone; the rest stays."""
    with serving(project, tmp_path, "--keep-log", kept) as found:
        assert found.get("/scores/a").status_code == 200
    assert len(list((tmp_path / "log").glob("*.parquet"))) == files


def eventually(found: Callable[[], Any], wanted: Any) -> None:
    """Wait until something is found, for ten seconds."""
    until = time.monotonic() + 10
    while found() != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert found() == wanted


def figures(client: httpx.Client) -> dict[str, float]:
    """The figures of the metrics' page, by name and labels."""
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_an_answer_has_everything_that_was_published(client: httpx.Client) -> None:
    """Score, decision, reasons in words, version, build, age; nothing stale, nothing degraded."""
    for at, key in enumerate(KEYS):
        answer = client.get(f"/scores/{quote(key, safe='')}")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["key"], found["score"]) == (key, score_of("v1", at))
        assert found["decision"] == DECISIONS[at % 3]
        assert (found["version"], found["build"]) == ("v1", "b")
        assert found["as_of"].endswith("Z")
        assert 0 <= found["age_s"] < 600
        assert (found["stale"], found["fallback"], found["degraded"]) == (False, None, [])
        assert list(found["timings_us"]) == ["validate", "lookup", "log"]
    assert client.get("/scores/a").json()["reasons"] == [
        {"code": CODES[0].code, "description": CODES[0].description, "raised": True},
        {"code": CODES[1].code, "description": CODES[1].description, "raised": False},
    ]


def test_a_cold_key_gets_an_average_and_says_which(client: httpx.Client) -> None:
    """Of the segment that the query names, where the version has it, else of all."""
    for query, wanted in {
        "": (0.25, "offer", "overall average"),
        "?contract=month": (0.75, "call", "segment average"),
        "?contract=two+years": (0.125, "leave", "segment average"),
        "?contract=two%20years": (0.125, "leave", "segment average"),
        "?contract=never": (0.25, "offer", "overall average"),
    }.items():
        found = client.get(f"/scores/nobody{query}").json()
        assert (found["score"], found["decision"], found["fallback"]) == wanted
        assert (found["key"], found["version"], found["reasons"]) == ("nobody", "v1", [])
    assert client.get("/scores/a?contract=two+years").json()["fallback"] is None


@pytest.mark.parametrize("query", ["?contrct=month", "?contract=a&contract=b", "?month"])
def test_a_query_that_is_not_known_is_refused(client: httpx.Client, query: str) -> None:
    """A slip in a name does not quietly give another answer."""
    refused = client.get(f"/scores/nobody{query}")
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == query[1:].partition("=")[0]


def test_many_keys_are_answered_as_each_would_be(client: httpx.Client) -> None:
    """In their order, repeated ones too, with what is known of the cold ones."""
    keys = ["b", "nobody", "ü/ö", "b", "somebody"]
    rows = {"nobody": {"contract": "month"}, "somebody": {"tenure": 3}}
    answer = client.post("/scores", json={"keys": keys, "rows": rows}).json()
    alone = [client.get(f"/scores/{quote(key, safe='')}").json() for key in keys]
    alone[1] = client.get("/scores/nobody?contract=month").json()
    for one, other in zip(answer["answers"], alone, strict=True):
        assert one["age_s"] == pytest.approx(other.pop("age_s"), abs=60)
        del one["age_s"], other["timings_us"]
    assert answer["answers"] == alone
    assert list(answer["timings_us"]) == ["validate", "lookup", "log"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, ""),
        (b"{", 400, ""),
        (b"[]", 422, "keys"),
        (b"{}", 422, "keys"),
        (b'{"keys": []}', 422, "keys"),
        (b'{"keys": "a"}', 422, "keys"),
        (b'{"keys": ["a", 1.5]}', 422, "keys[1]"),
        (b'{"keys": ["a", true]}', 422, "keys[1]"),
        (b'{"keys": ["a", 7]}', 422, "keys[1]"),
        (b'{"keys": ["a"], "row": {}}', 422, "keys"),
        (b'{"keys": ["a"], "rows": {"b": {}}}', 422, "rows.b"),
        (b'{"keys": ["a"], "rows": {"a": 1}}', 422, "rows[...]"),
        (json.dumps({"keys": ["a"] * 1_001}).encode(), 422, "keys"),
        (b'{"keys": ["' + b"a" * 1_000_001 + b'"]}', 413, ""),
        (b"\xff\xfe", 400, ""),
        (b'{"keys":' + b"[" * 50_000, 422, "keys[0]"),
    ],
)
def test_a_body_that_is_wrong_is_refused(
    client: httpx.Client, body: bytes, status: int, field: str
) -> None:
    """Broken JSON is 400, a broken rule 422 with its field, too much 413; never a 5xx."""
    refused = client.post("/scores", content=body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (status, field)


def test_a_thousand_keys_are_answered(client: httpx.Client) -> None:
    """The most that one request may ask for."""
    found = client.post("/scores", json={"keys": ["a", "z"] * 500}).json()["answers"]
    assert [one["key"] for one in found] == ["a", "z"] * 500
    assert {one["fallback"] for one in found} == {None, "overall average"}


def test_the_versions_and_the_health_are_told(client: httpx.Client) -> None:
    """Which there are and which answers; that it is ready, by which version."""
    versions = client.get("/versions").json()
    (one,) = versions["versions"]
    assert versions["live"] == one["name"] == "v1"
    assert (one["live"], one["rows"], one["score"]) == (True, len(KEYS), 0.25)
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert (ready.json()["version"], ready.json()["stale"]) == ("v1", False)
    assert client.get("/health/live").json() == {"live": True}


def test_metrics_tell_what_answered(client: httpx.Client) -> None:
    """Lookups by outcome, decisions, the version with its age and promise, the stages."""
    before = figures(client)
    client.post("/scores", json={"keys": ["a", "b", "nobody"]})
    client.get("/scores/nobody?contract=month")
    after = figures(client)
    outcome = 'groundplan_lookups_total{{outcome="{}"}}'.format
    for name, more in (("scored", 2), ("overall average", 1), ("segment average", 1)):
        assert after[outcome(name)] - before.get(outcome(name), 0) == more
    assert after['groundplan_version_info{build="b",version="v1"}'] == 1
    assert after['groundplan_build_info{build="b"}'] == 1
    assert after["groundplan_version_rows"] == len(KEYS)
    assert after["groundplan_promised_age_seconds"] == 86_400
    assert 0 <= after["groundplan_scores_age_seconds"] < 600
    assert after["groundplan_scores_stale"] == 0
    assert after['groundplan_stage_seconds_count{stage="lookup"}'] >= 2
    assert after['groundplan_requests_total{path="/scores/{key}",status="200"}'] >= 1
    assert after["groundplan_queue_requests"] == 0


def test_the_document_tells_of_all_routes(client: httpx.Client) -> None:
    """And of none that there is not: the bare model is not served."""
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        *("/scores/{key}", "/scores", "/versions", "/report"),
        *("/health/live", "/health/ready", "/metrics"),
    }
    names = {p["name"] for p in document["paths"]["/scores/{key}"]["get"]["parameters"]}
    assert names == {"key", "contract", "X-Request-Timeout-Ms"}
    assert client.get("/v2").status_code == 404
    assert client.put("/scores/a").status_code == 405
    assert client.get("/scores").status_code == 405


def test_a_lookup_is_answered_on_the_wire(client: httpx.Client) -> None:
    """Several in one breath on one connection, in order; HEAD and a body go the long way."""
    with connected(client) as plain:
        ask = b"GET /scores/%s HTTP/1.1\r\nhost: localhost\r\n\r\n"
        plain.sendall(ask % b"a" + ask % b"b" + b"HEAD" + (ask % b"a")[3:])
        plain.sendall((ask % b"12")[:-2] + b"content-length: 2\r\nconnection: close\r\n\r\nhi")
        read = b""
        while chunk := plain.recv(65_536):
            read += chunk
    assert read.count(b"HTTP/1.1 200 OK") == 4
    keys = [read.index(b'"key":"%s"' % key) for key in (b"a", b"b", b"12")]
    assert keys == sorted(keys)


def test_what_was_answered_is_in_the_log(project: Path, tmp_path: Path) -> None:
    """A row for each key, found again by it, with version, fallback and what came with it."""
    with serving(project, tmp_path) as client:
        client.get("/scores/a")
        client.get("/scores/nobody?contract=month")
        rows = {"c2": {"contract": "month", "tenure": 3}}
        client.post("/scores", json={"keys": ["12", "c2"], "rows": rows})
        live = [row for row in log.read(tmp_path / "log") if isinstance(row, log.Lookup)]
    closed = [row for row in log.read(tmp_path / "log") if isinstance(row, log.Lookup)]
    assert closed == live
    assert [(row.id, row.fallback) for row in live] == [
        *(("a", ""), ("nobody", "segment average")),
        *(("12", ""), ("c2", "segment average")),
    ]
    assert [row.event for row in live] == [
        *(b"", b'{"contract":"month"}', b"", b'{"contract":"month","tenure":3}')
    ]
    first = live[0]
    assert (first.version, first.build) == ("v1", "b")
    assert (first.score, first.decision) == (score_of("v1", 0), "leave")
    assert list(first.timings) == ["validate", "lookup"]
    assert log.find(tmp_path / "log", "12", log.Lookup) == live[2]
    assert log.find(tmp_path / "log", "12") is None
    assert log.table(tmp_path / "log", ["kind"]).column("kind").to_pylist() == ["lookup"] * 4


def test_whole_numbers_are_keys_too(tmp_path: Path) -> None:
    """In the path and in JSON; what is none is refused with its name."""
    folder = patient(tmp_path / "small").folder
    put(embedded(folder), folder, "v1", [7, -3, 2**63 - 1])
    with serving(folder, tmp_path / "state") as client:
        assert client.get("/scores/7").json()["key"] == 7
        assert client.get("/scores/-3").json()["fallback"] is None
        found = client.post("/scores", json={"keys": [7, "9223372036854775807", 8]}).json()
        assert [one["key"] for one in found["answers"]] == [7, 2**63 - 1, 8]
        assert [one["fallback"] for one in found["answers"]] == [None, None, "overall average"]
        for key in ("seven", "07", "7.0", "", "%207", "9223372036854775808"):
            refused = client.get(f"/scores/{key}")
            assert (refused.status_code, refused.json()["error"]["field"]) == (422, "key")
        refused = client.post("/scores", json={"keys": [7, "x"]})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "keys[1]")
        (newest, *_) = log.read(tmp_path / "state" / "log")
        assert isinstance(newest, log.Lookup)
        assert newest.id == 7
    assert log.find(tmp_path / "state" / "log", "-3", log.Lookup) is not None


def test_stale_scores_are_marked_and_alarmed_once(tmp_path: Path) -> None:
    """Answers say so, the server says so once, and once more when they are young again."""
    folder = patient(tmp_path / "small").folder
    store = embedded(folder)
    put(store, folder, "v1", ["a"], age_us=DAY + 7_200_000_000)
    said = tmp_path / "state" / "said"
    with serving(folder, tmp_path / "state") as client:
        for key in ("a", "nobody"):
            found = client.get(f"/scores/{key}").json()
            assert (found["stale"], found["degraded"]) == (
                True,
                ["scores: 26h old, promised 24h"],
            )
        assert client.get("/health/ready").json()["stale"]
        assert figures(client)["groundplan_scores_stale"] == 1
        assert figures(client)['groundplan_degraded_total{stage="scores"}'] == 2
        time.sleep(2.5)  # some more looks
        put(store, folder, "v2", ["a"])
        eventually(lambda: figures(client)["groundplan_scores_stale"], 0)
        assert client.get("/scores/a").json()["degraded"] == []
        eventually(lambda: "young" in said.read_text(), True)
    assert said.read_text().count("ALARM") == 1
    assert "26h old, promised 24h" in said.read_text()


def test_a_server_may_wait_for_its_first_version(tmp_path: Path) -> None:
    """Without one it is not ready and answers 503 with what to do; with one it answers."""
    from groundplan.patterns.batch.building.training import build

    project = patient(tmp_path / "small", 300)
    build(project, None, lambda *_: None)
    with serving(project.folder, tmp_path / "state") as client:
        assert client.get("/health/ready").status_code == 503
        assert client.get("/versions").json() == {"live": None, "versions": []}
        refused = client.get("/scores/a")
        assert refused.status_code == 503
        assert "groundplan score" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"]
        put(embedded(project.folder), project.folder, "v1", ["a"])
        eventually(lambda: client.get("/health/ready").status_code, 200)
        eventually(lambda: client.get("/scores/a").status_code, 200)


def test_without_a_build_and_a_version_nothing_is_served(tmp_path: Path) -> None:
    """The command says what to run first."""
    from conftest import groundplan

    done = groundplan("serve", patient(tmp_path / "small").folder, "--port", "0")
    assert done.returncode == 1
    assert "groundplan build" in done.stderr


def test_a_report_is_shown_where_the_build_has_one(client: httpx.Client, project: Path) -> None:
    """That of the build whose scores are served."""
    assert client.get("/report").status_code == 404
    page = project / ".groundplan" / "builds" / "b" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html>figures</html>")
    answer = client.get("/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text == "<html>figures</html>"


def test_a_damaged_version_does_not_take_the_old_one_away(tmp_path: Path) -> None:
    """Where the pointer leads nowhere, the version before answers on, and that is told."""
    folder = patient(tmp_path / "small").folder
    store: EmbeddedScores = embedded(folder)
    put(store, folder, "v1", ["a"])
    with serving(folder, tmp_path / "state") as client:
        assert client.get("/scores/a").json()["version"] == "v1"
        put(store, folder, "v2", ["a"], live=False)
        file = folder / ".groundplan" / "scores" / "v2.scores"
        store.point("v2")
        content = file.read_bytes()
        file.write_bytes(content)  # the same file, until it is cut
        eventually(lambda: client.get("/scores/a").json()["version"], "v2")
        other = folder / ".groundplan" / "scores" / "v3.scores"
        other.write_bytes(content[: len(content) // 2])
        link = folder / ".groundplan" / "scores" / "live"
        link.unlink()
        link.symlink_to(other.name)
        eventually(lambda: figures(client)["groundplan_scores_fault"], 1)
        assert client.get("/scores/a").json()["version"] == "v2"
        assert client.get("/health/ready").json()["newest"] is False


def test_a_store_that_dies_is_replaced_by_averages(tmp_path: Path) -> None:
    """While Valkey is away every key gets the average, marked; when it is back, its own score."""
    project = patient(tmp_path / "small")
    with valkey(tmp_path / "v") as server:
        answers = project.file
        answers.write_text(f'{answers.read_text()}\n[engines]\nscores = "{server.url}"\n')
        store = open_store(Project(project.folder))
        put(store, tmp_path, "v1", ["a", "b"])
        with serving(project.folder, tmp_path / "state") as client:
            found = client.post("/scores", json={"keys": ["a", "b", "c"]}).json()["answers"]
            fallbacks = [one["fallback"] for one in found]
            assert fallbacks == [None, None, "overall average"]
            put(store, tmp_path, "v2", ["a", "b"])
            eventually(lambda: client.get("/scores/a").json()["version"], "v2")
            server.kill()
            for _ in range(8):
                answer = client.get("/scores/a?contract=month")
                assert answer.status_code == 200
                cold = answer.json()
                assert (cold["version"], cold["fallback"]) == ("v2", "segment average")
                assert cold["degraded"][0].startswith("lookup: failed (")
            assert 'groundplan_breaker_changes_total{engine="lookup",state="open"}' in "".join(
                client.get("/metrics").text
            )
            assert client.get("/health/ready").status_code == 503
            server.start()
            eventually(lambda: client.get("/scores/a").json()["fallback"], None)
            eventually(lambda: client.get("/health/ready").status_code, 200)
        store.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), [("/scores/{key}", "GET"), ("/scores", "POST")])
def test_no_request_is_the_server_s_fault(
    client: httpx.Client, path: str, method: str, mode: GenerationMode
) -> None:
    """Made from the document or against it: a documented answer, never a 5xx."""
    operation = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def check(case: Any) -> None:
        for name in [name for name in case.headers or {} if name.lower() == TIMEOUT]:
            case.headers[name] = "60000"
        case.call_and_validate(
            checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
        )

    check()
    assert client.get("/health/ready").status_code == 200
