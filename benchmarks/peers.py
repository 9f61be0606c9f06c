"""Ours and Feast in processes of their own, for `features.py` and `online_peer.py`."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from online import history

from groundplan.engines import feast
from groundplan.features import FeatureSet

HERE = Path(__file__).parent
KEYS = ["customer", "terminal"]
SQLITE = {"type": "sqlite", "path": "data/online.db"}


class Failed(Exception):
    """A process ended without a result; says with what."""


def prepare(folder: Path, events: int, keys: int, inputs: FeatureSet) -> None:
    """The raw events of `online.py`, and a Feast repository of their values."""
    raw = history(events, keys)
    pq.write_table(raw, folder / "events.parquet")
    feast.write(inputs, raw, folder / "feast", project="benchmark")


def step(script: str, name: str, folder: Path, **given: Any) -> dict[str, Any]:
    """What a step of one of our scripts prints in a process of its own."""
    words = json.dumps([name, str(folder), given])
    return _printed([sys.executable, script, "--step", words], folder, given.get("way", name))


def act(steps: dict[str, Callable[..., None]], words: str) -> None:
    """Be that process."""
    name, folder, given = json.loads(words)
    steps[name](Path(folder), **given)


def peer(python: str, script: str, folder: Path, *words: str | Path) -> dict[str, Any]:
    """What one of the peer's scripts prints.

    Raises:
        Failed: it ended without a result, as where it wants more memory than it may have.
    """
    command = [python, "-W", "ignore", str(HERE / "peer" / script), *map(str, words)]
    return _printed(command, folder, f"Feast: {script}")


def register(python: str, folder: Path) -> None:
    """What `feast apply` does."""
    configure(folder, "file", SQLITE)
    words = ["-W", "ignore", "-m", "feast.cli.cli", "-c", str(folder / "feast"), "apply"]
    _run([python, *words], folder, "feast apply")


def configure(folder: Path, offline_store: str, online_store: dict[str, str]) -> None:
    """Name the stores of the Feast repository."""
    lines = [f"  {name}: {json.dumps(value)}\n" for name, value in online_store.items()]
    (folder / "feast" / "feature_store.yaml").write_text(
        "project: benchmark\nregistry: data/registry.db\nprovider: local\n"
        f"offline_store:\n  type: {offline_store}\nonline_store:\n{''.join(lines)}"
        "entity_key_serialization_version: 3\n"
    )


def has(python: str, module: str) -> bool:
    """Whether an environment has a module."""
    found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    return not found.returncode


def memory() -> int:
    """Bytes that a process may take: three quarters of the machine's."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4


def _printed(command: list[str], folder: Path, name: str) -> dict[str, Any]:
    """The JSON in the last line of what a command prints."""
    found: dict[str, Any] = json.loads(_run(command, folder, name).splitlines()[-1])
    return found


def _run(command: list[str], folder: Path, name: str) -> str:
    print(f"... {name}", file=sys.stderr)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(folder)},  # where Feast leaves folders of its own
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory(), memory())),
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Failed(f"{name}: {lines[-1] if lines else f'ended by signal {-done.returncode}'}")
    return done.stdout
