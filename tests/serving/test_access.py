"""Who may ask for what, over real sockets."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from doors import door
from groundplan.serving import keys
from groundplan.serving.access import allowed
from groundplan.serving.keys import Role


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A key of each role, and the file."""
    file = tmp_path_factory.mktemp("home") / keys.FILE
    made = {role.value: keys.add(file, f"a-{role}", role) for role in Role}
    return {**made, "file": str(file)}


@pytest.fixture(scope="module")
def locked(secrets: dict[str, str]) -> Iterator[httpx.Client]:
    with door(keys=secrets["file"]) as client:
        yield client


ROUTES = {
    ("POST", "/predict"): {"predict", "admin"},
    ("POST", "/v2/models/m/infer"): {"predict", "admin"},
    ("POST", "/events"): {"ingest", "admin"},
    ("POST", "/scores"): {"predict", "admin"},
    ("GET", "/scores/k"): {"predict", "admin"},
    ("GET", "/versions"): {"predict", "admin"},
    ("GET", "/health/ready"): {"predict", "ingest", "admin"},
    ("GET", "/metrics"): {"admin"},
    ("GET", "/other"): {"admin"},
}


@pytest.mark.parametrize("role", ["predict", "ingest", "admin"])
def test_a_role_opens_its_routes_and_no_other(
    locked: httpx.Client, secrets: dict[str, str], role: str
) -> None:
    """Each role at each route, by either header: 200 or 403, as the table says."""
    for (method, path), roles in ROUTES.items():
        for header in (
            {"authorization": f"Bearer {secrets[role]}"},
            {"x-api-key": secrets[role]},
        ):
            answer = locked.request(method, path, headers=header)
            assert answer.status_code == (200 if role in roles else 403), (method, path)


def test_what_no_rule_names_is_admin_s() -> None:
    """A new route, a near miss and a wrong method are closed until a rule opens them."""
    for method, path in [
        ("GET", "/predict/"),
        ("GET", "/predict"),
        ("POST", "/predictx"),
        ("POST", "//predict"),
        ("GET", "/v2x"),
        ("GET", "/consistency"),
        ("GET", "/report"),
        ("GET", "/scores"),
        ("GET", "/versionsx"),
    ]:
        assert allowed(method, path) == {Role.ADMIN}


def test_without_a_key_only_life_is_told(locked: httpx.Client) -> None:
    """Every route but `/health/live` answers 401 and how to ask; a 401 says nothing of routes."""
    assert locked.get("/health/live").status_code == 200
    for method, path in [*ROUTES, ("GET", "/nowhere"), ("GET", "/health/live/")]:
        answer = locked.request(method, path)
        assert answer.status_code in (401, 429), path
        assert "error" in answer.json()
    assert locked.get("/health/live").status_code == 200


def test_a_wrong_key_is_told_from_none(secrets: dict[str, str], tmp_path: Path) -> None:
    """401 with a challenge in both cases; the key stands in no log."""
    errors = tmp_path / "errors"
    wrong = secrets["admin"][:-4] + "AAAA"
    with door(errors, keys=secrets["file"]) as client:
        none = client.get("/other")
        assert none.headers["www-authenticate"] == 'Bearer realm="groundplan"'
        other = client.get("/other", headers={"authorization": f"Bearer {wrong}"})
        assert 'error="invalid_token"' in other.headers["www-authenticate"]
        basic = client.get("/other", headers={"authorization": "Basic Z3A6eA=="})
        assert [answer.status_code for answer in (none, other, basic)] == [401] * 3
        role = client.get("/other", headers={"x-api-key": secrets["ingest"]})
        assert role.status_code == 403
    said = errors.read_text()
    assert "an unknown key" in said
    assert "'a-ingest' has the role ingest" in said
    assert wrong not in said
    assert secrets["ingest"] not in said


def test_strangers_are_slowed_down_and_their_neighbours_are_not(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    """After some failures 429 with Retry-After, a bounded log, and right keys go on."""
    errors = tmp_path / "errors"
    with door(errors, keys=secrets["file"]) as client:
        answers = [client.get("/other") for _ in range(200)]
        statuses = {answer.status_code for answer in answers}
        assert statuses == {401, 429}
        late = next(answer for answer in answers if answer.status_code == 429)
        assert int(late.headers["retry-after"]) >= 1
        right = client.get("/other", headers={"x-api-key": secrets["admin"]})
        assert right.status_code == 200
        page = client.get("/metrics", headers={"x-api-key": secrets["admin"]}).text
        assert 'groundplan_refused_total{status="429"}' in page
    assert len(errors.read_text().splitlines()) < 100


def test_a_running_server_notices_keys(tmp_path: Path) -> None:
    """A key works within a second of being added, and not a second after it was revoked."""
    file = tmp_path / keys.FILE
    first = keys.add(file, "first", Role.ADMIN)
    with door(keys=str(file)) as client:
        second = keys.add(file, "second", Role.ADMIN)
        keys.revoke(file, "first")
        time.sleep(1)
        assert client.get("/other", headers={"x-api-key": second}).status_code == 200
        assert client.get("/other", headers={"x-api-key": first}).status_code == 401
        keys.revoke(file, "second")
        time.sleep(1)
        assert client.get("/other", headers={"x-api-key": second}).status_code == 401


def test_each_key_has_a_rate_of_its_own(tmp_path: Path) -> None:
    """Beyond the burst 429 and when to come back; another key is not touched by it."""
    file = tmp_path / keys.FILE
    mine, other = (keys.add(file, name, Role.ADMIN) for name in ("mine", "other"))
    with door(keys=str(file), rate=10**8, burst=5) as client:
        said = [client.get("/other", headers={"x-api-key": mine}) for _ in range(7)]
        assert [answer.status_code for answer in said] == [200] * 5 + [429] * 2
        assert 1 <= int(said[-1].headers["retry-after"]) <= 10
        assert client.get("/other", headers={"x-api-key": other}).status_code == 200
        assert client.get("/health/live").status_code == 200


def test_without_keys_each_address_has_a_rate() -> None:
    """One address, one bucket, over several connections."""
    with door(rate=10**8, burst=3) as client:
        answers = [
            httpx.get(f"{client.base_url}/other", headers={"connection": "close"}).status_code
            for _ in range(5)
        ]
        assert answers == [200, 200, 200, 429, 429]


def test_no_page_of_another_site_reaches_a_server_without_keys() -> None:
    """Another host's name (a rebound one) and another origin are refused, programs are not."""
    with door() as client:
        port = client.base_url.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", "[::1]:80"):
            assert client.get("/other", headers={"host": host}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
            assert client.get("/other", headers={"host": host}).status_code == 403
        for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
            answer = client.post("/predict", headers={"origin": origin})
            assert answer.status_code == 403
        local = {"origin": f"http://localhost:{port}"}
        assert client.post("/predict", headers=local).status_code == 200


def test_an_error_that_nobody_expected_tells_nothing(tmp_path: Path) -> None:
    """The client reads that it failed; the trace goes to the server's own log."""
    errors = tmp_path / "errors"
    with door(errors) as client:
        answer = client.get("/fail")
        assert answer.status_code == 500
        assert answer.text == "Internal Server Error"
        assert httpx.get(f"{client.base_url}/other").status_code == 200
    assert "of the kind that nobody expected" in errors.read_text()
