"""The answers to move, one by one, and the exact points at which the decision changes.

The script of the page makes a scale of each number and a choice of each word; without it the
answers stand here with what they mean, and the flips as a table.
"""

from typing import Final

from groundplan.constraints import FIELDS, Answers
from groundplan.decision import Flip
from groundplan.decision.case import KEYS, shown
from groundplan.decision.domain import DOMAINS
from groundplan.plan.dossier import Dossier
from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.page.rulings import TABLES, TITLES, written
from groundplan.plan.page.verdict import arrival, attempt, change

_MANY: Final = 12
_WORK: Final = {"latency.p99", "policy.cores", "policy.hosts"}
"""Answers whose flips weigh the work of a request, which is not all that a plan asks for."""


def scales(dossier: Dossier) -> Html:
    """Every answer of the decision under its question."""
    groups = []
    for table in TABLES:
        keys = [key for key in KEYS if key.split(".")[0] == table]
        groups.append(
            tag(
                "fieldset",
                tag("legend", TITLES[table]),
                *(_answer(dossier.answers, key) for key in keys),
            )
        )
    return tag("form", *groups, class_="answers", id="scales", autocomplete="off")


def _answer(answers: Answers, key: str) -> Html:
    table, name = key.split(".")
    text = written(shown(key, getattr(getattr(answers, table), name)))
    return tag(
        "div",
        tag("h3", f"{table}.", tag("wbr"), name, id=f"n-{key}"),
        tag("p", FIELDS[key].doc, class_="doc", id=f"d-{key}"),
        tag("p", text, class_="fixed"),
        id=f"a-{key}",
        data_key=key,
        class_="answer" if key in DOMAINS else "answer minor",
    )


def flips(found: tuple[Flip, ...]) -> Html:
    """The flips of one answer, and behind a fold those of two."""
    alone = [flip for flip in found if len(flip.answers) == 1]
    pairs = [flip for flip in found if len(flip.answers) > 1]
    parts = [
        _table("Flips of one answer", alone)
        if alone
        else tag("p", "No single answer changes the decision.")
    ]
    if {key for flip in alone for key in flip.answers} & _WORK:
        parts.append(
            tag(
                "p",
                "These count the work of a request alone. The plan adds waiting at the peak, and "
                "what components and scheduled work take: it may ask for a longer p99, or for more "
                "cores.",
                class_="soft",
            )
        )
    if pairs:
        summary = f"{len(pairs)} more change it two answers at a time"
        parts.append(
            tag(
                "details",
                tag("summary", summary),
                _table("Flips of two answers", pairs),
                open=len(pairs) <= _MANY and not alone,
            )
        )
    return join(*parts)


def _table(caption: str, found: list[Flip]) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", change(flip.answers, flip.before, flip.after), scope="row"),
            tag(
                "td",
                arrival(flip.pattern),
                " ",
                attempt(flip.answers, flip.after),
                data_head="decides",
            ),
        )
        for flip in found
    ]
    heads = tag("tr", tag("th", "this change", scope="col"), tag("th", "decides", scope="col"))
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", heads),
        tag("tbody", *rows),
        class_="flips",
    )
