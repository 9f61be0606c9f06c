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
                outbox.close()
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
        outbox.close()


def test_rows_that_come_during_a_drain_stay(tmp_path: Path) -> None:
    """The store takes a batch while the next event already waits."""
    outbox = Outbox(tmp_path / "outbox")
    first, second = Waiting(b"event 1"), Waiting(b"event 2")
    outbox.put([first])
    outbox.drain(lambda rows: outbox.put([second]))
    taken: list[Waiting] = []
    outbox.drain(taken.extend)
    outbox.close()
    assert taken == [second]


def test_a_torn_row_is_left_out(tmp_path: Path) -> None:
    """A crash in the middle of a write leaves the rows before it."""
    outbox = Outbox(tmp_path / "outbox")
    outbox.put([Waiting(b"event 1"), Waiting(b"event 2")])
    outbox.close()
    whole = (tmp_path / "outbox").read_bytes()
    (tmp_path / "outbox").write_bytes(whole[:-1])
    outbox = Outbox(tmp_path / "outbox")
    outbox.put([Waiting(b"event 3")])
    taken: list[Waiting] = []
    outbox.drain(taken.extend)
    outbox.close()
    assert taken == [Waiting(b"event 1"), Waiting(b"event 3")]


def test_a_full_outbox_refuses(tmp_path: Path) -> None:
    """What would pass the limit is refused as a whole."""
    outbox = Outbox(tmp_path / "outbox", limit=20)
    outbox.put([Waiting(b"event 1")])
    with pytest.raises(OSError, match="bytes"):
        outbox.put([Waiting(b"event 2")])
    assert len(outbox) == 1
