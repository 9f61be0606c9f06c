"""Connections to one HTTP server: kept open, bounded in time from the first byte to the last."""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from groundplan.errors import DefinitionError, EngineError
from groundplan.units import show_duration

_KEPT: Final = 16
_LONGEST: Final = 64 << 20  # bytes of an answer's body
_SAID: Final = 200  # characters of a refusal that are repeated


class Reply(NamedTuple):
    """An answer: the names of its headers are in lower case."""

    headers: dict[str, str]
    body: bytes


class Connections:
    """A pool of connections to one server; calls may come from several threads.

    Args:
        url: `http://host:port` or `https://host:port`, with a path in front of all others where
            there is one.
        headers: sent with every call.

    Raises:
        DefinitionError: the URL is none of these.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise DefinitionError(f"{url!r} names no HTTP server: write http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._headers = dict(headers or {})
        self._free: list[HTTPConnection] = []
        self._turn = Lock()

    def call(
        self,
        method: str,
        path: str,
        timeout_us: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Asks once; a kept connection that the server has closed meanwhile is replaced.

        Args:
            method: `GET` or `POST`; asking twice must do no harm.
            path: below the URL.
            timeout_us: us that the whole call may take, however slowly the bytes drip.
            body: of the request.
            headers: of this call.

        Raises:
            EngineError: the server cannot be reached, is too slow, or refuses.
        """
        end = time.monotonic() + timeout_us / 1e6
        while True:
            connection, kept = self._take(end)
            try:
                return self._ask(connection, method, path, body, {**(headers or {})})
            except TimeoutError as error:
                connection.close()
                raise EngineError(
                    f"{self.url}{path} did not answer within {show_duration(timeout_us)}"
                ) from error
            except (OSError, HTTPException) as error:
                connection.close()
                if not kept:
                    why = str(error) or type(error).__name__
                    raise EngineError(f"{self.url}{path} cannot be reached ({why})") from error

    def close(self) -> None:
        """Close what is kept open."""
        with self._turn:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def __del__(self) -> None:
        """A pool that nobody holds keeps nothing open."""
        if hasattr(self, "_turn"):
            self.close()

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
    ) -> Reply:
        connection.request(method, self._path + path, body or None, {**self._headers, **headers})
        response = connection.getresponse()
        found = response.read(_LONGEST + 1)
        if len(found) > _LONGEST:
            connection.close()
            raise EngineError(f"{self.url}{path} answered with more than {_LONGEST:,} bytes")
        self._keep(connection, response)
        if response.status != 200:
            said = found[:_SAID].decode(errors="replace").strip()
            raise EngineError(f"{self.url}{path} refused with status {response.status}: {said}")
        return Reply({name.lower(): value for name, value in response.getheaders()}, found)

    def _take(self, end: float) -> tuple[HTTPConnection, bool]:
        """A connection whose every wait ends at this time, and whether it was used before."""
        with self._turn:
            connection = self._free.pop() if self._free else None
        if connection is not None:
            timed: Any = connection.sock
            timed.end = end
            return connection, True
        left = max(end - time.monotonic(), 1e-6)
        if self._tls is not None:
            connection = HTTPSConnection(self._host, self._port, timeout=left, context=self._tls)
        else:
            connection = HTTPConnection(self._host, self._port, timeout=left)
        try:
            connection.connect()
        except TimeoutError as error:
            raise EngineError(f"{self.url} took no connection in time") from error
        except OSError as error:
            raise EngineError(f"{self.url} cannot be reached ({error})") from error
        connection.sock = _Timed(connection.sock, end)
        return connection, False

    def _keep(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        if response.will_close:
            connection.close()
            return
        with self._turn:
            if len(self._free) < _KEPT:
                self._free.append(connection)
                return
        connection.close()


class _Timed:
    """A socket that waits for nothing past one time, as far as `http.client` uses sockets.

    A socket's own timeout starts anew with every byte that drips in.
    """

    def __init__(self, plain: socket.socket, end: float) -> None:
        self._plain, self.end = plain, end

    def sendall(self, data: Any) -> None:
        self._plain.settimeout(self._left())
        self._plain.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._plain.settimeout(self._left())
        return self._plain.recv_into(buffer)

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        self._plain.close()

    def _left(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Incoming(io.RawIOBase):
    """The bytes that arrive; closing it leaves the socket open for the next answer."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.recv_into(buffer)
