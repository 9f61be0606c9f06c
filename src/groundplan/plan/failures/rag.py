"""How answers from retrieved passages fail; this pattern is planned, not yet built."""

from groundplan.constraints import Answers
from groundplan.decision import Decision
from groundplan.plan.failures.failure import Mode
from groundplan.plan.failures.requests import requests
from groundplan.plan.failures.reviewed import reviewed


def rag(answers: Answers, decision: Decision) -> list[Mode]:
    """The failures of documents, retrieval, generation and citations."""
    return [*_offline(), *requests("/answer"), *_online(answers), *_roles()]


def _offline() -> list[Mode]:
    return [
        Mode(
            "parse",
            "a format is read without its tables or its headings",
            "characters per document against the source",
            "look at the formats that lose most; another parser for these",
        ),
        Mode(
            "chunk",
            "a passage ends in the middle of what answers",
            "recall of gold spans",
            "cut at headings and paragraphs, carry the heading",
        ),
        Mode(
            "index",
            "a document was changed or deleted, its passages still answer",
            "version of each cited passage; age of the newest indexed change",
            "incremental upserts and deletes, counted against the source",
            main=True,
        ),
    ]


def _online(answers: Answers) -> list[Mode]:
    first = "time to the first token" if answers.latency.streamed else "time to the answer"
    return [
        Mode(
            "embed",
            "the encoder is away or has no time",
            "the share of questions that were searched by words alone",
            "a copy of it in every process, or one more behind the load balancer",
        ),
        Mode(
            "retrieve",
            "retrieval misses the passage that answers",
            "recall at k on a set of known questions; questions answered 'not found'",
            "hybrid search (words and vectors), chunking measured on gold spans",
            fallback="",
            main=True,
        ),
        Mode(
            "retrieve",
            "somebody reads what they may not",
            "access rules tested per role",
            "filter by permission in retrieval, not in the prompt",
            seen="an answer from a document that is not theirs",
            fallback="",
            main=True,
        ),
        Mode(
            "retrieve",
            "neither words nor vectors can be searched",
            "the share of questions that were refused",
            "a replica of the index",
            seen="no answer, and that the documents cannot be searched now",
        ),
        Mode(
            "rerank",
            "the network takes longer than its budget",
            "the share of questions whose passages were not read again",
            "fewer passages, or an accelerator",
        ),
        Mode(
            "generate",
            "the model's server is away or slow",
            f"{first}, share of answers cut short",
            "several servers behind a load balancer; fewer passages",
            seen="the passages themselves instead of an answer",
        ),
        Mode(
            "generate",
            "a document carries instructions to the model",
            "answers that leave their format",
            "passages are quoted as data; tools are never called from them",
            seen="an answer that does as the document says",
            fallback="",
            main=True,
        ),
        Mode(
            "cite",
            "the model states what no passage says",
            "citations checked against the passages; the share of answers that fail",
            "an answer without support is replaced by the passages themselves",
            main=True,
        ),
    ]


def _roles() -> list[Mode]:
    return [
        Mode(
            "model",
            "the model answers from what it remembers, not from the passages",
            "answers to questions whose passages were taken away",
            "ask for a citation for each sentence, and refuse without",
            seen="what used to be true",
            fallback="",
        ),
        Mode(
            "generator",
            "another version of the model answers under the same name",
            "known questions, asked again every day",
            "name the version; the one that serves goes on until the new one has passed",
            seen="answers of another tone or length",
            fallback="",
        ),
        Mode(
            "word_index",
            "a name or a number that is asked for is cut apart, and so never found as it is",
            "questions that name a product, a paragraph or a code, and what was found for them",
            "index such words whole, beside their parts",
            seen="an answer about something with a similar name",
            fallback="passages that are near in meaning",
        ),
        Mode(
            "reranker",
            "the network was trained on other texts than these",
            "recall at 5 with and without",
            "leave it out where it gains nothing",
            seen="a slower answer that is no better",
            fallback="the merged order of retrieval",
        ),
        Mode(
            "explainer",
            "a citation names a passage that does not support its sentence",
            "a sample that people check: above 2 % are wrong",
            "check support by a second model, show the passage beside the sentence",
            seen="a source that does not say so",
            fallback="the answer is marked as unchecked",
        ),
        *reviewed(),
    ]
