"""The head of a plain request: its first line, and what the fields below it say."""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from groundplan.errors import InputError
from groundplan.serving.connection import Limits
from groundplan.serving.http import Endpoint, timeout_us

Headers = list[tuple[bytes, bytes]]

POST: Final = re.compile(rb"POST (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1")
GET: Final = re.compile(
    rb"GET (/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)(?:\?([A-Za-z0-9._~!$&'()*+,;=:@%/?-]*))? HTTP/1\.1"
)
_FIELD: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff]|[ \t]+(?=[!-~\x80-\xff]))*)[ \t]*\r\n"
)
_ELSEWHERE: Final = {b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"}


_NO_PATH: Final[Mapping[str, str]] = {}


class Fields(NamedTuple):
    """What the fields of a plain request's head say.

    Args:
        headers: names in lower case.
        length: bytes of the body.
        timeout_us: how long the client waits, if it said so.
        close: whether the connection ends with the answer.
    """

    headers: Headers
    length: int
    timeout_us: int | None
    close: bool


class Head(Struct, frozen=True):
    """The head of a request that may take the lane.

    Args:
        size: bytes of it, with the empty line.
        endpoint: answers it.
        path: without the query, decoded.
        query: as it was sent.
        headers: names in lower case.
        length: bytes of the body.
        timeout_us: how long the client waits, if it said so.
        close: whether the connection ends with the answer.
        method: of HTTP.
        parameters: of the path.
    """

    size: int
    endpoint: Endpoint
    path: str
    query: bytes
    headers: Headers
    length: int
    timeout_us: int | None
    close: bool
    method: Literal["GET", "POST"] = "POST"
    parameters: Mapping[str, str] = _NO_PATH


def read(rest: bytes, limits: Limits) -> Fields | None:
    """What the lines below the first say; None where one of them is out of the ordinary."""
    headers: Headers = []
    at = 0
    while at < len(rest):
        match = _FIELD.match(rest, at)
        if match is None:
            return None
        headers.append((match[1].lower(), match[2]))
        at = match.end()
    once = dict(headers)
    length = once.get(b"content-length", b"0")
    connection = once.get(b"connection", b"keep-alive").lower()
    plain = (
        len(once) == len(headers) <= limits.headers
        and b"host" in once
        and not once.keys() & _ELSEWHERE
        and connection in {b"keep-alive", b"close"}
        and length.isdigit()
        and len(length) <= 12
    )
    try:
        timeout = timeout_us(headers)
    except InputError:
        plain = False
    return Fields(headers, int(length), timeout, connection == b"close") if plain else None
