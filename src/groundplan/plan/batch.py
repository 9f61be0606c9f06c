"""The plan of scores computed on a schedule and served by lookup."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.sketch import Sketch, choice, log, offline, online, validate
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_duration


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of batch: score and publish on a schedule, answer by lookup."""
    schedule = f"every {choice(decision, 'schedule')}"
    age = show_duration(answers.freshness.predictions)
    queued = answers.freshness.requests == "unforeseen"
    return Sketch(
        stages=[*_offline(answers, decision, schedule), *_online(answers, costs, queued)],
        watches=(
            Watch(
                "age of the live version (groundplan_scores_age_seconds)",
                f"older than {age}",
                "rerun; find what stopped",
            ),
            Watch(
                "latency, whole and per stage "
                "(groundplan_request_seconds, groundplan_stage_seconds)",
                f"p99 of the whole above {show_duration(answers.latency.p99)}",
                "look at the stage that is over its budget in /metrics",
            ),
            Watch("rows", "10 % more or fewer than the last version", "publication is refused"),
            Watch("keys", "20 % gone or new since the last version", "publication is refused"),
            Watch(
                "cold keys (groundplan_lookups_total)",
                "above 1 % of lookups",
                "publish more often, or widen the list",
            ),
            Watch(
                "distribution of scores",
                "population stability index above 0.2 against the last version",
                "publication is refused until somebody has looked",
            ),
        ),
        summary=(f"Runs {schedule}: the loosest schedule that keeps predictions within {age}.",),
    )


def _offline(answers: Answers, decision: Decision, schedule: str) -> list[Stage]:
    model = choice(decision, "model")
    compute = "Spark" if "batch" in answers.engines else "DuckDB"
    stages = [
        offline(
            "features",
            does="computes every feature as it stands at the time of the run",
            served_by=f"{compute}, one SQL statement compiled from the definitions",
            at_scale="Spark, the same statement",
            breaks="scores rest on half of the data",
            detected="rows and nulls per column against the last run",
            fallback=("stale", "the last version keeps serving"),
        )
    ]
    if answers.system.output == "ranking":
        stages.append(
            offline(
                "retrieve",
                does="narrows the corpus to a short list for each listed user",
                served_by="FAISS, all users in one pass",
                at_scale="the same, sharded by user",
                breaks="good items never reach the scorer",
                detected="recall of later interactions in the lists",
                fallback=("stale", "the last lists"),
            )
        )
    stages += [
        offline(
            "score",
            does=f"scores and decides everything that will be asked about, {schedule}",
            served_by=f"{model}, partition by partition",
            at_scale="Spark, the same model",
            breaks="every answer until the next run is off",
            detected="score distribution against the last version",
            fallback=("stale", "the last version keeps serving"),
        ),
        offline(
            "validate",
            does="holds rows, keys, missing values and scores against the last version, and "
            "recomputes a sample from raw data",
            served_by="DuckDB",
            at_scale="the same",
            breaks="a bad run is published",
            detected="this stage is the detector; its refusals are counted",
            fallback=("stale", "nothing is announced, the last version keeps serving"),
        ),
        offline(
            "publish",
            does="completes a version of its own, then moves the pointer to it",
            served_by=_store(answers, "one memory-mapped file a version"),
            at_scale="Redis or Valkey, a key prefix per version",
            breaks="old and new answers mix",
            detected="the version is in every answer",
            fallback=("stale", "the pointer stays where it was"),
        ),
    ]
    if answers.interpretability.level != "none":
        explain = offline(
            "explain",
            does="computes reasons beside the scores whose decision needs them",
            served_by=choice(decision, "explainer"),
            at_scale="the same, on more cores",
            breaks="a reason does not belong to its score",
            detected="contributions sum to the score",
            fallback=("stale", "nothing is published without its reasons"),
        )
        stages.insert(-2, explain)
    return stages


def _online(answers: Answers, costs: Costs, queued: bool) -> list[Stage]:
    score = answers.system.output == "score"
    cold = "its segment's average, or that of all" if score else "the most popular"
    wait = "; requests that nobody foresaw wait for the next run" if queued else ""
    return [
        validate(costs, "parses the key that is asked for", "bad keys look like cold ones"),
        online(
            "lookup",
            costs.us("lookup") if score else costs.us("item_list"),
            does=f"reads the published answer, with its version and age{wait}",
            served_by=_store(answers, "a memory-mapped file in process"),
            at_scale="Redis or Valkey",
            breaks="answers are missing or old",
            detected="cold-key rate, age of the version",
            fallback=("defaults", f"the answer of a cold key: {cold}"),
        ),
        log(costs, "key, answer and version", "nobody can tell what was shown"),
    ]


def _store(answers: Answers, embedded: str) -> str:
    """What holds the published versions."""
    return "Redis or Valkey" if "scores" in answers.engines else embedded
