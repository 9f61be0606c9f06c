"""Figures as people say them, and what a drawing says of each part of a system."""

import re
from typing import Any

import pytest

from answer_cases import given_answers
from groundplan.decision import Flip, decide
from groundplan.plan import draw
from groundplan.plan.budget import RESERVED
from groundplan.plan.capacity import Band
from groundplan.plan.dossier import draw_up
from groundplan.plan.page import page, stores
from groundplan.plan.page.calendar import calendar
from groundplan.plan.page.needs import _scale, band
from groundplan.plan.page.rollout import rollout
from groundplan.plan.page.verdict import change, verdict
from groundplan.plan.record import record
from plan.test_page import CASES

WAITING: dict[str, Any] = {
    "p99": "6h",
    "predictions": "6h",
    "features": "6h",
    "requests": "unforeseen",
    "throughput": "800/s",
    "level": "none",
}


def test_hours_are_no_thousands_of_seconds() -> None:
    """Where a request may wait for hours, record and page give its stages hours and minutes."""
    dossier = draw_up(given_answers(**WAITING))
    assert decide(given_answers(**WAITING)).pattern == "batch"
    for text in (record(dossier), page(dossier)):
        assert not re.search(r"\b\d{3,}(\.\d+)?s\b", text.split("<script")[0])
        assert "4.48h" in text
        assert "9.56m" in text


@pytest.mark.parametrize("name", CASES)
def test_a_ruling_claims_three_figures_of_what_was_measured(name: str) -> None:
    """A measured cost is said in three figures, a least p99 in four; answers stand as given."""
    decision = decide(given_answers(**CASES[name]))
    said = [ruling.because for ruling in decision.rulings]
    for part in decision.components.values():
        said += [part.because, *(ruling.because for ruling in part.rulings)]
    for number in re.findall(r"\b(\d+\.\d+)(?:us|ms|s|m|h|d)\b", " ".join(said)):
        assert len(number.replace(".", "").lstrip("0")) <= 4, number


def test_what_the_headroom_is_for_is_said_alike() -> None:
    """Record and page have one wording."""
    dossier = draw_up(given_answers())
    assert RESERVED in record(dossier)
    assert RESERVED in page(dossier)


def test_a_store_is_labelled_by_what_holds_it() -> None:
    """Prepared lists lie in a store, whatever searched for them."""
    few = {"per_request": 50_000, "catalog": 500_000, "requests": "foreseen", "level": "none"}
    plan = draw(given_answers(**CASES["ranking"] | few))
    held = {store.name: stores.technology(plan, store) for store in stores.stores(plan)}
    assert held["candidate lists"] == plan.stage("retrieve").served_by
    assert "FAISS" not in held["candidate lists"]
    live = draw(given_answers(**CASES["ranking"]))
    assert "candidate lists" not in {store.name for store in stores.stores(live)}


@pytest.mark.parametrize(("features", "writer"), [("1m", "online"), ("24h", "offline")])
def test_each_store_that_is_read_is_written(features: str, writer: str) -> None:
    """Fresh features are recorded by each request, others computed by a run: one of the two."""
    plan = draw(given_answers(**CASES["ranking"] | {"features": features}))
    (found,) = (one for one in stores.stores(plan) if one.name == "online features")
    assert found.writers == ((writer, "features"),)
    assert ("records the event" in plan.stage("features").does) is (writer == "online")


def test_far_conflicts_are_no_headline() -> None:
    """The first screen leaves out a conflict at hundreds of times what is asked for."""
    chat = given_answers(
        **CASES["rag"] | {"external_api": "none", "per_request": 5_000, "knowledge": "1h"}
    )
    dossier = draw_up(chat)
    far = [one for one in dossier.flips if one.answers == ("candidates.per_request",)]
    assert any(one.after[0] > 100 * 5_000 for one in far)
    headline = str(verdict(dossier)).split('class="turns"')[1]
    assert "candidates.per_request" not in headline
    assert "candidates.catalog" not in headline
    assert "policy.cores" in headline


def test_a_number_that_was_not_stated_is_rounded_too() -> None:
    """From nothing stated, cores flip at so many or less, a catalog at so many or more."""

    def said(key: str, old: int | None, new: int) -> str:
        return str(change(Flip((key,), (old,), (new,), None).answers, (old,), (new,)))

    assert "1,336,000,000 or more" in said("candidates.catalog", None, 1_335_098_521)
    assert "1,336,000,000 or more" in said("candidates.per_request", 5_000, 1_335_098_521)
    assert "26 or less" in said("policy.cores", None, 26)


@pytest.mark.parametrize(
    ("case", "word"), [("rag", "both texts"), ("ranking", "orders"), ("realtime", "scores")]
)
def test_a_shadow_compares_what_is_answered(case: str, word: str) -> None:
    """Texts have no scores that could differ."""
    plan = draw(given_answers(**CASES[case]))
    said = str(rollout(plan, runs=False))
    assert word in said
    assert ("its scores" in said) is (case == "realtime")


def test_no_calendar_is_drawn_of_no_date() -> None:
    """What is trained when something happens has no year to show; what runs each week has."""
    for case, drawn in (("rag", False), ("batch", True), ("realtime", True)):
        dossier = draw_up(given_answers(**CASES[case]))
        assert dossier.plan is not None
        assert (calendar(dossier, dossier.plan) is not None) is drawn
        assert ('class="calendar' in page(dossier)) is drawn


def test_a_wider_band_is_a_longer_line() -> None:
    """The bands of a column stand on one scale, by ratios."""
    wide, small = Band(10, 100, 1000, "cores"), Band(90, 100, 110, "cores")
    scale = _scale((wide, small))
    assert scale == (10, 1000)
    assert "left:0.0%;right:0.0%" in str(band(wide, scale=scale))
    left, right = map(
        float, re.findall(r"(?:left|right):([\d.]+)%", str(band(small, scale=scale)))[:2]
    )
    assert left > 45
    assert right > 45
    assert _scale((Band(1, 1, 1, "cores"),)) is None
