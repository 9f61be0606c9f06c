"""How people's judgement of answers fails, whatever wrote the answer."""

from groundplan.plan.failures.failure import Mode


def reviewed() -> list[Mode]:
    """The failures of the figure and of the feedback that people give."""
    return [
        Mode(
            "metric",
            "reviewers agree less than the models differ",
            "the share of the sample that two reviewers judge alike",
            "clearer instructions, more reviewers",
            seen="changes that make nothing better",
            fallback="",
        ),
        Mode(
            "loop",
            "only unhappy people rate",
            "ratings a day against answers a day",
            "review a random sample beside the ratings",
            seen="each change pleases the loudest",
            fallback="",
        ),
    ]
