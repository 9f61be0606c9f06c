"""Certificates are checked at the start, and clients speak TLS to the server."""

import shutil
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from certificates import Pair, make
from doors import door
from groundplan.errors import EngineError
from groundplan.serving import tls


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make(tmp_path_factory.mktemp("tls") / "good")


def test_a_client_that_trusts_the_certificate_is_answered(pair: Pair) -> None:
    """HTTPS with verification works; plain HTTP on that port and old TLS do not."""
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    with door(verify=trust, certificate=str(pair.certificate), key=str(pair.key)) as client:
        assert client.base_url.scheme == "https"
        assert client.get("/other").status_code == 200
        assert client.post("/predict", content=b"x" * 100_000).text.endswith(" 100000")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{client.base_url.port}/other")
        with pytest.raises(httpx.ConnectError, match=r"self.signed"):
            httpx.get(f"{client.base_url}/other")
        assert client.get("/other").status_code == 200


def test_several_processes_speak_tls(pair: Pair) -> None:
    """The connections that a process is handed are encrypted like its own."""
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    certificate, key = str(pair.certificate), str(pair.key)
    with door(verify=trust, certificate=certificate, key=key, processes=2) as client:
        close = {"connection": "close"}
        said = {client.get("/other", headers=close).text.split()[0] for _ in range(4)}
        assert len(said) == 2


def test_the_dates_are_what_openssl_reads(tmp_path: Path, pair: Pair) -> None:
    """Both forms of time in a certificate: two digits of the year, and four from 2050 on."""
    far = make(tmp_path / "far", "19991231235959Z", "20610203040506Z").certificate
    for file in (pair.certificate, far):
        said = subprocess.run(
            ["openssl", "x509", "-noout", "-dates", "-in", str(file)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        dates = [line.partition("=")[2] for line in said.splitlines()]
        expected = [ssl.cert_time_to_seconds(date) * 1_000_000 for date in dates]
        assert list(tls.validity(file)) == expected


def test_a_certificate_out_of_its_time_is_refused(tmp_path: Path) -> None:
    """Expired, or not valid yet: said with the date, before any client finds out."""
    old = make(tmp_path / "old", "20200101000000Z", "20210101000000Z")
    with pytest.raises(EngineError, match="expired on 2021-01-01"):
        tls.context(old.certificate, old.key)
    new = make(tmp_path / "new", "20900101000000Z", "20910101000000Z")
    with pytest.raises(EngineError, match="not valid before 2090-01-01"):
        tls.context(new.certificate, new.key)


def test_one_that_expires_soon_is_warned_about(tmp_path: Path, pair: Pair) -> None:
    """Within two weeks; a month is not soon."""
    assert tls.context(pair.certificate, pair.key)[1] == []
    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 5.5 * 86_400))
    soon = make(tmp_path / "soon", "20200101000000Z", end)
    assert tls.context(soon.certificate, soon.key)[1] == [
        f"the TLS certificate {soon.certificate} expires in 5d"
    ]


def test_files_that_do_not_fit_are_named(tmp_path: Path, pair: Pair) -> None:
    """Missing, of another pair, swapped, rubbish, locked: each says which file and why."""
    other = make(tmp_path / "other")
    with pytest.raises(EngineError, match=r"none\.pem cannot be read: No such file"):
        tls.context(tmp_path / "none.pem", pair.key)
    with pytest.raises(EngineError, match=r"not the one that .* was made for"):
        tls.context(pair.certificate, other.key)
    with pytest.raises(EngineError, match="no certificate and key in PEM form"):
        tls.context(pair.key, pair.certificate)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(bytes(range(256)))
    with pytest.raises(EngineError, match="no certificate and key in PEM form"):
        tls.context(rubbish, pair.key)
    with pytest.raises(EngineError, match="cannot be read"):
        tls.validity(rubbish)


def test_a_locked_key_is_refused_and_nobody_is_asked(tmp_path: Path, pair: Pair) -> None:
    """A server that waits for a passphrase at a terminal would not come back after a restart."""
    locked = tmp_path / "locked.pem"
    subprocess.run(
        [
            *(shutil.which("openssl") or "openssl", "pkcs8", "-topk8", "-in", str(pair.key)),
            *("-passout", "pass:secret", "-out", str(locked)),
        ],
        check=True,
        capture_output=True,
    )
    with pytest.raises(EngineError, match="passphrase"):
        tls.context(pair.certificate, locked)
