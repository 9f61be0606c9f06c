"""A channel: a named pointer at a build, moved in one step."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from groundplan.durable import synced
from groundplan.errors import BuildError
from groundplan.rollout.builds import Build

LIVE: Final = "live"


def point(home: Path, channel: str, build: Build) -> None:
    """Move a channel to a build; a reader sees the old one or the new one, nothing between."""
    prepare(home, channel, build.folder.name)()
    settle(home)


def prepare(home: Path, channel: str, name: str) -> Callable[[], None]:
    """Write all that a move needs; the move itself is the call of what is returned.

    That call is one rename. `settle` makes it last through a loss of power.

    Args:
        home: the project's `.groundplan` folder.
        channel: the pointer to move.
        name: of the build that it is to point at.
    """
    channels = home / "channels"
    channels.mkdir(parents=True, exist_ok=True)
    hidden = channels / f".{channel}.{os.getpid()}"
    with hidden.open("w") as stream:
        stream.write(name + "\n")
        stream.flush()
        os.fsync(stream.fileno())

    def move() -> None:
        os.replace(hidden, channels / channel)

    return move


def settle(home: Path) -> None:
    """Have the channels on the disk as they stand."""
    synced(home / "channels")


def name(home: Path, channel: str) -> str | None:
    """The name of the build that a channel points at, unopened; None where it points nowhere."""
    pointer = home / "channels" / channel
    return pointer.read_text().strip() if pointer.is_file() else None


def read(home: Path, channel: str) -> Build:
    """The build that a channel points at.

    Raises:
        BuildError: the channel points nowhere, or at a build that is gone or was altered.
    """
    found = name(home, channel)
    if found is None:
        raise BuildError(
            f"no build is {channel}: {home / 'channels' / channel} is not there; run "
            "`groundplan build` first"
        )
    return Build(home / "builds" / found)
