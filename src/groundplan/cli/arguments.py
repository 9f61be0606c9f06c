"""The arguments that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from groundplan.project import Project

F = TypeVar("F", bound=Callable[..., Any])


class _ProjectPath(click.ParamType[Project]):
    """A project folder or a `.toml` file."""

    name = "project"

    def convert(self, value: Any, param: Any, ctx: Any) -> Project:
        return value if isinstance(value, Project) else Project(Path(value))


def project_argument(function: F) -> F:
    """The argument PROJECT: a folder or a `.toml` file, this folder by default."""
    return click.argument("project", type=_ProjectPath(), default=".")(function)


class _SourceFile(click.ParamType[tuple[str, Path]]):
    """A source's name and a file of its events: `customers=customers.parquet`."""

    name = "name=file"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Path]:
        if isinstance(value, tuple):
            return value
        name, equals, file = str(value).partition("=")
        if not name or not equals or not Path(file).is_file():
            self.fail(f"{value!r} is not NAME=FILE with a file that is there", param, ctx)
        return name, Path(file)


def sources_option(function: F) -> F:
    """The option --source, for the events of sources other than the main one."""
    return click.option(
        "--source",
        "sources",
        type=_SourceFile(),
        multiple=True,
        help="Events of another source, such as customers=customers.parquet; once for each.",
    )(function)


def json_option(function: F) -> F:
    """The option --json, for programs that read the answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(
        function
    )


def state_option(function: F) -> F:
    """The option --state: where the online state and the prediction log are."""
    return click.option(
        "--state",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of the online state and the prediction log  [default: PROJECT/.groundplan]",
    )(function)
