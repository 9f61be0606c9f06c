"""How an order by likeness of texts fails; it is planned, not yet built."""

from groundplan.plan.failures.failure import Mode


def matching() -> list[Mode]:
    """The failures of prepared texts, of comparing them, and of the figure that judges it."""
    return [*_texts(), *_compared(), *_roles()]


def _texts() -> list[Mode]:
    return [
        Mode(
            "encode_items",
            "things without a text, or with the text of another, get vectors that say nothing",
            "the share of candidates with an empty text or with the same vector",
            "mend the texts; show such things by other means",
            running=False,
        ),
        Mode(
            "weigh_words",
            "people ask in other words than the texts have",
            "the share of requests that match no candidate",
            "a list of words that mean the same, or a text encoder",
            seen="an order that says nothing",
            running=False,
        ),
        Mode(
            "encode",
            "the encoder is away or has no time",
            "the share of requests that were not encoded",
            "a copy of it in every process",
            running=False,
        ),
    ]


def _compared() -> list[Mode]:
    return [
        Mode(
            "score",
            "candidates cannot be compared, or there is no time left for it",
            "the share of answers in the order in which the candidates came",
            "fewer candidates, or another process",
            seen="an order that says nothing, and says so",
            running=False,
        ),
        Mode(
            "explain",
            "no time is left for the reasons",
            "the share of answers without reasons",
            "fetch them later, by identifier",
            seen="an answer without reasons, and where to fetch them",
            running=False,
        ),
    ]


def _roles() -> list[Mode]:
    """How an order by likeness of texts misses what is wanted."""
    return [
        Mode(
            "model",
            "what is most alike is not what is wanted",
            "the place of what is taken; a sample that people judge",
            "another encoder, or labels from what is taken, and a model that learns from them",
            seen="an order by words, where people meant something else",
            fallback="",
            running=False,
            main=True,
        ),
        Mode(
            "metric",
            "what was never shown was never judged, and counts as wrong",
            "the share of the first ten that nobody has judged",
            "judge the first ten of both, whenever two are compared",
            seen="a better order, and a worse figure",
            fallback="",
            running=False,
        ),
    ]
