"""One request at a time: work waits in a queue, and sockets are read between pieces of it."""

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

from groundplan.serving.overload import Overloaded, Queue

Work = Callable[[], None]

SLICE_NS: Final = 500_000
"""Time in which work is begun before the sockets are looked at again; a look costs some 20 µs."""


class Turns:
    """Runs what a queue takes, in its order, on the event loop that it is used from.

    A server that answered each request where it is read would not know how many wait in its
    sockets. Here the loop reads whatever has arrived after every slice of work, so that a request
    is seen within a slice and a turn of its arrival, and is refused then if it must be.

    Args:
        queue: decides who waits.
    """

    def __init__(self, queue: Queue[Work]) -> None:
        self.queue = queue
        self._awake = False

    def submit(self, work: Work, kind: str, size: int, until_ns: int) -> Overloaded | None:
        """Run it when its turn comes, or say why not; the arguments are those of `Queue.put`."""
        refusal = self.queue.put(work, kind, size, until_ns)
        if refusal is None and not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._next)
        return refusal

    def _next(self) -> None:
        queue, until = self.queue, perf_counter_ns() + SLICE_NS
        try:
            while queue and perf_counter_ns() < until:
                work = queue.take()
                try:
                    work()
                finally:
                    queue.done()
        finally:
            self._awake = bool(queue)
            if queue:
                asyncio.get_running_loop().call_soon(self._next)
