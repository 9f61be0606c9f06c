"""Part files: what is read of them, and what is refused before a store sees it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundplan.checks.scores.population import CODES, rows, version, write
from groundplan.errors import InputError
from groundplan.scores.parts import batches, keys
from groundplan.scores.version import Version


def part(folder: Path, **columns: Any) -> Path:
    """A part of two rows, with these columns in place of good ones; None leaves one out."""
    good: dict[str, Any] = {
        "key": pa.array([1, 2]),
        "score": pa.array([0.25, 0.5]),
        "decision": pa.array([0, 2], pa.uint8()),
        "reasons": pa.array([[1, -2], []], pa.list_(pa.int16())),
    }
    path = folder / "part-00007.parquet"
    pq.write_table(pa.table({k: v for k, v in (good | columns).items() if v is not None}), path)
    return path


RECORD = version("v1", rows([1, 2]))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"score": None}, "has no column score"),
        ({"key": None, "reasons": None}, "has no column key, reasons"),
        ({"key": pa.array([1, None])}, "has 1 rows without key"),
        ({"key": pa.array([1.0, 2.0])}, "keys of type double, and the keys of v1 are int64"),
        ({"score": pa.array([None, 0.5])}, "has 1 rows without score"),
        ({"score": pa.array(["a", "b"])}, "has score that is not double"),
        ({"decision": pa.array([-1, 0])}, "has decision that is not uint8"),
        ({"decision": pa.array([0, 3])}, "names decision 3, counted from 0, and version v1 has 3"),
        ({"reasons": pa.array([[1], None])}, "has 1 rows without reasons"),
        ({"reasons": pa.array([[1], [None]])}, "has 1 rows without reasons"),
        ({"reasons": pa.array([[1], [0]])}, "names reason 0, and version v1 has codes 1 to 3"),
        ({"reasons": pa.array([[1], [2, -4]])}, "names reason -4"),
        ({"reasons": pa.array([[-(2**15)], []])}, "names reason -32768"),
        ({"reasons": pa.array([[2**15], []])}, "has reasons that is not"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(
    columns: dict[str, Any], says: str, tmp_path: Path
) -> None:
    """The error names the file, what is wrong, and what to do."""
    path = part(tmp_path, **columns)
    with pytest.raises(InputError) as caught:
        list(batches(RECORD, [path]))
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "compute the part again" in str(caught.value)


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """One that is missing, empty or no Parquet file."""
    path = tmp_path / "part-00001.parquet"
    for content in (None, b"", b"PAR1 is how it begins"):
        if content is not None:
            path.write_bytes(content)
        for read in (keys, batches):
            with pytest.raises(InputError, match=r"part-00001\.parquet cannot be read"):
                list(read(RECORD, [path]))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 18])
@pytest.mark.parametrize("kind", ["int", "str"])
def test_batches_are_the_rows_in_order(size: int, kind: Any, tmp_path: Path) -> None:
    """However many rows a batch has, together they are the rows of the parts, one by one."""
    made = rows([str(n) for n in range(100)] if kind == "str" else range(100))
    record: Version = version("v1", made, kind)
    paths = write(tmp_path, made, kind, 3)
    dealt = [row for n in range(3) for row in made[n::3]]
    found = []
    for batch in batches(record, paths, size):
        assert len(batch.keys) <= size
        assert batch.reasons.shape[1] <= len(CODES)
        columns = zip(
            batch.keys.to_pylist(), batch.scores, batch.decisions, batch.reasons, strict=True
        )
        for key, score, decision, reasons in columns:
            told = tuple(reasons[reasons != 0].tolist())
            assert np.all(reasons[len(told) :] == 0)
            found.append(
                (key.decode() if kind == "str" else key, float(score), int(decision), told)
            )
    assert found == [tuple(row) for row in dealt]
    alone = [key for batch in keys(record, paths, size) for key in batch.to_pylist()]
    assert alone == [row.key.encode() if isinstance(row.key, str) else row.key for row in dealt]
