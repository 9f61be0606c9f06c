"""Swaps under load: no reader fails, and none sees a mix of versions."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

from groundplan.checks.scores.handle import Make, expect, load, opened, publish
from groundplan.checks.scores.population import Row, agrees, rows
from groundplan.scores.store import ScoreStore

KEYS = range(400)


class _Reader:
    """Reads keys until it is told to stop, and counts."""

    def __init__(self, make: Make, made: dict[str, Sequence[Row]], seed: int) -> None:
        self.reads = self.swaps = 0
        self.wrong: list[str] = []
        self._make, self._made, self._draw = make, made, random.Random(seed)

    def run(self, stop: threading.Event) -> None:
        """Read one key, then twenty at once, and again."""
        try:
            with opened(self._make) as store:
                last = ""
                while not stop.is_set():
                    read = self._read(store)
                    self.swaps += read != last
                    last = read
        except BaseException as error:
            self.wrong.append(f"failed: {error!r}")

    def _read(self, store: ScoreStore) -> str:
        key = self._draw.choice(KEYS)
        found = store.get(key)
        name = found.version if found else "no version"
        if found is None or not agrees(found, self._made[name][key], name):
            self.wrong.append(f"{key} is {found} of {name}")
        keys = self._draw.sample(KEYS, 20)
        many = store.get_many(keys)
        seen = {answer.version for answer in many if answer}
        if len(seen) != 1 or None in many:
            self.wrong.append(f"twenty keys come from {sorted(seen)}, {many.count(None)} from none")
        for key, answer in zip(keys, many, strict=True):
            if answer and not agrees(answer, self._made[answer.version][key], answer.version):
                self.wrong.append(f"{key} is {answer} among many")
        self.reads += 1
        return name


def readers_see_one_version_at_a_time(make: Make) -> None:
    """While the pointer moves to and fro, every read is answered, by one version, rightly."""
    made: dict[str, Sequence[Row]] = {name: rows(KEYS, n) for n, name in enumerate(("v1", "v2"))}

    def work(store: ScoreStore, wait: Callable[[], None]) -> None:
        for turn in range(40):
            store.point(("v1", "v2")[turn % 2])
            wait()

    with opened(make) as store:
        for name, mine in made.items():
            load(store, name, mine)
        store.point("v2")
        _during(make, made, store, work)


def readers_outlive_retention(make: Make) -> None:
    """While versions are loaded, made live and dropped, every read is answered rightly."""
    made: dict[str, Sequence[Row]] = {f"v{n:02d}": rows(KEYS, n) for n in range(12)}
    stood = list(made)

    def work(store: ScoreStore, wait: Callable[[], None]) -> None:
        for before, name in itertools.pairwise(stood):
            publish(store, name, made[name])
            store.drop(before)
            wait()

    with opened(make) as store:
        publish(store, stood[0], made[stood[0]])
        _during(make, made, store, work)


def _during(
    make: Make,
    made: dict[str, Sequence[Row]],
    store: ScoreStore,
    work: Callable[[ScoreStore, Callable[[], None]], None],
) -> None:
    """Work while three readers read with handles of their own; then count what they saw."""
    readers = [_Reader(make, made, seed) for seed in range(3)]
    stop = threading.Event()
    threads = [threading.Thread(target=reader.run, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        work(store, lambda: time.sleep(0.01))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    wrong = [what for reader in readers for what in reader.wrong]
    reads = sum(reader.reads for reader in readers)
    expect(not wrong, f"{len(wrong)} of {reads} reads are wrong, such as {wrong[:3]}")
    expect(all(reader.reads for reader in readers), "a reader read nothing")
    expect(sum(reader.swaps for reader in readers) > 3, "no reader saw the pointer move")
