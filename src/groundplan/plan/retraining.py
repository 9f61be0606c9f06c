"""When a model is trained again, and what a new one must show before it serves."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.constraints.cron import longest_gap
from groundplan.decision import Decision
from groundplan.plan.stage import Retraining
from groundplan.units import DAY, show_duration

LATE: Final = 30 * DAY
"""Of label delay: beyond, a week is little beside what passes until a model can be judged."""

_PRETRAINED: Final = frozenset({"text_encoder", "word_match", "co_occurrence"})
_DRIFT: Final = "a feature's or the score's population stability index above 0.2"
_LABELLED: Final = (
    "no worse than the live build on the newest labelled period, intervals considered"
)
_HELD_OUT: Final = "no worse than the live build on labels kept apart, intervals considered"
_JUDGED: Final = "no worse than the live build on a sample that people judge, intervals considered"


def retraining(answers: Answers, decision: Decision) -> Retraining:
    """Cadence, triggers and gate, from the labels, the model, and the project's own schedule.

    The cadence is `every 7d` or the like, `when` something happens, or what [schedule] states.
    A delay of the labels does not stretch it, since new ones come in every day: it moves the
    period that a model is trained on.
    """
    if answers.system.output == "answer":
        return Retraining(
            "when the model or the prompts change",
            ("the share of wrong answers leaves its interval",),
            "a fixed set of questions with known answers, no worse than the live build",
        )
    gate = {"none": _JUDGED, "sparse": _HELD_OUT}.get(answers.labels.kind, _LABELLED)
    if _untrained(decision):
        return Retraining(
            "when another model is tried: this one is not trained on labels",
            ("people judge a sample of the newest requests worse than the one before",),
            gate,
        )
    triggers = (_DRIFT, "quality on newly labelled rows below the build's interval")
    if answers.labels.kind == "none":
        triggers = (_DRIFT, "people judge a sample of the highest scores worse than before")
    return Retraining(_cadence(answers), triggers, gate)


def _untrained(decision: Decision) -> bool:
    """Whether neither the model nor the ranker of its short list learns anything here."""
    ranker = decision.components.get("ranker")
    if ranker is not None and ranker.choice != "similarity":
        return False
    return decision.components["model"].choice in _PRETRAINED


def _cadence(answers: Answers) -> str:
    labels, why = answers.labels, []
    if answers.schedule.build is not None:
        gap = show_duration(longest_gap(answers.schedule.build))
        often = f'every {gap} at most, as [schedule] build = "{answers.schedule.build}" says'
    elif labels.kind in {"sparse", "none"} or (labels.delay or 0) > LATE:
        often = "every 30d"
    else:
        often = "every 7d"
    if labels.kind == "none":
        why = ["what is usual changes slowly"]
    elif labels.kind == "sparse":
        why = ["few labels are new any sooner"]
    if labels.delay and labels.kind != "none":
        young = show_duration(labels.delay)
        why.append(f"what is younger than {young} has no label yet, and is left out")
    return f"{often}: {'; '.join(why)}" if why else often
