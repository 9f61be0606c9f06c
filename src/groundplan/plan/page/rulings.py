"""The rulings as a table of patterns by questions: a cell holds the sentence that rules out."""

from typing import Final

from groundplan.constraints import QUESTIONS
from groundplan.decision import PATTERNS, Ruling
from groundplan.decision.case import KEYS, shown
from groundplan.plan.dossier import Dossier
from groundplan.plan.page.markup import Html, join, tag

_OWN: Final = {"system": "What does a request get back?", "policy": "What may the plan use?"}
TABLES: Final = ("system", *(question.table for question in QUESTIONS), "policy")
TITLES: Final = _OWN | {question.table: question.text for question in QUESTIONS}


def home(reads: tuple[str, ...]) -> str:
    """The question that a rule stands beside, by the answers that it reads.

    The output decides which rules apply, and the labels which model is costed; a rule that reads
    more than these turns on the rest.
    """
    tables = [key.split(".")[0] for key in reads]
    own = [table for table in tables if table not in ("system", "labels")]
    return (own or tables)[0]


def rulings(dossier: Dossier) -> Html:
    """The table; the page's script fills the same cells when an answer moves."""
    heads = [tag("th", "your answers", scope="col")]
    heads += [
        tag("th", one.name, scope="col", data_column=one.name, class_=f"p-{one.name}")
        for one in PATTERNS
    ]
    rows = [_row(dossier, table) for table in TABLES]
    return tag(
        "table",
        tag("caption", "What rules each pattern out, by question", class_="unseen"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *rows),
        class_="rulings cards",
    )


def _row(dossier: Dossier, table: str) -> Html:
    here = [ruling for ruling in dossier.decision.rulings if home(ruling.answers) == table]
    cells = [
        tag(
            "td",
            *(
                [sentence(r) for r in here if r.rules_out == one.name]
                or [_none(dossier, table, one.name)]
            ),
            data_cell=f"{table} {one.name}",
            data_head=one.name,
            class_=f"p-{one.name}",
        )
        for one in PATTERNS
    ]
    said = [
        tag("li", tag("span", key.split(".")[1]), " ", tag("b", text, data_said=key))
        for key, text in answered(dossier, table)
    ]
    head = tag("th", TITLES[table], tag("ul", *said), scope="row")
    return tag("tr", head, *cells)


def _none(dossier: Dossier, table: str, pattern: str) -> Html:
    """What stands in a cell without a ruling: a tick, or where the ruling stands that reads it."""
    for ruling in dossier.decision.rulings:
        tables = {key.split(".")[0] for key in ruling.answers}
        if ruling.rules_out == pattern and table in tables:
            return tag("span", f"with {home(ruling.answers)}", class_="soft")
    return tag("span", "✓", class_="soft", role="img", aria_label="nothing against")


def sentence(ruling: Ruling) -> Html:
    """One ruling: its sentence, and the answers that it reads as links to them."""
    links = [tag("a", key, href=f"#a-{key}") for key in ruling.answers]
    return tag(
        "p",
        tag("span", ruling.because),
        tag("small", join(*(join(link, " ") for link in links))),
        data_rule=ruling.rule,
    )


def written(value: object) -> str:
    """A value as the file may write it, with the thousands of a count apart."""
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:_}" if isinstance(value, int) else str(value)


def answered(dossier: Dossier, table: str) -> list[tuple[str, str]]:
    """The answers of one table as the file writes them; those that are not stated left out."""
    found = []
    for key in KEYS:
        if key.split(".")[0] == table:
            value = getattr(getattr(dossier.answers, table), key.split(".")[1])
            text = shown(key, value)
            if text is not None and text is not False:
                found.append((key, written(text)))
    return found
