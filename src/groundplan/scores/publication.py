"""What a version has to show before it is announced, and how many are kept."""

from msgspec import Struct


class Publication(Struct, frozen=True):
    """Limits of the checks before a version goes live.

    Args:
        keep: complete versions that stay, the live one among them; at least 2.
        coverage: the least share of the population that has a score.
        rows: the largest relative change in the number of rows since the last version.
        keys: the largest share of the last version's keys that are gone, or of this one's that
            are new. Where requests are unforeseen, a run scores what has arrived since the last
            one, and neither `rows` nor `keys` has a limit unless another one is set.
        drift: the largest population stability index of the scores against the last version.
        nulls: the largest rise in a feature's share of missing values since the last version.
        ranges: the largest rise in the share of a feature's values that are far outside of those
            that trained the model, since the last version; or their largest share before there
            is one.
        sample: keys that are recomputed from raw data, bit for bit.
    """

    keep: int = 5
    coverage: float = 1.0
    rows: float = 0.1
    keys: float = 0.2
    drift: float = 0.2
    nulls: float = 0.05
    ranges: float = 0.01
    sample: int = 200
