"""How what was learned misleads, and what is learned from, whatever the pattern."""

from typing import Final

from groundplan.decision import Decision
from groundplan.plan.failures.failure import Mode, ends


def train(*, ranked: bool, labelled: bool) -> Mode:
    """How the training of a model that learns from features fails."""
    if not labelled:
        return Mode(
            "train",
            "what is looked for is in the history too often to be unusual",
            "the share of a judged sample of the highest scores that was worth a look",
            "leave out of the history what is known to be wrong; collect labels from the sample",
            running=False,
        )
    return Mode(
        "train",
        "the new model is no better than popularity"
        if ranked
        else "the new model is no better than the base rate",
        ends("build", 2),
        "more history, or other features; the report says where it loses",
    )


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


CHOICES: Final = Mode(
    "loop",
    "the system learns from its own choices",
    "the share of things that is ever shown shrinks",
    "log what was shown and where, keep some exploration",
    seen="ever fewer things",
    fallback="",
    running=False,
    main=True,
)
"""How a system misleads itself that shows what it learns from."""


def loop(decision: Decision, judged: str = "") -> Mode | None:
    """How a loop through people's choices or judgement misleads; None where labels just arrive.

    Args:
        decision: what was decided.
        judged: what shows that only high scores are judged, where something of ours does.
    """
    chosen = decision.components["loop"].choice
    if chosen == "feedback_log":
        return CHOICES
    if chosen == "review_sample":
        return Mode(
            "loop",
            "people judge only what scored high",
            judged or "judged cases by score: none among the low ones",
            "a part of the sample is drawn at random",
            seen="what scores low and matters is never found",
            fallback="",
            running=bool(judged),
            main=True,
        )
    return None
