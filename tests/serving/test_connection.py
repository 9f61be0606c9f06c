"""A connection has bounds, and what breaks them is told so before it is closed."""

import json
import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from doors import door

LIMITS = {"head": 2_000, "headers": 10, "connections": 8, "head_s": 1, "body_s": 1, "idle_s": 1}
POST = b"POST /other HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def bounded() -> Iterator[int]:
    """The port of a server with small limits."""
    with door(limits=LIMITS) as client:
        assert client.base_url.port is not None
        client.close()
        yield client.base_url.port


def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts one after another, then read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
            read = b""
            while chunk := client.recv(65_536):
                read += chunk
        except ConnectionError:
            pass
        return read


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


def get(*headers: bytes, path: bytes = b"/other") -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"host: localhost", *headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def test_a_head_has_bounds(bounded: int) -> None:
    """Long, many, endless in one header, endless in all: refused; what just fits is answered."""
    assert status(talk(bounded, get(b"a: " + b"x" * 1_800))) == 200
    assert status(talk(bounded, get(b"a: " + b"x" * 2_000))) == 431
    assert status(talk(bounded, get(*[b"a: b"] * 8))) == 200
    assert status(talk(bounded, get(*[b"a: b"] * 9))) == 431
    assert status(talk(bounded, get(path=b"/" + b"x" * 2_100))) == 414
    begin = b"GET /other HTTP/1.1\r\nhost: localhost\r\na: "
    assert status(talk(bounded, begin, *[b"x" * 1_500] * 3, pause=0.05)) == 431
    many = [b"a%d: b\r\n" % number for number in range(12)]
    assert status(talk(bounded, b"GET /other HTTP/1.1\r\n", *many, pause=0.02)) == 431


def test_the_answer_to_a_broken_limit_is_the_usual_problem(bounded: int) -> None:
    """JSON with a message, and a connection that closes."""
    head, _, body = talk(bounded, get(*[b"a: b"] * 9)).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["message"] == "there are more than 10 headers"


def test_what_is_no_http_is_refused(bounded: int) -> None:
    """Garbage, a TLS hello and two lengths are 400, and the server goes on."""
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
        b"hello\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: -1\r\n\r\n",
    ):
        assert status(talk(bounded, data)) == 400
    assert status(talk(bounded, get())) == 200


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"GET /other HTT"],
        [b"GET /other HTTP/1.1\r\nhost: localhost\r\n"],
        [b"POST /other HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n", b"half"],
        [
            b"POST /other HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\na",
        ],
    ],
)
def test_a_slow_client_is_told_and_closed(bounded: int, parts: list[bytes]) -> None:
    """Who sends nothing, half a head or half a body gets 408 when the time is over."""
    assert status(talk(bounded, *parts)) == 408


def test_a_client_that_drips_is_closed_too(bounded: int) -> None:
    """A byte now and then does not extend the time."""
    with socket.create_connection(("127.0.0.1", bounded), timeout=10) as client:
        client.sendall(b"GET /other HTTP/1.1\r\nhost: localhost\r\na: ")
        for _ in range(100):
            client.sendall(b"x")
            if select.select([client], [], [], 0.1)[0]:
                break
        assert status(client.recv(65_536)) == 408


def test_blank_lines_do_not_keep_a_connection(bounded: int) -> None:
    """Between requests a connection may be idle for its time, whatever else is sent."""
    whole = get().replace(b"connection: close\r\n", b"")
    read = b""
    with socket.create_connection(("127.0.0.1", bounded), timeout=10) as client:
        client.sendall(whole)
        while not read.endswith(b" 0"):  # the application's answer to an empty body
            read += client.recv(65_536)
        client.sendall(b"\r\n")
        while chunk := client.recv(65_536):
            read += chunk
    assert read.count(b"HTTP/1.1 200") == 1


def test_pipelined_requests_are_answered_in_order(bounded: int) -> None:
    """A refusal never stands in the place of the answer to an earlier request."""
    slow = b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n"
    good = talk(bounded, slow + get())
    assert [status(b"HTTP/1.1" + part) for part in good.split(b"HTTP/1.1")[1:]] == [200, 200]
    for bad in (b"rubbish\r\n\r\n", get(*[b"a: b"] * 9)):
        assert not talk(bounded, slow + bad).startswith(b"HTTP/1.1 4")


def test_connections_are_bounded(bounded: int) -> None:
    """One too many gets 503 and Retry-After at once; when one closes, the next is served."""
    held = [socket.create_connection(("127.0.0.1", bounded), timeout=10) for _ in range(8)]
    time.sleep(0.2)
    refused = talk(bounded)
    assert status(refused) == 503
    assert b"retry-after: 1" in refused
    for client in held:
        client.close()
    time.sleep(0.2)
    assert status(talk(bounded, get())) == 200


def test_an_upgrade_is_not_made(bounded: int) -> None:
    """A WebSocket handshake is answered as the plain request that it also is, and closed."""
    upgrade = get(b"upgrade: websocket", b"sec-websocket-key: eA==").replace(
        b"connection: close", b"connection: upgrade"
    )
    assert status(talk(bounded, upgrade)) == 200


def test_a_client_that_reads_nothing_is_closed() -> None:
    """Answers that are not taken are dropped with their connection after their time."""
    with door(limits={**LIMITS, "write_s": 1}) as client:
        port = client.base_url.port
        ask = get(path=b"/metrics").replace(b"connection: close\r\n", b"")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            deaf.settimeout(20)
            deaf.connect(("127.0.0.1", port))
            with pytest.raises(ConnectionError):  # a timeout of the socket is none
                deaf.sendall(ask * 1_000_000)
        assert httpx.get(f"{client.base_url}/other").status_code == 200
