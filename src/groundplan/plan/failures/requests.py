"""How requests fail at every server of ours, whatever the pattern."""

from groundplan.plan.failures.failure import Mode, metric

BUSY = "more requests are waiting than can be answered in time"
"""What a request is told that is refused for want of time."""

UNRECORDED = "nothing was recorded; try again"
"""What a request is told whose event could be kept nowhere."""


def requests(path: str) -> list[Mode]:
    """The failures of a server's door, queue and log.

    Args:
        path: the route that answers, as the metrics name it.
    """
    return [
        Mode(
            "validate",
            "a client sends what the schema does not take",
            metric("requests_total", path=path, status="422"),
            "the answer names field and rule: mend the client",
            seen="the request is refused, and says which field is wrong",
        ),
        Mode(
            "validate",
            "a client has no key, or asks more often than it may",
            metric("refused_total", "status"),
            "`groundplan keys add` for the one; for the other `groundplan serve --rate`",
            seen="401, 403 or 429 before anything is read",
            fallback="",
        ),
        Mode(
            "validate",
            "more requests than one process can answer",
            f"{metric('requests_total', path=path, status='503')} and "
            f"{metric('queue_wait_seconds')} rise",
            "what cannot be answered in time is refused at once; capacity above the promised "
            "peak, measured by `groundplan verify`; `groundplan serve --processes`",
            seen="some requests are refused at once; those that are taken are answered in time",
            fallback=f"503 with Retry-After: {BUSY}",
            main=True,
        ),
        Mode(
            "validate",
            "the machine stalls while a request is on its way",
            metric("degraded_total", stage="late"),
            f"see which stage it is in {metric('stage_over_budget_total', 'stage')}, then give "
            "the machine less else to do",
            seen="an answer comes after its deadline",
            fallback="the answer all the same, which says late: ... ms after the deadline",
        ),
        Mode(
            "validate",
            "a server process dies",
            metric("process_restarts_total"),
            "`groundplan serve --processes 2`: one that dies is started again while the others "
            "answer; a supervisor for the whole",
            seen="connections that it held are cut; a repeated request is answered",
            fallback="",
        ),
        Mode(
            "log",
            "the log cannot be written",
            metric("degraded_total", stage="log"),
            "make room on the disk; answers of that time cannot be explained later",
            seen="answers that say so; nothing else changes for the user",
        ),
    ]
