"""An answer: what a reader sees of it."""

from groundplan.scores.scored import Because, Live, Scored
from groundplan.scores.version import Average, Version


def test_an_answer_is_shown_in_a_line_however_large_its_version() -> None:
    """Key, score, decision, codes of the reasons, the version by name, its age, what stood in."""
    average = Average(9, 0.5, "leave")
    version = Version(
        name="20260801-030000-123",
        system="s",
        build="b",
        as_of=0,
        created=0,
        rows=9,
        key="str",
        decisions=("leave",),
        codes=(),
        overall=average,
        segments={f"city {number}": average for number in range(1_000)},
    )
    because = (Because("R03", "in plain words", True),)
    told = repr(Scored("ann", 0.25, "call", because, Live(version)))
    assert told.startswith(
        "Scored(key='ann', score=0.25, decision='call', reasons=('R03',), "
        "version='20260801-030000-123', age="
    )
    assert len(told) < 150
    assert "city" not in told
    stranger = Scored(7, 0.5, "leave", (), Live(version), fallback="segment average")
    assert repr(stranger).endswith(", fallback='segment average')")
