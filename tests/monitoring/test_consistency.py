"""Served values are held against recomputed ones, and each difference gets its right name."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import SECOND, START, arrow, deals, market, naive_row, orders, rfc3339, shop
from groundplan.errors import EngineError, InputError
from groundplan.features import EmbeddedStore, Event, FeatureSet, Label, Source, features
from groundplan.monitoring import consistency
from groundplan.monitoring.consistency import Compared, FeatureReport
from groundplan.serving.log import Log, Prediction, Row, Stored, Taken


def _some(inputs: FeatureSet, *parts: str) -> FeatureSet:
    """The features whose names have one of these parts: each statement takes time to compile."""
    pairs = zip(inputs.names, inputs.expressions, strict=True)
    kept = [(name, e) for name, e in pairs if any(part in name for part in parts)]
    return FeatureSet(kept, inputs.source)


MARKET = _some(
    market(),
    *("limit", "returned", "devices", "phones", "seen", "neighbours", "gold", "cheap", "distinct"),
)
SHOP = _some(shop(), "returned", "disputed", "price_10s", "count", "ratio")


def wire(inputs: FeatureSet, event: Event, labels: bool = False) -> bytes:
    """An event as it is sent."""
    source = inputs.sources[event.source]
    pairs = zip(source.fields.items(), event.values, strict=True)
    body: dict[str, Any] = {
        name: value / kind.scale if kind.name == "decimal" and value is not None else value
        for (name, kind), value in pairs
    }
    body[source.time.column] = rfc3339(event.time)
    if not source.versioned:
        body[source.id] = event.id
    if labels:
        body |= dict(zip(source.labels, event.labels, strict=False))
    return msgspec.json.encode(body)


@dataclass
class Story:
    """A server's life, told by a real store and a real log.

    Args:
        inputs: the definitions.
        folder: of the state and the log.
        history: what the state is filled from.
    """

    inputs: FeatureSet
    folder: Path
    history: Sequence[Event] = ()
    clock: int = 0
    late: set[Any] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = EmbeddedStore(self.folder / "state", self.inputs)
        for number in range(len(self.inputs.sources)):
            events = self._past(number)
            if len(events):
                self.store.ingest(events, source=number)

    def _past(self, number: int) -> pa.Table:
        events = [event for event in self.history if event.source == number]
        return arrow(self.inputs, events, number)

    def predict(self, event: Event, degraded: bool = False) -> None:
        """Answer an event; one that comes too late is refused, and not logged."""
        event = msgspec.structs.replace(event, labels=())
        try:
            row = np.zeros(len(self.inputs)) if degraded else self.store.join(event)
        except InputError:
            return
        note = ["features: failed (EngineError); as of an unknown entity"] if degraded else []
        body = wire(self.inputs, event)
        self.told.append(("predict", event))
        self._log(Prediction(0, body, tuple(row.tolist()), 0.5, "approve", "b", {}, note, event.id))

    def take(self, event: Event) -> None:
        """Take an event without an answer."""
        self.told.append(("take", event))
        if self.store.append([event]).late:
            self.late.add((event.source, event.id))
        self._log(Taken(0, wire(self.inputs, event, labels=event.source == 0), event.source))

    def tell(self, label: Label) -> None:
        """Take a label."""
        self.told.append(("tell", label))
        self.store.append([label])
        body = {self.inputs.source.id: label.id, label.name: label.value}
        self._log(Taken(0, msgspec.json.encode(body)))

    def everything(self) -> dict[Any, Event]:
        """By source and identifier, every event with its labels as known at last: one by one."""
        names = list(self.inputs.source.labels)
        nothing = (False,) * len(names)
        happened = {(event.source, event.id): event for event in self.history}
        said: list[tuple[Any, str, bool]] = []
        for way, what in self.told:
            if way == "tell":
                said.append((what.id, what.name, what.value))
            elif (what.source, what.id) not in happened:
                labels = what.labels or (nothing if what.source == 0 else ())
                happened[what.source, what.id] = msgspec.structs.replace(what, labels=labels)
            elif what.source == 0 and what.labels:
                said += [(what.id, n, True) for n, v in zip(names, what.labels, strict=True) if v]
        for id, name, value in said:
            if (0, id) in happened:
                event, at = happened[0, id], names.index(name)
                old = event.labels or nothing
                labels = (*old[:at], value, *old[at + 1 :])
                happened[0, id] = msgspec.structs.replace(event, labels=labels)
        return happened

    def _log(self, row: Row) -> None:
        self.clock += 1
        self.rows.append(msgspec.structs.replace(row, at=self.clock))

    def compared(self, mine: Sequence[str] = ("b",), **options: Any) -> Compared:
        """Write the log and compare."""
        log = Log(self.folder / "log", self.inputs.names)
        for row in self.rows:
            log.append(row)
        log.close()
        self.store.close()
        histories = {
            source.name: [self._past(number)] for number, source in enumerate(self.inputs.sources)
        }
        return consistency.compare(self.inputs, histories, self.folder / "log", mine, **options)


@st.composite
def lives(draw: st.DrawFn, inputs: FeatureSet, events: list[Event]) -> list[tuple[str, Any]]:
    """What happens to a server: events in some order of arrival, some twice, labels whenever."""
    displaced = draw(st.lists(st.integers(0, 8), min_size=len(events), max_size=len(events)))
    order = sorted(
        range(len(events)), key=lambda at: (events[at].time + displaced[at] * SECOND // 2, at)
    )
    happening: list[tuple[str, Any]] = []
    for at in order:
        event = events[at]
        ways = ["predict", "predict", "take", "both"] if event.source == 0 else ["take"]
        way = draw(st.sampled_from(ways))
        happening += [(w, event) for w in (("take", "predict") if way == "both" else (way,))]
        if draw(st.integers(0, 9)) == 0:
            happening.append(("predict" if event.source == 0 else "take", event))
    main = [event for event in events if event.source == 0]
    for event in main if inputs.source.labels else ():
        if draw(st.booleans()):
            label = draw(st.sampled_from(list(inputs.source.labels)))
            place = draw(st.integers(0, len(happening)))
            happening.insert(place, ("tell", Label(event.id, label, draw(st.booleans()))))
    return list(_told_in_time(happening, {event.id: event.time for event in main}))


def _told_in_time(
    happening: list[tuple[str, Any]], times: dict[int | str, int]
) -> Iterator[tuple[str, Any]]:
    """Without the labels that come so long before their event that the state forgets them."""
    newest = 0
    for way, what in happening:
        if way != "tell":
            newest = max(newest, what.time)
        elif times[what.id] - newest > 5 * SECOND:
            continue
        yield way, what


def _check(story: Story, happening: list[tuple[str, Any]]) -> None:
    for way, what in happening:
        getattr(story, way)(what)
    found = story.compared().report
    assert found.holds, [feature for feature in found.features if feature.wrong]
    assert found.beyond == len(story.late)
    answers = [row for row in story.rows if isinstance(row, Prediction)]
    assert found.rows == len(answers)
    happened = story.everything()
    truth = [naive_row(story.inputs, happened[0, row.id], happened.values()) for row in answers]
    for number, feature in enumerate(found.features):
        pairs = [
            (row.features[number], right[number]) for row, right in zip(answers, truth, strict=True)
        ]
        equal = sum(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
        assert (feature.equal, feature.late) == (equal, len(answers) - equal), feature.name


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_only_late_arrival_explains_what_a_real_store_served(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever comes late, twice, too late or with labels at any time, from any source: every
    difference from the naive values is called late, and none is called wrong.
    """
    events = data.draw(deals(most=16))
    split = data.draw(st.integers(0, len(events)))
    history, live = (events[split:], events[:split]) if data.draw(st.booleans()) else ([], events)
    story = Story(MARKET, tmp_path_factory.mktemp("life"), history)
    _check(story, data.draw(lives(MARKET, live)))


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_windows_over_labels_are_explained(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A label that came late, was taken back or came before its event explains what it changed."""
    story = Story(SHOP, tmp_path_factory.mktemp("life"))
    _check(story, data.draw(lives(SHOP, data.draw(orders(most=20)))))


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_wrong_value_is_never_excused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """One served number that is changed is one mismatch, missing or extra, with its event named."""
    story = Story(SHOP, tmp_path_factory.mktemp("life"))
    for way, what in data.draw(lives(SHOP, data.draw(orders(least=3, most=15)))):
        getattr(story, way)(what)
    answered = [at for at, row in enumerate(story.rows) if isinstance(row, Prediction)]
    if not answered:
        return
    at = data.draw(st.sampled_from(answered))
    feature = data.draw(st.integers(0, len(SHOP) - 1))
    row = story.rows[at]
    assert isinstance(row, Prediction)
    old = row.features[feature]
    new = data.draw(st.sampled_from([math.nan, np.nextafter(old, 10**9), old + 1e9]))
    new = 123456.75 if math.isnan(old) else float(new)
    values = (*row.features[:feature], new, *row.features[feature + 1 :])
    story.rows[at] = msgspec.structs.replace(row, features=values)
    found = story.compared()
    wrong = {report.name: report.wrong for report in found.report.features if report.wrong}
    assert wrong == {SHOP.names[feature]: 1}
    (report,) = (report for report in found.report.features if report.wrong)
    assert report.examples[0].id == row.id
    assert found.wrong == {row.id}


@pytest.fixture
def inputs() -> FeatureSet:
    source = Source("events", time="at", id="id", fields={"key": int, "value": int})
    by_key = source.by("key")
    return features(
        count=by_key.count("1h", current=True), mean=by_key.mean("value", "1h"), value=source.value
    )


def _event(number: int, minute: int | None = None, key: int = 1) -> Event:
    return Event(number, START + 60 * SECOND * (number if minute is None else minute), (key, 7))


def _reports(compared: Compared) -> dict[str, FeatureReport]:
    return {report.name: report for report in compared.report.features}


def test_every_kind_of_difference_has_its_name(inputs: FeatureSet, tmp_path: Path) -> None:
    """Another number is a mismatch; no number, missing; one where there is none, extra."""
    story = Story(inputs, tmp_path)
    for number in range(4):
        story.predict(_event(number))
    changes = {1: (5.0, 7.0, 7.0), 2: (3.0, math.nan, 7.0), 0: (1.0, 1.0, 7.0)}
    for at, values in changes.items():
        row = story.rows[at]
        assert isinstance(row, Prediction)
        story.rows[at] = msgspec.structs.replace(row, features=values)
    found = _reports(story.compared())
    count, mean = found["count"], found["mean"]
    assert (count.mismatch, count.largest, count.examples[0].id) == (1, 3.0, 1)
    assert (mean.mismatch, mean.missing, mean.extra) == (0, 1, 1)
    assert found["value"].equal == 4


def test_degraded_answers_stand_apart_and_their_events_count(
    inputs: FeatureSet, tmp_path: Path
) -> None:
    """An answer by a fallback is not compared; its event came when it was taken after all."""
    story = Story(inputs, tmp_path)
    story.predict(_event(0), degraded=True)
    story.predict(_event(1))  # without the first, which the store does not have yet
    story.take(_event(0))
    story.predict(_event(2))
    found = story.compared()
    assert (found.report.rows, found.report.degraded) == (2, 1)
    assert found.report.holds
    assert (_reports(found)["count"].equal, _reports(found)["count"].late) == (1, 1)


def test_an_event_that_a_server_lost_is_a_mismatch(inputs: FeatureSet, tmp_path: Path) -> None:
    """A request that was answered by a fallback and never recorded shows in what follows."""
    story = Story(inputs, tmp_path)
    story.predict(_event(0), degraded=True)
    story.predict(_event(1))
    found = story.compared()
    assert not found.report.holds
    assert _reports(found)["count"].mismatch == 1


def test_repeated_requests_are_compared_each(inputs: FeatureSet, tmp_path: Path) -> None:
    """A request that is sent again is one event and two answers, both of them right."""
    story = Story(inputs, tmp_path)
    for number in (0, 1, 0, 1, 1):
        story.predict(_event(number))
    report = story.compared().report
    assert (report.rows, report.repeated, report.events, report.holds) == (5, 3, 2, True)


def test_events_beyond_the_lateness_are_counted(inputs: FeatureSet, tmp_path: Path) -> None:
    """What came too late to count is told apart from what came late and counts."""
    story = Story(inputs, tmp_path)
    story.take(_event(0, minute=600))
    story.take(_event(1, minute=590))
    story.take(_event(2, minute=500))
    story.take(_event(3, minute=500, key=2))
    story.predict(_event(4, minute=601))
    report = story.compared().report
    assert (report.late_events, report.beyond) == (1, 1)
    assert report.holds


def test_only_what_is_asked_for_is_compared(inputs: FeatureSet, tmp_path: Path) -> None:
    """`since` and `last` choose among the answers; all events count all the same."""
    story = Story(inputs, tmp_path)
    for number in range(6):
        story.predict(_event(number))
    assert story.compared(since=4).report.rows == 3
    again = consistency.compare(inputs, {}, tmp_path / "log", ("b",), last=2).report
    assert (again.rows, again.first, again.last, again.holds) == (2, 5, 6, True)


def test_answers_of_other_definitions_are_left_out(inputs: FeatureSet, tmp_path: Path) -> None:
    """Rows that a build with other features answered or took are no part of this state."""
    story = Story(inputs, tmp_path)
    story.predict(_event(0))
    row = story.rows[0]
    assert isinstance(row, Prediction)
    other = msgspec.structs.replace(row, id=9, build="other", event=wire(inputs, _event(9, 0)))
    story.rows.insert(0, other)
    report = story.compared().report
    assert (report.rows, report.foreign, report.events, report.holds) == (1, 1, 1, True)


def test_what_a_history_left_out_explains_an_answer_far_behind_it(tmp_path: Path) -> None:
    """A history is loaded as far back as windows reach from its newest event, and the lateness: a
    request that is older than that allows for, of an entity that has nothing newer, misses more.
    """
    events = Source("events", time="at", id="id", fields={"key": int}, lateness="5m")
    inputs = features(
        near=events.by("key").count("10m"), far=events.by("key").count("1h", current=True)
    )

    def event(number: int, minute: int, key: int) -> Event:
        return Event(number, START + 60 * SECOND * minute, (key,))

    history = [event(0, 1, 1), event(1, 40, 1), event(2, 90, 2)]
    story = Story(inputs, tmp_path, history)
    story.predict(event(3, 45, 1))
    (answer,) = story.rows
    assert isinstance(answer, Prediction)
    assert answer.features == (1.0, 2.0)
    found = story.compared()
    assert found.report.holds
    assert (_reports(found)["near"].equal, _reports(found)["far"].late) == (1, 1)
    story.rows = [msgspec.structs.replace(answer, features=(0.0, 2.0))]
    log = Log(tmp_path / "changed", inputs.names)
    log.append(*story.rows)
    log.close()
    histories = {"events": [arrow(inputs, history)]}
    assert not consistency.compare(inputs, histories, tmp_path / "changed", ("b",)).report.holds


def test_an_order_that_nobody_knows_excuses(inputs: FeatureSet, tmp_path: Path) -> None:
    """Of two answers of two processes at the same time, either may have come first; of two that
    were apart, not.
    """
    for spent, holds in ((10, True), (1, False)):
        folder = tmp_path / str(spent)
        story = Story(inputs, folder)
        story.predict(_event(1))  # recorded first, but its process logged it last
        story.predict(_event(0))
        second, first = story.rows
        assert isinstance(second, Prediction)
        story.rows = [
            msgspec.structs.replace(first, at=100),
            msgspec.structs.replace(second, at=105, timings={"features": spent}),
        ]
        assert story.compared().report.holds is holds


def test_what_is_taken_counts_once_it_is_stored(inputs: FeatureSet, tmp_path: Path) -> None:
    """Events of a stream are logged before they are stored: an answer in between is right without
    them, an answer afterwards is not.
    """
    for place, holds in ((2, True), (3, False)):
        story = Story(inputs, tmp_path / str(place))
        story.predict(_event(1))
        (answer,) = story.rows
        taken = Taken(0, wire(inputs, _event(0)), pending=True)
        rows: list[Row] = [taken, Stored(0), taken]
        rows.insert(place - 1, answer)
        story.rows = [msgspec.structs.replace(row, at=10 + at) for at, row in enumerate(rows)]
        report = story.compared().report
        assert (report.rows, report.events, report.holds) == (1, 2, holds)


def test_what_a_process_took_before_it_was_killed_came_again(
    inputs: FeatureSet, tmp_path: Path
) -> None:
    """Taken but never said to be stored: the event came when it was taken again."""
    story = Story(inputs, tmp_path)
    story.predict(_event(1))
    first = Log(tmp_path / "log", inputs.names)
    first.append(Taken(1, wire(inputs, _event(0)), pending=True))
    first.close()
    again = Taken(0, wire(inputs, _event(0)), pending=True)
    story.rows = [
        msgspec.structs.replace(row, at=5 + at)
        for at, row in enumerate([*story.rows, again, Stored(0)])
    ]
    report = story.compared().report
    assert (report.events, report.holds) == (2, True)
    assert report.features[0].late == 1


def test_nothing_logged_is_nothing_wrong(inputs: FeatureSet, tmp_path: Path) -> None:
    """Before the first answer there is a report, of no answers."""
    report = Story(inputs, tmp_path).compared().report
    assert (report.rows, report.holds, report.first) == (0, True, None)


def test_rows_that_are_no_events_are_named(inputs: FeatureSet, tmp_path: Path) -> None:
    """A log of something else is refused, not guessed at."""
    log = Log(tmp_path / "log")
    log.append(Taken(1, b"[1]"))
    log.close()
    with pytest.raises(EngineError, match="is no event"):
        consistency.compare(inputs, {}, tmp_path / "log")


def test_the_portions_of_a_large_log_give_the_same(
    inputs: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few events one statement may copy, what is late is the same."""
    from groundplan.monitoring import hindsight

    story = Story(inputs, tmp_path)
    for number in (*range(3, 15), *range(3)):
        story.predict(_event(number))
    whole = story.compared().report
    monkeypatch.setattr(hindsight, "COPIES", 30)
    assert consistency.compare(inputs, {}, tmp_path / "log", ("b",)).report == whole
    assert whole.holds
    assert _reports(Compared(whole, frozenset()))["count"].late == 12
