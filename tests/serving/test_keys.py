"""Keys are shown once, kept as hashes, and followed while serving."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundplan.errors import EngineError, InputError
from groundplan.serving import keys
from groundplan.serving.keys import Keys, Role


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / keys.FILE


def test_a_key_is_found_by_itself_alone(file: Path) -> None:
    """The key finds its record; one with any character changed, cut or added finds nothing."""
    secret = keys.add(file, "app", Role.PREDICT).encode()
    keys.add(file, "feed", Role.INGEST)
    found = Keys(file)
    key = found.find(secret)
    assert key is not None
    assert (key.name, key.role) == ("app", Role.PREDICT)
    for at in range(len(secret)):
        other = b"A" if secret[at : at + 1] != b"A" else b"B"
        assert found.find(secret[:at] + other + secret[at + 1 :]) is None
    assert [found.find(wrong) for wrong in (b"", secret[:-1], secret + b"A", b"\xff" * 60)] == [
        None
    ] * 4


def test_the_file_has_hashes_of_long_random_keys_and_is_the_owner_s(file: Path) -> None:
    """256 random bits; what is kept is SHA-256, in a file that others cannot read."""
    secret = keys.add(file, "app", Role.ADMIN)
    text = file.read_text()
    assert hashlib.sha256(secret.encode()).hexdigest() in text
    assert secret.rpartition("_")[2] not in text
    assert len(secret.split("_", 2)[2]) * 6 >= 256
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.add(file, "other", Role.ADMIN) != secret


def test_a_revoked_key_is_refused_and_the_others_go_on(file: Path) -> None:
    """Revoking takes out one key, also from what a server follows, within a second."""
    gone, kept = (keys.add(file, name, Role.PREDICT).encode() for name in ("gone", "kept"))
    following = Keys(file)
    assert following.find(gone) is not None
    keys.revoke(file, "gone")
    added = keys.add(file, "added", Role.INGEST).encode()
    time.sleep(keys.FOLLOW)
    assert following.find(gone) is None
    assert following.find(kept) is not None
    assert following.find(added) is not None
    file.unlink()
    time.sleep(keys.FOLLOW)
    assert following.find(kept) is None


def test_a_damaged_file_is_an_error_at_start_and_changes_nothing_later(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who starts is told; who serves keeps the keys that it has, and says so once."""
    secret = keys.add(file, "app", Role.PREDICT).encode()
    following = Keys(file)
    file.write_text('{"keys": [{"name": "ap')
    time.sleep(keys.FOLLOW)
    assert following.find(secret) is not None
    time.sleep(keys.FOLLOW)
    assert following.find(secret) is not None
    assert len(caplog.records) == 1
    with pytest.raises(EngineError, match="cannot be read"):
        Keys(file)
    with pytest.raises(EngineError, match="cannot be read"):
        keys.add(file, "another", Role.PREDICT)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "é"])
def test_a_name_that_cannot_be_used_is_refused(file: Path, name: str) -> None:
    """Names are short and plain, since they stand in logs."""
    with pytest.raises(InputError, match="cannot name a key"):
        keys.add(file, name, Role.PREDICT)


def test_a_name_is_one_key_s(file: Path) -> None:
    """A second key of a name is refused, and so is revoking one that is not there."""
    keys.add(file, "app", Role.PREDICT)
    with pytest.raises(InputError, match="already"):
        keys.add(file, "app", Role.ADMIN)
    with pytest.raises(InputError, match="no key 'ap': app"):
        keys.revoke(file, "ap")


def test_keys_that_are_added_at_once_are_all_kept(file: Path) -> None:
    """Three processes add ten each, and there are thirty."""
    code = (
        "import sys; from pathlib import Path; from groundplan.serving import keys\n"
        "for i in range(10): keys.add(Path(sys.argv[1]), f'{sys.argv[2]}-{i}', keys.Role.INGEST)"
    )
    adding = [
        subprocess.Popen([sys.executable, "-c", code, str(file), str(number)])
        for number in range(3)
    ]
    assert [process.wait(60) for process in adding] == [0, 0, 0]
    assert len(keys.read(file)) == len(Keys(file)) == 30
