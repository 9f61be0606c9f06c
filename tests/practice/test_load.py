"""The load keeps its schedule, counts from the intended time, and survives what it meets."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from groundplan.errors import EngineError, InputError
from groundplan.practice import load
from groundplan.practice.results import FAILURES, NEVER, Results

TARGET = Path(__file__).with_name("target.py")
Start = Callable[[int], str]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts a server whose idle connections live so many seconds; gives its URL."""
    running: list[subprocess.Popen[bytes]] = []

    def one(keep_alive: int) -> str:
        process = subprocess.Popen([sys.executable, TARGET, str(keep_alive)], stdout=-1)
        running.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    yield one
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def url(start: Start) -> str:
    return start(5)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def failures(results: Results) -> list[str]:
    return [FAILURES[kind] for kind in results.failure]


def test_each_body_meets_its_own_answer(url: str) -> None:
    """Every body is posted once and its answer stands in its row, 2xx, in order of time."""
    bodies = [b'{"row": %d}' % row for row in range(500)]
    results = load.run(f"{url}/echo", bodies, rate=1_000)
    assert list(results.bodies) == bodies
    assert set(results.status) == {200}
    assert not results.failure.any()
    assert (np.diff(results.intended) >= 0).all()
    assert (results.intended <= results.taken).all()
    assert (results.taken <= results.sent).all()
    assert (results.sent <= results.done).all()
    summary = results.summary()
    assert (summary.requests, summary.answered, summary.statuses) == (500, 500, {200: 500})
    assert summary.failures == {}


def test_gets_ask_for_one_path_each(url: str) -> None:
    """With `GET` a body is the path, as it is, percent signs too; nothing is posted."""
    paths = [b"/path/%d?a=%%20%%C3%%BC" % row for row in range(50)]
    for send in (load.run, load.in_process_of_its_own):
        assert list(send(f"{url}/", paths, rate=1_000, method="GET").bodies) == paths


def test_arrivals_are_poisson_and_follow_from_the_seed(closed_port: int) -> None:
    """Gaps are exponential about 1/rate; one seed is one schedule, whatever the server does."""
    target, bodies = f"http://127.0.0.1:{closed_port}/", [b""] * 4_000
    one, again = (load.run(target, bodies, rate=20_000, seed=3) for _ in range(2))
    other = load.run(target, bodies, rate=20_000, seed=4)
    assert np.array_equal(one.intended, again.intended)
    assert not np.array_equal(one.intended, other.intended)
    gaps = np.diff(one.intended)
    # 50 us on average; the standard error of 4,000 draws is 0.8 us.
    assert gaps.mean() == pytest.approx(50, abs=4)
    assert np.mean(gaps > 50) == pytest.approx(np.exp(-1), abs=0.04)
    assert np.mean(gaps > 150) == pytest.approx(np.exp(-3), abs=0.02)


@pytest.mark.parametrize("connections", [1, 64])
def test_a_stall_delays_everything_that_was_due_in_it(url: str, connections: int) -> None:
    """Latency counts from the intended time: a stall of one second is seen by all due in it.

    With one connection the times from sending to answer show only a single slow request, which
    is the mistake that this guards against.
    """
    bodies = [b"stall" if row == 50 else b"go" for row in range(400)]
    results = load.run(f"{url}/obey", bodies, rate=250, connections=connections)
    assert results.answered.all()
    began, ended = results.sent[50], results.done[50]
    assert ended - began >= 1_000_000
    due_in_it = (results.intended > began) & (results.intended < ended - 500_000)
    assert due_in_it.sum() > 80
    assert (results.done[due_in_it] >= ended).all()
    assert (results.latency()[due_in_it] >= 500_000).all()
    summary = results.summary()
    assert summary.latency.p90 is not None
    assert summary.latency.p90 >= 500_000
    if connections == 1:
        assert summary.service.p90 is not None
        assert summary.service.p90 < 500_000
        # The generator itself was on time throughout: the delay is the server's.
        assert summary.lag.p90 is not None
        assert summary.lag.p90 < 500_000


def test_a_killed_server_is_recorded_and_not_raised(start: Start) -> None:
    """A server killed midway: answered before, reset or refused after, every row settled."""
    bodies = [b"die" if row == 200 else b"go" for row in range(300)]
    results = load.run(f"{start(5)}/obey", bodies, rate=400)
    assert results.status[:50].tolist() == [200] * 50
    assert failures(results)[200] == "reset"
    assert set(failures(results)[-50:]) == {"refused"}
    assert (results.done[results.failure > 0] == NEVER).all()
    summary = results.summary()
    assert summary.answered + sum(summary.failures.values()) == summary.requests == 300
    assert summary.latency.p50 is not None
    assert summary.latency.p90 is None


def test_no_server_refuses_everything(closed_port: int) -> None:
    """Where nobody listens every request is refused, and no percentile is a number."""
    results = load.run(f"http://127.0.0.1:{closed_port}/", [b""] * 50, rate=5_000)
    assert set(failures(results)) == {"refused"}
    assert results.summary().latency.p50 is None
    assert results.summary().achieved == 0


def test_requests_are_given_up_after_the_timeout(url: str) -> None:
    """Without an answer in time a request is a timeout, sent or still waiting for its turn."""
    results = load.run(f"{url}/obey", [b"hang"] * 20, rate=500, connections=2, timeout=0.3)
    assert set(failures(results)) == {"timeout"}
    assert np.sum(results.sent != NEVER) < 20
    assert (results.done == NEVER).all()


def test_a_timeout_frees_the_connection_for_the_next(url: str) -> None:
    """Requests after one that hangs are answered, even over the only connection."""
    bodies = [b"hang"] + [b"go"] * 20
    results = load.run(f"{url}/obey", bodies, rate=20, connections=1, timeout=0.5)
    assert failures(results)[0] == "timeout"
    assert results.status[-1] == 200


def test_what_is_not_http_is_malformed() -> None:
    """An answer that is not HTTP is recorded as malformed."""

    def speak(listener: socket.socket) -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=speak, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        results = load.run(f"http://127.0.0.1:{port}/", [b""] * 3, rate=100)
        thread.join()
    assert set(failures(results)) == {"malformed"}


def test_other_statuses_are_answers_but_no_successes(url: str) -> None:
    """A 503 is counted by its status; for the percentiles it is never, however fast it came."""
    bodies = [b"fail", b"go", b"fail", b"fail"] * 10
    summary = load.run(f"{url}/obey", bodies, rate=1_000).summary()
    assert summary.statuses == {200: 10, 503: 30}
    assert summary.failures == {}
    assert summary.answered == 10
    assert summary.latency.p50 is None


def test_connections_are_few_and_grow_only_to_the_bound(url: str) -> None:
    """Connections are kept alive, opened when all are busy, and never beyond the bound."""
    spread = load.run(f"{url}/peer", [b""] * 100, rate=400)
    bound = load.run(f"{url}/peer", [b""] * 30, rate=400, connections=3)
    assert 3 < len(set(spread.bodies)) < 100
    assert len(set(bound.bodies)) == 3
    assert bound.answered.all()
    quiet = load.run(f"{url}/peer", [b""] * 5, rate=2)
    assert len(set(quiet.bodies)) < 5


def test_a_connection_that_the_server_closes_is_replaced(start: Start, url: str) -> None:
    """Neither `connection: close` nor a server that drops idle connections fails a request."""
    closing = load.run(f"{url}/obey", [b"close"] * 50, rate=500)
    assert list(closing.bodies) == [b"bye"] * 50
    dropped = load.run(f"{start(0)}/peer", [b""] * 8, rate=8, seed=230)
    assert np.diff(dropped.intended).min() > 80_000
    assert dropped.answered.all()
    assert len(set(dropped.bodies)) == 8


def test_large_bodies_and_chunked_answers_arrive_whole(url: str) -> None:
    """Bodies beyond the socket's buffers go out whole, and chunked answers come back whole."""
    large = b"x" * 8_000_000
    assert load.run(f"{url}/echo", [large] * 2, rate=50).bodies == (large, large)
    assert load.run(f"{url}/chunked", [b"abcdef"] * 20, rate=500).bodies == (b"abcdef",) * 20


def test_headers_are_sent(url: str) -> None:
    """The headers of an order are on each of its requests."""
    results = load.run(f"{url}/header", [b""] * 5, rate=500, headers={"x-sent": "yes"})
    assert set(results.bodies) == {b"yes"}


def test_the_warm_up_is_sent_but_not_summarised(url: str) -> None:
    """Requests due in the warm-up have rows, and none of the summary's figures."""
    bodies = [b"fail"] * 100 + [b"go"] * 100
    results = load.run(f"{url}/obey", bodies, rate=400, warmup=0.35)
    assert len(results) == 200
    before = int(np.sum(results.intended < 350_000))
    assert 100 < before < 200
    summary = results.summary()
    assert summary.requests == summary.answered == 200 - before
    assert summary.statuses == {200: 200 - before}
    with pytest.raises(InputError, match="warm up for less"):
        load.run(f"{url}/obey", [b"go"], rate=400, warmup=60).summary()


def test_no_bodies_are_no_requests(url: str) -> None:
    """An empty load gives empty results."""
    assert len(load.run(f"{url}/echo", [], rate=10)) == 0


def test_a_process_of_its_own_does_the_same(url: str) -> None:
    """The spawned generator gives the schedule and the answers of the one in process."""
    bodies = [b'{"row": %d}' % row for row in range(300)]
    seen: list[tuple[int, int]] = []
    apart = load.in_process_of_its_own(
        f"{url}/echo",
        bodies,
        rate=300,
        seed=7,
        warmup=0.2,
        progress=lambda settled, total: seen.append((settled, total)),
    )
    here = load.run(f"{url}/echo", bodies, rate=300, seed=7, warmup=0.2)
    assert apart.bodies == here.bodies
    assert np.array_equal(apart.intended, here.intended)
    assert np.array_equal(apart.measured, here.measured)
    assert apart.answered.all()
    assert seen == sorted(seen)
    assert seen[-1] == (300, 300)
    assert len(seen) > 1


def test_a_generator_that_fails_says_why() -> None:
    """A spawned generator that cannot start raises an error that quotes its words."""
    with pytest.raises(EngineError, match="has no address"):
        load.in_process_of_its_own("http://no-such-host.invalid:1/", [b""], rate=1)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("url", {"url": "https://127.0.0.1/"}),
        ("url", {"url": "127.0.0.1:80"}),
        ("url", {"url": "http://no-such-host.invalid:1/"}),
        ("rate", {"rate": 0.0}),
        ("rate", {"rate": float("nan")}),
        ("timeout", {"timeout": -1.0}),
        ("warmup", {"warmup": -1.0}),
        ("connections", {"connections": 0}),
        ("connections", {"connections": 10_000}),
    ],
)
def test_impossible_orders_are_refused(field: str, arguments: dict[str, object]) -> None:
    """What cannot be sent, or not as asked, is refused with the name of the argument."""
    order = {"url": "http://127.0.0.1:1/", "bodies": [b""], "rate": 1.0, **arguments}
    with pytest.raises(InputError) as refusal:
        load.run(**order)  # type: ignore[arg-type]
    assert refusal.value.field == field


def test_bodies_of_a_process_of_its_own_are_single_lines() -> None:
    """A body with a newline, which the spawned process would read as two, is refused."""
    with pytest.raises(InputError, match="newline"):
        load.in_process_of_its_own("http://127.0.0.1:1/", [b"{\n}"], rate=1)


@pytest.mark.parametrize("order", ["", "{}", '{"url": "http://h/", "rate": 1, "speed": 2}'])
def test_the_command_refuses_a_bad_order(
    order: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with code 1 and names the file, and leaves no results."""
    (tmp_path / "order.json").write_text(order)
    (tmp_path / "bodies.ndjson").write_text("{}\n")
    assert load.main([str(tmp_path / "order.json")]) == 1
    assert "order.json" in capsys.readouterr().err
    assert not (tmp_path / "results.npz").exists()
    assert load.main([]) == 1
    assert "usage" in capsys.readouterr().err
