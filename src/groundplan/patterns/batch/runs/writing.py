"""Scores written to a place of the user's, with decisions and reasons by their names."""

from collections.abc import Sequence
from pathlib import Path

from groundplan.engines import places
from groundplan.patterns.batch.runs.engine import Place
from groundplan.patterns.batch.runs.run import Run
from groundplan.scores.version import Code


def write(
    files: Sequence[Path], place: Place, run: Run, decisions: Sequence[str], codes: Sequence[Code]
) -> int:
    """Write the rows of part files to a place; returns how many.

    Columns: key, score, decision, reasons (`+code -code`, the strongest first; + raised the
    score), segment, version, as_of (UTC).

    Args:
        files: the parts.
        place: a Parquet or CSV file, or a table; what was there is replaced.
        run: that they are of.
        decisions: names by position.
        codes: reasons by position.

    Raises:
        InputError: the place is none that can be written.
        EngineError: it could not be written.
    """
    assert isinstance(place, str | Path)
    listed = ", ".join(_quoted(str(file)) for file in files)
    names = ", ".join(map(_quoted, decisions))
    named = ", ".join(_quoted(each.code) for each in codes) or "''"
    sign = "CASE WHEN r > 0 THEN '+' ELSE '-' END"
    reasons = f"list_transform(reasons, lambda r: {sign} || ([{named}])[abs(r)])"
    query = (
        f"SELECT key, score, ([{names}])[decision + 1] AS decision, "
        f"array_to_string({reasons}, ' ') AS reasons, segment, "
        f"{_quoted(run.name)} AS version, make_timestamp({run.as_of}) AS as_of "
        f"FROM read_parquet([{listed}])"
    )
    with places.connected() as connection:
        return places.write(connection, query, place)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
