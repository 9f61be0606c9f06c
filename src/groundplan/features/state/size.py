"""How much an online store keeps: bytes per event and history, and for how long."""

import msgspec

from groundplan.features.feature_set import FeatureSet
from groundplan.features.state.layout import Layout


class HistorySize(msgspec.Struct, frozen=True):
    """What one history by entity takes.

    The state of an entity is at most `bytes_per_event` times its events within the retention,
    twice over where half of them have just passed it, and one row more.

    Args:
        source: whose events.
        key: the field that names the entity.
        bytes_per_event: of each event, in the rows of this history.
        retention_us: how long an event is kept: the longest window and the lateness; None where
            the newest event of an entity is kept for ever.
    """

    source: str
    key: str
    bytes_per_event: int
    retention_us: int | None


def state_per_key(inputs: FeatureSet) -> tuple[HistorySize, ...]:
    """What each history of a feature set takes, in the order of `inputs.histories`."""
    layouts = [Layout(inputs, number) for number in range(len(inputs.histories))]
    return tuple(
        HistorySize(layout.source_name, layout.key, layout.size, layout.retention)
        for layout in layouts
    )
