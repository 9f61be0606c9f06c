"""A place as it is written: its scheme, its absolute form, and what people may see of it."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit, urlunsplit

if TYPE_CHECKING:
    import pyarrow as pa

Place: TypeAlias = "str | Path | pa.Table"

GLOB: Final = re.compile(r"[*?\[]")
"""What makes a path a pattern of files."""

_SCHEME: Final = re.compile(r"[a-z][a-z0-9]+(?=:)")
_PASSWORD: Final = re.compile(r"(?<=://)([^\s:/@\"?#]*):[^\s\"]*@(?=[^\s@\"]*)")
_ASKED: Final = re.compile(
    r"([?&][^\s=&\"]*(?:password|secret|token|key|credential|sig)[^\s=&\"]*=)[^\s&\"]*", re.I
)


def scheme_of(place: str) -> str:
    """What a URL begins with; empty for a path."""
    found = _SCHEME.match(place)
    return found[0] if found else ""


def absolute(place: Place, folder: Path) -> Place:
    """The place with a relative path counted from a folder, such as a project's."""
    if isinstance(place, Path):
        return folder / place
    if not isinstance(place, str):
        return place
    scheme = scheme_of(place)
    if not scheme:
        return str(folder / place)
    rest = place.split(":", 1)[1]
    if scheme in ("duckdb", "sqlite") and not rest.startswith("///"):
        return f"{scheme}://{folder / rest.removeprefix('//')}"
    if scheme == "iceberg" and not scheme_of(rest):
        return f"iceberg:{folder / rest}"
    return place


def shown(place: Place) -> str:
    """A place for people and records, without its password."""
    if not isinstance(place, str | Path):
        return "a table in memory"
    text = str(place)
    if text.startswith("jdbc:"):  # whose password stands among what is asked
        parts = urlsplit(text.removeprefix("jdbc:"))
        table = parse_qs(parts.query).get("table")
        bare = parts._replace(query=f"table={table[0]}" if table else "")
        return f"jdbc:{_hushed(urlunsplit(bare))}"
    return _hushed(text)


_CSV_ERROR: Final = re.compile(
    r"Invalid Input Error: CSV Error on Line: (?P<line>\d+)\n(?:Original Line:.*\n)?(?P<why>.+)"
)
_FILE: Final = re.compile(r"^  file = (.+)$", re.M)
"""The file of which an error about CSV speaks."""


def said(error: BaseException) -> str:
    """What is wrong, in a line, without a password that an error quotes."""
    text = str(error).strip()
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    if found := _CSV_ERROR.match(text):
        line = found["line"]
        if "not utf-8" in text:
            written = _encoding(_FILE.search(text))
            return f"line {line} is not UTF-8: `iconv -f {written} -t UTF-8` writes a file that is"
        return f"line {line}: {found['why']}"
    return _hushed(text.splitlines()[0]) if text else type(error).__name__


def _encoding(named: re.Match[str] | None) -> str:
    """What a file that is not UTF-8 is likely to be, by the mark that UTF-16 begins with."""
    try:
        with Path(named[1] if named else "").open("rb") as file:
            return "UTF-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
    except OSError:  # it is not of this machine
        return "LATIN1"


def quoted(text: str) -> str:
    """A text of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _hushed(text: str) -> str:
    """A text in which no URL has a password, as a user's or among what it asks."""
    return _ASKED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))
