"""How wide a text is at most, so that a drawing made here overlaps nowhere.

The widths are those of DejaVu Sans, the widest of the faces that systems show a page in; a reader
with another one sees a little more air.
"""

from typing import Final

_NARROW: Final = dict.fromkeys("iIjl'|.,:;! ", 0.34) | dict.fromkeys("ftr()[]-/", 0.42)
_WIDE: Final = dict.fromkeys("mwMW@%", 0.99) | dict.fromkeys("OQGDNHU", 0.79)
_WIDTHS: Final = _NARROW | _WIDE
_BOLD: Final = 1.13


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The most that a text takes at a font size, in the same unit."""
    ems = sum(_WIDTHS.get(char, 0.65 if char.islower() else 0.71) for char in text)
    return ems * size * (_BOLD if bold else 1.0)


def lines(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """A text broken at its blanks so that each line fits.

    A word too long is cut behind a hyphen, or where it must be.
    """
    found: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold=bold) <= room:
            line = longer
            continue
        found += [line] if line else []
        *pieces, line = _pieces(word, size, room, bold=bold)
        found += pieces
    return [*found, line] if line else found


def _pieces(word: str, size: float, room: float, *, bold: bool) -> list[str]:
    found, piece = [], ""
    for char in word:
        if piece and width(piece + char, size, bold=bold) > room:
            cut = piece.rfind("-") + 1 or len(piece)
            found.append(piece[:cut])
            piece = piece[cut:]
        piece += char
    return [*found, piece]
