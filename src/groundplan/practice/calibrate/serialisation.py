"""JSON in and out: a request into a checked record, an answer into bytes."""

from typing import Literal

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from groundplan.practice.calibrate.http import BODY
from groundplan.practice.calibrate.measure import Clock, Timing, measure


class Transaction(Struct):
    """A request as `http` sends it."""

    transaction_id: int
    tx_datetime: str
    customer_id: int
    terminal_id: int
    tx_amount: float
    channel: Literal["web", "shop"]


class Reason(Struct):
    """A feature that moved a score."""

    feature: str
    value: float
    contribution: float


class Answer(Struct):
    """A score with its reasons."""

    id: int
    score: float
    decision: str
    reasons: list[Reason]


@measure("json_in", "one JSON request of 6 fields into a checked record (msgspec)")
def json_in(clock: Clock) -> Timing:
    """Decoding with validation."""
    return clock.each(Decoder(Transaction).decode, [BODY])


@measure("json_out", "one answer with a score and 5 reasons into JSON (msgspec)")
def json_out(clock: Clock) -> Timing:
    """Encoding."""
    reasons = [Reason(f"feature_{n}", n * 1.37, n / 7) for n in range(5)]
    return clock.each(Encoder().encode, [Answer(1, 0.1234567, "approve", reasons)])
