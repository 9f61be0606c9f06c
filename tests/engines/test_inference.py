"""A model on another server: agreed with, asked in JSON or binary, never waited for too long."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Server
from groundplan.engines.inference import Remote, RemoteModel
from groundplan.errors import BuildError, DefinitionError, EngineError, InputError
from groundplan.models import kinds
from groundplan.models.scorer import Floats
from groundplan.serving.inference import Model

NAMES = ("a", "b", "c")
COEFFICIENTS = np.array([0.5, -1.0, 2.0])
DRAWN = np.random.default_rng(5)
X = np.where(DRAWN.random((64, 3)) < 0.1, np.nan, DRAWN.normal(size=(64, 3)))
Y = np.arange(64) % 2 == 0


def probabilities(matrix: Floats) -> Floats:
    values: Floats = 1 / (1 + np.exp(-(np.nan_to_num(matrix) @ COEFFICIENTS)))
    return values


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def of_model(model: Model) -> Answer:
    """Answers as our own server does: by its implementation of the protocol."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        try:
            if handler.path == "/v2":
                found: Any = {"name": "groundplan", "version": "0", "extensions": []}
                reply(handler, 200, json.dumps(found).encode())
            elif handler.path.endswith("/infer"):
                reply(handler, 200, model.infer(body))
            else:
                model.check(handler.path.split("/")[3])
                reply(handler, 200, json.dumps(model.metadata()).encode())
        except InputError as error:
            reply(handler, 400, error.message.encode())

    return answer


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The URL of a server that keeps connections open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece: else the second waits for an acknowledgement

        def do_GET(self) -> None:
            answer(self, b"")

        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: Any) -> None: ...

    class Patient(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_: Any) -> None: ...  # a client that hangs up is expected

    server = Patient(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def own() -> Iterator[str]:
    """Our own implementation of the protocol, behind a small HTTP server."""
    with serving(of_model(Model("logistic", "1", NAMES, {"score": probabilities}))) as url:
        yield url


@pytest.fixture(scope="module")
def triton() -> Iterator[str]:
    """The real Triton server, where an environment with nvidia-pytriton is named."""
    python = os.environ.get("GROUNDPLAN_TRITON_PYTHON")
    if not python:
        pytest.skip(
            "GROUNDPLAN_TRITON_PYTHON names no Python that has nvidia-pytriton 0.7 and numpy < 2"
        )
    ports = free_ports(3)
    script = Path(__file__).with_name("triton_server.py")
    with subprocess.Popen(
        [python, str(script), *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        hung = threading.Timer(90, process.kill)
        hung.start()
        try:
            told = iter(process.stdout.readline, "")
            assert any(line.strip() == "ready" for line in told), "Triton did not start"
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            hung.cancel()
            process.stdin.close()
            process.wait(60)


def free_ports(count: int) -> list[int]:
    """Distinct, since all are held until the last is found."""
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in found]


def check(url: str) -> None:
    remote = Remote(url, "logistic", timeout="10s")
    model = remote.train(X, Y, NAMES)
    assert model.fault() == ""
    assert model.scores(X) == pytest.approx(probabilities(X), abs=1e-12)
    assert [model.score(row) for row in X] == pytest.approx(probabilities(X).tolist(), abs=1e-12)
    many = np.tile(X, (40, 1))
    assert model.scores(many) == pytest.approx(probabilities(many), abs=1e-12)
    assert model.scores(np.empty((0, 3))).shape == (0,)
    with pytest.raises(EngineError, match="refused with status"):
        Remote(url, "another").train(X, Y, NAMES)
    with pytest.raises(BuildError, match=r"\[-1, 2\] of FP32 or FP64"):
        Remote(url, "logistic").train(X[:, :2], Y, NAMES[:2])
    model.close()


def test_our_own_server_is_asked(own: str) -> None:
    """One row, many, more than fit a request, missing values: all as the model itself scores."""
    check(own)


def test_triton_is_asked(triton: str) -> None:
    """The same of a real Triton server, which is sent binary tensors."""
    check(triton)


def test_a_server_of_a_project_is_asked(server: Server) -> None:
    """The server of a whole project is a model server to another: the same rows, the same
    probabilities as it answers itself.
    """
    metadata = server.client.get("/v2/models/card-fraud").json()
    names = tuple(metadata["parameters"]["features"])
    x = np.random.default_rng(0).normal(50, 20, (20, len(names)))
    remote = Remote(str(server.client.base_url), "card-fraud", timeout="10s")
    model = remote.train(x, np.arange(20) % 2 == 0, names)
    tensor = {"name": "features", "datatype": "FP64", "shape": list(x.shape), "data": x.tolist()}
    answer = server.client.post("/v2/models/card-fraud/infer", json={"inputs": [tensor]}).json()
    assert model.scores(x).tolist() == answer["outputs"][0]["data"]
    model.close()


def test_a_build_keeps_the_address_and_asks_later(own: str, tmp_path: Path) -> None:
    """Loading a build needs no server; the first score does."""
    model = Remote(own, "logistic", timeout="5s").train(X, Y, NAMES)
    kinds.save(model, tmp_path)
    loaded = kinds.load(tmp_path)
    assert isinstance(loaded, RemoteModel)
    assert loaded.remote == model.remote
    assert loaded.score(X[0]) == model.score(X[0])
    gone = RemoteModel(Remote(f"http://127.0.0.1:{free_ports(1)[0]}", "logistic"), NAMES)
    gone.save(tmp_path)
    with pytest.raises(EngineError, match="cannot be reached"):
        RemoteModel.load(tmp_path).score(X[0])


def test_a_restarted_server_is_asked_again() -> None:
    """A connection that the server closed while nobody used it costs no error."""
    answer = of_model(Model("logistic", "1", NAMES, {"score": probabilities}))

    def closing(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        answer(handler, body)
        handler.close_connection = True  # without a header that says so

    with serving(closing) as url:
        model = RemoteModel(Remote(url, "logistic", timeout="5s"), NAMES)
        found = [model.score(row) for row in X[:20]]
    assert found == pytest.approx(probabilities(X[:20]).tolist(), abs=1e-12)


def test_threads_share_the_connections(own: str) -> None:
    """Calls of several threads at once each get the answer to their own row."""
    model = RemoteModel(Remote(own, "logistic", timeout="20s"), NAMES)
    found: dict[int, float] = {}

    def ask(at: int) -> None:
        found[at] = model.score(X[at])

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(X))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = probabilities(X).tolist()
    assert [found[at] for at in range(len(X))] == pytest.approx(expected, abs=1e-12)


def test_a_slow_answer_is_not_waited_for() -> None:
    """A server that drips a byte now and then is given up when the whole call's time is over."""
    answer = of_model(Model("logistic", "1", NAMES, {"score": probabilities}))
    over = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if not handler.path.endswith("/infer"):
            answer(handler, body)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not over.wait(0.01):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return

    with serving(dripping) as url:
        model = RemoteModel(Remote(url, "logistic"), NAMES)
        model.check()
        started = time.monotonic()
        with pytest.raises(EngineError, match="within 80ms"):
            model.score(X[0], timeout_us=80_000)
        assert time.monotonic() - started < 5  # a million drips would take hours
        over.set()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"{", "answered otherwise than asked"),
        (b'{"outputs": []}', "no output 'score'"),
        (
            b'{"outputs": [{"name": "score", "datatype": "FP64", "shape": [2], "data": [0, 1]}]}',
            "for 1 rows",
        ),
        (
            b'{"outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": ["x"]}]}',
            "answered otherwise than asked",
        ),
        (
            b'{"outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": [1.5]}]}',
            "no probability",
        ),
        (
            b'{"outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": [null]}]}',
            "no probability",
        ),
    ],
)
def test_an_answer_of_another_form_is_an_engine_error(answer: bytes, message: str) -> None:
    """Whatever the server says instead of a probability is an error that says what it was."""
    good = of_model(Model("logistic", "1", NAMES, {"score": probabilities}))

    def broken(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path.endswith("/infer"):
            reply(handler, 200, answer)
        else:
            good(handler, body)

    with serving(broken) as url:
        model = RemoteModel(Remote(url, "logistic", timeout="5s"), NAMES)
        with pytest.raises(EngineError, match=message):
            model.score(X[0])


def test_an_output_is_found_or_asked_for() -> None:
    """Of several outputs the one called a score is taken; another can be named."""
    model = Model("m", "1", NAMES, {"first": lambda x: np.zeros(len(x)), "score": probabilities})

    def described(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path == "/v2/models/m":
            found = model.metadata()
            for output in found["outputs"]:
                output["shape"] = [-1]
            reply(handler, 200, json.dumps(found).encode())
        else:
            of_model(model)(handler, body)

    with serving(described) as url:
        assert Remote(url, "m").train(X, Y, NAMES).score(X[0]) == pytest.approx(
            probabilities(X[:1])[0]
        )
        assert Remote(url, "m", output="first").train(X, Y, NAMES).score(X[0]) == 0
        with pytest.raises(BuildError, match="name the output"):
            Remote(url, "m", output="third").train(X, Y, NAMES)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://h/?q=1"])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    """A spec with such a URL cannot be written."""
    with pytest.raises(DefinitionError, match="names no HTTP server"):
        Remote(url, "m")
