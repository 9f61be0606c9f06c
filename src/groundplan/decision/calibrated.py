"""The cost table in force: the user's own, which `groundplan calibrate` measured, or the reference.

`GROUNDPLAN_COSTS` overrules both: `reference`, or the path of a table.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import msgspec

from groundplan.decision.costs import ROWS, Costs, load, reference
from groundplan.durable import written
from groundplan.errors import EngineError, ProjectError

VARIABLE: Final = "GROUNDPLAN_COSTS"
SCRIPT: Final = "groundplan calibrate"
"""What stands under `script` in a table of the user's own."""

_SIZE: Final = 16_384
"""Bytes that a table has at most."""

_AGAIN: Final = "`groundplan calibrate` measures again"


def current() -> Costs:
    """The table that decisions and plans use.

    The user's own where there is one that can be read, else the reference; a damaged file is as
    good as none, and `footer` says so.

    Raises:
        ProjectError: `GROUNDPLAN_COSTS` names a file that is not a cost table.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "reference":
        return reference()
    if chosen:
        return _read(Path(chosen))
    try:
        return own() or reference()
    except ProjectError:
        return reference()


def own() -> Costs | None:
    """The user's table; None where nothing was measured.

    Raises:
        ProjectError: the file cannot be read, or it is not a cost table.
    """
    path = place()
    return _read(path) if path is not None and path.exists() else None


def place() -> Path | None:
    """The file of the user's table; None where the user has no home."""
    stated = os.environ.get("XDG_CACHE_HOME", "")
    if stated and Path(stated).is_absolute():  # a relative one is to be ignored, by the standard
        return Path(stated, "groundplan", "costs.json")
    try:
        home = Path.home()
    except RuntimeError:
        return None
    caches = {"darwin": home / "Library" / "Caches", "win32": home / "AppData" / "Local"}
    return caches.get(sys.platform, home / ".cache") / "groundplan" / "costs.json"


@contextmanager
def reserved() -> Iterator[None]:
    """The place for the user's table while it is measured: writable, and nobody else's.

    Two that measure at once would take each other's time, and the second to save would undo what
    the first has.

    Raises:
        EngineError: a table could not be written, or another process measures one.
    """
    import fcntl  # deciding needs no Unix

    path = _writable()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_SIZE))
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineError(
                "another `groundplan calibrate` measures this machine: wait until it is done"
            ) from error
        yield
    finally:
        os.close(folder)


def save(costs: Costs) -> Path:
    """Write the user's table, whole or not at all; where it is.

    Raises:
        EngineError: it cannot be written.
    """
    path = _writable()
    # What the reference filled in stays out: a newer reference may know better.
    rows = {name: cost for name, cost in costs.rows.items() if name not in costs.left}
    content = msgspec.json.encode(msgspec.structs.replace(costs, rows=rows))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written(path, msgspec.json.format(content, indent=1) + b"\n")
    except OSError as error:
        raise _unwritten(path, error) from error
    return path


def _writable() -> Path:
    path = place()
    if path is None:
        raise EngineError("there is no home folder: name a folder in XDG_CACHE_HOME")
    return path


def _unwritten(path: Path, error: OSError) -> EngineError:
    return EngineError(
        f"{path} cannot be written ({error.strerror}): name another folder in XDG_CACHE_HOME"
    )


def forget() -> Path | None:
    """Delete the user's table; where it was, or None where there was none.

    Raises:
        EngineError: it cannot be deleted.
    """
    path = place()
    try:
        if path is None or not path.exists():
            return None
        path.unlink()
    except OSError as error:
        raise EngineError(f"{path} cannot be deleted ({error.strerror})") from error
    return path


def footer(costs: Costs) -> list[str]:
    """What a decision or a plan says of its table, a sentence a line.

    Its name, machine and day; of the user's own, which rows come from the reference, and whether
    it belongs to another processor or version; and, where the user's own cannot be read, why.
    """
    lines = [f"costs: {costs.name}, measured on {costs.machine}, {costs.measured_at}"]
    if taken := reasons(costs):
        told = "; ".join(f"{', '.join(rows)} ({why})" for why, rows in taken.items())
        lines.append(f"from the reference, not measured here: {told}")
    lines += stale(costs)
    if costs is reference() and not os.environ.get(VARIABLE):
        try:
            own()
        except ProjectError as error:
            lines.append(f"the table of your own is not used: {error}")
    return lines


def reasons(costs: Costs) -> dict[str, list[str]]:
    """The rows that decisions read and that come from the reference, by why."""
    found: dict[str, list[str]] = {}
    for row, why in costs.left.items():
        if row in ROWS:
            found.setdefault(why, []).append(row)
    return found


def stale(costs: Costs) -> list[str]:
    """Why a table of the user's own may no longer be right, a sentence each."""
    if costs.script != SCRIPT:
        return []
    lines = []
    if costs.processor and costs.processor != (here := processor()):
        lines.append(f"measured on another processor, {costs.processor}; this is {here}: {_AGAIN}")
    if costs.package and costs.package != (running := package()):
        lines.append(
            f"measured by groundplan {costs.package}; this is {running}, which may be faster "
            f"or slower: {_AGAIN}"
        )
    return lines


@lru_cache(maxsize=1)
def package() -> str:
    """The version of Groundplan that runs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("groundplan")
    except PackageNotFoundError:  # a source tree that was never installed
        return "of no version"


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor of this machine, by name, family and model where Linux tells them."""
    import platform

    facts = {}
    try:
        with Path("/proc/cpuinfo").open() as file:  # the first processor: there may be hundreds
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:
                    break
                facts[name.strip()] = value.strip()
    except OSError:
        pass
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    numbers = [f"{name.split()[-1]} {facts[name]}" for name in _NUMBERS if name in facts]
    return f"{facts['model name']} ({', '.join(numbers)})" if numbers else facts["model name"]


_NUMBERS: Final = ("cpu family", "model")


def _read(path: Path) -> Costs:
    """The table in a file, read again when the file changes."""
    try:
        stat = path.stat()
    except OSError:
        return load(path)  # which says what is wrong
    return _loaded(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=4)
def _loaded(path: Path, *_: int) -> Costs:
    return load(path)
