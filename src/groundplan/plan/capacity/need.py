"""What one component needs."""

from msgspec import Struct

from groundplan.plan.capacity.band import Band


class Need(Struct, frozen=True):
    """What one component needs.

    Args:
        component: its role: `server`, `store`, `index`, `training`, ...
        bands: by resource: `cores`, `memory`, `storage`, `replicas`.
        because: where the figures come from, with the user's numbers.
    """

    component: str
    bands: dict[str, Band]
    because: str
