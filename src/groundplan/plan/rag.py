"""The plan of answers grounded in retrieved passages."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, search, work
from groundplan.decision.case import Case
from groundplan.plan.sketch import (
    Sketch,
    case,
    choice,
    log,
    offline,
    online,
    validate,
    vectors,
    writer,
)
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_duration


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of rag: embed, retrieve, assemble, generate, verify citations."""
    within = (
        "the next run"
        if answers.freshness.knowledge is None
        else show_duration(answers.freshness.knowledge)
    )
    return Sketch(
        stages=[*_offline(decision, within), *_online(answers, decision, costs)],
        watches=(
            Watch(
                "time to the first token" if answers.latency.streamed else "time to the answer",
                f"p99 above {show_duration(answers.latency.p99)}",
                "look at the stage that is over its budget",
            ),
            Watch("age of the newest indexed change", f"above {within}", "check the feed"),
            Watch("questions answered 'not found'", "a third above usual", "look for a gap"),
            Watch("citations that do not support", "above 2 % of a sample", "review prompts"),
        ),
        summary=(f"A changed document is searchable within {within}.",),
    )


def _offline(decision: Decision, within: str) -> list[Stage]:
    return [
        offline(
            "parse",
            does="turns documents into text with structure, each with its version",
            served_by="in process, one file at a time",
            at_scale="a queue of documents",
            breaks="tables and headings are lost; answers miss them",
            detected="characters per document against the source",
            fallback=("stale", "the document's last good version stays searchable"),
        ),
        offline(
            "chunk",
            does="cuts text into passages that carry their heading",
            served_by="in process",
            at_scale="the same",
            breaks="answers are cut in two",
            detected="recall of gold spans",
            fallback=("stale", "the document's last good version stays searchable"),
        ),
        offline(
            "index",
            does=f"embeds and indexes what changed, within {within}; removes what was deleted",
            served_by=_indexes(decision, "beside"),
            at_scale="pgvector, Qdrant or Pinecone",
            breaks="old passages answer new questions",
            detected="age of the newest indexed change",
            fallback=("stale", "the last index, and answers state its age"),
        ),
    ]


def _words(decision: Decision) -> bool:
    return choice(decision, "word_index") != "none"


def _indexes(decision: Decision, joined: str) -> str:
    words = f" {joined} a word index" if _words(decision) else ""
    return f"{choice(decision, 'index')} (FAISS){words}"


def _retrieve(a: Case, decision: Decision, costs: Costs) -> float:
    words = search.match(search.passages(a), costs.ns) / 1000 if _words(decision) else 0.0
    return vectors(a, decision, costs) + words


def _online(answers: Answers, decision: Decision, costs: Costs) -> list[Stage]:
    model = writer(answers, decision, costs)
    stages = [
        validate(
            costs,
            "parses the question and checks its length",
            "a question too long fails late and dear",
        ),
        online(
            "embed",
            costs.us("encoder"),
            does="embeds the question",
            served_by="a small text encoder",
            at_scale="Triton, over the Open Inference Protocol",
            breaks="retrieval looks in the wrong place",
            detected="recall on known questions",
            fallback=("skip", "words alone")
            if _words(decision)
            else ("refuse", "says that the documents cannot be searched now"),
        ),
        online(
            "retrieve",
            _retrieve(case(answers, decision), decision, costs),
            does="finds passages by words and by meaning, and merges both"
            if _words(decision)
            else "finds passages by meaning",
            served_by=_indexes(decision, "and"),
            at_scale="pgvector, Qdrant or Pinecone",
            breaks="the model answers from nothing",
            detected="recall at k on known questions",
            fallback=("refuse", "says that the documents cannot be searched now"),
        ),
    ]
    if "none" not in choice(decision, "reranker"):
        stages.append(
            online(
                "rerank",
                work.RERANKED * costs.us("pair"),
                does=f"reads the top {work.RERANKED} passages together with the question",
                served_by="a small cross-encoder",
                at_scale="Triton on an accelerator",
                breaks="the right passage is not among the few that the model sees",
                detected="recall at 5 with and without",
                fallback=("skip", "the merged order of retrieval"),
            )
        )
    return [
        *stages,
        online(
            "generate",
            model.first,
            does="answers from the passages, citing them",
            served_by=model.served_by,
            at_scale=model.at_scale,
            breaks="answers are wrong, slow or stop midway",
            detected="time to first token, share of answers cut short",
            fallback=("skip", "the passages themselves, best first"),
        ),
        online(
            "cite",
            work.CITED / 1000,
            does="checks that every citation names a passage that was retrieved",
            served_by="in process",
            at_scale="the same",
            breaks="an invented source looks like a real one",
            detected="share of answers with a failed citation",
            fallback=("skip", "the answer is marked as unchecked"),
        ),
        log(costs, "question, passages, answer and versions", "what was said cannot be reviewed"),
    ]
