"""Certificates made for a test by the `openssl` command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


def make(folder: Path, begin: str = "", end: str = "") -> Pair:
    """A certificate for localhost that vouches for itself.

    Args:
        folder: where its files go.
        begin: valid from, `YYYYMMDDHHMMSSZ`; now where it is empty.
        end: valid to, likewise; in a month where it is empty.
    """
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not there to make certificates")
    folder.mkdir()
    pair = Pair(folder / "cert.pem", folder / "key.pem")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-keyout", str(pair.key), "-out", str(pair.certificate)),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    ]
    if not (begin or end):
        subprocess.run([*command, "-days", "30"], check=True, capture_output=True)
        return pair
    # Only `openssl ca` states both ends.
    subprocess.run([*command, "-days", "1"], check=True, capture_output=True)
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\n"
        f"certificate={pair.certificate}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    dates = ["-startdate", begin, "-enddate", end]
    issue = [
        *("openssl", "ca", "-batch", "-config", str(folder / "ca.cnf"), "-selfsign", "-ss_cert"),
        *(str(pair.certificate), "-keyfile", str(pair.key), "-out", str(folder / "out.pem")),
    ]
    subprocess.run([*issue, "-notext", *dates], check=True, capture_output=True)
    return Pair(folder / "out.pem", pair.key)
