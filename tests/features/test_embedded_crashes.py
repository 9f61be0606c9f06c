"""The embedded store among processes that are killed, that write at once, that fill its file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from feature_cases import SECOND, START, arrow, fraud, same
from groundplan.features import Appended, EmbeddedStore, Event
from groundplan.features.mapped import Mapped

TESTS = Path(__file__).resolve().parents[1]


def child(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process that runs some code, whose output can be read."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )


def test_the_file_grows_under_two_handles(tmp_path: Path) -> None:
    """A file that is full doubles, and another process that has it open goes on with it."""
    code = (
        "import sys; from pathlib import Path; from groundplan.features.mapped import Mapped\n"
        "file = Mapped(Path(sys.argv[1]), size=1 << 16)\n"
        "for line in sys.stdin:\n"
        "    n = int(line)\n"
        "    file.write(lambda txn: txn.put(b'%d' % n, bytes(5000)))\n"
        "    print(file.read(lambda txn: txn.stat()['entries']), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        mine = Mapped(tmp_path, size=1 << 16)
        for n in range(0, 100, 2):
            mine.write(lambda txn, n=n: txn.put(b"%d" % n, bytes(5000)))  # type: ignore[misc]  # a loop's lambda
            other.stdin.write(f"{n + 1}\n")
            other.stdin.flush()
            assert int(other.stdout.readline()) == n + 2
        other.stdin.close()
        mine.close()


WRITER = """
import sys
from pathlib import Path
from feature_cases import START, SECOND, fraud
from groundplan.features import EmbeddedStore, Event
folder, first, count, customer = Path(sys.argv[1]), *map(int, sys.argv[2:])
store = EmbeddedStore(folder, fraud())
for n in range(first, first + count):
    store.join(Event(n, START + n % 1000 * SECOND, (customer, n % 7, 100), (False,)))
    print(n, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed in the middle of its work, the store has every event whose join had returned."""
    acknowledged: list[int] = []
    for round_ in range(3):
        with child(WRITER, tmp_path, round_ * 100_000, 100_000, 1) as process:
            assert process.stdout is not None
            for _ in range(200 + 150 * round_):
                acknowledged.append(int(process.stdout.readline()))
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    with EmbeddedStore(tmp_path, fraud()) as store:
        written = [
            Event(n, START + n % 1000 * SECOND, (1, n % 7, 100), (False,)) for n in acknowledged
        ]
        assert store.append(written) == Appended(known=len(acknowledged))
        probe = Event(-1, START + 1000 * SECOND, (1, 1, 100), (False,))
        seen = store.peek(probe)[store._inputs.names.index("customer_nb_tx_30d")]
        assert len(acknowledged) + 1 <= seen <= len(acknowledged) + 1 + 3  # one in flight a kill


def test_two_processes_lose_nothing_of_one_entity(tmp_path: Path) -> None:
    """Concurrent joins of the same customer from two processes all count."""
    with child(WRITER, tmp_path, 0, 400, 1) as one, child(WRITER, tmp_path, 1000, 400, 1) as two:
        assert len(one.communicate()[0].split()) == 400
        assert len(two.communicate()[0].split()) == 400
    with EmbeddedStore(tmp_path, fraud()) as store:
        probe = Event(-1, START + 1000 * SECOND, (1, 1, 100), (False,))
        assert store.peek(probe)[store._inputs.names.index("customer_nb_tx_1d")] == 801.0


APPENDER = """
import sys
from pathlib import Path
from feature_cases import START, SECOND, fraud
from groundplan.features import EmbeddedStore, Event
store = EmbeddedStore(Path(sys.argv[1]), fraud())
first = store.offsets().get("transactions/0", 0)
for n in range(first, 100_000, 40):
    rows = [Event(i, START + i * SECOND, (1, i % 7, 100), (False,)) for i in range(n, n + 40)]
    store.append(rows, {"transactions/0": n + 40})
    print(n + 40, flush=True)
"""


def test_offsets_stand_beside_the_events_that_they_count(tmp_path: Path) -> None:
    """A consumer that is killed again and again goes on where it was, with no gap or overlap."""
    acknowledged = 0
    for _ in range(4):
        with child(APPENDER, tmp_path) as process:
            assert process.stdout is not None
            for _ in range(15):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
    with EmbeddedStore(tmp_path, fraud()) as store:
        offset = store.offsets()["transactions/0"]
        assert acknowledged <= offset
        assert store.stats().events == offset
        probe = Event(-1, START + offset * SECOND, (1, 1, 100), (False,))
        assert store.peek(probe)[store._inputs.names.index("customer_nb_tx_30d")] == offset + 1


INGESTER = """
import sys
from pathlib import Path
from feature_cases import fraud
from groundplan.features import EmbeddedStore, bulk
bulk._FRESH = bulk._LIVE = 2048
store = EmbeddedStore(Path(sys.argv[1], "store"), fraud())
print(store.ingest(Path(sys.argv[1], "history.parquet"), lambda done, of: print(done, flush=True)))
"""


def test_ingest_goes_on_after_a_kill(tmp_path: Path) -> None:
    """Killed in the middle and run again, it leaves what one run would have left."""
    inputs = fraud()
    draw = np.random.default_rng(0)
    events = [
        Event(n, START + n * 60 * SECOND, (int(c), int(t), int(a)), (False,))
        for n, (c, t, a) in enumerate(draw.integers(0, 40, (20_000, 3)))
    ]
    pq.write_table(arrow(inputs, events), tmp_path / "history.parquet", row_group_size=2048)
    with child(INGESTER, tmp_path) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    with EmbeddedStore(tmp_path / "store", inputs) as store:
        before = store.stats().events
    assert 3 * 2048 <= before < 20_000
    with child(INGESTER, tmp_path) as process:
        assert f"Ingested(added={20_000 - before}, known={before}" in process.communicate()[0]
    with (
        EmbeddedStore(tmp_path / "store", inputs) as store,
        EmbeddedStore(tmp_path / "once", inputs) as once,
    ):
        once.ingest(tmp_path / "history.parquet")
        assert store.stats().events == once.stats().events == 20_000
        for n in range(40):
            probe = Event(-1, START + 20_000 * 60 * SECOND, (n, n, 1), (False,))
            assert same(store.peek(probe), once.peek(probe))
