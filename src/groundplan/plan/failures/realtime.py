"""How one model that scores live requests fails."""

from groundplan.constraints import Answers
from groundplan.decision import Decision
from groundplan.plan.failures.failure import Mode, ends, metric
from groundplan.plan.failures.learned import loop, several, train
from groundplan.plan.failures.matching import matching
from groundplan.plan.failures.requests import UNRECORDED, requests
from groundplan.plan.learner import LEARNERS
from groundplan.plan.served import planned
from groundplan.units import show_duration


def realtime(answers: Answers, decision: Decision) -> list[Mode]:
    """The failures of a build, of the way of a request, and of what feeds the state."""
    streamed = "events" in answers.engines
    computed = decision.components["features"].choice in {"nightly", "hourly"}
    learned = decision.components["model"].choice in LEARNERS
    fresh = show_duration(answers.freshness.features)
    return [
        *(_build(answers) if learned else matching()),
        _publish(),
        *requests("/predict"),
        *(_computed(fresh) if computed and planned(answers, decision) else _state()),
        *(_compared() if learned else []),
        *(_stream(fresh) if streamed else []),
        *((*_request(answers), *_model(answers)) if learned else ()),
        *_roles(),
        _loop(decision),
    ]


def _build(answers: Answers) -> list[Mode]:
    labelled = answers.labels.kind != "none"
    ranked = answers.system.output == "ranking"
    return [
        Mode(
            "history",
            "past events lack a column, or a period has no rows",
            ends("build", 1),
            "the message names what is missing: mend the history, and build again",
        ),
        train(ranked=ranked, labelled=labelled),
        Mode(
            "thresholds",
            "events are of another mix than those on which the tiers were set",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report",
            "build again: the tiers are set anew on the newest period",
        ),
    ]


def _publish() -> Mode:
    return Mode(
        "publish",
        "a file of the build is damaged, or answers and definitions have changed since",
        ends("serve", 1),
        "the message names the file or the answer: `groundplan build` makes another",
        seen="a server that was started anew does not come up; those that run answer on",
    )


def _computed(fresh: str) -> list[Mode]:
    return [
        Mode(
            "features",
            "the run that computes the values fails or is late",
            "the age of the newest values",
            "run it again; the values before stay until it is done",
            seen=f"scores from values that are older than {fresh}",
            running=False,
            main=True,
            offline=True,
        ),
        Mode(
            "features",
            "the store of the values is away",
            "the share of requests by default values",
            "a replica, filled again by the next run",
            running=False,
        ),
    ]


def _state() -> list[Mode]:
    return [
        Mode(
            "features",
            "the store fails or loses recent events",
            f"{metric('degraded_total', stage='features')}, and events that wait: "
            f"{metric('outbox_bytes')}",
            "state survives a killed process; answers fall back to defaults and say so; events "
            "wait on disk until the store is back",
            main=True,
        ),
        Mode(
            "features",
            "events come after the windows that should have counted them",
            f"{metric('consistency_beyond')}; "
            f"{metric('consistency_differing', 'feature', outcome='late')}",
            "send events sooner, or state a larger lateness for the source",
            seen="scores that miss the latest events",
            fallback="",
        ),
    ]


def _compared() -> list[Mode]:
    """How what was served comes to differ from what was learned from."""
    return [
        Mode(
            "features",
            "training and serving disagree on a feature",
            f"{metric('consistency_differing', 'feature', outcome='mismatch')}; "
            f"{ends('consistency', 2)}",
            "one definition for both; the comparison runs in CI and in `groundplan verify`",
            seen="scores are worse than the build's report says",
            fallback="",
            main=True,
        ),
        Mode(
            "features",
            "nobody compares any more: the background check fails",
            f"{metric('consistency_failures')} rises, {metric('consistency_checked_seconds')} "
            f"and {metric('consistency_answers')} stand still",
            "run `groundplan consistency` by hand; the server's own log says what stopped it",
            seen="nothing, until a feature is wrong",
            fallback="",
        ),
    ]


def _stream(fresh: str) -> list[Mode]:
    return [
        Mode(
            "features",
            "the stream of events falls behind, or its broker is away",
            f"{metric('feed_staleness_seconds')} above {fresh}; {metric('feed_records')} stands "
            f"still; {metric('degraded_total', stage='features')}",
            "more consumers, or the broker back; the feed goes on where it was",
            seen=f"scores from a state that is older than {fresh}, each of them says so",
            fallback="the state as it is; answers say features: stale by ...",
        ),
        Mode(
            "features",
            "records of the stream cannot be read, or come too late",
            f"{metric('feed_poison')} and {metric('feed_late')}",
            "they are among the dead letters with the rule that they break: mend the producer",
            seen="scores that miss these events",
            fallback="",
        ),
        Mode(
            "features",
            "labels come before their events",
            metric("feed_parked"),
            "they wait for their events; if that lasts, a producer is behind",
            seen="nothing, while it is short",
            fallback="",
        ),
    ]


def _request(answers: Answers) -> list[Mode]:
    ranked = answers.system.output == "ranking"
    return [
        Mode(
            "score",
            "the model fails on a row, or there is no time left for it",
            f"{metric('degraded_total', stage='score')}, "
            f"{metric('stage_over_budget_total', stage='score')}",
            "a smaller model, or features that are joined faster; `groundplan verify` shows which",
            seen="an order by something simpler, which says so"
            if ranked
            else "answers by something simpler, which say so",
        ),
        Mode(
            "explain",
            "no time is left for the reasons",
            metric("degraded_total", stage="explain"),
            "look at the stage before it that is over its budget: "
            f"{metric('stage_over_budget_total', 'stage')}",
            seen="an answer without reasons, and where to fetch them",
        ),
        Mode(
            "decide",
            "a score cannot be compared with the thresholds",
            metric("degraded_total", stage="decide"),
            "`groundplan replay` makes the decision again from the log; then build again",
            seen="the middle tier for what belongs in another",
        ),
    ]


def _model(answers: Answers) -> list[Mode]:
    """How what was learned grows old, and how the figure that judges it misleads."""
    if answers.system.output == "ranking" or answers.candidates.per_request > 1:
        return several(ranked=answers.system.output == "ranking")
    known = answers.labels.kind != "none"
    return [
        Mode(
            "model",
            "what is predicted changes its pattern"
            if known
            else "what is usual changes, and the new usual looks unusual",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report"
            + ("; labels of `groundplan dataset` say how far" if known else ""),
            "retrain on the cadence, sooner when the trigger fires",
            seen="more that is raised without need, or more that is missed",
            fallback="",
            main=True,
        ),
        Mode(
            "metric",
            "the figure rises, and those who act on the scores gain nothing",
            "`groundplan dataset` writes each decision beside its label: what each tier caught, "
            "and at what cost"
            if known
            else "what people found who looked at each tier",
            "choose the tiers by costs rather than by rates"
            if known
            else "choose the tiers by what a look costs, and what it finds",
            seen="a better report, the same queue",
            fallback="",
            running=known,
        ),
    ]


def _loop(decision: Decision) -> Mode:
    judged = "`groundplan dataset` writes each label beside its score: none among the low ones"
    return loop(decision, judged=judged) or Mode(
        "loop",
        "labels arrive late, or only for what was acted on in one way",
        "`groundplan dataset` prints how many answers still wait for their label",
        "windows over labels are delayed by the labels' own delay; a random sample is treated as "
        "if it had not been scored",
        seen="each model is surer of what the last one believed",
        fallback="",
        main=True,
    )


def _roles() -> list[Mode]:
    return [
        Mode(
            "explainer",
            "the build that answered is gone when somebody asks why",
            ends("replay", 1),
            "keep builds for as long as their answers may be asked about",
            seen="a decision that nobody can give reasons for",
            fallback="",
        ),
        Mode(
            "store",
            "the disk is full: neither store nor outbox takes an event",
            metric("requests_total", path="/predict", status="503"),
            "make room; whoever was refused sends again",
            seen="requests are refused, and nothing of them is kept",
            fallback=f"503 with Retry-After: {UNRECORDED}",
            options=("embedded",),
        ),
        Mode(
            "store",
            "the store's server is away",
            f"{metric('breaker_changes_total', engine='features', state='open')} and "
            f"{metric('degraded_total', stage='features')}",
            "a replica; what waits is handed on as soon as it is back",
            seen="scores as of somebody without a history, which say so",
            fallback="the values of an unknown entity; the event waits for the store",
            options=("shared",),
        ),
        Mode(
            "store",
            "the store's server was killed and has lost the newest events",
            metric("consistency_differing", "feature", outcome="missing"),
            "appendfsync always, or `groundplan ingest` of the events that are missing",
            seen="scores that miss the last events",
            fallback="",
            options=("shared",),
        ),
    ]
