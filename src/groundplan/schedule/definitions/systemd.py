"""A service and a timer for each job, for systemd."""

from groundplan.constraints.cron import parse
from groundplan.schedule.definitions.name import line, plain
from groundplan.schedule.scheduler import RETRIES
from groundplan.schedule.timetable import Job, Timetable
from groundplan.units import MINUTE, SECOND

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def systemd(table: Timetable) -> dict[str, str]:
    """Units for ~/.config/systemd/user, or for /etc/systemd/system with a `User=` added."""
    files = {}
    for job in table.jobs:
        name = f"groundplan-{plain(table.system)}-{job.name}"
        files[f"{name}.service"] = _service(job, table)
        files[f"{name}.timer"] = _timer(job, table)
    return files


def _service(job: Job, table: Timetable) -> str:
    words = (job.command[0], "-m", "groundplan", "schedule", str(table.file), "--run", job.name)
    # The command ends itself in time; this is for one that hangs while it does.
    attempts = len(RETRIES) + 1
    most = (attempts + 1) * table.rules.timeout + sum(RETRIES) + 10 * MINUTE
    return f"""\
# Waits for another job of the project; holds lock, log, time limit, further attempts and alarm.
[Unit]
Description=groundplan {job.name} of {_title(table.system)}

[Service]
Type=oneshot
WorkingDirectory={_path(str(table.file.parent))}
ExecStart={" ".join(_word(word) for word in words)}
TimeoutStartSec={most // SECOND}
"""


def _timer(job: Job, table: Timetable) -> str:
    persistent = "true" if table.rules.missed == "run" else "false"
    return f"""\
# systemctl --user enable --now groundplan-{plain(table.system)}-{job.name}.timer
[Unit]
Description=groundplan {job.name} of {_title(table.system)}: {job.cron}

[Timer]
OnCalendar={calendar(job.cron, job.time_zone)}
Persistent={persistent}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def calendar(cron: str, time_zone: str) -> str:
    """A cron expression as a calendar event of systemd."""
    allowed = parse(cron)
    days = "" if len(allowed.weekdays) == 7 else _names(allowed.weekdays) + " "
    months = _some(allowed.months, 12)
    date = f"*-{months}-{_some(allowed.days, 31)}"
    return f"{days}{date} {_some(allowed.hours, 24)}:{_some(allowed.minutes, 60)}:00 {time_zone}"


def _some(values: tuple[int, ...], all_of_them: int) -> str:
    return "*" if len(values) == all_of_them else ",".join(f"{value:02}" for value in values)


def _names(weekdays: tuple[int, ...]) -> str:
    return ",".join(_WEEKDAYS[day] for day in weekdays)


def _word(text: str) -> str:
    """A word of a command line, quoted; systemd would read %, $ and backslashes as its own."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{quoted}"' if not quoted or any(c in quoted for c in " \t'\"\\;") else quoted


def _path(text: str) -> str:
    """A path that stands alone, where systemd reads no quotes."""
    return text.replace("%", "%%")


def _title(text: str) -> str:
    return line(text).replace("%", "%%")
