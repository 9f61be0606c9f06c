"""The wire: what is right becomes an event, and what is wrong names its field and its rule."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import START, arrow, deals, fraud, market, orders, rfc3339, same, shop
from groundplan.errors import InputError
from groundplan.features import Event, Label, Schema, Source, features, offline

FRAUD = Schema(fraud())
SHOP = Schema(shop())
GOOD = FRAUD.example()


def body(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def wire(event: Event, labels: bool = False) -> dict[str, Any]:
    """A shop's order as a client writes it."""
    fields = dict(zip(SHOP.source.fields, event.values, strict=True))
    known = dict(zip(SHOP.source.labels, event.labels, strict=True)) if labels else {}
    fields["price"] /= 100
    return {"order": event.id, "at": rfc3339(event.time), **fields, **known}


@settings(max_examples=25, deadline=None)
@given(orders(least=1, most=12))
def test_an_event_survives_the_wire(events: list[Event]) -> None:
    """Any order, written as JSON, decodes to the normalised event that it was made from."""
    for event in events:
        bare = Event(event.id, event.time, event.values, (False, False))
        assert SHOP.decode(json.dumps(wire(event)).encode()) == bare
        jsonschema.Draft202012Validator(SHOP.json_schema()).validate(wire(event))
    lines = "\n".join(json.dumps(wire(event, labels=True)) for event in events)
    assert SHOP.decode_events(lines.encode()) == events


AMOUNTS = st.floats(-1e10, 1e10, allow_subnormal=False) | st.integers(-(10**10), 10**10)


@settings(max_examples=8, deadline=None)
@given(st.lists(AMOUNTS, min_size=20, max_size=60))
def test_the_wire_and_a_file_round_alike(amounts: list[float]) -> None:
    """A decimal from JSON is the integer that the same number in a file becomes."""
    inputs = fraud()
    events = [
        FRAUD.decode(body(transaction_id=at, tx_amount=amount)) for at, amount in enumerate(amounts)
    ]
    table = arrow(inputs, events)
    at = table.column_names.index("tx_amount")
    found = offline.table(
        inputs, table.set_column(at, "tx_amount", [[float(amount) for amount in amounts]])
    )
    expected = [event.values[2] / 100 for event in events]
    assert same(expected, found.column("tx_amount").to_pylist())


def test_times_are_utc_unless_they_say_otherwise() -> None:
    """Z, an offset, none at all and fractions of a second mean the instants that they should."""
    for text, time in [
        ("2018-08-01T00:00:00", START),
        ("2018-08-01T00:00:00Z", START),
        ("2018-08-01T02:30:00+02:30", START),
        ("2018-07-31T23:59:59.999999Z", START - 1),
        ("2018-08-01 00:00:00.5Z", START + 500_000),
    ]:
        assert FRAUD.decode(body(tx_datetime=text)).time == time


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        (b"", "", "not JSON"),
        (b"{", "", "not JSON"),
        (b"\xff\xfe{}", "", "not JSON"),
        (b"[" * 100_000, "", "not JSON"),
        (b'{"a":' * 100_000, "", "not JSON"),
        (b"[]", "", "JSON objects"),
        (b"7", "", "JSON objects"),
        (b"{}", "transaction_id", "is missing"),
        (body(customer_id="x"), "customer_id", '"x" is not an integer'),
        (body(customer_id=1.0), "customer_id", "1.0 is not an integer"),
        (body(customer_id=True), "customer_id", "true is not an integer"),
        (body(customer_id=None), "customer_id", "null is not an integer"),
        (body(customer_id=2**63), "customer_id", "64 bits"),
        (body(customer_id="x" * 10_000), "customer_id", r"x\.\.\. is not an integer"),
        (body(tx_amount="5"), "tx_amount", "is not a number"),
        (body(tx_amount=float("nan")), "tx_amount", "nan, which is no finite number"),
        (body(tx_amount=float("-inf")), "tx_amount", "-inf, which is no finite number"),
        (body().replace(b"10.0", b"1e999"), "tx_amount", "no finite number"),
        (body(tx_amount=1.1e10), "tx_amount", "largest magnitude"),
        (body(tx_amount=[1]), "tx_amount", "is not a number"),
        (body(tx_datetime="yesterday"), "tx_datetime", "RFC 3339"),
        (body(tx_datetime=1534327200), "tx_datetime", "RFC 3339"),
        (body(tx_datetime="2018-02-30T00:00:00Z"), "tx_datetime", "RFC 3339"),
        (body(tx_datetime="1969-12-31T23:59:59Z"), "tx_datetime", "1970 to 2199"),
        (body(tx_datetime="2200-01-01T00:00:00Z"), "tx_datetime", "1970 to 2199"),
        (body(tx_datetime="0001-01-01T00:00:00+05:00"), "tx_datetime", "1970 to 2199"),
        (body(amount=1), "amount", "did you mean tx_amount"),
        (body(tx_fraud=True), "tx_fraud", "leave it out"),
        (body(**{"\ud800": 1}), "\ud800", "not a field"),
    ],
)
def test_a_wrong_request_names_its_field(sent: bytes, field: str, words: str) -> None:
    """Each refusal names the field, the value and the rule, and can be written as UTF-8."""
    with pytest.raises(InputError, match=words) as refused:
        FRAUD.decode(sent)
    assert refused.value.field == field
    refused.value.message.encode()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*GOOD, "tx_fraud", "x"]), inner, max_size=6),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_on_the_wire_raises_anything_else(sent: bytes) -> None:
    """Any bytes at all give an event or an InputError."""
    for decode in (FRAUD.decode, FRAUD.decode_events, SHOP.decode_events):
        try:
            decode(sent)
        except InputError as refused:
            refused.message.encode()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_published_schema_is_what_is_accepted(data: st.DataObject) -> None:
    """A body that the JSON Schema allows is accepted, and one that it forbids is refused."""
    values = {
        "transaction_id": st.integers(-(2**65), 2**65),
        "tx_datetime": st.just("2018-08-15T10:00:00Z"),
        "customer_id": st.integers(-5, 5) | st.text(max_size=3),
        "terminal_id": st.none() | st.integers(),
        "tx_amount": st.floats(-2e10, 2e10) | st.booleans(),
        "more": st.none(),
    }
    drawn = data.draw(st.fixed_dictionaries({}, optional=values))
    sent = {**GOOD, **drawn} if data.draw(st.booleans()) else drawn
    allowed = jsonschema.Draft202012Validator(FRAUD.json_schema()).is_valid(sent)
    try:
        FRAUD.decode(json.dumps(sent).encode())
        accepted = True
    except InputError:
        accepted = False
    assert accepted == allowed


def test_text_keys_are_neither_empty_nor_endless() -> None:
    """A key has 1 to 120 characters, whatever their bytes; the message counts them."""
    order = Event("o1", START, ("ann", 1, 100, 1.0, False, 1), ())
    for size, fine in ((0, False), (1, True), (120, True), (121, False)):
        for name in ("order", "buyer"):
            sent = json.dumps(
                {**wire(Event("o1", START, order.values, (False, False))), name: "ü" * size}
            )
            if fine:
                SHOP.decode(sent.encode())
            else:
                with pytest.raises(InputError, match=f"has {size} characters"):
                    SHOP.decode(sent.encode())


def test_a_field_that_is_not_summed_takes_any_number() -> None:
    """The magnitude limit holds only where windows add."""
    source = Source("s", time="at", id="id", fields={"who": int, "x": float, "n": int})
    free = Schema(features(source.x, source.n))
    summed = Schema(features(source.by("who").sum("x", "1d"), source.by("who").sum("n", "1d")))
    large = free.example() | {"x": 1e300, "n": 2**63 - 1}
    assert free.decode(json.dumps(large).encode()).values == (1, 1e300, 2**63 - 1)
    for name in ("x", "n"):
        with pytest.raises(InputError, match="largest magnitude") as refused:
            summed.decode(json.dumps(free.example() | {name: large[name]}).encode())
        assert refused.value.field == name


def test_events_and_labels_come_in_lines() -> None:
    """One object, NDJSON with blank lines, and an object over several lines are all read."""
    event = FRAUD.decode(body())
    known = Event(event.id, event.time, event.values, (True,))
    lines = b"\r\n".join(
        [body(), b"", b'{"transaction_id": 7, "tx_fraud": true}', body(tx_fraud=True)]
    )
    assert FRAUD.decode_events(lines) == [event, Label(7, "tx_fraud", True), known]
    assert FRAUD.decode_events(json.dumps(GOOD, indent=2).encode()) == [event]
    two = json.dumps({"order": "o1", "returned": False, "disputed": True}).encode()
    assert SHOP.decode_events(two) == [
        Label("o1", "returned", False),
        Label("o1", "disputed", True),
    ]


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        (b" \n ", "", "empty"),
        (b'{"transaction_id": 7}', "tx_datetime", "is missing"),
        (b'{"transaction_id": 7, "tx_fraud": 1}', "tx_fraud", "1 is not a bool"),
        (b'{"transaction_id": 7, "tx_frud": true}', "tx_frud", "did you mean tx_fraud"),
        (body() + b"\n" + body(tx_amount="x"), "tx_amount", "^line 2: "),
        (body() + b"\nx", "", "^line 2: the body is not JSON"),
    ],
)
def test_a_wrong_line_names_its_number_and_field(sent: bytes, field: str, words: str) -> None:
    """Nothing of a body counts where one line is wrong; the message says which."""
    with pytest.raises(InputError, match=words) as refused:
        FRAUD.decode_events(sent)
    assert refused.value.field == field


def test_an_event_from_the_future_is_refused_when_the_clock_is_given() -> None:
    """Five seconds ahead are tolerated, for the clocks of two machines; more is an error."""
    now = FRAUD.decode(body()).time
    assert FRAUD.decode(body(), now=now - 5_000_000).time == now
    for decode in (FRAUD.decode, FRAUD.decode_events):
        with pytest.raises(InputError, match=r"5\.001s in the future") as refused:
            decode(body(), now=now - 5_001_000)
        assert refused.value.field == "tx_datetime"
    assert FRAUD.decode(body(), now=0, tolerance=now).time == now


@settings(max_examples=25, deadline=None)
@given(deals(most=10), st.booleans())
def test_events_of_every_source_survive_the_wire(events: list[Event], absent: bool) -> None:
    """A missing value is null or left out; a version is identified by its key and time."""
    inputs = market()
    schema = Schema(inputs)
    for event in events:
        source = inputs.sources[event.source]
        sent = {} if source.versioned else {source.id: event.id}
        sent[source.time.column] = rfc3339(event.time)
        for (name, kind), value in zip(source.fields.items(), event.values, strict=True):
            if value is not None or not absent:
                whole = value is None or kind.name != "decimal"
                sent[name] = value if whole else value / kind.scale
        sent |= dict(zip(source.labels, event.labels, strict=True))
        body = json.dumps(sent).encode()
        assert schema.decode_events(body, source=source.name) == [event]
        jsonschema.Draft202012Validator(schema.events_json_schema(source.name)).validate(sent)


def test_what_may_be_missing_is_not_required() -> None:
    """The schema of a request says so, and another source has its own."""
    schema = Schema(market())
    assert schema.json_schema()["required"] == ["sale", "at", "buyer", "seller"]
    assert schema.json_schema()["properties"]["gift"] == {"type": ["boolean", "null"]}
    required = schema.events_json_schema("people")["required"]
    assert required == ["valid_from", "name", "segment", "age"]
    for name in ("sales", "logins", "people"):
        body = json.dumps(schema.example(name)).encode()
        (event,) = schema.decode_events(body, source=name)
        assert isinstance(event, Event)
    price = json.dumps(schema.example() | {"price": "x"}).encode()
    with pytest.raises(InputError, match="is not a number"):
        schema.decode(price)


def test_labels_come_to_the_main_source_alone() -> None:
    """A line of another source is a whole event, and an unknown source is named."""
    schema = Schema(market())
    label = json.dumps({"sale": 1, "returned": True}).encode()
    assert schema.decode_events(label) == [Label(1, "returned", True)]
    with pytest.raises(InputError, match="not a field of logins"):
        schema.decode_events(label, source="logins")
    with pytest.raises(InputError, match="events are of sales, people, logins"):
        schema.decode_events(label, source="login")
