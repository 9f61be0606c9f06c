"""A file is written whole or not at all, and nothing is left beside it."""

import os
from pathlib import Path

import pytest

from groundplan.durable import replacing, written


def test_readers_meet_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Until the block ends the old content stands, under the name that readers use."""
    file = tmp_path / "answers.json"
    written(file, b"old")
    with replacing(file) as draft:
        draft.write_bytes(b"new, and longer")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new, and longer"
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    """What was there stays, and the draft goes."""
    file = tmp_path / "answers.json"
    written(file, b"old")

    def half() -> None:
        with replacing(file) as draft:
            draft.write_bytes(b"ne")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        half()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_without_a_draft_is_refused(tmp_path: Path) -> None:
    """A writer that wrote nothing did not write an empty file."""
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "answers.json"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_its_name_are_on_the_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is synced before the name moves, and the folder after it."""
    said: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        said.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        sync(handle)

    def replaced(*names: Path) -> None:
        said.append("name")
        replace(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    written(tmp_path / "answers.json", b"new")
    assert said == ["file", "name", "folder"]


def test_two_writers_do_not_write_into_each_other(tmp_path: Path) -> None:
    """Each has a draft of its own; who ends last has written."""
    file = tmp_path / "answers.json"
    with replacing(file) as one:
        with replacing(file) as other:
            one.write_bytes(b"one")
            other.write_bytes(b"other")
        assert file.read_bytes() == b"other"
    assert file.read_bytes() == b"one"
