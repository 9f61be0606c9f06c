"""The share of the events in a window for which a condition holds."""

from typing import ClassVar

from groundplan.features.windows.mean import Mean
from groundplan.features.windows.window import Reads, Window


class Share(Mean):
    """Events for which a condition holds by events for which it is known, 0 to 1.

    The mean of a truth. Where there are no events it is missing, or what `empty` says.
    """

    name: ClassVar[str] = "share"
    reads: ClassVar[Reads] = "condition"

    def describe(self, window: Window) -> str:
        """Such as `share with amount over 100 among transactions of this customer ...`."""
        return f"share with {window.read} among {window.events}"
