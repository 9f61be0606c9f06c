"""The same schedule for those who have a scheduler: files for cron, systemd, Airflow, Dagster."""

from collections.abc import Callable
from typing import Final

from groundplan.schedule.definitions.airflow import airflow
from groundplan.schedule.definitions.cron import cron
from groundplan.schedule.definitions.dagster import dagster
from groundplan.schedule.definitions.systemd import systemd
from groundplan.schedule.timetable import Timetable

DEFINITIONS: Final[dict[str, Callable[[Timetable], dict[str, str]]]] = {
    "cron": cron,
    "systemd": systemd,
    "airflow": airflow,
    "dagster": dagster,
}
"""By scheduler, what gives its files: the text of each by its name."""

__all__ = ["DEFINITIONS"]
