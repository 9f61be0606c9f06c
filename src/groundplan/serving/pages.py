"""The metrics of several processes as one page, whichever of them is asked.

Each process leaves its own page in a folder once a second, and before it answers with the sum. A
process that died leaves its counts to a page that goes on counting, so that no sum ever falls.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH: Final = "/metrics"
_GONE: Final = "gone.prom"
_HELD: Final = "# holds "
_REMEMBERED: Final = 16
_SUMMED: Final = ("counter", "histogram", "summary")

_logger: Final = logging.getLogger(__name__)


class Pages:
    """A folder of pages, and the one of this process among them.

    Args:
        folder: shared by the processes of one server.
        name: of this process, different after every start.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def leave(self, page: str) -> None:
        """Let the others see this process's page."""
        _put(self._folder / f"{self._name}.prom", page)

    def total(self) -> str:
        """All pages as one: counts added up, of other figures the largest."""
        found = {file.stem: _read(file) for file in _present(self._folder)}
        # Read last, a page that was handed over in between is counted once, not twice or never.
        gone = _read(self._folder / _GONE)
        held = gone.partition("\n")[0].removeprefix(_HELD).split()
        return merged([page for name, page in found.items() if name not in held] + [gone])

    def retire(self, name: str) -> None:
        """Hand the counts of a process that is gone over to the page that goes on counting."""
        file, gone = self._folder / f"{name}.prom", self._folder / _GONE
        before = _read(gone)
        held = before.partition("\n")[0].removeprefix(_HELD).split()[1 - _REMEMBERED :]
        page = merged([before, _read(file)], only=_SUMMED)
        _put(gone, _HELD + " ".join([*held, name]) + "\n" + page)
        file.unlink(missing_ok=True)


def merged(pages: Iterable[str], only: tuple[str, ...] = ()) -> str:
    """Pages in the Prometheus text format as one.

    Counters and histograms are added up; of a gauge the largest stands, since one that differs
    between processes is a length or an age.

    Args:
        pages: whole pages.
        only: kinds of metrics to keep; all where it is empty.
    """
    heads: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    samples: dict[str, dict[str, float]] = {}
    for page in pages:
        family = ""
        for line in page.splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                family = line.split(" ", 3)[2]
                if line.startswith("# TYPE "):
                    kinds[family] = line.split(" ", 3)[3]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            elif line and not line.startswith("#"):
                name, _, number = line.rpartition(" ")
                values, value = samples.setdefault(family, {}), float(number)
                if name not in values:
                    values[name] = value
                elif kinds.get(family) in _SUMMED:
                    values[name] += value
                else:
                    values[name] = max(values[name], value)
    return "".join(
        "\n".join([*heads.get(family, []), *(f"{n} {v!r}" for n, v in values.items())]) + "\n"
        for family, values in samples.items()
        if not only or kinds.get(family) in only
    ).replace(" inf\n", " +Inf\n")


class Counted:
    """An application whose `/metrics` tell of all processes, and of what was refused at the door.

    Args:
        app: has a page of its own at `/metrics`.
        refused: refusals by status.
        pages: those of the other processes; None where there is one process.
    """

    def __init__(self, app: ASGIApp, refused: Counter[int], pages: Pages | None) -> None:
        self._app = app
        self._refused = refused
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/metrics`; leave the rest to the application."""
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start, page = await self._page(scope, receive)
        if start["status"] == 200 and self._pages is not None:
            self._pages.leave(page)
            page = self._pages.total()
        body = page.encode()
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def leave(self) -> None:
        """Let the other processes see this one's page; called once a second."""
        assert self._pages is not None
        try:
            start, page = await self._page(_scope(), _nothing)
            if start["status"] == 200:
                self._pages.leave(page)
        except OSError as error:  # the next second may be better
            _logger.error("the metrics of this process could not be left: %s", error)

    async def _page(self, scope: Scope, receive: Receive) -> tuple[MutableMapping[str, Any], str]:
        """The application's own answer, with the refusals."""
        start: MutableMapping[str, Any] = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body += message.get("body", b"")

        await self._app(scope, receive, keep)
        page = body.decode()
        if start["status"] == 200:
            lines = [f'groundplan_refused_total{{status="{s}"}} {n}' for s, n in self._counts()]
            page += "\n".join([*_REFUSED, *lines]) + "\n"
        return start, page

    def _counts(self) -> list[tuple[int, int]]:
        return [(status, self._refused[status]) for status in (401, 403, 429)]


_REFUSED: Final = (
    "# HELP groundplan_refused_total Requests refused before they were read, by status.",
    "# TYPE groundplan_refused_total counter",
)


def _scope() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": _PATH,
        "raw_path": _PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": None,
        "server": None,
        "state": {},
    }


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _present(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("[!.]*.prom")) if file.name != _GONE]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def _put(file: Path, page: str) -> None:
    hidden = file.with_name(f".{file.name}")
    with hidden.open("w") as stream:  # no fsync: the folder does not outlive the server
        stream.write(page)
    os.replace(hidden, file)
