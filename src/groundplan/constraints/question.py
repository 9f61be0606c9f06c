"""The five questions, what each one decides, and how each answer of theirs is asked for."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Question(NamedTuple):
    """One of the five questions; its answers are one table of `groundplan.toml`."""

    number: int
    table: str
    text: str
    decides: str


QUESTIONS: Final = (
    Question(
        1,
        "labels",
        "What is predicted, and are there labels?",
        "which models can be trained, and how they learn from what happens later",
    ),
    Question(
        2,
        "latency",
        "How fast, and how much?",
        "what may run while a request waits, and how many cores that takes",
    ),
    Question(
        3,
        "freshness",
        "How old may things be?",
        "whether answers can be computed ahead of time, and how features stay fresh",
    ),
    Question(
        4,
        "candidates",
        "How many things does one request choose among?",
        "whether one model can score them all, or a retrieval stage must narrow them first",
    ),
    Question(
        5,
        "interpretability",
        "Who must understand a prediction?",
        "which models are allowed, and which reasons go with each answer",
    ),
)

OF_TABLE: Final = {question.table: question for question in QUESTIONS}


class Asked(NamedTuple):
    """How one answer is asked for in a conversation.

    Args:
        key: the dotted key.
        text: the question.
        why: what depends on it.
        examples: answers as people give them, each with what it would mean.
        note: the comment beside the answer in the file.
        shapes: what it still decides where the pattern does not depend on it.
        usual: what is assumed where nobody knows, as the file writes it; None: nothing is.
        answers_only: it is asked where the output is an answer.
    """

    key: str
    text: str
    why: str
    examples: tuple[tuple[str, str], ...]
    note: str
    shapes: str
    usual: str | int | float | None = None
    answers_only: bool = False


ASKED: Final = (
    Asked(
        "system.name",
        "What is the system called?",
        "Builds, logs and plans carry the name.",
        (("card-fraud", "a word or two, joined by hyphens"),),
        "",
        "what builds, logs and plans are called",
    ),
    Asked(
        "system.goal",
        "What is it for, in a sentence?",
        "Who reads the plan in a year starts here. No rule reads it.",
        (("Score every card transaction inside payment authorization", "who is served, and when"),),
        "",
        "what the plan's first line says",
    ),
    Asked(
        "system.output",
        "What does a request get back?",
        "A score leaves every candidate in; a ranking may drop most of them unseen; "
        "an answer is written by a language model, which takes seconds rather than milliseconds.",
        (
            ("score", "a number for each thing asked about: fraud, churn, the risk of a loan"),
            ("ranking", "the best few of many, in order: a home feed, search results"),
            ("answer", "a text: a question about documents, a summary"),
        ),
        "score | ranking | answer",
        "what the server returns",
    ),
    Asked(
        "labels.kind",
        "Are there labels, and who gives them?",
        "Labels decide what can be trained: many explicit ones a supervised model, behaviour a "
        "model of preferences, few or none one that was trained elsewhere.",
        (
            ("explicit", "somebody states it: a chargeback, a cancelled contract"),
            ("implicit", "behaviour implies it: clicks, purchases, watch time"),
            ("sparse", "a few hundred that somebody labelled by hand"),
            ("none", "nothing yet"),
        ),
        "explicit | implicit | sparse | none",
        "which models can be trained, and how they are judged",
        "explicit",
    ),
    Asked(
        "labels.positive_rate",
        "What share of the labels is positive?",
        "Rare positives need more data, other measures than accuracy, and calibration.",
        (("0.8%", "8 of 1,000 transactions are fraud"), ("1 in 4", "a quarter leaves")),
        "optional, 0..1",
        "how a model is measured, and how much data it needs",
    ),
    Asked(
        "labels.delay",
        "How late does a label arrive?",
        "A model cannot be judged, nor retrained, on what is not known yet.",
        (("7 days", "the customer finds it on the statement"), ("at once", "a click")),
        "optional: how late the label arrives",
        "how soon a model can be judged, and how long requests are kept for that",
    ),
    Asked(
        "latency.p99",
        "How long may 99 of 100 requests take?",
        "It is the budget of everything that runs while somebody waits.",
        (
            ("100ms", "inside a payment, or while a page loads"),
            ("half a second", "a search box"),
            ("an hour", "nobody waits: a queue"),
        ),
        "the whole request",
        "the time that each stage of a request may take",
        "100ms",
    ),
    Asked(
        "latency.throughput",
        "How many requests come at the peak?",
        "Times the work of one request, it is the cores that must be there.",
        (("500/s", "a busy site"), ("10 million a day", "115/s on average; say the peak")),
        "peak",
        "how many cores and processes it takes",
        "100/s",
    ),
    Asked(
        "latency.streamed",
        "Is the text sent as it is written?",
        "The promise is then about the first words, which come much sooner than the last.",
        (("yes", "a chat"), ("no", "a program waits for all of it")),
        "answers only: is the text sent as it is written?",
        "whether the promise is about the first words or about the last",
        answers_only=True,
    ),
    Asked(
        "freshness.predictions",
        "How old may a prediction be when it is used?",
        "Where yesterday's will do, everything is computed at night and a request is one lookup: "
        "the simplest system there is.",
        (
            ("0s", "it must reflect this very request"),
            ("hourly", "1h: this hour's is good enough"),
            ("nightly", "24h: last night's is good enough"),
        ),
        "oldest acceptable prediction; 0s: it must reflect this request",
        "how old an answer may be when it is served",
        "24h",
    ),
    Asked(
        "freshness.features",
        "How old may a feature value be?",
        "A feature is what the model is told of a customer or a card: counts over the last "
        "minutes need events as they happen; last night's come from a table.",
        (("1s", "what the card did a second ago matters"), ("nightly", "24h: a customer's plan")),
        "oldest acceptable feature value",
        "whether features follow events as they happen, or a nightly table",
        "24h",
    ),
    Asked(
        "freshness.requests",
        "Can everything that will be asked about be listed beforehand?",
        "What cannot be listed cannot be computed before it is asked for.",
        (
            ("foreseen", "yes: all customers, all products"),
            ("unforeseen", "no: tomorrow's transactions, what people will type"),
        ),
        "can all that will be asked about be listed? foreseen | unforeseen",
        "what can be prepared before a request comes",
        "unforeseen",
    ),
    Asked(
        "freshness.knowledge",
        "How soon must a changed document be searchable?",
        "Knowledge that may be a month old can be tuned into a model; newer must be looked up.",
        (("10m", "a price list"), ("nightly", "24h: a handbook")),
        "answers only: a changed document is searchable within this",
        "how soon a changed document is indexed",
        answers_only=True,
    ),
    Asked(
        "candidates.per_request",
        "How many things does one request choose among?",
        "One model scores a few hundred in time, and nothing is missed. Beyond, a fast first "
        "stage must drop most of them unseen.",
        (
            ("1", "this transaction, this customer"),
            ("a few hundred", "300: the shelves of one shop"),
            ("about 10 million", "a whole catalog"),
        ),
        "the things that are eligible for one request",
        "how much work one request is",
    ),
    Asked(
        "candidates.catalog",
        "How large is the whole catalog, where only a part is eligible for a request?",
        "It sizes the index and its memory.",
        (("10 million", "of which a request sees those in stock nearby"),),
        "optional: the whole corpus, where only part is eligible",
        "how large indexes and published tables become",
    ),
    Asked(
        "interpretability.level",
        "Who must understand a prediction?",
        "An auditor needs a model whose every answer can be recomputed and taken apart; users "
        "need a reason with it.",
        (
            ("none", "nobody: only the figures count"),
            ("explain", "the people it is shown to"),
            ("audit", "a regulator: credit, insurance, payments"),
        ),
        "none | explain (to users) | audit (regulated)",
        "which models are allowed, and which reasons go with each answer",
        "explain",
    ),
    Asked(
        "policy.private_corpus",
        "Must the model know what is absent from its training data?",
        "What it has never read it must retrieve, or be tuned on.",
        (("yes", "the documents of the house"), ("no", "what everybody knows")),
        "answers: is what the model must know absent from its training data?",
        "where the model's knowledge comes from",
        answers_only=True,
    ),
    Asked(
        "policy.fine_tuning",
        "May the corpus be used to train a model?",
        "Knowledge that is allowed to age can then be tuned in rather than retrieved.",
        (("yes", "the licence allows it"), ("no", "customers' data, or somebody else's")),
        "may the corpus be used to train a model?",
        "whether a model may learn from the corpus",
        answers_only=True,
    ),
    Asked(
        "policy.external_api",
        "What may leave the house?",
        "It decides where a model may run.",
        (
            ("none", "nothing"),
            ("inference", "single requests, not kept for training"),
            ("any", "anything"),
        ),
        "none | inference | any",
        "where a model may run",
    ),
    Asked(
        "policy.hosts",
        "How many machines may the plan use?",
        "With their cores, it is what the peak must fit into.",
        (("1", "one machine"),),
        "machines that the plan may use",
        "what the plan must fit into",
    ),
    Asked(
        "policy.cores",
        "How many cores has each of them?",
        "The peak may fill 70% of them. Not stated: the plan says how many it takes.",
        (("16", "one large machine"),),
        "cores of each",
        "what the plan must fit into",
    ),
    Asked(
        "policy.memory",
        "How much memory has each of them?",
        "Indexes and online state must fit.",
        (("24GB", "decimal units"),),
        "memory of each",
        "what the plan must fit into",
    ),
)
"""Every answer that is asked for, in order."""

ASKED_BY_KEY: Final = {asked.key: asked for asked in ASKED}

OF_LABELS: Final = frozenset(("labels.positive_rate", "labels.delay"))
"""What there is to be asked about labels only where there are some."""

_WORDED: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("latency.p99", "answer"): {
        "why": "It is the budget of everything that runs while somebody waits. Where the text is "
        "sent as it is written, it is the time to the first words.",
        "note": "the whole request; streamed answers: time to the first token",
        "examples": (
            ("2s", "the first words, where the text is sent as it is written"),
            ("half a minute", "all of it, where a program waits"),
            ("an hour", "nobody waits: a queue"),
        ),
        "usual": "2s",
    },
    ("freshness.predictions", "answer"): {
        "text": "How old may an answer be when it is used?",
        "why": "Answers to known questions can be written at night, and a request is one lookup: "
        "the simplest system there is.",
        "examples": (
            ("0s", "it is written for this very request"),
            ("nightly", "24h: one that was written last night is good enough"),
        ),
    },
    ("freshness.features", "answer"): {
        "text": "How old may facts about the user be?",
        "why": "Where an answer depends on who asks: what happened a minute ago needs events as "
        "they happen; last night's facts come from a table.",
        "examples": (
            ("1s", "what the user did a second ago matters"),
            ("nightly", "24h: the user's plan or role; or nothing about the user matters"),
        ),
    },
    ("freshness.requests", "answer"): {
        "examples": (
            ("foreseen", "yes: a description of each product"),
            ("unforeseen", "no: what people will type"),
        ),
    },
    ("candidates.per_request", "score"): {
        "text": "How many things does one request ask about?",
        "why": "Each of them is scored, or looked up, while the request waits.",
        "examples": (
            ("1", "this transaction, this customer"),
            ("a few hundred", "300: every offer that one visitor could get"),
        ),
        "note": "the things that one request asks about",
    },
    ("candidates.catalog", "score"): {
        "text": "How many things are there in all that can be asked about?",
        "why": "Where scores are published ahead of time, each run scores all of them: it sizes "
        "the run and the published table.",
        "examples": (("2 million", "all customers, of whom a request names one"),),
        "note": "optional: all things that can be asked about",
    },
    ("candidates.per_request", "answer"): {
        "text": "How many passages may one answer draw on?",
        "why": "The more there are, the longer it takes to find the right ones, and the more "
        "memory their index needs.",
        "examples": (
            ("200k", "passages of 40,000 documents"),
            ("1", "nobody counted: a search is planned for 100,000"),
        ),
        "note": "the passages that one answer may draw on",
    },
    ("candidates.catalog", "answer"): {
        "text": "How many passages are there in all, where an answer may draw on a part of them?",
        "why": "All of them are indexed: it sizes the index and its memory.",
        "examples": (("5 million", "of which a customer's question sees the customer's own"),),
        "note": "optional: all passages, where only part may be drawn on",
    },
}
"""What is worded otherwise for an output; the words above fit the others, and a ranking."""


def asked_as(key: str, output: object) -> Asked:
    """How an answer is asked for, in the words of an output; None: it is not known yet."""
    return ASKED_BY_KEY[key]._replace(**_WORDED.get((key, str(output)), {}))
