"""Processes that publish, roll back and read, and are killed at any step of it."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from groundplan.patterns.batch.versions import rolling_back
from groundplan.project import Project
from groundplan.scores.embedded import EmbeddedScores
from patterns.batch.scored import opened, reader

STEPS = ("replace", "rename", "link", "symlink", "fsync", "unlink", "mkdir", "rmdir")
"""Calls of `os` by which a process changes what others see, and `pathlib` and `shutil` with it."""

CALLS = ("load", "point", "drop")
"""What it has a store do."""


def context() -> ForkServerContext:
    """Processes that start quickly, since their server has imported what they need."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["patterns.batch.announcing", "lightgbm", "sklearn"])
    return found


def publish(folder: Path, number: int, limits: dict[str, Any], at: int | None = None) -> None:
    """Publish a run, and be killed at a step of it."""
    one = opened(folder, number, **limits)
    count = killed(at)
    if not one.publish().passed:
        os._exit(3)
    _say(folder, count())


def roll_back(folder: Path, to: str | None, at: int | None = None) -> None:
    """Roll back, and be killed at a step of it."""
    count = killed(at)
    rolling_back.rollback(Project(folder), to)
    _say(folder, count())


def read(folder: Path, expected: dict[str, dict[str, float]], stop: Event, found: Any) -> None:
    """Count answers that are of no version, or of another than they say, until it is told."""
    store = reader(Project(folder))
    keys = sorted(expected[min(expected)])
    seen, reads, wrong = set(), 0, 0
    while not stop.is_set():
        for key in keys:
            one = store.get(key)
            reads += 1
            if one is None or expected[one.version].get(key) != one.score:
                wrong += 1
            else:
                seen.add(one.version)
        many = store.get_many(keys)
        wrong += len({each.version if each else None for each in many}) != 1
    found.put((reads, wrong, seen))


def killed(at: int | None) -> Callable[[], int]:
    """Have this process killed before a step, counted from 0; how many steps there were."""
    steps = 0

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            nonlocal steps
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1
            return call(*args, **options)

        return counted

    for name in STEPS:
        setattr(os, name, counting(getattr(os, name)))
    for name in CALLS:
        setattr(EmbeddedScores, name, counting(getattr(EmbeddedScores, name)))
    return lambda: steps


def _say(folder: Path, steps: int) -> None:
    (folder / "steps").write_text(str(steps))
