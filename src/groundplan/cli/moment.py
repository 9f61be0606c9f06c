"""Moments on the command line: `2026-08-15`, `2026-08-15T10:00Z`, or a duration ago: `2h`."""

import time
from datetime import UTC, datetime
from typing import Any

import click

from groundplan.units import duration


class Moment(click.ParamType[int]):
    """Microseconds since 1970, UTC."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """A date, a date with a time, or how long ago."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            try:
                return time.time_ns() // 1_000 - duration(value)
            except ValueError:
                self.fail(
                    f"{value!r} is no moment: write a date such as 2026-08-15, a time such as "
                    "2026-08-15T10:00:00Z, or how long ago, such as 2h",
                    param,
                    ctx,
                )
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = aware - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
