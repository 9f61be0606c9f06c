"""What became of each job, kept across restarts and crashes."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from groundplan.durable import written
from groundplan.errors import EngineError

FILE: Final = "state.json"


class Outcome(Struct, frozen=True):
    """The last run of a job; times are µs since 1970, UTC.

    Args:
        due: the time for which it ran.
        started: when its first attempt began.
        ended: when its last attempt ended; None while it runs, or where the scheduler was cut.
        code: the exit code, negative for a signal; None where it has none.
        attempts: how often it was tried.
        says: what came of it, in a few words.
        log: the file with its output, below the folder of the logs.
    """

    due: int
    started: int
    ended: int | None
    code: int | None
    attempts: int
    says: str
    log: str


class State(Struct):
    """What a scheduler must know after a restart.

    Args:
        handled: by job, the time up to which runs are done with; µs since 1970, UTC.
        last: by job, its last run.
        lasted: by job, µs that its last good run took.
        stale: whether the alarm for scores that are too old was given and still holds.
    """

    handled: dict[str, int] = {}
    last: dict[str, Outcome] = {}
    lasted: dict[str, int] = {}
    stale: bool = False


def read(home: Path) -> State:
    """The state below a folder; an empty one where there is none yet.

    Raises:
        EngineError: the file is not what `write` left.
    """
    file = home / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError(
            f"{file} cannot be read ({error}): remove it; missed runs are then not noticed"
        ) from error


def write(home: Path, state: State) -> None:
    """Replace the state, whole or not at all, so that it survives a crash of the machine.

    Raises:
        EngineError: the file cannot be written.
    """
    file = home / FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        written(file, msgspec.json.format(msgspec.json.encode(state), indent=2))
    except OSError as error:
        raise EngineError(f"{file} cannot be written ({error}): make room for it") from error
