"""How the online state of one key grows, told from the features in `system.py`."""

from typing import TYPE_CHECKING

from groundplan.project import Project
from groundplan.units import DAY, show_duration, show_size

if TYPE_CHECKING:
    from rich.console import Console


def print_state(out: "Console", project: Project) -> None:
    """Print the bytes of one key's events, and how long they are kept.

    It loads what `system.py` loads, which takes longer than all else that a plan does.
    """
    from groundplan.cli.tables import heading, table
    from groundplan.features import FeatureSet
    from groundplan.features.state import state_per_key

    inputs = project.find("inputs")
    heading(out, "Online state of one key: at most its events within the retention")
    if not isinstance(inputs, FeatureSet) or not inputs.windows:
        out.print("none: no feature looks back over events")
        return
    table(
        out,
        ("history", "bytes per event", "kept for", "a thousand events"),
        [
            (
                f"{size.source} of a {size.key.removesuffix('_id')}",
                f"{size.bytes_per_event}",
                "the newest version" if size.retention_us is None else _days(size.retention_us),
                show_size(1_000 * size.bytes_per_event),
            )
            for size in state_per_key(inputs)
        ],
        right=("bytes per event", "kept for", "a thousand events"),
    )


def _days(us: int) -> str:
    """Some days and the rest: a longest window and the lateness."""
    days, rest = divmod(us, DAY)
    parts = [show_duration(days * DAY)] if days else []
    return " ".join([*parts, show_duration(rest)] if rest else parts)
