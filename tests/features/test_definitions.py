"""Definitions: what is wrong is refused where it is written, and what is right says what it is."""

import json
import subprocess
import sys
from typing import Any

import pytest

from feature_cases import fraud, shop
from groundplan.errors import DefinitionError
from groundplan.features import FeatureSet, Source, Table, apply, category, decimal, features

PAYMENTS = Source(
    "payments",
    time="at",
    id="id",
    fields={"card_id": int, "shop": str, "amount": decimal(2), "name": str, "ok": bool},
    labels={"fraud": "7d"},
)
CARD = PAYMENTS.by("card_id")
USERS = Table("users", key="user", time="since", fields={"segment": str, "limit": float | None})


def same(x: Any) -> Any:
    return x * 1.0


def changed_in_place(x: Any) -> Any:
    x += 1.0
    return x


ANY_FEATURES: Any = features  # for what a type checker refuses as well


def sourced(**changes: Any) -> Source:
    given: dict[str, Any] = {"time": "at", "id": "id", "fields": {"a": int}} | changes
    return Source(given.pop("name", "things"), **given)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: PAYMENTS.amout, "did you mean 'amount'"),
        (lambda: features(PAYMENTS.fraud), "is a label"),
        (lambda: features(x=PAYMENTS.fraud & PAYMENTS.ok), "is a label"),
        (lambda: CARD.mean(PAYMENTS.amount + 1, "7d"), "is not a field of payments"),
        (lambda: CARD.share("amount", "7d"), "is not a condition"),
        (lambda: CARD.share(PAYMENTS.amount, "7d"), "is not a condition"),
        (lambda: CARD.share(PAYMENTS.fraud, "7d"), "would leak the future"),
        (lambda: CARD.count("7d", where=PAYMENTS.fraud & PAYMENTS.ok), 'write delay="7d"'),
        (lambda: CARD.count("7d", where=PAYMENTS.amount), "is not a condition"),
        (lambda: CARD.count("7d", where=CARD.count("1d") > 1), "cannot stand in a condition"),
        (lambda: CARD.count("7d", where=sourced().a > 1), "belongs to things"),
        (lambda: CARD.count("7d", where=apply(same, PAYMENTS.amount) > 1), "cannot stand in"),
        (lambda: CARD.last("amount", "7d", current=True, empty=0.0), "is never used"),
        (lambda: CARD.distinct("shop", "7d", empty=0.0), "no events give 0"),
        (lambda: CARD.min("shop", "7d"), "count its values with distinct"),
        (lambda: sourced(fields={"a": float | int}), "no field type"),
        (lambda: sourced(fields={"a": int | None}).by("a"), "a key is always there"),
        (lambda: USERS.segmnt, "did you mean 'segment'"),
        (lambda: USERS.user, "no column 'user'"),
        (lambda: features(USERS.segment), "is text"),
        (lambda: features(USERS.limit), "say which, as in features"),
        (lambda: features(USERS.limit, of=USERS), "about the events of a Source"),
        (lambda: features(USERS.limit, PAYMENTS.amount), "payments has no field 'user'"),
        (lambda: features(USERS.of("shop").limit, PAYMENTS.amount), "keys must be of one type"),
        (lambda: features(USERS.of("card_id").segment < "a"), "has no order"),
        (lambda: features(CARD.count("1d"), sourced().by("a").count("1d")), "say which"),
        (lambda: features(PAYMENTS.amount, sourced().by("a").count("1d")), "no field 'a'"),
        (lambda: features(PAYMENTS.by("card_id", of="shop").count("1d")), "leave it out"),
        (
            lambda: features(
                PAYMENTS.ok, sourced().by("a", of="card_id").count("1d", current=True)
            ),
            "not of things",
        ),
        (
            lambda: features(
                PAYMENTS.ok,
                sourced(labels={"b": "1d"}).by("a", of="card_id").share("b", "2d", delay="1d"),
            ),
            "is a label of things",
        ),
        (
            lambda: features(
                PAYMENTS.ok,
                sourced(name="payments").by("a", of="card_id").count("2d"),
            ),
            "two sources are called payments",
        ),
        (lambda: category(PAYMENTS.amount), "text or int field"),
        (lambda: category(CARD.count("1d")), "text or int field"),
        (lambda: category(PAYMENTS.shop, values=(1,)), "is not str"),
        (lambda: category(PAYMENTS.shop, values=("a", "a")), "stands twice"),
        (lambda: category(PAYMENTS.shop, most=0), "not a count above 0"),
        (lambda: features(x=category(PAYMENTS.shop)).sql("t"), "has no values yet"),
        (lambda: features(x=category(PAYMENTS.shop)).fitted({}), "no values for category"),
        (lambda: apply(same), "at least one expression"),
        (lambda: apply(same, PAYMENTS.shop), "is text"),
        (lambda: apply(same, 1.0), "reads no event"),
        (lambda: apply(lambda x: x.cumsum(), PAYMENTS.amount), "elementwise"),
        (lambda: apply(lambda x: x.sum(), PAYMENTS.amount), "gives .* for arrays of shape"),
        (lambda: apply(lambda x: x > 1, PAYMENTS.amount), "return a float64 array"),
        (lambda: apply(lambda x, y: x + y, PAYMENTS.amount), "it raises TypeError"),
        (lambda: features(apply(same, PAYMENTS.amount)).sql("t"), "computed in Python"),
        (
            lambda: ANY_FEATURES(x=apply(changed_in_place, PAYMENTS.amount)),
            "it changes",
        ),
        (lambda: PAYMENTS.by("card"), "did you mean 'card_id'"),
        (lambda: PAYMENTS.by("amount"), "a key is int or str"),
        (lambda: CARD.cuont("7d"), "did you mean 'count'"),
        (lambda: CARD.count("7 days"), "not a duration"),
        (lambda: CARD.count("0s"), "above 0"),
        (lambda: CARD.count("40000d"), "at most 36525d"),
        (lambda: CARD.count(7), "not a duration"),
        (lambda: CARD.mean("amuont", "7d"), "did you mean 'amount'"),
        (lambda: CARD.mean("shop", "7d"), "is text"),
        (lambda: CARD.sum("card_id", "7d"), "is the key itself"),
        (lambda: CARD.count("7d", delay="1d", current=True), "without delay"),
        (lambda: CARD.mean("fraud", "7d"), 'write delay="7d" or longer'),
        (lambda: CARD.mean("fraud", "7d", delay="6d"), "would leak the future"),
        (lambda: CARD.count("7d", empty=0.0), "is never used"),
        (lambda: CARD.mean("amount", "7d", current=True, empty=0.0), "is never used"),
        (lambda: CARD.mean("amount", "7d", empty=float("inf")), "finite"),
        (lambda: decimal(10), "0 to 9"),
        (lambda: decimal(True), "0 to 9"),
        (lambda: sourced(fields={"a": list}), "no field type"),
        (lambda: sourced(fields={"a b": int}), "not a name"),
        (lambda: sourced(fields={"class": int}), "not a name"),
        (lambda: sourced(fields={"ID": int}), "same column"),
        (lambda: sourced(labels={"a": "1d"}), "same column"),
        (lambda: sourced(labels={"b": "soon"}), "not a duration"),
        (lambda: sourced(lateness="1"), "not a duration"),
        (lambda: sourced(id_type=float), "int or str"),
        (features, "at least one"),
        (lambda: features(PAYMENTS.shop), "is text"),
        (lambda: features(PAYMENTS.amount > 5), "has no name of its own"),
        (lambda: features(PAYMENTS.amount, PAYMENTS.amount), "stands twice"),
        (lambda: features(Amount=PAYMENTS.amount, amount=PAYMENTS.ok), "stands twice"),
        (lambda: features(id=PAYMENTS.amount), "is the identifier"),
        (lambda: ANY_FEATURES("amount"), "is not a feature"),
        (lambda: ANY_FEATURES(PAYMENTS.amount, x=5), "is not a feature"),
        (lambda: ANY_FEATURES(x=PAYMENTS.time), "is not a feature"),
        (lambda: features(PAYMENTS.amount, sourced().a), "one source"),
        (lambda: features(x=PAYMENTS.amount / sourced().a), "one source"),
    ],
)
def test_a_broken_definition_is_refused_with_the_next_step(write: Any, words: str) -> None:
    """Leaks, unknown names, wrong types and bad durations never reach a build."""
    with pytest.raises(DefinitionError, match=words):
        write()


def test_derived_names_and_descriptions_come_from_the_definition() -> None:
    """A window is named and described by what it counts, how long, how late and with what."""
    inputs = features(
        CARD.count("7d"),
        CARD.count("1d", current=True),
        CARD.mean("amount", "90m"),
        CARD.sum("ok", "7d"),
        CARD.mean("fraud", "30d", delay="7d"),
        CARD.std("amount", "7d"),
        CARD.min("amount", "7d"),
        CARD.max("amount", "7d"),
        CARD.last("amount", "7d"),
        CARD.first("amount", "7d"),
        CARD.distinct("shop", "7d"),
        CARD.share("ok", "7d"),
        CARD.since("7d"),
        USERS.of("card_id").limit,
        category(PAYMENTS.shop),
        apply(same, PAYMENTS.amount),
        PAYMENTS.amount,
        PAYMENTS.time.hour(),
    )
    assert dict(zip(inputs.names, inputs.descriptions, strict=True)) == {
        "card_count_7d": "payments of this card in the last 7 days",
        "card_count_1d_current": "payments of this card in the last day, this one included",
        "card_mean_amount_90m": "mean amount over payments of this card in the last 90 minutes",
        "card_sum_ok_7d": "number with ok among payments of this card in the last 7 days",
        "card_mean_fraud_30d_delay_7d": (
            "share with fraud among payments of this card in the 30 days up to 7 days ago"
        ),
        "card_std_amount_7d": (
            "standard deviation of amount over payments of this card in the last 7 days"
        ),
        "card_min_amount_7d": "smallest amount over payments of this card in the last 7 days",
        "card_max_amount_7d": "largest amount over payments of this card in the last 7 days",
        "card_last_amount_7d": "latest amount among payments of this card in the last 7 days",
        "card_first_amount_7d": "earliest amount among payments of this card in the last 7 days",
        "card_distinct_shop_7d": (
            "number of different shop among payments of this card in the last 7 days"
        ),
        "card_share_ok_7d": "share with ok among payments of this card in the last 7 days",
        "card_since_7d": "seconds since the latest of payments of this card in the last 7 days",
        "limit": "limit of this card",
        "shop": "kind of shop",
        "same": "same of amount",
        "amount": "amount",
        "at_hour": "hour of the day (UTC)",
    }


def test_a_feature_set_knows_what_it_needs() -> None:
    """Names, entities, the longest reach and the summed fields come from the expressions."""
    inputs = fraud()
    assert len(inputs) == 15
    assert inputs.names[:3] == ("tx_amount", "tx_during_weekend", "tx_during_night")
    assert inputs.entities == ("customer_id", "terminal_id")
    assert inputs.longest == 37 * 86_400 * 10**6
    assert inputs.summed == ("tx_amount", "tx_fraud")
    assert len(inputs.windows) == 12
    assert features(CARD.count("1d"), twice=CARD.count("1d") * 2).windows[1:] == ()


def test_the_fingerprint_is_the_definitions() -> None:
    """Equal definitions have one fingerprint, in any process; any change has another."""
    code = "from feature_cases import shop; print(shop().fingerprint())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="tests"
    )
    assert run.stdout.strip() == shop().fingerprint()
    json.loads(json.dumps(shop().definitions()))
    seen = {shop().fingerprint(), fraud().fingerprint()}
    seen |= {changed(**one).fingerprint() for one in CHANGES}
    assert len(seen) == 2 + len(CHANGES)


CHANGES: list[dict[str, Any]] = [
    {},
    {"length": "2d"},
    {"delay": "1d"},
    {"current": True},
    {"empty": 0.0},
    {"name": "other"},
    {"places": 3},
]


def changed(length: str = "1d", name: str = "x", places: int = 2, **options: Any) -> FeatureSet:
    source = Source("s", time="at", id="id", fields={"who": int, "v": decimal(places)})
    return features(**{name: source.by("who").mean("v", length, **options)})


def test_definitions_are_read_without_a_data_engine() -> None:
    """Writing features loads neither DuckDB nor LMDB nor Arrow through the definition itself."""
    code = (
        "import sys\n"
        "from groundplan.features.feature_set import features\n"
        "from groundplan.features.source import Source\n"
        "s = Source('s', time='at', id='id', fields={'who': int})\n"
        "features(s.by('who').count('1d'))\n"
        "print([name for name in ('pyarrow', 'pandas', 'lightgbm') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
