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


def json_option(function: F) -> F:
    """The option --json, for programs that read the answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(
        function
    )
