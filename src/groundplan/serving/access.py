"""Who may ask for what: a thin layer around a server's application.

With keys, every route but `/health/live` needs one with the right role. Without, the server is
on loopback, and the layer keeps out the one stranger who gets there: a page in a browser of this
machine, which sends its origin, or another host's name when it has rebound one to 127.0.0.1.
"""

import logging
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from groundplan.serving.http import problem
from groundplan.serving.keys import Key, Keys, Role
from groundplan.serving.rates import Rates, client

Headers = list[tuple[bytes, bytes]]

OPEN: Final = "/health/live"
"""The one route that needs no key: it says nothing but that a process answers."""

_ANY: Final = frozenset(Role)
_PREDICT: Final = frozenset({Role.PREDICT, Role.ADMIN})
_ROLES: Final = {
    ("POST", "/predict"): _PREDICT,
    ("POST", "/events"): frozenset({Role.INGEST, Role.ADMIN}),
    ("POST", "/scores"): _PREDICT,
    ("GET", "/versions"): _PREDICT,
    ("GET", "/v2"): _PREDICT,
    ("GET", "/health/ready"): _ANY,
    ("GET", "/openapi.json"): _ANY,
}
_BELOW: Final = {"/v2/": _PREDICT, "/explanations/": _PREDICT, "/scores/": _PREDICT}
_ADMIN: Final = frozenset({Role.ADMIN})

_FAILURES: Final = 10**9  # nanohertz: one a second
_FAILURES_BURST: Final = 20
_LINES: Final = 5 * 10**9
_LINES_BURST: Final = 50

_logger: Final = logging.getLogger(__name__)


def allowed(method: str, path: str) -> frozenset[Role]:
    """The roles that may use a route; what is not listed, also what is not there, is admin's."""
    found = _ROLES.get((method, path))
    if found is not None:
        return found
    return next((roles for start, roles in _BELOW.items() if path.startswith(start)), _ADMIN)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer given before the application is asked.

    Args:
        status: of HTTP.
        message: what is wrong and what to do.
        headers: beside content type and length.
    """

    status: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """An application behind its access rules.

    Args:
        app: what answers those who may ask.
        keys: who may ask; None on loopback without keys.
        rates: how often each key may ask, or each address where there are no keys.
        refused: counts refusals by status.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys | None,
        rates: Rates | None = None,
        refused: Counter[int] | None = None,
    ) -> None:
        self._app = app
        self._rules = _Keyed(keys, rates) if keys is not None else _Local(rates)
        self._refused = Counter[int]() if refused is None else refused

    def check(self, scope: Scope) -> Refusal | None:
        """Why a request is refused; None where it is not. For who asks past the application.

        Args:
            scope: its type, method, path, headers and client.
        """
        refusal = self._rules.check(scope)
        if refusal is not None:
            self._refused[refusal.status] += 1
        return refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it before its body is read."""
        refusal = self.check(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        body = problem("", refusal.message)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *refusal.headers,
        ]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Keyed:
    """Lets through who has a key with the right role, as often as the rate allows."""

    def __init__(self, keys: Keys, rates: Rates | None) -> None:
        self._keys = keys
        self._rates = rates
        self._failures = Rates(_FAILURES, _FAILURES_BURST, slots=4_096)
        self._lines = Rates(_LINES, _LINES_BURST, slots=8)

    def check(self, scope: Scope) -> Refusal | None:
        """Why this request is refused; None where it is not."""
        path = scope["path"]
        if path == OPEN:
            return None
        secret = _secret(scope["headers"])
        key = self._keys.find(secret) if secret is not None else None
        if key is None:
            return self._stranger(scope, given=secret is not None)
        if key.role not in allowed(scope["method"], path):
            return self._wrong_role(scope, key)
        return _too_often(self._rates, key.id)

    def _stranger(self, scope: Scope, *, given: bool) -> Refusal:
        """A right key is never slowed down by who else fails from the same address."""
        wait = self._failures.take(client(_address(scope)))
        if wait:
            return Refusal(429, "too many requests without a valid key", (_later(wait),))
        self._say("%s was refused %s: %s", scope, "an unknown key" if given else "no key")
        if given:
            challenge = b'Bearer realm="groundplan", error="invalid_token"'
            message = "the key is unknown or was revoked: `groundplan keys add` makes one"
        else:
            challenge = b'Bearer realm="groundplan"'
            message = "a key is needed: send the header `Authorization: Bearer gp_...`"
        return Refusal(401, message, ((b"www-authenticate", challenge),))

    def _wrong_role(self, scope: Scope, key: Key) -> Refusal:
        wait = self._failures.take(key.id)
        if wait:
            return Refusal(429, "too many requests that this key may not make", (_later(wait),))
        self._say("%s was refused %s: %s", scope, f"key {key.name!r} has the role {key.role}")
        return Refusal(403, f"a key with the role {key.role} may not do this")

    def _say(self, text: str, scope: Scope, why: str) -> None:
        if not self._lines.take(""):
            asked = f"{scope['method']} {scope['path'][:100]!r}"
            _logger.warning(text, _address(scope), asked, why)


class _Local:
    """Lets through who names this machine as the host, and comes from no page of another."""

    def __init__(self, rates: Rates | None) -> None:
        self._rates = rates

    def check(self, scope: Scope) -> Refusal | None:
        """Why this request is refused; None where it is not."""
        for name, value in scope["headers"]:
            if name == b"host" and not _local(value):
                return Refusal(
                    403,
                    "this server answers to localhost only: for other names, a proxy among them, "
                    "start it with --require-key",
                )
            if name == b"origin" and not _local(value.partition(b"://")[2]):
                return Refusal(403, "pages of other sites may not use this server")
        if self._rates is None:
            return None
        return _too_often(self._rates, client(_address(scope)))


@lru_cache(64)  # a client sends the same with each of its requests
def _local(host: bytes) -> bool:
    """Whether a host is this machine by its loopback names."""
    return _LOCAL.fullmatch(host) is not None


_LOCAL: Final = re.compile(rb"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?", re.IGNORECASE)


def _secret(headers: Headers) -> bytes | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return secret.strip()
        elif name == b"x-api-key":
            return value
    return None


def _too_often(rates: Rates | None, name: str) -> Refusal | None:
    wait = rates.take(name) if rates is not None else 0.0
    return Refusal(429, "too many requests: slow down", (_later(wait),)) if wait else None


def _later(wait: float) -> tuple[bytes, bytes]:
    return b"retry-after", b"%d" % math.ceil(wait)


def _address(scope: Scope) -> str:
    found = scope.get("client")
    return str(found[0]) if found else ""
