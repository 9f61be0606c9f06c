"""The architecture decision record: complete, deterministic, and rendered as it was meant."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import given_answers, random_answers
from groundplan.constraints import Answers
from groundplan.constraints.kind import Duration
from groundplan.decision import PATTERNS, conflicts, decide, flips, reference_costs
from groundplan.plan import draw
from groundplan.plan.capacity import Band, Capacity, Need
from groundplan.plan.dossier import Dossier
from groundplan.plan.failures import Failure
from groundplan.plan.growth import Growth, Limit
from groundplan.plan.markdown import cell, code, quoted, setting, span, table
from groundplan.plan.record import record
from groundplan.units import DAY, HOUR, MINUTE, SECOND

CONFLICT: dict[str, Any] = {"p99": "1us"}
RANKING: dict[str, Any] = {
    **{"output": "ranking", "kind": "implicit", "per_request": 5_000_000, "level": "none"}
}
BATCH: dict[str, Any] = {
    **{"predictions": "24h", "features": "24h", "requests": "foreseen"},
}
RAG: dict[str, Any] = {
    **{"output": "answer", "kind": "sparse", "p99": "3s", "streamed": True, "level": "explain"},
    **{"knowledge": "10m", "private_corpus": True},
}


def band(unit: str, *values: float) -> Band:
    low, typical, high = values
    return Band(low, typical, high, unit)


CAPACITY = Capacity(
    needs=(Need("server", {"cores": band("cores", 0.1, 0.2, 0.4)}, "500/s of 146us | each"),),
    total={"cores": band("cores", 0.1, 0.2, 0.4), "memory": band("bytes", 1e8, 2e8, 4e8)},
    saturation=band("requests/s", 900, 1234.5, 2000),
    shortages=(),
    latency={"50 %": band("us", 900, 1234.5, 2000)},
    cost={"server": band("", 10, 20, 40)},
    model="a queue of one server",
)
GROWTH = Growth(
    factors={"traffic": 10.0},
    limits=(Limit("server", "traffic", 6.25, "the cores are full", "a second replica"),),
    pattern=None,
    changes=(("store", "embedded", "redis"),),
    capacity=None,
)
FAILURES = (
    Failure("features", "a", "b", "`groundplan_a`", "c", "the defaults", True),
    Failure("index", "d", "e", "f", "g", "", False),
)


def dossier(answers: Answers) -> Dossier:
    costs = reference_costs()
    decision = decide(answers, costs)
    stands = decision.pattern is not None
    return Dossier(
        answers=answers,
        costs=costs,
        decision=decision,
        conflicts=conflicts(answers, costs),
        flips=flips(answers, costs),
        plan=draw(answers, costs) if stands else None,
        capacity=CAPACITY if stands else None,
        growth=(GROWTH,) if stands else (),
        failures=FAILURES if stands else (),
    )


def rows(text: str) -> Iterator[list[list[str]]]:
    """Every table as the cells that a GFM renderer would give."""
    for block in text.split("\n\n"):
        if block.startswith("|"):
            yield [
                [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in block.splitlines()
            ]


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [(BATCH, "batch"), ({}, "realtime"), (RANKING, "ranking"), (RAG, "rag"), (CONFLICT, None)],
    ids=["batch", "realtime", "ranking", "rag", "conflict"],
)
def test_a_record_says_all_that_was_found(changes: dict[str, Any], pattern: str | None) -> None:
    """Every ruling, component, stage, budget, watch, flip and way out stands in it."""
    found = dossier(given_answers(**changes))
    assert found.decision.pattern == pattern
    text = record(found)
    assert text.startswith(f"# card-fraud: {pattern or 'conflict'}\n")
    said = [cell(ruling.because) for ruling in found.decision.rulings]
    said += [name for flip in found.flips for name in flip.answers]
    said += [known.name for known in PATTERNS]
    for part in found.decision.components.values():
        said += [part.choice.replace("_", " "), *(cell(out.because) for out in part.rulings)]
    if found.plan is not None:
        for stage in found.plan.stages:
            said += [cell(stage.does), cell(stage.fallback.says)]
        said += [cell(watch.threshold) for watch in found.plan.monitoring]
        said += [cell(found.plan.retraining.gate), "0.1 / 0.2 / 0.4 cores", "traffic × 6.25"]
        said += ["the decision becomes a conflict; store goes from embedded to redis"]
        said += ["`groundplan_a`", "f †", "900us / 1.23ms / 2ms"]
    for conflict in found.conflicts:
        said += [cell(because) for because in conflict.because]
    missing = [each for each in said if each not in text]
    assert not missing


@pytest.mark.parametrize("changes", [BATCH, {}, RANKING, RAG, CONFLICT])
def test_every_row_has_the_cells_of_its_head(changes: dict[str, Any]) -> None:
    """No sentence breaks a table: a pipe within one is escaped."""
    text = record(dossier(given_answers(**changes)))
    found = list(rows(text))
    assert found
    for lines in found:
        assert {len(line) for line in lines} == {len(lines[0])}
        assert set(re.sub(r"[-:]", "", "".join(lines[1]))) == set()


def test_a_record_depends_on_nothing_but_the_dossier() -> None:
    """The same dossier gives the same text; a date and a status are what the caller says."""
    found = dossier(given_answers())
    assert record(found) == record(dossier(given_answers()))
    assert "- Status: proposed\n" in record(found)
    assert "- Date" not in record(found)
    dated = record(found, status="accepted", date="2026-08-01")
    assert "- Status: accepted\n- Date: 2026-08-01\n" in dated
    assert "- Status: open\n" in record(dossier(given_answers(**CONFLICT)))


def test_rows_that_were_not_measured_are_named() -> None:
    """A table of one's own says which of its figures are the reference's."""
    found = dossier(given_answers())
    assert "taken from the reference" not in record(found)
    own = msgspec.structs.replace(found.costs, name="own", left={"pair": "needs torch"})
    text = record(msgspec.structs.replace(found, costs=own))
    assert "Cost table `own`" in text
    assert text.endswith("Not measured there, and taken from the reference: `pair`.\n")


def test_what_the_user_wrote_is_shown_letter_for_letter() -> None:
    """Markup in a goal is text, a line break in it is a blank, and a password stays in the file."""
    answers = given_answers(
        name="a|b", goal="# <b>*best*</b>\n\n`_x_`", engines={"scores": "redis://:secret@host/1"}
    )
    text = record(dossier(answers))
    assert text.startswith("# a\\|b: realtime\n")
    assert "\\# \\<b\\>\\*best\\*\\</b\\> \\`\\_x\\_\\`\n" in text
    assert "secret" not in text
    assert '`scores = "redis://***@host/1"`' in text


def test_confirmation_names_only_what_this_version_runs() -> None:
    """`verify` is promised for the patterns that are built; the others say that they are not."""
    for changes in (BATCH, {}):
        text = record(dossier(given_answers(**changes)))
        assert "`groundplan verify` loads a server" in text
    assert "does not build or serve it" not in record(dossier(given_answers()))
    for changes in (RANKING, RAG, {**BATCH, "output": "ranking", "per_request": 100}):
        text = record(dossier(given_answers(**changes)))
        assert "does not build or serve it" in text
        assert "groundplan verify" not in text


@settings(max_examples=60, deadline=None)
@given(answers=random_answers())
def test_any_answers_have_a_record(answers: Answers) -> None:
    """Whatever the file states, the record is whole: tables of one width, no empty section."""
    text = record(dossier(answers))
    for lines in rows(text):
        assert {len(line) for line in lines} == {len(lines[0])}
    assert not re.search(r"^#+ [^\n]*\n\n#{1,2} ", text.split("## Consequences")[-1], re.MULTILINE)


@given(us=st.integers(0, 36_500 * DAY))
def test_a_duration_is_shown_exactly(us: int) -> None:
    """What a reader types from a record is the very value, or the first one beyond `under`."""
    shown = setting("latency.p99", us)
    assert Duration("1s", "s").read(shown.removeprefix("under ")) == us + shown.startswith("under")


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("latency.p99", 1_066_908, "1.066908s"),
        ("latency.p99", 482_669, "482.669ms"),
        ("latency.p99", 241, "241us"),
        ("freshness.features", HOUR - 1, "under 1h"),
        ("freshness.features", 30 * DAY - 1, "under 30d"),
        ("freshness.predictions", 0, "0s"),
        ("freshness.predictions", 90 * SECOND, "90s"),
        ("freshness.predictions", 30 * MINUTE, "30m"),
        ("candidates.catalog", None, "not stated"),
        ("candidates.per_request", 50_000, "50,000"),
        ("policy.private_corpus", False, "false"),
        ("labels.kind", "sparse", "sparse"),
    ],
)
def test_a_value_is_shown_as_people_read_it(key: str, value: Any, shown: str) -> None:
    """Durations in their usual unit, counts with commas, what is left out in words."""
    assert setting(key, value) == shown


def test_a_band_is_shown_once_where_it_is_certain() -> None:
    """Low / typical / high, with the unit once."""
    assert span(band("cores", 1, 2, 4)) == "1 / 2 / 4 cores"
    assert span(band("cores", 2, 2, 2)) == "2 cores"
    assert span(band("replicas", 1, 1, 1)) == "1 replica"
    assert span(band("bytes", 1e9, 1e9, 2e9)) == "1GB / 1GB / 2GB"
    assert span(band("us", 900, 1234.5, 2000)) == "900us / 1.23ms / 2ms"


def test_markdown_is_escaped() -> None:
    """Code keeps its backticks, cells their pipes, foreign texts all of their marks."""
    assert code("a`b") == "`` a`b ``"
    assert code("a|b") == "`a\\|b`"
    assert cell("a\n| <b>") == "a \\| &lt;b>"
    assert quoted("*a* [b](c)\n~d~") == "\\*a\\* \\[b\\](c) \\~d\\~"
    assert table(("a", "b"), [("1", "2")], right=("b",)) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_a_misfit_is_a_warning() -> None:
    """A stage that cannot fit stands out, with what would make it fit."""
    found = dossier(given_answers(**BATCH, p99="300us"))
    assert found.plan is not None
    if not found.plan.misfits:
        from groundplan.plan import Misfit

        misfit = Misfit("lookup", 300, 100, "a longer p99")
        plan = msgspec.structs.replace(found.plan, misfits=(misfit,))
        found = msgspec.structs.replace(found, plan=plan)
    assert "> [!WARNING]\n> `" in record(found)
