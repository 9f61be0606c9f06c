"""The plan of a live answer that a language model writes without retrieval."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.sketch import Sketch, choice, log, offline, online, validate, writer
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_duration


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of one generated answer: check the question, generate, log."""
    tuned = choice(decision, "model") == "tuned language model"
    model = writer(answers, decision, costs)
    knows = "it was tuned on the corpus" if tuned else "it covers the domain already"
    stages = [
        *([tune()] if tuned else []),
        offline(
            "evaluate",
            does="answers a fixed set of questions and compares with the known answers",
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
            model.first,
            does=f"asks one language model, without retrieval: {knows}",
            served_by=model.served_by,
            at_scale=model.at_scale,
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


def tune() -> Stage:
    """The stage that tunes a language model on a private corpus."""
    return offline(
        "tune",
        does="tunes the language model on the corpus as it stands, from the untuned weights: an "
        "adapter per version",
        served_by="an accelerator: none was measured, so capacity does not count it",
        at_scale="several accelerators",
        breaks="the model states what has changed in the corpus, or what was withdrawn from it",
        detected="fixed questions about what has changed, and about what was withdrawn",
        fallback=("stale", "the model that serves now goes on serving"),
    )
