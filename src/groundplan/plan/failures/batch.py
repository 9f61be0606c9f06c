"""How scores computed on a schedule fail, and the lookups that serve them."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Decision
from groundplan.plan.batch import COLD, queued
from groundplan.plan.failures.failure import Mode, ends, metric
from groundplan.plan.failures.generated import TUNED
from groundplan.plan.failures.learned import loop, several, train
from groundplan.plan.failures.requests import requests
from groundplan.plan.failures.reviewed import reviewed
from groundplan.units import show_duration

EMPTY = "no scores can be read yet: `groundplan score` publishes them"
"""What a request is told before the first version."""

_AFTER = "score again; `groundplan score --allow` names a check that may fail this once"


def batch(answers: Answers, decision: Decision) -> list[Mode]:
    """The failures of the runs, of publication, and of the lookup."""
    age = show_duration(answers.freshness.predictions)
    cold = _COLD[answers.system.output]
    return [
        train(ranked=answers.system.output == "ranking", labelled=answers.labels.kind != "none"),
        *_runs(age),
        *(_answers() if answers.system.output == "answer" else _scores(answers, cold)),
        *_publication(),
        *requests("/scores/{key}"),
        *_lookup(answers, cold),
        *(reviewed() if answers.system.output == "answer" else _learned(answers, decision)),
        *_roles(age, cold, COLD[answers.system.output]),
    ]


_COLD: Final = {
    "score": "an average in place of a score of its own",
    "ranking": "what most people take, in place of a list of one's own",
    "answer": "no answer where there could be one",
}
"""What is seen of a key without a result, by output."""


def _runs(age: str) -> list[Mode]:
    return [
        Mode(
            "features",
            "a source lost rows or a column, or was not there in time",
            f"{ends('score', 2, 'nulls')}, or check `coverage`",
            f"mend the source, then {_AFTER}",
        ),
        Mode(
            "features",
            "a source came in another unit, or a join or a rate went wrong",
            ends("score", 2, "ranges"),
            f"the check names the feature and how far it strayed: mend its source, then {_AFTER}",
        ),
        Mode(
            "retrieve",
            "the lists leave out what people would have taken",
            "recall of later interactions in the lists",
            "longer lists, or a second source of candidates",
            running=False,
        ),
        Mode(
            "score",
            "a run fails or is late",
            f"{metric('scores_stale')} is 1: {metric('scores_age_seconds')} above "
            f"{metric('promised_age_seconds')}; {metric('stale_alarms_total')} counts the times, "
            "`groundplan schedule --list` shows the last outcomes",
            "run `groundplan score` again, which goes on with the partitions that are missing; "
            "an alarm in [schedule]",
            seen=f"answers that are older than {age}, each of them marked",
            fallback="the last version keeps serving; its answers say "
            f"scores: ... old, promised {age}",
            main=True,
        ),
    ]


def _scores(answers: Answers, cold: str) -> list[Mode]:
    """How a run's scores go wrong."""
    leak = Mode(
        "features",
        "features leak the future",
        "offline figures far above what labels show later",
        "point-in-time joins only",
        seen="decisions are worse than the build's report says",
        fallback="",
        running=False,
        main=True,
    )
    return [
        *([] if answers.labels.kind == "none" else [leak]),
        Mode(
            "score",
            "the population or the model changed, and scores move with it",
            ends("score", 2, "drift"),
            f"the check names what moved most: mend it, or {_AFTER}",
        ),
        _few(cold) if queued(answers) else _lost(cold),
        Mode(
            "explain",
            "a score has no reason, or one that is not its own",
            ends("score", 2, "reasons"),
            "build again: codes and model belong to one build",
        ),
        Mode(
            "validate",
            "a run's rows are not what its raw data make of them",
            f"{ends('score', 2, 'sample')}, or check `scores` or `keys`",
            "`groundplan score --fresh`; if it stays, the data changed under the run",
            seen="nothing: the version is not announced",
            offline=True,
        ),
        Mode(
            "validate",
            "a version is wrong in a way that no check saw",
            f"{metric('decisions_total', 'decision')} moves when "
            f"{metric('versions_picked_up_total')} does",
            "`groundplan rollback`: scores and model go back by one pointer",
            seen="decisions that make no sense, until somebody rolls back",
            fallback="",
            main=True,
            offline=True,
        ),
    ]


def _lost(cold: str) -> Mode:
    """How a population fails that is much the same in each run."""
    return Mode(
        "score",
        "the population lost keys or got many at once",
        f"{ends('score', 2, 'churn')}, or check `rows`",
        f"compare the list with its source, then {_AFTER}",
        seen=cold,
    )


def _few(cold: str) -> Mode:
    """How what has arrived since the last run fails: it is another population each time."""
    return Mode(
        "score",
        "the list of what has arrived leaves requests out",
        f"{metric('lookups_total', 'outcome')}: the share that is not `scored`, after a run as "
        "before it",
        "let the list reach back a little further than the last run; then `groundplan score`",
        seen=cold,
    )


def _answers() -> list[Mode]:
    """How a run's texts go wrong."""
    return [
        TUNED,
        Mode(
            "score",
            "another version of the model, or another prompt, writes otherwise",
            "the length of the answers, and the share that is empty, against the last version",
            "name the version; people read a sample before it is published",
            running=False,
            main=True,
        ),
        Mode(
            "validate",
            "answers are whole, and wrong in a way that no check sees",
            "a sample that people judge before a version is announced",
            "go back to the version before by one pointer",
            seen="wrong answers that read well, until somebody goes back",
            fallback="",
            running=False,
            main=True,
            offline=True,
        ),
        Mode(
            "explain",
            "answers wait longer for their approval than they may be old",
            "the age of the oldest answer that nobody has read",
            "more readers, or a longer promise",
            running=False,
        ),
        Mode(
            "explainer",
            "whoever approves answers stops reading them",
            "wrong answers that were put among them on purpose, and approved",
            "fewer answers a person; two persons for those that matter",
            seen="approved answers that are wrong",
            fallback="",
            running=False,
        ),
        Mode(
            "model",
            "the model states what is not so",
            "a sample that people judge",
            "if the errors are about knowledge that it lacks, the answer to policy.private_corpus "
            "has changed: decide again",
            seen="wrong answers that read well",
            fallback="",
            running=False,
            main=True,
        ),
    ]


def _publication() -> list[Mode]:
    return [
        Mode(
            "publish",
            "a half-written version is read",
            ends("score", 2, "checksum"),
            "a version is complete before one pointer moves to it; a run that was cut goes on",
            main=True,
        ),
        Mode(
            "publish",
            "the file of the newest version is damaged or gone",
            metric("scores_fault"),
            "`groundplan rollback`, or `groundplan score` for a new one",
            seen="the answers of the version before",
            fallback="the version before it answers on; /health/ready says newest: false",
        ),
    ]


def _lookup(answers: Answers, cold: str) -> list[Mode]:
    score = answers.system.output == "score"
    return [
        Mode(
            "lookup",
            "a key is asked for before a run has scored it"
            if queued(answers)
            else "a key that nobody foresaw is asked for",
            f"{metric('lookups_total', 'outcome')}: the share that is not `scored`",
            "the cold-key fallback answers, and says so; "
            + (
                "ask again after the next run"
                if queued(answers)
                else "publish more often, or widen the list"
            ),
            seen=cold,
            fallback="segment average, else overall average; live score where the request brings "
            "a whole row and no feature reads a history"
            if score
            else None,
            main=True,
        ),
        Mode(
            "lookup",
            "nothing was published yet",
            metric("requests_total", path="/scores/{key}", status="503"),
            "`groundplan score` before traffic; /health/ready is 503 until then",
            seen="no answers at all",
            fallback=f"503 with Retry-After: {EMPTY}",
        ),
        Mode(
            "lookup",
            "a lookup takes longer than its budget",
            f"{metric('stage_over_budget_total', stage='lookup')} and "
            f"{metric('degraded_total', stage='lookup')}",
            "see the stage's p99 in the metrics; keep the file in memory, or the server near",
            seen=cold,
        ),
    ]


def _learned(answers: Answers, decision: Decision) -> list[Mode]:
    """How what was learned grows old, and how it is judged."""
    if answers.system.output == "ranking":
        known = several(ranked=True)
    elif answers.labels.kind == "none":
        known = _unlabelled()
    else:
        known = _labelled()
    return [*known, _stand_in(), loop(decision) or _late()]


def _labelled() -> list[Mode]:
    return [
        Mode(
            "model",
            "what is predicted changes its pattern",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report",
            "retrain on the cadence, sooner when the trigger fires; a model that is no better "
            f"than the base rate does not go live: {ends('build', 2)}",
            seen="more of the wrong decisions",
            fallback="",
        ),
        Mode(
            "metric",
            "the figure rises, and those who act on the scores gain nothing",
            "what each decision brought, once labels are known",
            "judge by what a decision costs: bands chosen by costs",
            seen="a better report, the same queue",
            fallback="",
            running=False,
        ),
    ]


def _unlabelled() -> list[Mode]:
    return [
        Mode(
            "model",
            "what is usual changes, and the new usual looks unusual",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report",
            "retrain on the cadence, sooner when the trigger fires",
            seen="more that is raised without need, or more that is missed",
            fallback="",
        ),
        Mode(
            "metric",
            "the figure rises, and those who act on the scores gain nothing",
            "what people found who looked at each decision",
            "choose the bands by what a look costs, and what it finds",
            seen="a better report, the same queue",
            fallback="",
            running=False,
        ),
    ]


def _stand_in() -> Mode:
    return Mode(
        "explainer",
        "a feature that stands in for another is named as the reason",
        "what people who read the reasons say of a sample",
        "one code for features that say the same",
        seen="reasons that are the model's, and not the world's",
        fallback="",
        running=False,
    )


def _late() -> Mode:
    return Mode(
        "loop",
        "labels arrive late, or only for those that were acted on",
        "labels a day against keys a day, by decision",
        "keep a random sample that nobody acts on",
        seen="each model is surer of what the last one believed",
        fallback="",
        running=False,
    )


def _roles(age: str, cold: str, instead: str) -> list[Mode]:
    return [
        Mode(
            "features",
            f"values change faster than every {age}",
            f"{metric('scores_inputs_changed_ratio')}: the share of keys whose inputs differ from "
            "one run to the next",
            "tighten freshness.features in the answers and decide again",
            seen=f"answers about things as they stood up to {age} before",
            fallback="",
        ),
        Mode(
            "store",
            "the disk is full, so that no new version fits",
            f"{ends('score', 1)}; then {metric('scores_stale')}",
            "make room: old versions go by themselves; then `groundplan score` again",
            seen=f"the last version, marked once it is older than {age}",
            fallback="the last version keeps serving; its answers say "
            f"scores: ... old, promised {age}",
            options=("embedded",),
        ),
        Mode(
            "store",
            "the store's server is away",
            f"{metric('breaker_changes_total', engine='lookup', state='open')} and "
            f"{metric('degraded_total', stage='lookup')}",
            "a replica; it is asked again within a second of its return",
            seen=cold,
            fallback=f"the answer of a cold key: {instead}",
            options=("shared",),
        ),
        Mode(
            "schedule",
            "nothing runs the schedule: the machine was off, or the clock's zone is another",
            f"{metric('stale_alarms_total')}; `groundplan schedule --list` shows what is due",
            'times that were missed are made up for (missed = "run"); `groundplan schedule '
            "--print` hands it to a scheduler that is watched",
            seen=f"answers that are older than {age}, each of them marked",
            fallback="the last version keeps serving; its answers say "
            f"scores: ... old, promised {age}",
        ),
        Mode(
            "generator",
            "the language model is away or cuts its answers short",
            "the share of a run's answers that are missing or cut",
            "the run goes on with what is missing; another model behind the same interface",
            seen="old answers where new ones were due",
            fallback="the last version keeps serving",
            running=False,
        ),
    ]
