"""What waits for the store is neither lost nor reordered, whatever ends."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.patterns.realtime.outbox import Outbox, Waiting

rows = st.builds(Waiting, st.binary(max_size=20), st.integers(0, 3))


def _away(_: object) -> None:
    raise ConnectionError


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.lists(rows, max_size=5), st.sampled_from(["drain", "fail", "open"]))))
def test_rows_leave_once_and_in_order(steps: list[list[Waiting] | str]) -> None:
    """Against a list: put adds, a drain takes all, a failed one none, a restart changes nothing."""
    waiting: list[Waiting] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox"
        outbox = Outbox(path)
        for step in steps:
            if step == "open":
                outbox = Outbox(path)
            elif step == "fail" and waiting:
                with pytest.raises(ConnectionError):
                    outbox.drain(_away)
            elif step in ("drain", "fail"):
                taken: list[Waiting] = []
                assert outbox.drain(taken.extend) == len(waiting)
                assert taken == waiting
                waiting = []
            elif not isinstance(step, str):
                outbox.put(step)
                waiting += step
            assert len(outbox) == len(waiting)


def test_rows_that_come_during_a_drain_stay(tmp_path: Path) -> None:
    """The store takes a batch while the next event already waits."""
    outbox = Outbox(tmp_path / "outbox")
    first, second = Waiting(b"event 1"), Waiting(b"event 2")
    outbox.put([first])
    outbox.drain(lambda rows: outbox.put([second]))
    taken: list[Waiting] = []
    outbox.drain(taken.extend)
    assert taken == [second]


def test_a_torn_row_is_left_out(tmp_path: Path) -> None:
    """A crash in the middle of a write leaves the rows before it, and spoils none behind it."""
    outbox = Outbox(tmp_path)
    outbox.put([Waiting(b"event 1"), Waiting(b"event 2")])
    whole = (tmp_path / "rows").read_bytes()
    (tmp_path / "rows").write_bytes(whole[:-1])
    outbox = Outbox(tmp_path)
    outbox.put([Waiting(b"event 3")])
    taken: list[Waiting] = []
    outbox.drain(taken.extend)
    assert taken == [Waiting(b"event 1"), Waiting(b"event 3")]


@pytest.mark.parametrize(
    "end", [bytes(3), bytes(4_096), b"\x02\0\0\0{}", b"\x01\0\0\0\x90", b"\xff" * 64]
)
def test_what_a_loss_of_power_leaves_holds_up_nothing(
    tmp_path: Path, end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Zeros or garbage at the end are left out, which is told; rows before and later ones leave."""
    outbox = Outbox(tmp_path)
    outbox.put([Waiting(b"event 1")])
    with (tmp_path / "rows").open("ab") as stream:
        stream.write(end)
    outbox = Outbox(tmp_path)
    outbox.put([Waiting(b"event 2")])
    taken: list[Waiting] = []
    assert len(outbox) == outbox.drain(taken.extend) == 2
    assert taken == [Waiting(b"event 1"), Waiting(b"event 2")]
    assert f"its last {len(end)} bytes are torn" in caplog.text
    assert outbox.size == 0


def test_two_processes_share_one(tmp_path: Path) -> None:
    """While one hands on and another keeps, each row leaves, and in the order it came."""
    one, other = Outbox(tmp_path), Outbox(tmp_path)
    taken: list[Waiting] = []

    def take(rows: list[Waiting]) -> None:
        if not taken:
            other.put([Waiting(b"meanwhile")])
        taken.extend(rows)

    one.put([Waiting(b"event 1")])
    other.put([Waiting(b"event 2")])
    one.drain(take)
    other.drain(take)
    assert taken == [Waiting(b"event 1"), Waiting(b"event 2"), Waiting(b"meanwhile")]
    assert len(one) == len(other) == one.size == 0


def test_what_cannot_leave_stays_in_two_files(tmp_path: Path) -> None:
    """However often a drain fails, there are not more and more files."""
    outbox = Outbox(tmp_path)
    for number in range(5):
        outbox.put([Waiting(b"event %d" % number)])
        with pytest.raises(ConnectionError):
            outbox.drain(_away)
    assert len([file for file in tmp_path.iterdir() if file.name != "lock"]) == 2
    assert len(outbox) == 5


def test_a_full_outbox_refuses(tmp_path: Path) -> None:
    """What would pass the limit is refused as a whole."""
    outbox = Outbox(tmp_path / "outbox", limit=20)
    outbox.put([Waiting(b"event 1")])
    with pytest.raises(OSError, match="bytes"):
        outbox.put([Waiting(b"event 2")])
    assert len(outbox) == 1


def test_the_limit_is_one_over_all_files(tmp_path: Path) -> None:
    """What a failed drain took away waits too, and counts."""
    outbox = Outbox(tmp_path, limit=20)
    outbox.put([Waiting(b"event 1")])
    with pytest.raises(ConnectionError):
        outbox.drain(_away)
    with pytest.raises(OSError, match="20 bytes"):
        outbox.put([Waiting(b"event 2")])
    assert outbox.size <= 20
