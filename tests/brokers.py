"""A real Kafka broker for the tests: the one in the `noida-db` package, on loopback.

It keeps its records when it is stopped and started again. It knows no static members and gives a
killed member's partitions to nobody for long, so tests of groups let their members leave.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import noida_db  # type: ignore[import-untyped]  # it has none
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from servers import free_port

_PROGRAM = Path(noida_db.__file__).parent / "noida-db"


class Broker:
    """A broker in a process of its own, with its records in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [str(_PROGRAM), "start", "--only", "kafka", "--kafka-port", str(self._port)]
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self._folder / "data")], stdout=log, stderr=log
            )
        wait_for(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def topic(self, name: str, partitions: int = 1) -> str:
        """Make a topic that keeps its records, however old their times; returns its name."""
        admin = AdminClient({"bootstrap.servers": self.address})
        new = NewTopic(name, partitions, 1, config={"retention.ms": "-1"})
        for made in admin.create_topics([new]).values():
            made.result(10)
        return name

    def producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.address, "linger.ms": 1})

    def produce(
        self,
        topic: str,
        bodies: Iterable[bytes],
        *,
        key: Callable[[bytes], str] = lambda _: "",
        at_ms: Callable[[bytes], int] = lambda _: 0,
    ) -> None:
        """Send records; those of one key stay in order. A time of 0 is now."""
        producer = self.producer()
        for body in bodies:
            producer.produce(topic, body, key=key(body).encode(), timestamp=at_ms(body))
            producer.poll(0)
        assert producer.flush(20) == 0

    def committed(self, topic: str, group: str) -> int:
        """What a group has committed of partition 0."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group})
        try:
            return int(consumer.committed([TopicPartition(topic, 0)], 10)[0].offset)
        finally:
            consumer.close()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), 1).close()
            return True
        return False


def wait_for(holds: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something holds; the limit only ends a test that would never."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that the tests of a module share; each makes its own topics."""
    running = Broker(tmp_path_factory.mktemp("broker"))
    running.start()
    try:
        yield running
    finally:
        running.stop()
