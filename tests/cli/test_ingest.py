"""`groundplan ingest` builds the state that the offline features say, whatever kills it."""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from brokers import Broker, broker, wait_for  # noqa: F401
from conftest import groundplan
from groundplan.features import EmbeddedStore
from groundplan.serving import dead_letters
from streams import (
    Delivery,
    assert_as_offline,
    deliveries,
    following,
    fraud_project,
    simulated,
    state_of,
)

KILLS = 6


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return simulated()


@pytest.fixture(scope="module")
def sent(table: pa.Table) -> list[Delivery]:
    return deliveries(table)


def test_the_help_teaches() -> None:
    """It says what becomes of each kind of file, and shows examples."""
    page = groundplan("ingest", "--help").stdout
    for word in ("Parquet", "JSON lines", "dead_letters.ndjson", "--follow", "--from logins.csv"):
        assert word in page


def test_history_counts_once_however_often_it_is_ingested(tmp_path: Path, table: pa.Table) -> None:
    """Every event is told of: added the first time, known the second; CSV and Parquet are one."""
    project = fraud_project(tmp_path / "card-fraud")
    halves = table.slice(0, 600), table.slice(400)
    pq.write_table(halves[0], tmp_path / "a.parquet")
    pyarrow.csv.write_csv(halves[1], tmp_path / "b.csv")
    done = groundplan(
        *("ingest", project, "--from", tmp_path / "a.parquet", "--from", tmp_path / "b.csv"),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["added"], first["known"]) == (600, 0)
    assert (second["added"], second["known"]) == (table.num_rows - 600, 200)
    again = groundplan("ingest", project, "--from", tmp_path / "a.parquet")
    assert "a.parquet: 600 records: 0 added, 600 known" in again.stdout
    with state_of(project) as store:
        assert_as_offline(project, store, table)


def test_json_lines_are_taken_as_a_stream(
    tmp_path: Path, table: pa.Table, sent: Sequence[Delivery]
) -> None:
    """Late, repeated and labelled, with lines that are none; those are kept with the reason."""
    project = fraud_project(tmp_path / "card-fraud")
    file = tmp_path / "day.ndjson"
    bad = b'{"transaction_id": 1, "tx_amount": "much"}'
    bodies = [delivery.body for delivery in sent]
    file.write_bytes(b"\n".join([*bodies[:100], bad, *bodies[100:]]))
    done = groundplan("ingest", project, "--from", file, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["records"] == len(bodies) + 1
    assert outcome["added"] == table.num_rows
    assert outcome["late"] == 0
    assert outcome["poison"] == 1
    letters = project / ".groundplan" / "dead_letters.ndjson"
    assert str(letters) in done.stderr
    assert [letter.body for letter in dead_letters.read(letters)] == [bad.decode()]
    with state_of(project) as store:
        assert_as_offline(project, store, table)
    again = groundplan("ingest", project, "--from", file, "--json")
    assert json.loads(again.stdout)["records"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "nothing to ingest"),
        (["--follow"], "nothing to follow"),
        (["--from", "notes.txt"], "notes.txt is none of .parquet, .csv"),
        (["--from", "a.ndjson", "--source", "orders"], "orders is no source of these features"),
        (["--from", "b.csv"], "b.csv"),
    ],
)
def test_a_mistake_has_its_sentence(tmp_path: Path, options: list[str], says: str) -> None:
    """Errors name the file or the option, and what to do."""
    project = fraud_project(tmp_path / "card-fraud")
    for name in ("notes.txt", "a.ndjson"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.csv").write_text("colour,size\nred,3\n")
    done = groundplan("ingest", project, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_consumer_of_files_loses_and_doubles_nothing(
    tmp_path: Path, table: pa.Table, sent: Sequence[Delivery]
) -> None:
    """Killed again and again while the file grows, by pieces of lines; the values are offline's."""
    project, events = fraud_project(tmp_path / "card-fraud"), tmp_path / "events"
    events.mkdir()
    with (events.resolve() / "day.ndjson").open("ab", buffering=0) as file:

        def write(deliveries: Iterable[Delivery]) -> None:
            lines = b"".join(delivery.body + b"\n" for delivery in deliveries)
            half = len(lines) // 2
            file.write(lines[:half])
            file.write(lines[half:])

        with state_of(project) as store:
            consume(
                project,
                sent,
                write,
                lambda: store.offsets() == {file.name: file.tell()},
                store,
                ("--from", events),
            )
            assert_as_offline(project, store, table)


def test_a_killed_consumer_of_kafka_loses_and_doubles_nothing(
    tmp_path: Path,
    broker: Broker,  # noqa: F811
    table: pa.Table,
    sent: Sequence[Delivery],
) -> None:
    """Killed again and again under load, over several partitions; the values are offline's.

    The producer repeats events and sends them late, with labels of their own between them.
    """
    topic = broker.topic("transactions", 3)
    url = f"kafka://{broker.address}/{topic}"
    project = fraud_project(tmp_path / "card-fraud", url)
    producer = broker.producer()

    def write(deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            producer.produce(topic, delivery.body, key=str(delivery.customer).encode())
        assert producer.flush(20) == 0

    with state_of(project) as store:
        consume(project, sent, write, lambda: stored(store) == len(sent), store)
        assert_as_offline(project, store, table)


def test_history_is_handed_over_to_kafka_without_gap_or_overlap(
    tmp_path: Path,
    broker: Broker,  # noqa: F811
    table: pa.Table,
    sent: Sequence[Delivery],
) -> None:
    """The history ends in the middle of a topic that goes on meanwhile."""
    topic = broker.topic("payments", 2)
    url = f"kafka://{broker.address}/{topic}"
    project = fraud_project(tmp_path / "card-fraud", url)
    cut = 7 * table.num_rows // 10
    history = tmp_path / "history.parquet"
    pq.write_table(table.slice(0, cut), history)
    begun = len(sent) // 4
    producer = broker.producer()

    def write(deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            key = str(delivery.customer).encode()
            producer.produce(topic, delivery.body, key=key, timestamp=delivery.at // 1_000)
        assert producer.flush(20) == 0

    write(sent[begun : 8 * len(sent) // 10])
    with state_of(project) as store, following(project, "--from", history, "--json") as process:
        for some in pieces(sent[8 * len(sent) // 10 :], 50):
            write(some)
        ends = len(sent) - begun
        wait_for(lambda: stored(store) == ends)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        first, stream = (json.loads(line) for line in told.splitlines())
        assert first["added"] == cut
        assert stream["records"] < len(sent) // 2  # it began where the history ends
        assert stream["known"] > 0
        assert_as_offline(project, store, table)


def test_a_broker_that_goes_away_and_comes_back_is_read_on(
    tmp_path: Path, table: pa.Table, sent: Sequence[Delivery]
) -> None:
    """The consumer waits for it, and in the end has everything."""
    running = Broker(tmp_path / "broker")
    running.start()
    try:
        topic = running.topic("transactions")
        project = fraud_project(tmp_path / "card-fraud", f"kafka://{running.address}/{topic}")
        half = len(sent) // 2
        running.produce(topic, [delivery.body for delivery in sent[:half]])
        with state_of(project) as store, following(project) as process:
            wait_for(lambda: stored(store) == half)
            running.stop()
            running.start()
            running.produce(topic, [delivery.body for delivery in sent[half:]])
            wait_for(lambda: stored(store) == len(sent))
            assert process.poll() is None
            assert_as_offline(project, store, table)
    finally:
        running.stop()


def consume(
    project: Path,
    sent: Sequence[Delivery],
    write: Callable[[Iterable[Delivery]], None],
    ended: Callable[[], bool],
    store: EmbeddedStore,
    options: Sequence[str | Path] = (),
) -> None:
    """Write while consumers are killed as they get on, then let the last one have it all."""
    allowed = threading.Semaphore(len(sent) // 10)
    chance = random.Random(2)

    def produce() -> None:
        for some in pieces(sent, 10):
            for _ in some:
                allowed.acquire()
            write(some)

    producing = threading.Thread(target=produce, daemon=True)
    producing.start()
    for _ in range(KILLS):
        before = dict(store.offsets())
        allowed.release(len(sent) // 20)  # for it to begin with
        with following(project, *options) as process:
            wait_for(lambda before=before: store.offsets() != before or process.poll())  # type: ignore[misc]
            assert process.poll() is None, process.communicate()
            allowed.release(len(sent) // 20)  # what it is killed amid
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
    before = dict(store.offsets())
    allowed.release(len(sent) // 20)
    with following(project, *options) as process:
        wait_for(lambda: store.offsets() != before or process.poll())
        allowed.release(len(sent))
        producing.join()
        wait_for(lambda: ended() or process.poll())
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)
        assert process.returncode == 0, told


def stored(store: EmbeddedStore) -> int:
    """How far the state is, over all partitions of Kafka."""
    return sum(offset for name, offset in store.offsets().items() if "/" in name)


def pieces(sent: Sequence[Delivery], size: int) -> Iterator[Sequence[Delivery]]:
    return (sent[at : at + size] for at in range(0, len(sent), size))
