"""Kills a process at every line of an operation of the embedded scores, and says what is left.

    python dying.py FOLDER load|point|drop

For n = 1, 2, ... a child does the operation and sends itself SIGKILL before it runs the nth line
of `groundplan.scores`, each counted when it first comes; the last child gets to the end. After
each, this process opens the folder as any reader would. It prints a JSON list of what it found,
one entry a child.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import groundplan.scores
from groundplan.checks.scores.population import agrees, rows, version, write
from groundplan.scores.embedded import EmbeddedScores

OLD, NEW = rows(range(40)), rows(range(20, 60), 1)
ROOM = str(Path(groundplan.scores.__file__).parent)


def die_at(line: int | None, work: Callable[[], None]) -> bool:
    """Work in a child that is killed before this line; whether it got to the end."""
    child = os.fork()
    if child == 0:
        seen = set[tuple[str, int]]()

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if not frame.f_code.co_filename.startswith(ROOM):
                return None
            if event == "line":
                seen.add((frame.f_code.co_filename, frame.f_lineno))
                if len(seen) == line:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "the operation failed"
    return True


def found(folder: Path) -> dict[str, Any]:
    """What a reader finds: what is live, what is complete, and whether all answers are right."""
    store = EmbeddedScores(folder)
    live = store.live()
    assert live is not None
    names = [record.name for record in store.versions()]
    for name in names:
        store.verify(name)
    made = {"v1": OLD, "v2": NEW}[live.name]
    right = all(agrees(store.get(row.key), row, live.name) for row in made)
    cold = all(store.get(key) is None for key in range(100) if key not in {r.key for r in made})
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return {"live": live.name, "names": names, "right": right and cold, "hidden": len(hidden)}


def main(folder: Path, operation: str) -> None:
    """Kill at every line, and print what was found."""
    parts = {"v1": write(folder / "old", OLD, parts=1), "v2": write(folder / "new", NEW, parts=2)}
    scores = folder / "scores"

    def fresh(*loaded: str, live: str) -> None:
        """Have the folder as it is before the operation; what a kill left hidden stays."""
        store = EmbeddedScores(scores)
        there = [record.name for record in store.versions()]
        for name in loaded:
            if name not in there:
                store.load(version(name, {"v1": OLD, "v2": NEW}[name]), parts[name])
        store.point(live)
        for name in there:
            if name not in loaded:
                (scores / f"{name}.scores").unlink()

    works: dict[str, tuple[tuple[str, ...], Callable[[], None]]] = {
        "load": (("v1",), lambda: EmbeddedScores(scores).load(version("v2", NEW), parts["v2"])),
        "point": (("v1", "v2"), lambda: EmbeddedScores(scores).point("v2")),
        "drop": (("v1", "v2"), lambda: EmbeddedScores(scores).drop("v2")),
    }
    before, work = works[operation]
    told, ended = list[dict[str, Any]](), False
    while not ended:
        # Reading Parquet starts threads, which no fork should find: so a child does that as well.
        if not told or (told[-1]["live"], tuple(told[-1]["names"])) != ("v1", before):
            assert die_at(None, lambda: fresh(*before, live="v1"))
        ended = die_at(len(told) + 1, work)
        told.append(found(scores))
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
