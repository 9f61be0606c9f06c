"""The short way gives the answers of the long one, and takes nothing it should not."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from endpoint import Answered, get, post, read, serving
from groundplan.errors import EngineError, InputError
from groundplan.serving.breaker import Open
from groundplan.serving.connection import Limits
from groundplan.serving.http import BODY, Call, Got, read_body
from groundplan.serving.stages import Refused

DATE = b"date"


def echo(call: Call) -> bytes:
    """What the endpoint was given, or the error that the body names."""
    errors: dict[bytes, Callable[[], Exception]] = {
        b'"field"': lambda: InputError("amount", "amount is negative"),
        b'"body"': lambda: InputError("", "no JSON"),
        b'"refused"': lambda: Refused("not now", 7),
        b'"open"': lambda: Open("secret-host was not called", 3),
        b'"engine"': lambda: EngineError("/secret/path is full"),
        b'"bug"': lambda: ZeroDivisionError("/secret/path"),
    }
    if call.body in errors:
        raise errors[call.body]()
    shown = [call.body.decode(), call.query.decode(), call.timeout_us, dict(call.path)]
    return json.dumps(shown).encode()


def visible(answer: Answered) -> tuple[int, dict[bytes, bytes], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != DATE}
    return answer.status, headers, answer.body


def ask(*parts: bytes, short: bool = True) -> Answered:
    async def run() -> Answered:
        async with serving(echo, short=short) as server:
            return await server.send(*parts)

    return asyncio.run(run())


HEADERS = [
    *(b"content-type: application/json", b"Accept: */*", b"X-REQUEST-TIMEOUT-MS: 250"),
    *(b"x-request-timeout-ms: 0", b"x-request-timeout-ms: soon", b"x-request-timeout-ms:  7  "),
    *(b"x-request-timeout-ms: 99999999999999999999", b"Connection: close"),
    *(b"connection: Keep-Alive", b"connection: keep-alive, x", b"content-length: 3"),
    *(b"content-length: 1", b"transfer-encoding: chunked", b"x: \tspaced  value \t", b"y:"),
    *(b"bad header: 1", b"folded: a\r\n b", b"z: \x00", b"host: again", b"te: trailers"),
]
BODIES = [b"", b"1", b"[1, 2]", b'"field"', b'"body"', b'"refused"', b'"open"', b'"engine"']
TARGETS = [
    *(b"/predict", b"/predict?features=true", b"/predict?", b"/predict?a=%20b#c"),
    *(b"/predict/", b"/nowhere", b"/metrics", b"/pred%69ct", b"http://h/predict", b"*"),
]


@settings(max_examples=120, deadline=None)
@given(
    method=st.sampled_from([b"POST", b"POST", b"POST", b"GET", b"PUT", b"post"]),
    target=st.sampled_from(TARGETS) | st.just(b"/predict"),
    version=st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/3"]),
    headers=st.lists(st.sampled_from(HEADERS), max_size=3),
    body=st.sampled_from(BODIES),
    cut=st.integers(0, 200),
)
def test_both_ways_give_the_same_answer(
    method: bytes, target: bytes, version: bytes, headers: list[bytes], body: bytes, cut: int
) -> None:
    """Whatever is sent, whole or in two parts, the answer is that of the general server."""
    lines = [b"host: h", *headers, b"content-length: %d" % len(body)]
    request = method + b" " + target + b" " + version + b"\r\n" + b"\r\n".join(lines)
    request += b"\r\n\r\n" + body
    parts = [part for part in (request[:cut], request[cut:]) if part]

    async def run() -> tuple[Answered, Answered]:
        async with serving(echo) as short, serving(echo, short=False) as long:
            return await short.send(*parts), await long.send(*parts)

    short, long = asyncio.run(run())
    assert visible(short) == visible(long)


PIECES = [b"a", b"%2F", b"/", b"%0A", b"%", b"%zz", b"%ff", b"+", b"..", b"%20", b"?", b"#", b"~"]
STARTS = [
    b"/scores/",
    b"/scores/",
    b"/scores/",
    b"/scores",
    b"//scores/",
    b"/sc%6fres/",
    b"/metrics",
]


PLAIN = [h for h in HEADERS if not h.startswith((b"content-length", b"transfer"))]


@settings(max_examples=120, deadline=None)
@given(
    start=st.sampled_from(STARTS),
    pieces=st.lists(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=2), max_size=4),
    headers=st.lists(st.sampled_from(PLAIN), max_size=3),
    body=st.sampled_from([None, None, b"", b"ab"]),
    cut=st.integers(0, 120),
)
def test_both_ways_answer_lookups_alike(
    start: bytes, pieces: list[bytes], headers: list[bytes], body: bytes | None, cut: int
) -> None:
    """Whatever stands in the path, whole or in two parts, the answer is the general server's."""
    length = [] if body is None else [b"content-length: %d" % len(body)]
    request = get(start + b"".join(pieces), *headers, *length) + (body or b"")
    parts = [part for part in (request[:cut], request[cut:]) if part]

    async def run() -> tuple[Answered, Answered]:
        async with serving(echo) as short, serving(echo, short=False) as long:
            return await short.send(*parts), await long.send(*parts)

    short, long = asyncio.run(run())
    assert visible(short) == visible(long)


def test_a_lookup_takes_the_short_way_with_all_of_its_parameter() -> None:
    """Decoded, with slashes and line ends; what follows it on the connection is answered too."""

    async def run() -> tuple[list[Answered], int]:
        async with serving(echo) as server:
            reader, writer = await server.connect()
            writer.write(get(b"/scores/a%2Fb%0A/%C3%A9?x=1") + get(b"/scores/") + post(b"1"))
            return [await read(reader) for _ in range(3)], len(server.lane._fields)

    answers, known = asyncio.run(run())
    assert [json.loads(answer.body) for answer in answers] == [
        ["", "x=1", None, {"key": "a/b\n/é"}],
        ["", "", None, {"key": ""}],
        ["1", "", None, {}],
    ]
    assert known == 1


class Case(NamedTuple):
    body: bytes
    status: int
    after: bytes | None


@pytest.mark.parametrize(
    "case",
    [
        Case(b"1", 200, None),
        Case(b'"field"', 422, None),
        Case(b'"body"', 400, None),
        Case(b'"refused"', 503, b"7"),
        Case(b'"open"', 503, b"3"),
        Case(b'"engine"', 503, b"1"),
        Case(b'"bug"', 500, None),
    ],
)
@pytest.mark.parametrize("short", [True, False])
def test_every_kind_of_answer(case: Case, short: bool) -> None:
    """Errors have their status, Retry-After where it helps, and never a path of this machine."""
    answer = ask(post(case.body), short=short)
    assert (answer.status, answer.headers.get(b"retry-after")) == (case.status, case.after)
    assert b"secret" not in answer.body
    if case.status != 200:
        assert json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status", "after", "connection"),
    [
        (InputError("id", "there is none"), 404, None, None),
        (EngineError("/secret/path is damaged"), 503, b"1", None),
        (OSError("/secret/path"), 503, b"1", None),
        (ZeroDivisionError("/secret/path"), 500, None, b"close"),
    ],
)
def test_a_get_that_fails_says_so(
    error: Exception, status: int, after: bytes | None, connection: bytes | None
) -> None:
    """What cannot be read now is a 503, and a connection that is closed is announced as closed."""

    def fail(_: Request) -> Got:
        raise error

    async def run() -> tuple[Answered, bool]:
        async with serving(echo, gets={"/told": fail}) as server:
            reader, writer = await server.connect()
            writer.write(get(b"/told"))
            first = await read(reader)
            writer.write(get(b"/metrics"))
            try:
                return first, (await read(reader)).status == 200
            except (asyncio.IncompleteReadError, ConnectionError):
                return first, False

    answer, goes_on = asyncio.run(run())
    found = answer.headers.get(b"retry-after"), answer.headers.get(b"connection")
    assert (answer.status, *found) == (status, after, connection)
    assert goes_on is (connection is None)
    assert b"secret" not in answer.body
    assert json.loads(answer.body)["error"]["message"]


def test_the_short_way_is_taken_by_plain_posts_only() -> None:
    """A plain post is remembered by its head; one with chunks, or to elsewhere, is not."""

    async def run() -> int:
        async with serving(echo) as server:
            await server.send(post(b"1"))
            await server.send(post(b"22"))
            await server.send(post(b"1", b"expect: nothing"))
            await server.send(post(b"1", path=b"/elsewhere"))
            return len(server.lane._heads)

    assert asyncio.run(run()) == 2


def test_requests_in_one_breath_are_answered_in_order() -> None:
    """A hundred requests in one write, by both ways in turn, are answered one after the other."""

    async def run() -> list[bytes]:
        async with serving(echo) as server:
            reader, writer = await server.connect()
            chunked = b"POST /predict HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
            for number in range(100):
                body = b"%d" % number
                if number % 3 == 2:
                    writer.write(chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
                else:
                    writer.write(post(body))
            return [(await read(reader)).body for _ in range(100)]

    answers = asyncio.run(run())
    assert [json.loads(answer)[0] for answer in answers] == [str(n) for n in range(100)]


def test_a_body_may_come_byte_by_byte() -> None:
    """However small the parts, the body is whole."""
    body = b"[" + b"1," * 20 + b"1]"
    request = post(body)
    answer = ask(
        request[:-20], *(request[n : n + 1] for n in range(len(request) - 20, len(request)))
    )
    assert json.loads(answer.body)[0] == body.decode()


def test_a_body_beyond_the_limit_is_refused() -> None:
    """By its own head, before it is read."""
    answer = ask(post(b"1" * (BODY + 1)))
    assert (answer.status, answer.headers[b"connection"]) == (413, b"close")


def test_the_clients_timeout_reaches_the_endpoint() -> None:
    """`X-Request-Timeout-Ms` in whole ms above 0; anything else is refused by name."""
    assert json.loads(ask(post(b"1", b"X-Request-Timeout-Ms: 250")).body)[2] == 250_000
    wrong = ask(post(b"1", b"X-Request-Timeout-Ms: -1"))
    assert wrong.status == 422
    assert json.loads(wrong.body)["error"]["field"] == "x-request-timeout-ms"


def test_a_timeout_that_cannot_be_met_is_refused_at_once() -> None:
    """Behind requests that take longer than a client waits, it is told so instead of waiting."""

    def slow(call: Call) -> bytes:
        time.sleep(0.02)
        return b"{}"

    async def run() -> list[Answered]:
        async with serving(slow) as server:
            for _ in range(3):
                await server.send(post(b"1"))  # what one takes is known then
            return [await server.send(post(b"1", b"x-request-timeout-ms: 2")) for _ in range(2)]

    for answer in asyncio.run(run()):
        assert answer.status == 503
        assert b"within its deadline" in answer.body
        assert answer.headers[b"retry-after"] == b"1"


class _No(NamedTuple):
    status: int = 401
    message: str = "a key is needed"
    headers: tuple[tuple[bytes, bytes], ...] = ((b"www-authenticate", b"Bearer"),)


@pytest.mark.parametrize("whole", [True, False])
def test_the_check_comes_before_the_body(whole: bool) -> None:
    """Who may not ask is told so from the head alone; without the body the connection ends."""
    asked = []

    def check(scope: dict[str, object]) -> _No:
        asked.append((scope["method"], scope["path"], scope["headers"]))
        return _No()

    async def run() -> tuple[Answered, bytes]:
        async with serving(echo, check=check) as server:
            reader, writer = await server.connect()
            request = post(b"1234")
            writer.write(request if whole else request[:-3])
            answer = await read(reader)
            if whole:
                writer.write(request)
                return answer, (await read(reader)).body
            return answer, await reader.read()

    answer, rest = asyncio.run(run())
    assert (answer.status, answer.headers[b"www-authenticate"]) == (401, b"Bearer")
    assert rest == (answer.body if whole else b"")
    assert asked[0] == ("POST", "/predict", [(b"host", b"h"), (b"content-length", b"4")])


def test_a_slow_body_and_a_quiet_connection_are_closed() -> None:
    """Who does not send the rest, or nothing more, does not keep a connection for ever."""

    async def run() -> tuple[bytes, bytes]:
        async with serving(echo, limits=Limits(body_s=5, idle_s=7)) as server:
            slow, writer = await server.connect()
            writer.write(post(b"1234")[:-1])
            quiet, other = await server.connect()
            other.write(post(b"1"))
            await read(quiet)
            await asyncio.sleep(0.05)
            now = asyncio.get_running_loop().time()
            for after, still in ((4.0, 2), (6.0, 1), (8.0, 0)):
                for connection in server.connections:
                    connection.review(now + after)
                open_ = [c for c in server.connections if not c.transport.is_closing()]
                assert len(open_) == still
            return await slow.read(), await quiet.read()

    slow, quiet = asyncio.run(run())
    assert slow.startswith(b"HTTP/1.1 408")
    assert quiet == b""


def test_a_server_that_stops_answers_first() -> None:
    """Told to close while a request waits for its turn, a connection closes after the answer."""

    async def run() -> tuple[Answered, bytes]:
        async with serving(echo) as server:
            reader, writer = await server.connect()
            writer.write(post(b"1"))
            while not server.connections:
                await asyncio.sleep(0)
            (connection,) = server.connections
            while not getattr(connection, "_current", None):
                await asyncio.sleep(0)
            connection.shutdown()
            return await read(reader), await reader.read()

    answer, rest = asyncio.run(run())
    assert (answer.status, answer.headers[b"connection"], rest) == (200, b"close", b"")


def test_half_a_body_is_none() -> None:
    """Where the client is gone before its body has come, what came of it does not count."""
    coming: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"id": 1}\n', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    with pytest.raises(InputError, match="gone"):
        asyncio.run(read_body({"headers": []}, receive, 1_000))
