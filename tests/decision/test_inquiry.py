"""The answers so far: what is asked next, and which of them clash."""

from hypothesis import given, settings

from answer_cases import random_answers, value_of
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.question import ASKED_BY_KEY
from groundplan.constraints.spoken import Meant
from groundplan.decision.inquiry import Inquiry
from groundplan.decision.standing import Standing


def told(inquiry: Inquiry, answers: Answers) -> Inquiry:
    """All of the answers, in the order of the questions."""
    for asked in inquiry.asked():
        value = value_of(answers, asked.key)
        plain = None if value is None else FIELDS[asked.key].kind.plain(value)
        inquiry.put(asked.key, None if plain is None else Meant(value, plain))
    return inquiry


@settings(max_examples=40, deadline=None)
@given(answers=random_answers())
def test_a_clash_can_spare_none_of_its_answers(answers: Answers) -> None:
    """They alone leave a conflict, and without any one of them something can be decided."""
    inquiry = told(Inquiry(), answers)
    clash = inquiry.clash()
    given_so_far = inquiry.standing().given
    assert bool(clash) == (inquiry.standing().outcomes() == (None,))
    for spared in clash:
        rest = {key: given_so_far[key] for key in clash if key != spared}
        assert any(Standing(rest).outcomes())
    if clash:
        assert Standing({key: given_so_far[key] for key in clash}).outcomes() == (None,)


def test_what_no_longer_belongs_is_not_an_answer() -> None:
    """An answer of labels or of a text goes with the labels and the text."""
    inquiry = Inquiry()
    for key, said in (
        *(("system.output", "answer"), ("labels.kind", "explicit"), ("labels.delay", "7d")),
        ("latency.streamed", "yes"),
    ):
        inquiry.give(key, said)
    assert inquiry.plain.keys() >= {"labels.delay", "latency.streamed"}
    inquiry.give("labels.kind", "none")
    inquiry.give("system.output", "score")
    assert inquiry.plain.keys() == {"system.output", "labels.kind"}
    keys = [asked.key for asked in inquiry.asked()]
    assert "labels.delay" not in keys
    assert "labels.positive_rate" not in keys
    assert len(keys) < len(ASKED_BY_KEY)
