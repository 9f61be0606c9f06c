"""The consistency page says what the report says, and needs nothing else."""

import re
from html.parser import HTMLParser

from groundplan.monitoring.consistency import Example, FeatureReport, Report
from groundplan.monitoring.page import page

_GOOD = FeatureReport("amount", 12_345, 0, 0, 0, 0, 0.0, ())
_BAD = FeatureReport(
    "mean <b>", 12_000, 300, 20, 25, 0, 1.5, (Example("a<script>", 10**15, None, 0.1),)
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_tells_what_is_wrong() -> None:
    """The worst feature comes first, with its counts and examples; names are text, not markup."""
    report = Report(rows=12_345, features=(_GOOD, _BAD), degraded=3, beyond=2, events=99_999)
    text = page(report, "card-fraud", "b1")
    assert "Not consistent" in text
    assert text.index("mean &lt;b&gt;") < text.index(">amount<")
    for part in ("300 mismatch", "20 missing", "25 extra", "by up to 1.5", "99,999", "none"):
        assert part in text
    assert "<script" not in text
    parser = _Tags()
    parser.feed(text)
    assert parser.open == []


def test_the_page_needs_no_network_and_no_script() -> None:
    """It is one file: nothing is fetched, nothing runs."""
    text = page(Report(rows=1, features=(_GOOD,)), "s", "b")
    assert "Consistent" in text
    assert not re.search(r"https?:|url\(|<script|<link|<img|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_without_answers_it_says_so() -> None:
    """An empty log is neither good nor bad."""
    assert "Nothing to compare yet" in page(Report(rows=0, features=()), "s", "b")
