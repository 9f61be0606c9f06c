"""The plan of scores computed on a schedule and served by lookup."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.sketch import Sketch, choice, log, offline, online, validate
from groundplan.plan.stage import Risk, Stage, Watch
from groundplan.units import show_duration


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of batch: score and publish on a schedule, answer by lookup."""
    schedule = choice(decision, "schedule")
    age = show_duration(answers.freshness.predictions)
    queued = answers.freshness.requests == "unforeseen"
    return Sketch(
        stages=[*_offline(answers, decision, schedule), *_online(answers, costs, queued)],
        watches=(
            Watch("age of the published version", f"older than {age}", "rerun; find what stopped"),
            Watch("rows published", "10 % fewer than the last version", "publication is refused"),
            Watch("cold keys", "above 1 % of lookups", "publish more often, or widen the list"),
            Watch(
                "distribution of scores",
                "population stability index above 0.2 against the last version",
                "publication is refused until somebody has looked",
            ),
        ),
        risks=(
            Risk(
                "a run fails or is late",
                f"the published version is older than {age}",
                "the last good version keeps serving; answers state their age",
            ),
            Risk(
                "a half-written version is read",
                "row count and checksum of the version",
                "a version is a file of its own, published by one pointer",
            ),
            Risk(
                "a key that nobody foresaw is asked for",
                "share of cold keys",
                "the cold-key fallback answers, and says so",
            ),
            Risk(
                "features leak the future",
                "offline figures far above what labels show later",
                "point-in-time joins only",
            ),
        ),
        summary=(f"Runs {schedule}: the loosest schedule that keeps predictions within {age}.",),
    )


def _offline(answers: Answers, decision: Decision, schedule: str) -> list[Stage]:
    model = choice(decision, "model")
    stages = [
        offline(
            "features",
            does="computes every feature as it stands at the time of the run",
            served_by="DuckDB, one SQL statement compiled from the definitions",
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
            does=f"scores everything that will be asked about, {schedule}",
            served_by=f"{model}, in one pass over columns",
            at_scale="Spark or Ray, the same model",
            breaks="every answer until the next run is off",
            detected="score distribution against the last version",
            fallback=("stale", "the last version keeps serving"),
        ),
        offline(
            "validate",
            does="compares row count, nulls and distribution with the last version",
            served_by="DuckDB",
            at_scale="the same",
            breaks="a bad run is published",
            detected="this stage is the detector; its refusals are counted",
            fallback=("stale", "nothing is published"),
        ),
        offline(
            "publish",
            does="writes a version of its own and moves the pointer to it",
            served_by="LMDB, a file per version",
            at_scale="Redis or Valkey, a key prefix per version",
            breaks="old and new answers mix",
            detected="the version is in every answer",
            fallback=("stale", "the pointer stays where it was"),
        ),
    ]
    if answers.interpretability.level != "none":
        explain = offline(
            "explain",
            does="computes reasons beside each score",
            served_by=choice(decision, "explainer"),
            at_scale="the same, on more cores",
            breaks="a reason does not belong to its score",
            detected="contributions sum to the score",
            fallback=("skip", "published without reasons, and says so"),
        )
        stages.insert(-2, explain)
    return stages


def _online(answers: Answers, costs: Costs, queued: bool) -> list[Stage]:
    wait = "; requests that nobody foresaw wait for the next run" if queued else ""
    return [
        validate(costs, "parses the key that is asked for", "bad keys look like cold ones"),
        online(
            "lookup",
            costs.us("lookup") if answers.system.output == "score" else costs.us("item_list"),
            does=f"reads the published answer, with its version and age{wait}",
            served_by="LMDB in process",
            at_scale="Redis or Valkey",
            breaks="answers are missing or old",
            detected="cold-key rate, age of the version",
            fallback=("defaults", "the cold-key answer: the overall rate, or the most popular"),
        ),
        log(costs, "key, answer and version", "nobody can tell what was shown"),
    ]
