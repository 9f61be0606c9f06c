"""What the drawings are made of: boxes, texts and their sizes."""

from typing import Final, NamedTuple

from groundplan.plan.page.markup import Html, tag

WIDE: Final = 1180
TALL: Final = 340
PAD: Final = 16
NAME: Final = 14.5
TEXT: Final = 12.5
LINE: Final = 16.5


class Box(NamedTuple):
    """A rectangle: of a stage or of a store."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> float:
        """The x of its centre."""
        return self.x + self.w / 2


def said(name: str) -> str:
    """A stage's name in words."""
    return name.replace("_", " ")


def text(
    text: str, x: float, y: float, kind: str = "", anchor: str | None = None, **more: str
) -> Html:
    """A text that begins at x, or that stands about it."""
    return tag("text", text, x=x, y=y, class_=kind or None, text_anchor=anchor, **more)


def rect(box: Box, kind: str, radius: float = 8) -> Html:
    """A box with round corners."""
    return tag("rect", x=box.x, y=box.y, width=box.w, height=box.h, rx=radius, class_=kind)
