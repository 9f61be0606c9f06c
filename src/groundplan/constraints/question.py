"""The five questions, what each one decides, and how each answer of theirs is asked for."""

from typing import Final, NamedTuple


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
        usual: what is assumed where nobody knows, as the file writes it; None: nothing is.
        answers_only: it is asked where the output is an answer.
    """

    key: str
    text: str
    why: str
    examples: tuple[tuple[str, str], ...]
    note: str
    usual: str | int | float | None = None
    answers_only: bool = False


ASKED: Final = (
    Asked(
        "system.name",
        "What is the system called?",
        "Builds, logs and plans carry the name.",
        (("card-fraud", "a word or two, joined by hyphens"),),
        "",
    ),
    Asked(
        "system.goal",
        "What is it for, in a sentence?",
        "Who reads the plan in a year starts here. No rule reads it.",
        (("Score every card transaction inside payment authorization", "who is served, and when"),),
        "",
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
        "explicit",
    ),
    Asked(
        "labels.positive_rate",
        "What share of the labels is positive?",
        "Rare positives need more data, other measures than accuracy, and calibration.",
        (("0.8%", "8 of 1,000 transactions are fraud"), ("1 in 4", "a quarter leaves")),
        "optional, 0..1",
    ),
    Asked(
        "labels.delay",
        "How late does a label arrive?",
        "A model cannot be judged, nor retrained, on what is not known yet.",
        (("7 days", "the customer finds it on the statement"), ("at once", "a click")),
        "optional: how late the label arrives",
    ),
    Asked(
        "latency.p99",
        "How long may 99 of 100 requests take?",
        "It is the budget of everything that runs while somebody waits. Of a streamed answer it "
        "is the time to the first words.",
        (
            ("100ms", "inside a payment, or while a page loads"),
            ("half a second", "a search box"),
            ("2s", "the first words of a written answer"),
            ("an hour", "nobody waits: a queue"),
        ),
        "the whole request; streamed answers: time to the first token",
        "100ms",
    ),
    Asked(
        "latency.throughput",
        "How many requests come at the peak?",
        "Times the work of one request, it is the cores that must be there.",
        (("500/s", "a busy site"), ("10 million a day", "115/s on average; say the peak")),
        "peak",
        "100/s",
    ),
    Asked(
        "latency.streamed",
        "Is the text sent as it is written?",
        "The promise is then about the first words, which come much sooner than the last.",
        (("yes", "a chat"), ("no", "a program waits for all of it")),
        "answers only: is the text sent as it is written?",
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
        "24h",
    ),
    Asked(
        "freshness.features",
        "How old may a feature value be?",
        "Counts over the last minutes need events as they happen; last night's come from a table.",
        (("1s", "what the card did a second ago matters"), ("nightly", "24h: a customer's plan")),
        "oldest acceptable feature value",
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
        "unforeseen",
    ),
    Asked(
        "freshness.knowledge",
        "How soon must a changed document be searchable?",
        "Knowledge that may be a month old can be tuned into a model; newer must be looked up.",
        (("10m", "a price list"), ("nightly", "24h: a handbook")),
        "answers only: a changed document is searchable within this",
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
    ),
    Asked(
        "candidates.catalog",
        "How large is the whole catalog, where only a part is eligible for a request?",
        "It sizes the index and its memory.",
        (("10 million", "of which a request sees those in stock nearby"),),
        "optional: the whole corpus, where only part is eligible",
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
        "explain",
    ),
    Asked(
        "policy.private_corpus",
        "Must the model know what is absent from its training data?",
        "What it has never read it must retrieve, or be tuned on.",
        (("yes", "the documents of the house"), ("no", "what everybody knows")),
        "answers: is what the model must know absent from its training data?",
        answers_only=True,
    ),
    Asked(
        "policy.fine_tuning",
        "May the corpus be used to train a model?",
        "Knowledge that is allowed to age can then be tuned in rather than retrieved.",
        (("yes", "the licence allows it"), ("no", "customers' data, or somebody else's")),
        "may the corpus be used to train a model?",
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
    ),
    Asked(
        "policy.hosts",
        "How many machines may the plan use?",
        "With their cores, it is what the peak must fit into.",
        (("1", "one machine"),),
        "machines that the plan may use",
    ),
    Asked(
        "policy.cores",
        "How many cores has each of them?",
        "The peak may fill 70% of them. Not stated: the plan says how many it takes.",
        (("16", "one large machine"),),
        "cores of each",
    ),
    Asked(
        "policy.memory",
        "How much memory has each of them?",
        "Indexes and online state must fit.",
        (("24GB", "decimal units"),),
        "memory of each",
    ),
)
"""Every answer that is asked for, in order."""

ASKED_BY_KEY: Final = {asked.key: asked for asked in ASKED}
