"""A name as definitions may hold it: people choose it, and a file of settings has its own rules."""


def line(text: str) -> str:
    """A text that stands in a comment or a title: no line of its own begins in it."""
    return " ".join(text.split())


def plain(text: str) -> str:
    """A text that names a file or a unit, within its folder: letters, digits and `_.-`."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in text)
