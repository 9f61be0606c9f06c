"""Several processes behind one address: started, watched, started again, stopped together.

The parent accepts connections and hands them to its children in turn: each gets its share, also
of a few connections that stay open. Children that accept by themselves share less evenly: from one
queue, the first to wake takes what there is (of 8 connections one of two processes took 6 to 8),
and from queues of their own, chance decides (5 or 6 of 8).
"""

import asyncio
import logging
import signal
import socket
import tempfile
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from groundplan.errors import EngineError
from groundplan.serving.pages import Pages
from groundplan.serving.rates import make_table
from groundplan.serving.server import BACKLOG

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 10.0
"""Seconds before a process that died is started again: doubled each time, up to the longest."""

SOUND: Final = 60.0
"""Seconds after which a process counts as sound, and its next end as its first."""

PATIENCE: Final = 15.0
"""Seconds that processes have to finish what they do before they are killed."""

RATES: Final = "rates"
"""The file, in the processes' folder, of the table that limits clients."""

_logger: Final = logging.getLogger(__name__)


class Child(Struct, frozen=True):
    """What a process is told by the one that started it.

    Args:
        process: its number, from 0; the one that takes over from a dead one has its number.
        name: different at each start.
        listener: the file descriptor of the socket that it serves.
        channel: that of the socket over which connections come, and the parent hears from it.
        folder: what the processes share while they run.
    """

    process: int
    name: str
    listener: int
    channel: int
    folder: str

    @staticmethod
    def read(text: str) -> "Child":
        """The record of a command line."""
        return msgspec.json.decode(text, type=Child)

    @property
    def pages(self) -> Pages:
        """The metrics of all processes."""
        return Pages(Path(self.folder), self.name)

    @property
    def rates(self) -> Path:
        """The table of clients' rates that all processes share."""
        return Path(self.folder) / RATES


def answers(channel: socket.socket, build: str) -> None:
    """Tell the parent that this process answers requests, and by which build."""
    with suppress(ConnectionError):  # the parent is gone, as reading from it will tell
        channel.send(build.encode())


def supervise(
    command: Sequence[str],
    listener: socket.socket,
    processes: int,
    started: Callable[[str], None],
) -> None:
    """Run a command several times, until SIGINT or SIGTERM, which the processes are handed on.

    The first is started alone, since it may have a state to fill; the others follow when it
    answers.

    Args:
        command: the program and its arguments; `--child` and a `Child` are added.
        listener: a bound socket.
        processes: how many.
        started: called once with the build, when all of them answer.

    Raises:
        EngineError: one ended before all had started.
    """
    with tempfile.TemporaryDirectory(prefix="groundplan-serve-") as folder:
        make_table(Path(folder) / RATES)
        got = asyncio.run(_Supervisor(command, listener, Path(folder)).run(processes, started))
    if got is not None:
        signal.raise_signal(got)  # end as a single process would


class _Taker:
    """A process that takes connections.

    A connection stays open here until the process says that it has it: one that was handed to a
    process as it died goes to another, and nothing of it is lost.
    """

    def __init__(self, process: Process, channel: socket.socket) -> None:
        self.process = process
        self._channel = channel
        self._given: deque[socket.socket] = deque()
        asyncio.get_running_loop().add_reader(channel, self._taken)

    def give(self, client: socket.socket) -> bool:
        """Hand a connection over; False where the process is busy or about to end."""
        try:
            socket.send_fds(self._channel, [b"c"], [client.fileno()])
        except OSError:
            return False
        self._given.append(client)
        return True

    def close(self) -> list[socket.socket]:
        """The connections that it was given and never took."""
        self._taken()
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()
        return list(self._given)

    def _taken(self) -> None:
        try:
            for _ in self._channel.recv(4_096):
                self._given.popleft().close()
        except OSError:
            return


class _Supervisor:
    def __init__(self, command: Sequence[str], listener: socket.socket, folder: Path) -> None:
        self._command = command
        self._listener = listener
        self._folder = folder
        self._pages = Pages(folder, "processes")
        self._serial = count()
        self._starting: set[Process] = set()
        self._takers: dict[str, _Taker] = {}  # the next connection goes to the first
        self._restarts = 0
        self._number = 0
        self._build = ""
        self._stop = asyncio.Event()
        self._got: signal.Signals | None = None

    async def run(self, processes: int, started: Callable[[str], None]) -> signal.Signals | None:
        """Start all, keep all; the signal that ended it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped, number)
        self._number = processes
        watching: list[asyncio.Task[None]] = []
        try:
            names = await self._start_all()
            if self._got is None:
                self._count()
                self._listener.listen(BACKLOG)
                self._listener.setblocking(False)
                loop.add_reader(self._listener, self._accept)
                started(self._build)
                watching = [
                    asyncio.create_task(self._keep(process, name))
                    for process, name in enumerate(names)
                ]
                await self._stop.wait()
        finally:
            self._stop.set()
            for task in watching:
                task.cancel()
            loop.remove_reader(self._listener)
            await self._finish()
        return self._got

    async def _start_all(self) -> list[str]:
        """The names of all processes, in order."""
        try:
            names = [await self._start(0)]
            if names[0] is not None:
                rest = [self._start(process) for process in range(1, self._number)]
                names += await asyncio.gather(*rest)
        except OSError as error:
            raise EngineError(f"a server process cannot be started: {error}") from None
        if None in names and self._got is None:
            raise EngineError("a server process ended while it started: what it printed says why")
        return [name for name in names if name is not None]

    def _stopped(self, number: signal.Signals) -> None:
        self._got = number
        self._stop.set()
        for process in self._running():
            _signal(process, signal.SIGTERM)

    def _running(self) -> list[Process]:
        return [*self._starting, *(taker.process for taker in self._takers.values())]

    def _accept(self) -> None:
        """Hand over the connections that wait; where no process answers, they go on waiting."""
        for _ in range(64):
            if not self._takers:
                asyncio.get_running_loop().remove_reader(self._listener)
                return
            try:
                client, _ = self._listener.accept()
            except OSError:  # none is left, or it has gone
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._hand_over(client)

    def _hand_over(self, client: socket.socket) -> None:
        for name in list(self._takers):
            taker = self._takers.pop(name)
            self._takers[name] = taker  # last from now on
            if taker.give(client):
                return
        client.close()

    async def _start(self, process: int) -> str | None:
        """Start one and wait until it answers; its name, or None where it ended before."""
        if self._stop.is_set():
            return None
        name = f"{process}-{next(self._serial)}"
        mine, its = socket.socketpair()
        with ExitStack() as held:
            held.enter_context(mine)
            mine.setblocking(False)
            with its:
                started = await self._spawned(process, name, its)
            self._starting.add(started)
            loop = asyncio.get_running_loop()
            with suppress(ConnectionError):
                build = await loop.sock_recv(mine, 4_096)
                if build:
                    self._build = build.decode()
                    self._starting.discard(started)
                    self._takers[name] = _Taker(started, mine)
                    held.pop_all()
                    return name
        await started.wait()
        self._starting.discard(started)
        return None

    async def _spawned(self, process: int, name: str, channel: socket.socket) -> Process:
        fds = (self._listener.fileno(), channel.fileno())
        told = msgspec.json.encode(Child(process, name, *fds, str(self._folder))).decode()
        # In a group of its own, so that Ctrl-C reaches the parent alone.
        return await asyncio.create_subprocess_exec(
            *self._command, "--child", told, pass_fds=fds, process_group=0
        )

    async def _keep(self, process: int, running: str) -> None:
        """Start a process again whenever it ends."""
        name: str | None = running
        wait, since = FIRST_WAIT, time.monotonic()
        while True:
            if name is not None:
                code = await self._takers[name].process.wait()
                if self._stop.is_set():
                    return
                self._bury(name)
                if time.monotonic() - since > SOUND:
                    wait = FIRST_WAIT
                _logger.error("process %d ended (%s): it is started again", process, _why(code))
            await asyncio.sleep(wait)
            wait, since = min(2 * wait, LONGEST_WAIT), time.monotonic()
            name = await self._started_again(process)
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _started_again(self, process: int) -> str | None:
        """Its name; None where it ended before it answered, or could not even be started."""
        self._restarts += 1
        try:
            self._count()
            return await self._start(process)
        except OSError as error:  # neither memory nor files are there for ever or gone for ever
            _logger.error("process %d cannot be started, and is tried again: %s", process, error)
            return None

    def _bury(self, name: str) -> None:
        """Give what a process left behind to the others."""
        for client in self._takers.pop(name).close():
            self._hand_over(client)
        try:
            self._pages.retire(name)
        except OSError as error:  # its page stays, and is added up as long as it does
            _logger.error("the counts of process %s could not be handed over: %s", name, error)

    async def _finish(self) -> None:
        """Hand the end on, wait for what is being answered, then insist."""
        processes = self._running()
        for process in processes:
            _signal(process, signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in processes]
        if waits:
            _, late = await asyncio.wait(waits, timeout=PATIENCE)
            for process in processes if late else []:
                _signal(process, signal.SIGKILL)
            await asyncio.gather(*waits)
        for taker in self._takers.values():
            for client in taker.close():
                client.close()

    def _count(self) -> None:
        self._pages.leave(
            "# HELP groundplan_processes Processes of this server.\n"
            "# TYPE groundplan_processes gauge\n"
            f"groundplan_processes {self._number}\n"
            "# HELP groundplan_process_restarts_total Processes started again after they ended.\n"
            "# TYPE groundplan_process_restarts_total counter\n"
            f"groundplan_process_restarts_total {self._restarts}\n"
        )


def _signal(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)


def _why(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
