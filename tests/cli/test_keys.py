"""Keys from the command line, and a server that asks for them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from certificates import make
from conftest import groundplan


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "card-fraud"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    return folder


@contextmanager
def served(project: Path, state: Path, *options: str | Path) -> Iterator[tuple[str, Path]]:
    """A server with these options: its address, and what it prints to standard error."""
    errors = state.with_suffix(".err")
    with (
        errors.open("w") as stream,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "groundplan", "serve", str(project), "--port", "0"),
                *("--state", str(state), *map(str, options)),
            ],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert " on " in line, errors.read_text()
            yield line.split(" on ")[-1].strip(), errors
        finally:
            process.terminate()
            process.wait(30)


def test_a_key_is_printed_alone_and_once(project: Path) -> None:
    """Standard output is the key, for a script to take; the list never shows it."""
    made = groundplan("keys", "add", "checkout", project, "--role", "predict")
    assert (made.returncode, made.stdout.count("\n")) == (0, 1)
    secret = made.stdout.strip()
    assert secret.startswith("gp_")
    assert secret not in made.stderr
    groundplan("keys", "add", "feed", project, "--role", "ingest")
    shown = groundplan("keys", "list", project)
    assert "checkout" in shown.stdout
    assert "ingest" in shown.stdout
    rows = json.loads(groundplan("keys", "list", project, "--json").stdout)
    assert [(row["name"], row["role"]) for row in rows] == [
        ("checkout", "predict"),
        ("feed", "ingest"),
    ]
    assert secret not in shown.stdout + json.dumps(rows)


def test_a_key_can_be_revoked(project: Path) -> None:
    """It is gone from the list; a second time there is nothing to revoke."""
    groundplan("keys", "add", "checkout", project, "--role", "admin")
    assert groundplan("keys", "revoke", "checkout", project).returncode == 0
    assert "groundplan keys add" in groundplan("keys", "list", project).stdout
    again = groundplan("keys", "revoke", "checkout", project)
    assert again.returncode == 1
    assert "there is no key 'checkout'" in again.stderr


def test_a_name_twice_is_refused(project: Path) -> None:
    """And says how to go on."""
    for code in (0, 1):
        done = groundplan("keys", "add", "checkout", project, "--role", "admin")
        assert done.returncode == code
    assert "groundplan keys revoke checkout" in done.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--host", "0.0.0.0"], "other machines reach this address: `groundplan keys add NAME"),
        (["--host", "::"], "other machines reach this address: `groundplan keys add NAME"),
        (["--require-key"], "--require-key asks for one: `groundplan keys add NAME"),
        (["--tls-cert", "cert.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], "no.pem cannot be read"),
        (["--rate", "fast"], "'fast' is not a rate"),
        (["--rate", "0/s"], "0/s allows nothing"),
        (["--burst", "5"], "name both"),
        (["--host", "nowhere.invalid"], "is no address"),
    ],
)
def test_a_server_that_must_not_start_says_why(project: Path, options: list[str], why: str) -> None:
    """Before anything is loaded, with the next step, and without a trace."""
    done = groundplan("serve", project, "--port", "0", *options)
    assert done.returncode in (1, 2)
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_other_machines_need_a_key(fraud: Path, tmp_path: Path) -> None:
    """On every address: a warning without TLS, 401 without a key on each way, and roles hold."""
    secrets = {}
    for role in ("predict", "ingest", "admin"):
        groundplan("keys", "revoke", f"a-{role}", fraud)
        done = groundplan("keys", "add", f"a-{role}", fraud, "--role", role)
        secrets[role] = {"authorization": f"Bearer {done.stdout.strip()}"}
    with served(fraud, tmp_path / "state", "--host", "0.0.0.0") as (address, errors):
        url = address.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=url, timeout=30) as client:
            assert client.get("/health/live").status_code == 200
            for method, path in [("POST", "/predict"), ("POST", "/events"), ("GET", "/metrics")]:
                assert client.request(method, path).status_code == 401
            # Allowed, an empty body is 400.
            for role, path, status in [
                ("predict", "/predict", 400),
                ("ingest", "/events", 400),
                ("admin", "/predict", 400),
                ("ingest", "/predict", 403),
                ("predict", "/events", 403),
            ]:
                answer = client.post(path, headers=secrets[role])
                assert answer.status_code == status, (role, path)
            page = client.get("/metrics", headers=secrets["admin"]).text
            assert 'groundplan_refused_total{status="401"} 3' in page
            assert 'groundplan_refused_total{status="403"} 2' in page
        assert "without TLS" in errors.read_text()
        for secret in secrets.values():
            assert secret["authorization"].split()[1] not in errors.read_text()


def test_several_processes_serve_a_project_over_tls(fraud: Path, tmp_path: Path) -> None:
    """One address, one state: what one process was told, the other knows."""
    pair = make(tmp_path / "tls")
    options = ("--tls-cert", pair.certificate, "--tls-key", pair.key, "--processes", "2")
    with served(fraud, tmp_path / "state", *options) as (address, errors):
        assert address.startswith("https://127.0.0.1:")
        assert "warning" not in errors.read_text()
        body = {
            "tx_datetime": "2018-08-16T10:00:00",
            "customer_id": 77,
            "terminal_id": 77,
            "tx_amount": 10.0,
        }
        counts = []
        for number in range(6):
            answer = httpx.post(
                f"{address}/predict?features=true",
                json={**body, "transaction_id": 800_000_000 + number},
                verify=False,
                timeout=30,
            )
            counts.append(answer.json()["features"]["customer_count_1d"])
            body["tx_datetime"] = f"2018-08-16T10:0{number + 1}:00"
        assert counts == [counts[0] + number for number in range(6)]
        six = 'groundplan_requests_total{path="/predict",status="200"} 6'
        for _ in range(100):  # each tells the others of its counts once a second
            page = httpx.get(f"{address}/metrics", verify=False).text
            if six in page:
                break
            time.sleep(0.1)
        assert six in page
        assert "groundplan_processes 2" in page


def test_a_damaged_state_is_told_without_paths(fraud: Path, tmp_path: Path) -> None:
    """Whatever the files of a running server become, answers hold neither paths nor traces."""
    state = tmp_path / "state"
    with served(fraud, state) as (address, _), httpx.Client(base_url=address) as client:
        assert client.get("/health/ready").status_code == 200
        for file in state.rglob("*"):
            if file.is_file():  # in place: cutting a file that is mapped would end the process
                with file.open("r+b") as stream:
                    stream.write(b"\x5a" * min(file.stat().st_size, 1_000_000))
        body = {
            "transaction_id": 810_000_000,
            "tx_datetime": "2018-08-16T10:00:00",
            "customer_id": 1,
            "terminal_id": 1,
            "tx_amount": 10.0,
        }
        for method, path, sent in [
            ("POST", "/predict", body),
            ("POST", "/events", {**body, "transaction_id": 810_000_001}),
            ("GET", "/health/ready", None),
            ("GET", "/metrics", None),
        ]:
            text = client.request(method, path, json=sent).text
            assert str(tmp_path) not in text
            assert "Traceback" not in text
            assert ".mdb" not in text
        assert client.get("/health/ready").status_code == 503
