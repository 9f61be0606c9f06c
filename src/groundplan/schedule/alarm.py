"""Telling somebody: the command that the project names, with the reason in its environment."""

import os
import subprocess

from groundplan.units import MINUTE, SECOND

PATIENCE = MINUTE
"""µs that an alarm may take."""


def ring(command: str, system: str, job: str, reason: str) -> str:
    """Run an alarm; what went wrong with it, or an empty text.

    The shell reads the command; the reason reaches it only through the environment, so that
    nothing in a log can become a command.

    Args:
        command: for the shell.
        system: $GROUNDPLAN_SYSTEM, the name of the system.
        job: $GROUNDPLAN_JOB, what failed.
        reason: $GROUNDPLAN_REASON, what happened; standard input too.
    """
    named = {"GROUNDPLAN_SYSTEM": system, "GROUNDPLAN_JOB": job, "GROUNDPLAN_REASON": reason}
    clean = {name: value.replace("\0", "") for name, value in named.items()}
    try:
        done = subprocess.run(
            command,
            shell=True,
            input=clean["GROUNDPLAN_REASON"].encode() + b"\n",
            env={**os.environ, **clean},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=PATIENCE / SECOND,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the alarm did not end within {PATIENCE // SECOND} s"
    except OSError as error:
        return f"the alarm cannot be started: {error}"
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return f"the alarm ended with {done.returncode}" + "".join(f": {line}" for line in said)
    return ""
