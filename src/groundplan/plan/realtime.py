"""The plan of one model that scores a live request with fresh features."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, work
from groundplan.plan.sketch import Sketch, choice, log, offline, online, validate
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_duration, show_rate


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of realtime serving: join, score, explain, decide; or one generated answer."""
    if answers.system.output == "answer":
        return _answer(answers, decision, costs)
    return _score(answers, decision, costs)


def _score(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    return Sketch(
        stages=[*_offline(answers, decision), *_online(answers, decision, costs)],
        watches=_watches(answers),
        summary=(),
    )


def _offline(answers: Answers, decision: Decision) -> list[Stage]:
    model = choice(decision, "model")
    return [
        offline(
            "history",
            does="computes every feature as it stood at the time of each past event",
            served_by="Spark, one SQL statement compiled from the definitions"
            if "offline" in answers.engines
            else "DuckDB, one SQL statement compiled from the definitions",
            at_scale="Spark, the same statement",
            breaks="the model learns from values that serving will never see",
            detected="served values recomputed offline at the same keys and times (consistency)",
            fallback=("refuse", "no build is made from features that fail their checks"),
        ),
        offline(
            "train",
            does=f"fits the {model} and, beside it, a majority class and a logistic regression",
            served_by="LightGBM in process",
            at_scale="LightGBM on a larger machine, or distributed",
            breaks="scores lose their order: too many false alarms or misses",
            detected="ranking figures with intervals on a later period, beside both baselines",
            fallback=("stale", "the live build stays live"),
        ),
        offline(
            "thresholds",
            does="sets the tiers at the false-positive rates that the project states",
            served_by="order statistics of scores on data that the model has not seen",
            at_scale="the same",
            breaks="the volume of each tier is off: queues overflow or fraud passes",
            detected="volume per tier against the build's report",
            fallback=("stale", "the thresholds of the live build stay in force"),
        ),
        offline(
            "publish",
            does="writes an immutable build and moves the pointer `live` to it",
            served_by="a folder, renamed into place",
            at_scale="an object store, one prefix per build",
            breaks="a half-written model is served",
            detected="the manifest's fingerprints, checked when a build is opened",
            fallback=("stale", "the pointer stays where it was"),
        ),
    ]


def _online(answers: Answers, decision: Decision, costs: Costs) -> list[Stage]:
    candidates = answers.candidates.per_request
    fresh = show_duration(answers.freshness.features)
    join = 2 * costs.us("join_key") + (candidates - 1) * costs.us("gather_candidate")
    score = costs.us("gbm_single") + (candidates - 1) * costs.us("gbm_row")
    stages = [
        validate(
            costs,
            "parses the request and checks it against the schema of the source",
            "bad input reaches the features",
        ),
        online(
            "features",
            join,
            does=f"joins windows that include everything up to {fresh} ago, then records the event",
            served_by="Redis or Valkey, exact sliding windows"
            if "online_store" in answers.engines
            else "LMDB in process, exact sliding windows",
            at_scale="Redis or Valkey, the same state",
            breaks="the model sees a customer who is not this customer",
            detected="served against recomputed values; freshness of the newest event",
            fallback=(
                "defaults",
                "the values of an unknown entity; the event waits for the store",
            ),
        ),
        online(
            "score",
            score,
            does="turns the feature row into a probability"
            if candidates == 1
            else f"scores all {candidates} candidates in one pass",
            served_by=f"{choice(decision, 'model')}, in process",
            at_scale="Triton, over the Open Inference Protocol",
            breaks="every decision is off",
            detected="score distribution against the build's own",
            fallback=("baseline", "the build's logistic regression"),
        ),
    ]
    if not choice(decision, "explainer").endswith(("none", "later")):
        stages.append(
            online(
                "explain",
                costs.us("attribution"),
                does="computes exact signed contributions and the top reasons in plain names",
                served_by="tree attributions tabled once per build",
                at_scale="the same",
                breaks="an auditor is given a reason that is not the model's",
                detected="contributions sum to the score, checked in `verify`",
                fallback=("later", "the reasons are fetched later, by identifier"),
                optional=True,
            )
        )
    stages += [
        online(
            "decide",
            1,
            does="compares the score with the build's thresholds",
            served_by="in process",
            at_scale="the same",
            breaks="the wrong tier: genuine customers declined, or fraud approved",
            detected="volume per tier, false-positive rate once labels arrive",
            fallback=("defaults", "the middle tier, which asks rather than refuses"),
        ),
        log(
            costs,
            "inputs, feature values, versions, timings and outcome",
            "what was served cannot be audited, nor learned from",
        ),
    ]
    return stages


def _watches(answers: Answers) -> tuple[Watch, ...]:
    return (
        Watch(
            "latency, whole and per stage (groundplan_request_seconds, groundplan_stage_seconds)",
            f"p99 of the whole above {show_duration(answers.latency.p99)}",
            "look at the stage that is over its budget in /metrics",
        ),
        Watch(
            "requests per second (groundplan_requests_total)",
            f"70 % of {show_rate(answers.latency.throughput)}",
            "add a server process",
        ),
        Watch(
            "feature freshness (groundplan_feed_staleness_seconds)",
            f"older than {show_duration(answers.freshness.features)}",
            "check the event feed; answers say that they are degraded",
        ),
        Watch(
            "served against recomputed values (groundplan_consistency_differing)",
            "any mismatch",
            "stop promotion, find it",
        ),
        Watch(
            "degraded answers (groundplan_degraded_total)",
            "above 0.1 %",
            "look at the reasons that they state",
        ),
        Watch(
            "score and feature distributions",
            "population stability index above 0.2",
            "compare with the build's data, then retrain",
        ),
    )


def _answer(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    first = costs.us("first_token_hosted")
    rest = 0 if answers.latency.streamed else work.FIRST_WORDS * costs.us("token_hosted")
    tuned = bool(answers.policy.fine_tuning)
    stages = [
        offline(
            "evaluate",
            does="answers a fixed set of questions and compares with the known answers"
            + (", after tuning the model on the corpus" if tuned else ""),
            served_by="the same client that serves",
            at_scale="the same",
            breaks="a worse model goes live unnoticed",
            detected="the share of right answers per topic, with an interval",
            fallback=("stale", "the model that serves now goes on serving"),
        ),
        validate(
            costs,
            "parses the question and checks its length",
            "a question too long for the model fails late and dear",
        ),
        online(
            "generate",
            first + rest,
            does="asks one language model, without retrieval: it covers the domain already",
            served_by="an OpenAI-compatible server",
            at_scale="several, behind a load balancer",
            breaks="answers are wrong, slow or stop midway",
            detected="time to first token, share of answers cut short, ratings",
            fallback=("refuse", "says that no answer can be given now, and when to try again"),
        ),
        log(costs, "question, answer, versions and timings", "what was said cannot be reviewed"),
    ]
    return Sketch(
        stages=stages,
        watches=(
            Watch(
                "time to the first token" if answers.latency.streamed else "time to the answer",
                f"p99 above {show_duration(answers.latency.p99)}",
                "shorten prompts or add capacity",
            ),
            Watch("answers rated wrong", "above the evaluation's interval", "review, then tune"),
        ),
        summary=(),
    )
