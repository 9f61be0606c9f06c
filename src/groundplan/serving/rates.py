"""How often each client may ask: token buckets in memory that does not grow with the clients.

Each bucket is kept as the one instant at which it will be full again (the generic cell rate
algorithm: ITU-T I.371, annex A), so that a client is two integers, and a table of them can be
shared by several processes.
"""

import hashlib
import math
import mmap
import os
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

SLOTS: Final = 65_536
"""Clients that a table remembers: 1 MiB."""

WAYS: Final = 8
"""Slots that a client may be in."""

_ENTRY: Final = 2  # integers: the client, and when its bucket is full again


class Rates:
    """One rate for each client, with a burst.

    A table holds `SLOTS` clients. Of the eight that share their slots, a new one replaces the one
    whose bucket is the fullest; the least is forgotten by forgetting that one.

    Args:
        rate: nanohertz, as `units.rate` reads it.
        burst: how many requests may come at once.
        table: a file that other processes use too; without one, memory of this process.
        slots: clients to remember, a power of two.
        clock: nanoseconds; the same for all processes of this machine.
    """

    def __init__(
        self,
        rate: int,
        burst: int,
        table: Path | None = None,
        slots: int = SLOTS,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._interval = max(1, round(10**18 / rate))
        self._slack = (burst - 1) * self._interval
        self._clock = clock
        self._sets = slots // WAYS
        self._cells = memoryview(_memory(table, slots)).cast("q")

    def take(self, client: str) -> float:
        """Count one request.

        Returns:
            0 where it is allowed, else the seconds until the next one is.
        """
        # Two processes in the very same instant may count one request instead of two: a share of
        # the traffic that no limit is exact enough to notice, and no lock.
        cells, now = self._cells, self._clock()
        name = int.from_bytes(hashlib.blake2b(client.encode(), digest_size=8).digest(), "big")
        first = name % self._sets * WAYS * _ENTRY
        name = (name >> 1) | 1  # fits a signed integer, and is never that of an empty slot
        at, least = first, 1 << 63
        for slot in range(first, first + WAYS * _ENTRY, _ENTRY):
            if cells[slot] == name:
                at = slot
                break
            if cells[slot + 1] < least:
                at, least = slot, cells[slot + 1]
        full = max(cells[at + 1], now) if cells[at] == name else now
        if full - now > self._slack:
            return (full - now - self._slack) / 1e9
        cells[at], cells[at + 1] = name, full + self._interval
        return 0.0


def burst_of(rate: int) -> int:
    """The burst of a rate for which none was stated: what one second allows, at least 1."""
    return max(1, math.ceil(rate / 1e9))


def make_table(file: Path, slots: int = SLOTS) -> None:
    """Make the file of a table that processes share."""
    with file.open("wb") as stream:
        # Claimed, not only sized: a write through a map to a full disk ends the process.
        os.posix_fallocate(stream.fileno(), 0, slots * _ENTRY * 8)


def client(address: str) -> str:
    """Whom an address stands for: itself, or its /64 network, which one IPv6 client owns."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> 64 << 64))
    return address


def _memory(table: Path | None, slots: int) -> mmap.mmap:
    if table is None:
        return mmap.mmap(-1, slots * _ENTRY * 8)
    with table.open("r+b") as stream:
        return mmap.mmap(stream.fileno(), slots * _ENTRY * 8)
