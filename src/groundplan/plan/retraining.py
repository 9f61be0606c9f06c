"""When a model is trained again, and what a new one must show before it serves."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.constraints.cron import longest_gap
from groundplan.decision import Decision
from groundplan.plan.stage import Retraining
from groundplan.units import DAY, show_duration

LATE: Final = 30 * DAY
"""Of label delay: beyond, a week is little beside what passes until a model can be judged."""

TUNING: Final = 0.25
"""The share of the age that knowledge may have which a tuning and its evaluation may take."""

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
        tuned = decision.components["model"].choice == "tuned_language_model"
        return Retraining(
            _tuning(answers) if tuned else "when the model or the prompts change",
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


def _tuning(answers: Answers) -> str:
    """How often a language model is tuned: what changes is in it as soon as is promised."""
    knowledge = answers.freshness.knowledge
    assert knowledge is not None, "only knowledge that is stated to be old enough is tuned in"
    # A quarter of the time is left for the tuning itself, and for what is asked of its result.
    often = _stated(answers) or f"every {int((1 - TUNING) * knowledge / DAY)}d"
    return (
        f"{often}: what changed in the corpus must be in the model within "
        f"{show_duration(knowledge)}, tuned and evaluated"
    )


def _stated(answers: Answers) -> str:
    """What [schedule] says of builds, in words; empty where it says nothing."""
    build = answers.schedule.build
    if build is None:
        return ""
    gap = show_duration(longest_gap(build))
    return f'every {gap} at most, as [schedule] build = "{build}" says'


def _cadence(answers: Answers) -> str:
    labels, why = answers.labels, []
    stated = _stated(answers)
    if stated:
        often = stated
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
