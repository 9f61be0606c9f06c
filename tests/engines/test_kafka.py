"""A stream of Kafka topics hands out every record, from the offsets that the state says."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from brokers import Broker, broker, wait_for  # noqa: F401
from groundplan.engines.kafka import KafkaStream, address
from groundplan.errors import EngineError
from groundplan.features.stream import Record

SOURCES = ["transactions", "logins"]


def test_a_url_names_brokers_topics_and_settings() -> None:
    """Topics go to the source of their name, a single other one to the main source."""
    plain = address("kafka://a:9092,b:9092/transactions,logins", SOURCES)
    assert plain.brokers == "a:9092,b:9092"
    assert plain.topics == {"transactions": "transactions", "logins": "logins"}
    assert address("kafka://a/card-payments", SOURCES).topics == {"card-payments": "transactions"}
    named = address("kafka://a/?logins=l1&transactions=t1&security.protocol=PLAINTEXT", SOURCES)
    assert named.topics == {"l1": "logins", "t1": "transactions"}
    assert named.settings == {"security.protocol": "PLAINTEXT"}
    known = address("kafka://ann:se%20cret@a,b/transactions", SOURCES)
    assert known.brokers == "a,b"
    assert known.settings == {"sasl.username": "ann", "sasl.password": "se cret"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka://host:9092", "names no topic"),
        ("kafka:///transactions", "names no broker"),
        ("kafka://host/one,two", "whose events are in the topic one"),
        ("kafka://host/transactions?orders=o", "orders in kafka://host/transactions is no source"),
    ],
)
def test_a_wrong_url_says_what_to_write(url: str, says: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(EngineError, match=says):
        address(url, SOURCES)


def test_no_message_shows_a_password() -> None:
    """What stands before @ and behind ? is left out of errors."""
    with pytest.raises(EngineError) as caught:
        address("kafka://ann:secret@host/transactions?sasl.password=secret&x=y", SOURCES)
    assert "secret" not in str(caught.value)


def test_records_come_in_order_from_where_the_state_is(broker: Broker) -> None:  # noqa: F811
    """Every partition is read from its offset to its end, each record once, in order."""
    topic = broker.topic("ordered", 3)
    bodies = [b"%d" % number for number in range(600)]
    broker.produce(topic, bodies, key=lambda body: str(int(body) % 7))
    with opened(broker, topic) as stream:
        stream.start(dict)
        records = drained(stream)
        assert sorted(int(record.body or b"") for record in records) == list(range(600))
        for name in {record.partition for record in records}:
            offsets = [record.offset for record in records if record.partition == name]
            assert offsets == list(range(len(offsets)))
        ends = stream.ends()
        assert sum(ends.values()) == 600
        halves = {name: end // 2 for name, end in ends.items()}
        stream.start(lambda: halves)
        again = drained(stream, halves)
        assert sorted(again, key=key) == sorted(
            (r for r in records if r.offset >= halves[r.partition]), key=key
        )


def test_a_look_at_times_begins_at_the_first_record_of_that_moment(
    broker: Broker,  # noqa: F811
) -> None:
    """`since` is exact by the records' timestamps, and the end where none is as new."""
    topic = broker.topic("timed")
    begin = 1_533_081_600_000  # ms
    bodies = [b"%d" % number for number in range(100)]
    broker.produce(topic, bodies, at_ms=lambda body: begin + 1_000 * int(body))
    with opened(broker, topic) as stream:
        for number in (0, 1, 50, 99):
            moment = (begin + 1_000 * number) * 1_000
            assert stream.since({"transactions": moment}) == {f"{topic}/0": number}
            between = moment - 500_000
            assert stream.since({"transactions": between}) == {f"{topic}/0": number}
        later = (begin + 1_000_000) * 1_000
        assert stream.since({"transactions": later}) == {f"{topic}/0": 100}
        assert stream.since({"logins": 0}) == {}


def test_offsets_of_another_topic_of_that_name_begin_anew(
    broker: Broker,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An offset past the end means that the topic was made anew: all of it is read, and said."""
    topic = broker.topic("anew")
    broker.produce(topic, [b"1", b"2"])
    with opened(broker, topic) as stream:
        stream.start(lambda: {f"{topic}/0": 500})
        assert [record.body for record in drained(stream)] == [b"1", b"2"]
    assert "the topic is another one" in caplog.text


def test_a_topic_that_is_not_there_is_an_error(broker: Broker) -> None:  # noqa: F811
    """It is named, with what to do."""
    with opened(broker, "nowhere") as stream, pytest.raises(EngineError, match="nowhere"):
        stream.start(dict)


def test_partitions_that_come_later_are_read(
    broker: Broker,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic that grows hands out what its new partitions have."""
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewPartitions

    monkeypatch.setattr("groundplan.engines.kafka._PARTITIONS", 0.0)
    topic = broker.topic("grows")
    broker.produce(topic, [b"1"])
    with opened(broker, topic) as stream:
        stored: dict[str, int] = {}
        stream.start(lambda: stored)
        first = drained(stream)
        stored |= {record.partition: record.next for record in first}
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_partitions([NewPartitions(topic, 4)])[topic].result(10)
        broker.produce(topic, [b"%d" % n for n in range(2, 40)], key=lambda body: body.decode())
        wait_for(lambda: len(stream.ends()) > 1)
        more = drained(stream, stored)
        assert sorted(int(r.body or b"") for r in first + more) == list(range(1, 40))


def test_readers_of_a_shared_state_divide_the_partitions(broker: Broker) -> None:  # noqa: F811
    """Two members read all of it, none of it twice; when one leaves, the other has the rest."""
    topic = broker.topic("divided", 4)
    stored: dict[str, int] = {}

    def read(*streams: KafkaStream) -> list[Record]:
        found: list[Record] = []

        def all_stored() -> bool:
            for stream in streams:
                records = stream.poll(100, 0.05)
                found.extend(records)
                stored.update({record.partition: record.next for record in records})
            return all(stored.get(name, 0) >= end for name, end in streams[0].ends().items())

        wait_for(all_stored)
        return [record for record in found if record.body is not None]

    with opened(broker, topic, shared=True) as one:
        one.start(lambda: stored)
        with opened(broker, topic, shared=True) as two:
            two.start(lambda: stored)
            wait_for(lambda: [one.poll(1, 0.05), two.poll(1, 0.05)] and (one._next and two._next))
            assert not set(one._next) & set(two._next)
            broker.produce(topic, [b"%d" % n for n in range(200)], key=lambda body: body.decode())
            assert sorted(int(r.body or b"") for r in read(one, two)) == list(range(200))
        broker.produce(topic, [b"%d" % n for n in range(200, 400)], key=lambda body: body.decode())
        assert sorted(int(r.body or b"") for r in read(one)) == list(range(200, 400))


def test_the_brokers_tools_see_how_far_the_state_is(broker: Broker) -> None:  # noqa: F811
    """Stored offsets are committed to the group, and never read from it."""
    topic = broker.topic("committed")
    broker.produce(topic, [b"1", b"2", b"3"])
    with opened(broker, topic, group="seen") as stream:
        stream.start(dict)
        drained(stream)
        stream.stored({f"{topic}/0": 2})
        wait_for(lambda: broker.committed(topic, "seen") == 2)
        stream.start(dict)
        assert len(drained(stream)) == 3


def key(record: Record) -> tuple[str, int]:
    return record.partition, record.offset


def drained(stream: KafkaStream, begun: dict[str, int] | None = None) -> list[Record]:
    """Every record up to where the stream ends now."""
    ends = stream.ends()
    at = dict(begun or {})
    found: list[Record] = []

    def ended() -> bool:
        records = stream.poll(50, 0.05)
        found.extend(record for record in records if record.body is not None)
        at.update({record.partition: record.next for record in records})
        return all(at.get(name, 0) >= end for name, end in ends.items())

    wait_for(ended)
    return found


@contextmanager
def opened(
    broker: Broker,  # noqa: F811
    topic: str,
    *,
    shared: bool = False,
    group: str = "tests",
) -> Iterator[KafkaStream]:
    url = f"kafka://{broker.address}/{topic}"
    with closing(
        KafkaStream(url, SOURCES, group if group != "tests" else topic, shared=shared)
    ) as stream:
        yield stream


def test_a_backlog_comes_in_the_order_in_which_it_was_written(
    broker: Broker,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However uneven the partitions, the records of all come by the time of their writing."""
    monkeypatch.setattr("groundplan.engines.kafka._AHEAD", 40)
    topic = broker.topic("merged", 4)
    begin = 1_533_081_600_000  # ms
    # The first thousand are in one partition, and the next ones in any.
    bodies = [b"%d" % number for number in range(3_000)]
    broker.produce(
        topic,
        bodies,
        key=lambda body: "a" if int(body) < 1_000 else str(int(body) % 11),
        at_ms=lambda body: begin + int(body),
    )
    with opened(broker, topic) as stream:
        assert len(stream.ends()) > 1
        stream.start(dict)
        assert [record.body for record in drained(stream)] == bodies
