"""Certificates: read once, and checked before the first client finds out."""

import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from groundplan.errors import EngineError
from groundplan.units import DAY, show_duration

SOON: Final = 14 * DAY
"""µs before its end from which a certificate is warned about."""

_SEQUENCE, _UTC_TIME, _TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


def context(certificate: Path, key: Path) -> tuple[ssl.SSLContext, list[str]]:
    """What a server needs to speak TLS 1.2 or 1.3, and what is worth a warning.

    Args:
        certificate: PEM, the server's own first, then those that vouch for it.
        key: PEM, without a passphrase.

    Raises:
        EngineError: a file cannot be read, the two do not match, or the certificate is not valid
            now.
    """
    for file, what in ((certificate, "certificate"), (key, "key")):
        try:
            file.read_bytes()
        except OSError as error:
            raise EngineError(f"the TLS {what} {file} cannot be read: {error.strerror}") from error
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key, password=lambda: _no_passphrase(key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise EngineError(
                f"the TLS key {key} is not the one that {certificate} was made for: name the pair"
            ) from error
        raise EngineError(
            f"the TLS files {certificate} and {key} are no certificate and key in PEM form: the "
            "first holds the server's certificate and its chain, the second its private key"
        ) from error
    begin, end = validity(certificate)
    now = time.time_ns() // 1_000
    if not begin <= now < end:
        state = "expired on" if now >= end else "is not valid before"
        raise EngineError(
            f"the TLS certificate {certificate} {state} {_show(end if now >= end else begin)}: "
            "renew it"
        )
    left = end - now
    soon = f"the TLS certificate {certificate} expires in {show_duration(left // DAY * DAY)}"
    return made, [soon] if left < SOON else []


def validity(certificate: Path) -> tuple[int, int]:
    """From when to when the first certificate of a file is valid, µs since 1970.

    Source: RFC 5280, section 4.1, in the distinguished encoding of ASN.1 (X.690).

    Raises:
        EngineError: the file holds no certificate.
    """
    try:
        found = re.search(
            r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----",
            certificate.read_text("ascii", "replace"),
            re.DOTALL,
        )
        if found is None:
            raise ValueError("no certificate")
        (_, whole), *_ = _parts(ssl.PEM_cert_to_DER_cert(found[0]))
        (_, body), *_ = _parts(whole)
        parts = [part for part in _parts(body) if part[0] != _VERSION]
        # serial number, signature algorithm, issuer, validity
        (begin, end) = _parts(parts[3][1])
        return _instant(*begin), _instant(*end)
    except (ValueError, IndexError) as error:
        raise EngineError(f"the TLS certificate {certificate} cannot be read: {error}") from error


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:  # the length takes more than one byte: how many
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        yield tag, data[at : at + length]
        at += length


def _instant(tag: int, content: bytes) -> int:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 50 is 1950, 49 is 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _TIME:
        raise ValueError(f"{tag:#x} is no time")
    moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


def _show(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def _no_passphrase(key: Path) -> str:
    raise EngineError(
        f"the TLS key {key} is locked with a passphrase, which a server that restarts by itself "
        "cannot ask for: give a key without one, readable by the server alone"
    )
