"""Lines for a crontab."""

import shlex

from groundplan.schedule.definitions.name import line, plain
from groundplan.schedule.timetable import Job, Timetable


def cron(table: Timetable) -> dict[str, str]:
    """One line a job; lock, log, time limit, further attempts and alarm are the command's own.

    What a failed job says goes to standard error, which cron mails.
    """
    zone = table.rules.time_zone
    folder = line(str(table.file.parent))
    lines = [
        f"# {line(table.system)}: for `crontab -e` of the user that owns {folder}",
        "# cronie (Fedora, RHEL, Arch) reads CRON_TZ; Debian's cron goes by the machine's zone,",
        f"# which must then be {zone}. A run that was missed is not made up for by cron.",
        "SHELL=/bin/sh",
        f"CRON_TZ={zone}",
        *(f"{job.cron} {_command(job, table)}" for job in table.jobs),
    ]
    return {f"{plain(table.system)}.crontab": "\n".join(lines) + "\n"}


def _command(job: Job, table: Timetable) -> str:
    words = (job.command[0], "-m", "groundplan", "schedule", str(table.file), "--run", job.name)
    # A percent sign would end the line of a crontab and begin standard input.
    return shlex.join(words).replace("%", r"\%") + " >/dev/null"
