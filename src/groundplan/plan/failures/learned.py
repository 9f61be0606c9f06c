"""How what was learned misleads, and what is learned from, whatever the pattern."""

from groundplan.decision import Decision
from groundplan.plan.failures.failure import Mode


def several(*, ranked: bool) -> list[Mode]:
    """How a model of several candidates grows old, and how the figure that judges it misleads."""
    return [
        Mode(
            "model",
            "what people want changes" if ranked else "what is predicted changes its pattern",
            "the place of what is taken, over time"
            if ranked
            else "scores against what became of the same candidates, over time",
            "retrain on the cadence, sooner when the trigger fires",
            seen="what was wanted last month" if ranked else "scores that favour the wrong ones",
            fallback="",
            running=False,
            main=True,
        ),
        Mode(
            "metric",
            "the figure favours what was shown before",
            "a share of requests in random order",
            "judge by an experiment before it is promoted",
            seen="a better figure, the same page" if ranked else "a better figure, no gain",
            fallback="",
            running=False,
        ),
    ]


def loop(decision: Decision) -> Mode | None:
    """How a loop through people's choices or judgement misleads; None where labels just arrive."""
    chosen = decision.components["loop"].choice
    if chosen == "feedback_log":
        return Mode(
            "loop",
            "the system learns from its own choices",
            "the share of things that is ever shown shrinks",
            "log what was shown and where, keep some exploration",
            seen="ever fewer things",
            fallback="",
            running=False,
            main=True,
        )
    if chosen == "review_sample":
        return Mode(
            "loop",
            "people judge only what scored high",
            "judged cases by score: none among the low ones",
            "a part of the sample is drawn at random",
            seen="what scores low and matters is never found",
            fallback="",
            running=False,
            main=True,
        )
    return None
