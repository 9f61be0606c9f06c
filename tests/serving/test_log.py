"""The prediction log keeps what it acknowledged, and reads back only whole rows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.serving import log
from groundplan.serving.log import Log, Prediction, Taken, read

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def taken(number: int, event: bytes = b"{}") -> Taken:
    return Taken(number, msgspec.Raw(event))


@settings(max_examples=50, deadline=None)
@given(st.lists(_json, min_size=1, max_size=5), st.booleans())
def test_what_is_appended_is_read_back(
    tmp_path_factory: object, values: list[object], pretty: bool
) -> None:
    """Rows come back in order and equal, however the body was laid out."""
    folder = tmp_path_factory.mktemp("log")  # type: ignore[attr-defined]  # pytest's own factory
    sent = []
    for value in values:
        body = msgspec.json.encode(value)
        sent.append(msgspec.json.format(body, indent=2) if pretty else body)
    written = Log(folder)
    for number, body in enumerate(sent):
        written.append(taken(number, body))
    written.close()
    rows = list(read(folder))
    assert [row.at for row in rows] == list(range(len(sent)))
    assert [msgspec.json.decode(row.event) for row in rows] == values


def test_missing_values_come_back_as_missing(tmp_path: Path) -> None:
    """NaN is not JSON: a missing feature value is null in the log."""
    written = Log(tmp_path)
    row = Prediction(
        at=1,
        event=msgspec.Raw(b"{}"),
        features=(1.5, float("nan")),
        score=0.1,
        decision="approve",
        build="b",
        timings={"a": 1},
        degraded=[],
    )
    written.append(row)
    written.close()
    (back,) = read(tmp_path)
    assert isinstance(back, Prediction)
    assert back.features == (1.5, None)


def test_a_torn_row_is_left_out_and_the_next_one_is_not(tmp_path: Path) -> None:
    """A write that was cut short costs its own row, not those before or after it."""
    written = Log(tmp_path)
    written.append(taken(1))
    written.close()
    (file,) = tmp_path.glob("*.ndjson")
    with file.open("ab") as stream:
        stream.write(b'{"kind":"event","at":2,')
    again = Log(tmp_path)
    again.append(taken(3))
    again.close()
    assert [row.at for row in read(tmp_path)] == [1, 3]


def test_files_are_rotated_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is closed once it has reached its size, and reading goes through all of them."""
    monkeypatch.setattr(log, "ROTATE", 200)
    written = Log(tmp_path)
    for number in range(50):
        written.append(taken(number))
    written.close()
    assert len(list(tmp_path.glob("*.ndjson"))) > 5
    assert [row.at for row in read(tmp_path)] == list(range(50))


_WRITER = """
import sys
from pathlib import Path
import msgspec
from groundplan.serving.log import Log, Taken
log = Log(Path(sys.argv[1]))
for number in range(10**9):
    log.append(Taken(number, msgspec.Raw(b"{}")))
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """After kill -9, every row whose append had returned is in the log."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(2_000):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else 1_999
    assert len(list(read(tmp_path))) >= acknowledged + 1
