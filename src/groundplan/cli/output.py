"""Where a command's answer goes: to the terminal, or whole into a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from groundplan.durable import written
from groundplan.errors import ProjectError

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def printing(file: Path | None) -> Iterator["Console"]:
    """A console that prints to the terminal, or into a file that appears when all is printed.

    Raises:
        ProjectError: the file cannot be written.
    """
    from rich.console import Console

    from groundplan.cli.tables import WIDTH, console

    if file is None:
        yield console()
        return
    text = StringIO()
    yield Console(file=text, width=WIDTH, highlight=False)
    save(text.getvalue(), file)


def save(text: str, file: Path | None) -> None:
    """Print a text, or write it to a file: readers find the whole of it, or what was there before.

    Raises:
        ProjectError: the file cannot be written.
    """
    if file is None:
        click.echo(text)
        return
    try:
        written(file, f"{text.rstrip()}\n".encode())
    except OSError as error:
        raise ProjectError(
            f"{file}: cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from error
