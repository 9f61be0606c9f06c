"""The jobs as Python writes them, for the schedulers whose definitions are Python."""

from groundplan.schedule.timetable import Job, Timetable


def commands(table: Timetable) -> str:
    """The rows of a dictionary: by the job's name, its cron expression and what it tries to run."""
    return "\n".join(f"    {job.name!r}: ({job.cron!r}, {_lists(job)!r})," for job in table.jobs)


def _lists(job: Job) -> list[list[str]]:
    return [list(command) for command in job.commands]
