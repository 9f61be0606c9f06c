"""The partitions of a batch run: where a key goes, what their files are called, what was dealt."""

from typing import Final, NamedTuple

DIGITS: Final = 7
"""Leading hexadecimal digits of the MD5 of a key's text that place it in a partition.

The partition is `int(md5(text)[:DIGITS], 16) % partitions`, which every engine can compute.
"""


class Taken(NamedTuple):
    """What a snapshot has.

    Args:
        rows: how many rows.
        fingerprint: an order-independent digest of them, with the engine's name in front.
    """

    rows: int
    fingerprint: str


def part_name(number: int) -> str:
    """What the file of a partition is called."""
    return f"part-{number:05d}.parquet"


def placed(key: str, partitions: int) -> str:
    """The partition of a key in DuckDB's SQL.

    Args:
        key: the expression that has it.
        partitions: how many there are.
    """
    if partitions == 1:
        return "0"
    digits = f"substr(md5(CAST({key} AS VARCHAR)), 1, {DIGITS})"
    return f"CAST('0x' || {digits} AS INTEGER) % {partitions}"
