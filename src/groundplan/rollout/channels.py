"""A channel: a named pointer at a build, moved in one step."""

import os
from pathlib import Path
from typing import Final

from groundplan.errors import BuildError
from groundplan.rollout.builds import Build

LIVE: Final = "live"


def point(home: Path, channel: str, build: Build) -> None:
    """Move a channel to a build; a reader sees the old one or the new one, nothing between."""
    channels = home / "channels"
    channels.mkdir(parents=True, exist_ok=True)
    hidden = channels / f".{channel}.{os.getpid()}"
    with hidden.open("w") as stream:
        stream.write(build.folder.name + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    hidden.replace(channels / channel)


def read(home: Path, channel: str) -> Build:
    """The build that a channel points at.

    Raises:
        BuildError: the channel points nowhere, or at a build that is gone or was altered.
    """
    pointer = home / "channels" / channel
    if not pointer.is_file():
        raise BuildError(
            f"no build is {channel}: {pointer} is not there; run `groundplan build` first"
        )
    return Build(home / "builds" / pointer.read_text().strip())
