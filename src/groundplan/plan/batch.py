"""The plan of scores computed on a schedule and served by lookup."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.constraints.cron import longest_gap
from groundplan.decision import Costs, Decision, run
from groundplan.decision.case import Case
from groundplan.plan.generated import tune
from groundplan.plan.learner import LEARNERS, train
from groundplan.plan.sketch import Sketch, choice, held, log, offline, online, spread, validate
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_duration


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of batch: score and publish on a schedule, answer by lookup."""
    runs = every(answers, decision)
    age = show_duration(answers.freshness.predictions)
    stated = answers.schedule.score
    text = answers.system.output == "answer"
    return Sketch(
        stages=[*_offline(answers, decision, runs), *_online(answers, decision, costs)],
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
            *_keys(answers),
            Watch(
                "length of the answers, share that is empty or cut short",
                "a fifth off the last version's",
                "publication is refused until somebody has looked",
            )
            if text
            else Watch(
                "distribution of scores",
                "population stability index above 0.2 against the last version",
                "publication is refused until somebody has looked",
            ),
        ),
        summary=(
            f'Runs {runs}: [schedule] score = "{stated}" says so, and predictions may be {age} old.'
            if stated
            else f"Runs {runs}: the loosest of the usual schedules that keeps what is served "
            f"within {show_duration(run.oldest(Case(answers)))}, if a run is through in a quarter "
            "of the time between two.",
        ),
    )


def queued(answers: Answers) -> bool:
    """Whether a run scores what has arrived since the last one, and requests wait for it."""
    return answers.freshness.requests == "unforeseen"


def _keys(answers: Answers) -> tuple[Watch, ...]:
    """What is watched of the keys: of a population that stays, how far it does."""
    if queued(answers):
        waits = show_duration(answers.latency.p99)
        return (
            Watch(
                "age of the oldest request that has no answer yet",
                f"above {waits}",
                "run more often, or give a run more cores",
            ),
        )
    return (
        Watch("rows", "10 % more or fewer than the last version", "publication is refused"),
        Watch("keys", "20 % gone or new since the last version", "publication is refused"),
        Watch(
            "cold keys (groundplan_lookups_total)",
            "above 1 % of lookups",
            "publish more often, or widen the list",
        ),
    )


def every(answers: Answers, decision: Decision) -> str:
    """How often scores are made: as the project's own schedule says, else as is decided."""
    if answers.schedule.score is None:
        return f"every {choice(decision, 'schedule')}"
    return f"every {show_duration(longest_gap(answers.schedule.score))} at most"


def _offline(answers: Answers, decision: Decision, runs: str) -> list[Stage]:
    output = answers.system.output
    compute = "Spark" if "batch" in answers.engines else "DuckDB"
    stages = [
        offline(
            "features",
            does="gathers what each answer is written from"
            if output == "answer"
            else "computes every feature as it stands at the time of the run",
            served_by=f"{compute}, one SQL statement"
            + ("" if output == "answer" else " compiled from the definitions"),
            at_scale="Spark, the same statement",
            breaks=f"{'answers' if output == 'answer' else 'scores'} rest on half of the data",
            detected="nulls per column against the last run"
            if queued(answers)
            else "rows and nulls per column against the last run",
            fallback=("stale", "the last version keeps serving"),
        )
    ]
    learner = LEARNERS.get(decision.components["model"].choice)
    if learner is not None:
        stages.insert(0, train(learner, ranked=output == "ranking"))
    if choice(decision, "model") == "tuned language model":
        stages.insert(0, tune())
    if output == "ranking":
        stages.append(_retrieve(choice(decision, "model")))
    stages += [_score(answers, decision, runs), *_checked(answers, decision)]
    if answers.interpretability.level != "none":
        stages.insert(-2, _explain(choice(decision, "explainer")))
    return stages


_BY: Final = {
    "two towers": "FAISS, all users in one pass",
    "text encoder": "FAISS, all users in one pass",
    "word match": "a word index, all users in one pass",
}


def _retrieve(model: str) -> Stage:
    served = _BY.get(model, "SQL: what is eligible, popular and near to what was taken")
    return offline(
        "retrieve",
        does="narrows the corpus to a short list for each listed user",
        served_by=served,
        at_scale="the same, sharded by user",
        breaks="good items never reach the scorer",
        detected="recall of later interactions in the lists",
        fallback=("stale", "the last lists"),
    )


def _score(answers: Answers, decision: Decision, runs: str) -> Stage:
    output = answers.system.output
    whole = "what has arrived" if queued(answers) else "everything that will be asked about"
    does = {
        "score": f"scores and decides {whole}",
        "ranking": "puts each short list in order",
        "answer": f"writes an answer to {whole}",
    }[output]
    writer = f" ({choice(decision, 'generator')})" if output == "answer" else ""
    return offline(
        "score",
        does=f"{does}, {runs}",
        served_by=f"{choice(decision, 'model')}{writer}, partition by partition",
        at_scale="the same model on accelerators"
        if output == "answer"
        else "Spark, the same model",
        breaks="every answer until the next run is off",
        detected="a sample of the answers that people judge"
        if output == "answer"
        else "score distribution against the last version",
        fallback=("stale", "the last version keeps serving"),
    )


def _checked(answers: Answers, decision: Decision) -> list[Stage]:
    """Validation and publication."""
    text = answers.system.output == "answer"
    stays = "" if queued(answers) else "rows, keys, "
    compared = f"{stays}missing values and scores"
    if text:
        compared = "rows, keys and the length of answers" if stays else "the length of answers"
    return [
        offline(
            "validate",
            does=f"holds {compared} against the last version, and "
            + (
                "finds those that are empty or cut short"
                if text
                else "recomputes a sample from raw data"
            ),
            served_by="DuckDB",
            at_scale="the same",
            breaks="a bad run is published",
            detected="this stage is the detector; its refusals are counted",
            fallback=("stale", "nothing is announced, the last version keeps serving"),
        ),
        offline(
            "publish",
            does="completes a version of its own, then moves the pointer to it",
            served_by=held(decision, "one memory-mapped file a version", asked=False),
            at_scale=spread(decision, "Redis or Valkey, a key prefix per version"),
            breaks="old and new answers mix",
            detected="the version is in every answer",
            fallback=("stale", "the pointer stays where it was"),
        ),
    ]


def _explain(explainer: str) -> Stage:
    if explainer == "review":
        return offline(
            "explain",
            does="a named person approves each answer before it is published",
            served_by="a queue of answers to read",
            at_scale="more people; a second model that sorts out what is plainly wrong",
            breaks="an answer is published that nobody stands for",
            detected="every answer carries the name of who approved it",
            fallback=("stale", "nothing is published without its approval"),
        )
    return offline(
        "explain",
        does="computes reasons beside the scores whose decision needs them",
        served_by=explainer,
        at_scale="the same, on more cores",
        breaks="a reason does not belong to its score",
        detected="contributions sum to the score"
        if explainer in {"tree attributions", "coefficients"}
        else "reasons made again for a sample; how far the scores by them are off",
        fallback=("stale", "nothing is published without its reasons"),
    )


COLD: Final = {
    "score": "its segment's average, or that of all",
    "ranking": "the most popular",
    "answer": "that nothing is written for it yet",
}
"""What answers for a key without a result, by output."""


def cold(answers: Answers) -> str:
    """What answers a key without a result, in words."""
    instead = f"the answer of a cold key: {COLD[answers.system.output]}"
    if queued(answers):
        return f"{instead}, marked as such; ask again after the next run"
    return instead


def _online(answers: Answers, decision: Decision, costs: Costs) -> list[Stage]:
    output, waits = answers.system.output, queued(answers)
    wait = "; requests that nobody foresaw wait for the next run" if waits else ""
    return [
        validate(costs, "parses the key that is asked for", "bad keys look like cold ones"),
        online(
            "lookup",
            costs.us("item_list") if output == "ranking" else costs.us("lookup"),
            does=f"reads the published answer, with its version and age{wait}",
            served_by=held(decision, "a memory-mapped file in process"),
            at_scale=spread(decision, "Redis or Valkey"),
            breaks="answers are missing or old",
            detected="age of the version" if waits else "cold-key rate, age of the version",
            fallback=("defaults", cold(answers)),
        ),
        log(costs, "key, answer and version", "nobody can tell what was shown"),
    ]
