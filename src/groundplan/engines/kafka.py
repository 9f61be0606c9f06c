"""Events from Kafka, or whatever speaks its protocol.

Offsets are kept beside the state. Those that are committed to the broker only show its tools how
far behind the state is; they are never read.
"""

import heapq
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from confluent_kafka import (
    OFFSET_END,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from groundplan.errors import EngineError
from groundplan.features.stream import Offsets, Record

_logger: Final = logging.getLogger(__name__)

TIMEOUT: Final = 5.0
"""Seconds that a question to the broker may take."""

PATIENCE: Final = 5.0
"""Seconds that a partition which does not answer holds up the others."""

_BUFFER_KB: Final = 16_384  # what the client reads ahead
_AT_ONCE: Final = 1_000  # records
_AHEAD: Final = 4_000  # records of a partition that wait for those of others
_COMMIT: Final = 1.0  # s between commits
_PARTITIONS: Final = 30.0  # s between looks for new partitions


class Address(msgspec.Struct, frozen=True):
    """What a URL says.

    Args:
        brokers: `host:port`, separated by commas.
        topics: the name of the source whose events it has, by topic.
        settings: of the client library (librdkafka), such as `security.protocol`.
    """

    brokers: str
    topics: dict[str, str]
    settings: dict[str, str]


def address(url: str, sources: Sequence[str]) -> Address:
    """Read a URL such as `kafka://host:9092/transactions,logins`.

    A topic belongs to the source of its name, and a single other one to the main source.
    `?logins=user-logins` names a source's topic, and `?security.protocol=SASL_SSL` a setting of
    the client: what has a dot is one. A user and a password before the brokers are those of SASL.

    Args:
        url: as `engines.events` has it; several brokers are separated by commas.
        sources: the names of the sources, the main one first.

    Raises:
        EngineError: it names no broker or topic, or a topic whose source is not clear.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    settings = {name: value for name, value in asked.items() if "." in name}
    named = {name: topic for name, topic in asked.items() if "." not in name}
    for name in named:
        if name not in sources:
            raise EngineError(
                f"engines.events: {name} in {_shown(url)} is no source: there are "
                f"{', '.join(sources)}, and a setting of the client has a dot in its name"
            )
    topics = {topic: name for name, topic in named.items()}
    plain = [topic for topic in parts.path.strip("/").split(",") if topic and topic not in topics]
    for topic in plain:
        if topic not in sources and (len(plain) > 1 or sources[0] in named):
            raise EngineError(
                f"engines.events: whose events are in the topic {topic}? The sources are "
                f"{', '.join(sources)}: write ?{sources[-1]}={topic}"
            )
        topics[topic] = topic if topic in sources else sources[0]
    user, _, brokers = parts.netloc.rpartition("@")
    for name, value in zip(("sasl.username", "sasl.password"), user.split(":"), strict=False):
        settings |= {name: unquote(value)} if value else {}
    if not brokers or not topics:
        raise EngineError(
            f"engines.events: {_shown(url)} names no {'topic' if brokers else 'broker'}: "
            "write it as kafka://localhost:9092/transactions"
        )
    return Address(brokers, topics, settings)


class KafkaStream:
    """Topics as a stream of events; a partition is named as in `transactions/0`.

    Args:
        url: as `address` reads it.
        sources: the names of the sources, the main one first.
        group: the consumer group by which the broker's tools see us.
        shared: whether several readers divide the partitions among themselves, as the members of
            the group. Else this one reads them all, and somebody else sees to it that it is alone.

    Raises:
        EngineError: the URL is wrong, or a setting that the client does not know.
    """

    def __init__(
        self, url: str, sources: Sequence[str], group: str, *, shared: bool = False
    ) -> None:
        self._address = address(url, sources)
        self._shared = shared
        self._joined = False
        self._resume: Callable[[], Offsets] = dict
        self._next: dict[str, int] = {}
        self._ahead: dict[str, deque[tuple[int, Record]]] = {}  # with the ms of their writing
        self._ended: set[str] = set()
        self._halted: set[str] = set()
        self._complete_at = 0.0
        self._partitions: list[str] = []
        self._known_at = -_PARTITIONS
        self._committed_at = 0.0
        self._trouble = ""
        try:
            self._consumer = Consumer(
                {
                    "client.id": "groundplan",
                    "queued.max.messages.kbytes": _BUFFER_KB,
                    "fetch.queue.backoff.ms": 20,
                    "fetch.wait.max.ms": 100,  # a halted partition waits for it when it goes on
                    "session.timeout.ms": 10_000,
                    **self._address.settings,
                    "bootstrap.servers": self._address.brokers,
                    "group.id": group,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",  # `start` decides, and says what is lost
                    "error_cb": self._note,
                    "logger": _logger,
                }
            )
        except KafkaException as error:
            raise EngineError(f"engines.events: {error.args[0].str()}") from None

    def start(self, resume: Callable[[], Offsets]) -> None:
        """Begin to read, or begin anew, from where the state stands."""
        self._resume = resume
        with self._told():
            self._find_partitions()
            if not self._shared:
                self._assign(self._partitions)
            elif given := self._consumer.assignment():
                self._assign([_name(place) for place in given])
            elif not self._joined:
                topics = list(self._address.topics)
                self._consumer.subscribe(topics, on_assign=self._given, on_revoke=self._taken)
                self._joined = True

    def poll(self, limit: int, timeout: float) -> list[Record]:
        """The next records of all partitions, by the time of their writing.

        So that a reader with a backlog hands them out as one without would have, and makes no
        event late that was not. A partition that does not answer is waited for, but not for long.
        """
        until = time.monotonic() + timeout
        with self._told():
            while True:
                found = self._merged(limit)
                left = until - time.monotonic()
                if found or left <= 0:
                    return found
                self._halt_and_resume()
                self._fetch(left)

    def ends(self) -> Offsets:
        """By partition, the offset behind its last record, asked of the brokers."""
        with self._told():
            self._find_partitions()
            marks = {name: self._marks(name) for name in self._partitions}
        return {name: high for name, (low, high) in marks.items() if high > low}

    def since(self, times: Mapping[str, int]) -> Offsets:
        """By partition, the first offset that was written at that moment or later.

        What counts is the record's timestamp: when it was produced, or when the broker got it,
        as the topic is set up.
        """
        with self._told():
            self._find_partitions()
            wanted = [
                _place(name, times[self._source(name)] // 1_000)
                for name in self._partitions
                if self._source(name) in times
            ]
            # Before the question: what comes between the two answers is then not passed over.
            ends = {_name(place): self._marks(_name(place))[1] for place in wanted}
            found = self._consumer.offsets_for_times(wanted, TIMEOUT) if wanted else []
        return {
            _name(place): ends[_name(place)] if place.offset == OFFSET_END else place.offset
            for place in found
        }

    def stored(self, offsets: Offsets) -> None:
        """Commit, now and then, how far the state is."""
        now = time.monotonic()
        if now - self._committed_at < _COMMIT:
            return
        self._committed_at = now
        places = [_place(name, offsets[name]) for name in self._next if name in offsets]
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:  # it is for show: the next one may succeed
            _logger.debug("commit: %s", error)

    def close(self) -> None:
        """Leave the group and let go of the connections."""
        self._consumer.close()

    def _assign(self, names: Iterable[str]) -> None:
        """Read these partitions, each from where the state stands."""
        resume = self._resume()
        self._next = {name: self._begin(name, resume.get(name)) for name in names}
        self._ahead = {name: deque() for name in self._next}
        self._ended.clear()
        self._halted.clear()
        self._complete_at = time.monotonic()
        self._consumer.assign([_place(name, offset) for name, offset in self._next.items()])

    def _begin(self, name: str, wanted: int | None) -> int:
        low, high = self._marks(name)
        if wanted is None:
            return low
        if wanted > high:
            _logger.warning(
                "%s ends at %d and the state is at %d: the topic is another one by now; it is "
                "read from its beginning, and what is known counts once",
                *(name, high, wanted),
            )
            return low
        if wanted < low:
            _logger.warning(
                "%s begins at %d and the state is at %d: %d records are lost to it; ingest the "
                "history of that time, and keep records for longer than a reader may be away",
                *(name, low, wanted, low - wanted),
            )
        return max(low, wanted)

    def _given(self, _: Consumer, places: list[TopicPartition]) -> None:
        self._assign([_name(place) for place in places])

    def _taken(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._next, self._ahead = {}, {}
        self._halted.clear()
        consumer.unassign()

    def _merged(self, limit: int) -> list[Record]:
        """Records that are here, the one that was written first before the others."""
        missing = any(not ahead and not self._at_end(name) for name, ahead in self._ahead.items())
        now = time.monotonic()
        if not missing:
            self._complete_at = now
        patient = now - self._complete_at < PATIENCE
        if missing and patient:
            return []
        heads = [(ahead[0][0], name) for name, ahead in self._ahead.items() if ahead]
        heapq.heapify(heads)
        found: list[Record] = []
        while heads and len(found) < limit:
            name = heads[0][1]
            ahead = self._ahead[name]
            found.append(ahead.popleft()[1])
            if ahead:
                heapq.heapreplace(heads, (ahead[0][0], name))
            else:
                heapq.heappop(heads)
                if patient and not self._at_end(name):
                    break  # what it has next may come before what the others have
        return found

    def _fetch(self, wait: float) -> None:
        """Take what the client has read."""
        first = self._consumer.poll(wait)
        if first is None:
            return
        for message in (first, *self._consumer.consume(_AT_ONCE, 0)):
            self._keep(message)

    def _halt_and_resume(self) -> None:
        """Halt partitions that are far ahead of one that has none, and let them go on after."""
        if not all(self._ahead.values()):
            full = [name for name, ahead in self._ahead.items() if len(ahead) > _AHEAD]
            if fresh := [name for name in full if name not in self._halted]:
                self._consumer.pause([_place(name) for name in fresh])
                self._halted.update(fresh)
        if done := [name for name in self._halted if len(self._ahead[name]) < _AHEAD // 4]:
            self._consumer.resume([_place(name) for name in done])
            self._halted.difference_update(done)

    def _keep(self, message: Message) -> None:
        error, offset = message.error(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise EngineError(f"{self._address.brokers}: {error.str()}")
        topic, partition = message.topic(), message.partition()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        name, source = f"{topic}/{partition}", self._address.topics[topic]
        begin = self._next.get(name)
        if begin is None or offset < begin:  # read before the partition was taken away, or reset
            return
        if error is None:
            record = Record(name, offset, offset + 1, source, message.value() or b"")
            self._ahead[name].append((message.timestamp()[1], record))
            self._next[name] = offset + 1
            self._ended.discard(name)
            return
        self._ended.add(name)
        if offset > begin:  # behind the marks of transactions, for one
            self._ahead[name].append((0, Record(name, begin, offset, source, None)))
            self._next[name] = offset

    def _at_end(self, name: str) -> bool:
        """Whether all of a partition was read, as far as its last answer told."""
        if name in self._ended:
            return True
        marks = self._consumer.get_watermark_offsets(_place(name), cached=True)
        return marks is not None and 0 <= marks[1] <= self._next[name]

    def _find_partitions(self) -> None:
        now = time.monotonic()
        if self._partitions and now - self._known_at < _PARTITIONS:
            return
        known, names = self._partitions, []
        for topic in self._address.topics:
            found = self._consumer.list_topics(topic, TIMEOUT).topics[topic]
            if found.error is not None:
                raise EngineError(
                    f"{self._address.brokers} has no topic {topic} ({found.error.str()}): make "
                    "it, or correct engines.events"
                )
            names += [f"{topic}/{number}" for number in sorted(found.partitions)]
        self._partitions, self._known_at = names, now
        if known and len(names) > len(known) and not self._shared and self._next:
            self._assign(names)

    def _marks(self, name: str) -> tuple[int, int]:
        marks = self._consumer.get_watermark_offsets(_place(name), TIMEOUT)
        if marks is None:
            raise EngineError(f"{self._address.brokers} does not answer about {name}")
        low, high = marks
        return low, high

    def _source(self, name: str) -> str:
        return self._address.topics[name.rpartition("/")[0]]

    def _note(self, error: KafkaError) -> None:
        self._trouble = error.str()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the client's exceptions into ours."""
        try:
            yield
        except KafkaException as error:
            why = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
            more = f" ({self._trouble})" if self._trouble else ""
            raise EngineError(f"{self._address.brokers} does not answer: {why}{more}") from None


def _place(name: str, offset: int = OFFSET_INVALID) -> TopicPartition:
    topic, _, number = name.rpartition("/")
    return TopicPartition(topic, int(number), offset)


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"


def _shown(url: str) -> str:
    """A URL without what may be secret."""
    return url.partition("?")[0].rpartition("@")[2]
