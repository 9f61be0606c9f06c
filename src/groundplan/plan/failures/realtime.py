"""How one model that scores live requests fails."""

from groundplan.constraints import Answers
from groundplan.plan.failures.failure import Mode, ends, metric
from groundplan.plan.failures.requests import UNRECORDED, requests
from groundplan.units import show_duration


def realtime(answers: Answers) -> list[Mode]:
    """The failures of a build, of the way of a request, and of what feeds the state."""
    streamed = "events" in answers.engines
    return [
        *_build(),
        *requests("/predict"),
        *_state(),
        *(_stream(show_duration(answers.freshness.features)) if streamed else []),
        *_request(),
        *_roles(),
    ]


def _build() -> list[Mode]:
    return [
        Mode(
            "history",
            "past events lack a column, or a period has no rows",
            ends("build", 1),
            "the message names what is missing: mend the history, and build again",
        ),
        Mode(
            "train",
            "the new model is no better than the base rate",
            ends("build", 2),
            "more history, or other features; the report says where it loses",
        ),
        Mode(
            "thresholds",
            "events are of another mix than those on which the tiers were set",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report",
            "build again: the tiers are set anew on the newest period",
        ),
        Mode(
            "publish",
            "a file of the build is damaged, or answers and definitions have changed since",
            ends("serve", 1),
            "the message names the file or the answer: `groundplan build` makes another",
            seen="a server that was started anew does not come up; those that run answer on",
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
            "events come after the windows that should have counted them",
            f"{metric('consistency_beyond')}; "
            f"{metric('consistency_differing', 'feature', outcome='late')}",
            "send events sooner, or state a larger lateness for the source",
            seen="scores that miss the latest events of a customer",
            fallback="",
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


def _request() -> list[Mode]:
    return [
        Mode(
            "score",
            "the model fails on a row, or there is no time left for it",
            f"{metric('degraded_total', stage='score')}, "
            f"{metric('stage_over_budget_total', stage='score')}",
            "fewer trees, or features that are joined faster; `groundplan verify` shows which",
            seen="decisions by a simpler model, which say so",
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
            seen="a genuine customer is asked once more",
        ),
    ]


def _roles() -> list[Mode]:
    return [
        Mode(
            "model",
            "what is predicted changes its pattern",
            f"{metric('decisions_total', 'decision')}: shares leave those of the build's report; "
            "labels of `groundplan dataset` say how far",
            "retrain on the cadence, sooner when the trigger fires",
            seen="more false alarms, or more that pass",
            fallback="",
            main=True,
        ),
        Mode(
            "explainer",
            "the build that answered is gone when somebody asks why",
            ends("replay", 1),
            "keep builds for as long as their answers may be asked about",
            seen="a decision that nobody can give reasons for",
            fallback="",
        ),
        Mode(
            "heavy_network",
            "a pass of the network takes longer here than was measured",
            metric("stage_over_budget_total", stage="score"),
            "prepare its results before the request, or a smaller network",
            seen="decisions by a simpler model, which say so",
            fallback="the build's logistic regression",
            options=("in_request",),
        ),
        Mode(
            "heavy_network",
            "what was prepared beforehand is older than the event that reads it",
            "the age of the prepared results",
            "prepare them more often",
            seen="scores that rest on yesterday",
            fallback="",
            options=("ahead",),
            running=False,
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
            seen="scores that miss the last events of a customer",
            fallback="",
            options=("shared",),
        ),
        Mode(
            "metric",
            "the figure rises, and those who act on the scores gain nothing",
            "what each tier cost, once labels are known",
            "choose the tiers by costs rather than by rates",
            seen="a better report, the same queue",
            fallback="",
            running=False,
        ),
        Mode(
            "loop",
            "labels arrive late or only for what was declined",
            "`groundplan dataset` prints how many answers still wait for their label",
            "windows over labels are delayed by the labels' own delay; keep a random sample of "
            "approvals",
            seen="each model is surer of what the last one believed",
            fallback="",
            main=True,
        ),
    ]
