"""The metrics of several processes are one page, whose counts never fall."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from groundplan.serving.pages import Pages, merged

KINDS = {"answers": "counter", "spent": "histogram", "age": "gauge"}


def page(answers: dict[str, int], spent: list[float], age: float) -> str:
    """What Prometheus's own client prints."""
    registry = CollectorRegistry()
    counter = Counter("answers", "A.", ["path"], registry=registry)
    for path, count in answers.items():
        counter.labels(path).inc(count)
    histogram = Histogram("spent", "S.", registry=registry)
    for value in spent:
        histogram.observe(value)
    Gauge("age", "G.", registry=registry).set(age)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By Prometheus's own parser; but for the instants of creation, which are gauges of no use."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


PAGES = st.builds(
    page,
    st.dictionaries(st.sampled_from(["/a b", '/"q"', "/c\\"]), st.integers(0, 9), max_size=3),
    st.lists(st.sampled_from([0.25, 0.5, 4.0, 64.0]), max_size=4),
    st.integers(-5, 5),
)


@given(st.lists(PAGES, max_size=4))
def test_counts_add_up_and_of_gauges_the_largest_stands(pages: list[str]) -> None:
    """Equal to adding what Prometheus's own parser reads from each page."""
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for read in map(samples, pages):
        for key, value in read.items():
            both = (expected.get(key, value), value)
            summed = key[0] != "age"
            expected[key] = expected.get(key, 0.0) + value if summed else max(both)
    text = merged(pages)
    assert samples(text) == expected
    assert samples(merged([text])) == expected


def test_a_process_that_is_gone_leaves_its_counts(tmp_path: Path) -> None:
    """Counts stay when a process dies and its successor begins at nothing; its gauges go."""
    pages = [Pages(tmp_path, name) for name in ("0-0", "1-1", "0-2")]
    pages[0].leave(page({"/a": 5}, [1.0], 9))
    pages[1].leave(page({"/a": 3}, [], 2))
    key = ("answers_total", (("path", "/a"),))
    assert samples(pages[1].total())[key] == 8
    pages[1].retire("0-0")
    after = samples(pages[1].total())
    assert after[key] == 8
    assert after["spent_count", ()] == 1
    assert after["age", ()] == 2
    pages[2].leave(page({"/a": 1}, [], 0))
    pages[1].retire("1-1")
    assert samples(pages[2].total())[key] == 9


def test_a_page_that_is_being_handed_over_counts_once(tmp_path: Path) -> None:
    """Who asks between the writing of the sum and the removal of its part sees it once."""
    pages = Pages(tmp_path, "1-1")
    Pages(tmp_path, "0-0").leave(page({"/a": 5}, [], 0))
    left = (tmp_path / "0-0.prom").read_text()
    pages.retire("0-0")
    (tmp_path / "0-0.prom").write_text(left)
    assert samples(pages.total())["answers_total", (("path", "/a"),)] == 5
