"""Published scores in Redis or Valkey, read by any number of hosts.

A version is written under keys of its own, counted, announced as complete in one step, and made
live in one step. Nothing is written in place: what a reader finds under the live version's ticket
is of that version, and a reader whose version has gone meanwhile asks again under the new one.

What a crash of the server can lose is what its settings say. A version is on its disk before it
is complete where it keeps an append-only file; the last move of the pointer may be lost with
`appendfsync everysec`, and then the version before is live, whole, as it was.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import resources
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import msgspec
import redis

from groundplan.engines.redis import layout, lease, loading
from groundplan.engines.redis.layout import Layout
from groundplan.engines.redis.server import Server
from groundplan.errors import EngineError, InputError
from groundplan.scores.scored import Live, Scored
from groundplan.scores.store import Progress
from groundplan.scores.version import Version

_LONG: Final = 60.0
_MANY: Final = 1_000  # keys that are asked for at once: the server does nothing else meanwhile
_TRIES: Final = 10  # versions that may come and go while one call reads


class RedisScores:
    """Versions of scores on a server, of which its readers see one; safe in several threads.

    A `get` is one round trip. At the first one after `look_us` the pointer comes along with it.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`.
        system: whose scores; those of other systems lie beside them.
        promised: µs, the oldest acceptable answer; None where nobody promised.
        timeout: seconds that one round trip of a reader may take.
        look_us: µs after which a reader looks for a new version; 0 is at every call.
        space: sets a state apart from others of the same system.

    Raises:
        EngineError: the URL is wrong, or the server cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        system: str,
        promised: int | None = None,
        timeout: float = 0.25,
        look_us: int = 50_000,
        space: str = "",
    ) -> None:
        self._promised = promised
        self._prefix = f"groundplan:{{scores-{system}{space and '-' + space}}}:"
        script = resources.files(__package__).joinpath("scores.lua").read_text(encoding="utf-8")
        self._fast = Server(url, script, timeout, "scores")
        self._slow = Server(url, script, _LONG, "scores")
        self._look = look_us / 1e6
        self._looked = -1e9
        self._turn = Lock()
        self._seen: Layout | None = None
        self._get: Any = partial(self._fast.client.execute_command, "GET")
        self._mget: Any = partial(self._fast.client.execute_command, "MGET", f"{self._prefix}live")
        self._token = ""
        self.warnings = _warnings(self._fast)
        """What in the server's settings can lose scores, a sentence each."""

    def load(
        self, version: Version, parts: Sequence[Path], progress: Progress | None = None
    ) -> None:
        """Make a version complete and durable, not yet live.

        A load that was cut off is begun anew, and what it left is let go; the later of two loads
        of the same version wins. Loaded again, a live version stays live and whole. Readers have
        the server for themselves a third of the time.

        Raises:
            InputError: rows are missing, or a key stands twice.
            EngineError: the server did not do its work; nothing is visible.
        """
        loading.check(version, parts)
        self._tidy(version.name)
        ticket: bytes = self._run(
            "begin", layout.buckets_for(version.rows), layout.FORM, version.name, loading.BUSY_MS
        )
        try:
            loading.load(self._slow, self._prefix.encode(), ticket, version, parts, progress)
            self.sync()
            self._announce(ticket, version)
        except BaseException:
            with contextlib.suppress(EngineError):  # then the next load or drop does it
                if self._run("abandon", ticket, version.name):
                    self._free([ticket])
            raise
        self._tidy("")

    def point(self, name: str) -> None:
        """Make a complete version live, in one step for all readers.

        Raises:
            InputError: there is no such complete version.
            EngineError: the server did not do its work, or the lock that this handle held has
                gone to another.
        """
        became = self._run("point", name, self._token, layout.FORM)
        self._seen = None
        if became == 0:
            known = ", ".join(version.name for version in self.versions()) or "none"
            raise InputError(
                "", f"{name} is no complete version of {self._slow.name}: there is {known}"
            )
        if became == -2:
            raise InputError(
                "",
                f"{name} was loaded into {self._slow.name} by another release of groundplan, in a "
                "form that this one does not read: run `groundplan score`, which loads it anew",
            )
        if became < 0:
            raise EngineError(
                f"{name} did not become live in {self._slow.name}: this process stood still, and "
                "another publishes now; look at what is live, then publish again"
            )

    def sync(self) -> None:
        """Wait until the server has it on its disk, if it is one that can say so.

        Raises:
            EngineError: the server does not get it there.
        """
        with self._slow.reached():
            try:
                done: Any = self._slow.client.waitaof(1, 0, int(_LONG * 900))
            except redis.ResponseError:  # older than Redis 7.2, or without an append-only file
                return
        if not done[0]:
            raise EngineError(f"{self._slow.name} does not get its file to the disk: see its log")

    def live(self) -> Version | None:
        """The live version as the server has it now; None before the first."""
        found = self._run("live")
        return _version(found[1]) if found else None

    def pointed(self) -> str | None:
        """The name of the live version, also where its record cannot be read; None before one."""
        with self._slow.reached():
            ticket: Any = self._slow.client.get(self._prefix + "live")
        return ticket.decode().split(":", 2)[2] if ticket else None

    def versions(self) -> tuple[Version, ...]:
        """The complete versions, the oldest first."""
        with self._slow.reached():
            found: Any = self._slow.client.hvals(self._prefix + "records")
        return tuple(sorted(map(_version, found), key=lambda version: version.order))

    def drop(self, name: str) -> None:
        """Forget a version; one that a cut left incomplete too. Readers that are in it ask anew.

        The server frees it beside its other work, some scores at a time.

        Raises:
            InputError: it is the live one.
        """
        if self._run("drop", name) < 0:
            raise InputError("", f"{name} is live in {self._slow.name}: point to another first")
        self._tidy(name)

    def current(self) -> Live:
        """The live version as this reader follows it.

        Raises:
            EngineError: there is none yet, or the server cannot be reached.
        """
        return self._followed(self._due()).live

    def get(self, key: int | str) -> Scored | None:
        """The answer for a key; None where the live version has none, or none of this type.

        Raises:
            EngineError: there is no live version, or the server cannot be reached in time.
        """
        return self.get_many((key,))[0]

    def get_many(self, keys: Sequence[int | str]) -> list[Scored | None]:
        """The answers for many keys, all of one version, in their order.

        Raises:
            EngineError: there is no live version, or the server cannot be reached in time.
        """
        recent = not self._due()
        seen = self._followed(False)
        for _ in range(_TRIES):
            answers, live, whole = self._asked(seen, keys)
            if live == seen.ticket or (recent and whole):  # then it was live a moment ago
                return answers
            seen, recent = self._followed(True), True
        raise EngineError(
            f"{self._fast.name} changed its version {_TRIES} times during one call: publish less "
            "often"
        )

    @contextlib.contextmanager
    def lock(self, wait: float = 10.0, hold: float = 30.0) -> Iterator[Self]:
        """Keep other publishers out, on whichever host they are; for one thread of this handle.

        Args:
            wait: seconds to wait for another holder.
            hold: seconds after which others take a holder for dead; it is renewed meanwhile. A
                holder that was asleep longer, and lost it to another, can point no more.

        Raises:
            EngineError: another holds it still.
        """
        with lease.held(self._slow, self._prefix, wait, hold) as token:
            self._token = token
            try:
                yield self
            finally:
                self._token = ""

    def clear(self) -> None:
        """Forget everything, for readers at once."""
        with self._slow.reached():
            self._slow.client.unlink(self._prefix + "live")
            keys = self._slow.client.scan_iter(match=f"{self._prefix}*", count=1_000)
            while found := list(islice(keys, 1_000)):
                self._slow.client.unlink(*found)

    def close(self) -> None:
        """Let go of the server."""
        self._fast.close()
        self._slow.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(
        self, seen: Layout, keys: Sequence[int | str]
    ) -> tuple[list[Scored | None], bytes | None, bool]:
        """The answers by one version; and the live ticket, and whether nothing of it was gone.

        One key whose string is there is one plain question: nothing is written in place.
        """
        if len(keys) == 1 and not self._due():
            (place,) = seen.places(keys)
            with self._fast.reached():
                found = None if place is None else self._get(place)
            if found is not None:
                return seen.answers(keys, (found,)), seen.ticket, True
        return self._found(seen, keys)

    def _found(
        self, seen: Layout, keys: Sequence[int | str]
    ) -> tuple[list[Scored | None], bytes | None, bool]:
        """What stands at the places of keys, and the pointer at that moment."""
        answers: list[Scored | None] = []
        live, whole = None, True
        began = time.monotonic()
        for first in range(0, max(1, len(keys)), _MANY):
            some = keys[first : first + _MANY]
            places = seen.places(some)
            asked = [place for place in dict.fromkeys(places) if place is not None]
            with self._fast.reached():
                live, *values = self._mget(*asked)
            whole = whole and None not in values
            found = dict(zip(asked, values, strict=True))
            answers += seen.answers(some, [place and found[place] for place in places])
        self._looked = began
        return answers, live, whole

    def _due(self) -> bool:
        """Whether it is time to look at the pointer."""
        return time.monotonic() - self._looked >= self._look

    def _followed(self, anew: bool) -> Layout:
        """The version that this reader reads."""
        seen = self._seen
        if seen is not None and not anew:
            return seen
        with self._turn:
            began = time.monotonic()
            found = self._fast.run(self._prefix, ["live"])
            if not found:
                raise EngineError(
                    f"{self._fast.name} has no live version yet: run `groundplan score`"
                )
            ticket, record = found
            if self._seen is None or self._seen.ticket != ticket:
                live = Live(_version(record), self._promised)
                self._seen = Layout(self._prefix.encode(), ticket, live)
            self._looked = began
            return self._seen

    def _announce(self, ticket: bytes, version: Version) -> None:
        """Say that a version is complete, where the server has every row of it."""
        count = loading.counted(self._slow, self._prefix.encode(), ticket)
        whole = count == version.rows
        if not whole or not self._run(
            "complete", ticket, version.name, msgspec.json.encode(version)
        ):
            raise EngineError(
                f"{self._slow.name} has {count:,} of the {version.rows:,} scores of "
                f"{version.name}: it was restarted or evicts keys, or another loads the same; "
                "load again"
            )
        self.sync()

    def _tidy(self, name: str) -> None:
        """Let go of what cuts have left, and of every load of one version that is not complete."""
        self._free(self._run("tidy", name))

    def _free(self, tickets: Sequence[bytes]) -> None:
        for ticket in tickets:
            loading.forget(self._slow, self._prefix.encode(), ticket)
            with self._slow.reached():
                self._slow.client.hdel(self._prefix + "going", ticket.partition(b":")[0].decode())

    def _run(self, *words: bytes | int | str) -> Any:
        return self._slow.run(self._prefix, words)


def _version(record: bytes) -> Version:
    try:
        return msgspec.json.decode(record, type=Version)
    except msgspec.DecodeError as error:
        raise EngineError(f"a version's record in the store cannot be read: {error}") from None


def _warnings(server: Server) -> list[str]:
    """What in the server's settings can lose scores."""
    with server.reached():
        policy, limit = server.setting("maxmemory-policy"), server.setting("maxmemory")
        kept = server.setting("appendonly")
    found = []
    if policy is not None and policy.startswith("allkeys") and limit != "0":
        found.append(
            f"{server.name} evicts keys at {limit} bytes (maxmemory-policy {policy}), and a score "
            "that was evicted looks like a key that was not scored: set maxmemory-policy noeviction"
        )
    if kept == "no":
        found.append(
            f"{server.name} keeps no append-only file: when it ends it loses the versions that "
            "came after its last snapshot; set appendonly yes"
        )
    return found
