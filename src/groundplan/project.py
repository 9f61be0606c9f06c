"""A project: a folder with the five answers, and the code that only code can say."""

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import resources, util
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from groundplan import constraints
from groundplan.constraints import Answers
from groundplan.errors import GroundplanError, ProjectError

T = TypeVar("T")

ANSWERS: Final = "groundplan.toml"
SYSTEM: Final = "system.py"
EXAMPLES: Final = ("fraud", "churn", "credit", "blank")


class Project:
    """A folder with `groundplan.toml` and `system.py`, or a `.toml` file alone.

    What commands produce goes below `home`, the hidden folder `.groundplan` beside the answers:
    builds, channels, the online state, the prediction log.

    Args:
        path: the folder, or the `.toml` file.

    Raises:
        ProjectError: there is no such folder or file, or the folder has no answers.
    """

    def __init__(self, path: Path) -> None:
        file = path if path.suffix == ".toml" else path / ANSWERS
        if not file.is_file():
            raise ProjectError(
                f"{file} is not there: name a project folder or a .toml file, "
                "or start one with `groundplan new NAME --from fraud`"
            )
        self.file = file
        self.folder = file.resolve().parent

    @property
    def home(self) -> Path:
        """Where the project's builds, channels, state and logs live."""
        return self.folder / ".groundplan"

    @cached_property
    def answers(self) -> Answers:
        """The five answers.

        Raises:
            ConstraintError: the file breaks rules; every problem is listed.
        """
        return constraints.load(self.file)

    @cached_property
    def system(self) -> ModuleType:
        """The project's `system.py`, run once as a module of its own.

        Raises:
            ProjectError: the file is missing, or it raised an error of its own.
        """
        file = self.folder / SYSTEM
        if not file.is_file():
            raise ProjectError(
                f"{file} is not there: it defines the features and the model; "
                "`groundplan new NAME --from fraud` writes one to start from"
            )
        spec = util.spec_from_file_location(_module_name(self.folder), file)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        try:
            with _importable(self.folder):
                spec.loader.exec_module(module)
        except GroundplanError as error:
            raise ProjectError(f"{file}{_line(error, file)}: {error}") from error
        except Exception as error:
            raise ProjectError(
                f"{file}{_line(error, file)}: {type(error).__name__}: {error}"
            ) from error
        return module

    def define(self, name: str, kind: type[T], what: str) -> T:
        """A name that `system.py` must define.

        Args:
            name: the name.
            kind: its type.
            what: what it is, and an example of how to write it, for the error.

        Raises:
            ProjectError: the name is missing or of another type.
        """
        found = self.find(name)
        if isinstance(found, kind):
            return found
        state = "is missing" if found is None else f"is of type {type(found).__name__}"
        raise ProjectError(f"{self.folder / SYSTEM}: `{name}` {state}; it is {what}")

    def find(self, name: str) -> Any:
        """A name that `system.py` may define; None where it does not."""
        return getattr(self.system, name, None)


def new(name: str, example: str) -> Path:
    """Start a project folder from an example; nothing that exists is overwritten.

    Args:
        name: the folder to make; its last part becomes the system's name.
        example: one of `EXAMPLES`.

    Raises:
        ProjectError: the folder exists and is not empty, or its name cannot name a system.
    """
    folder = Path(name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", folder.name):
        raise ProjectError(
            f"{folder.name!r} cannot name a system: use letters, digits, '-', '_' and '.', "
            "such as card-fraud"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} exists and is not an empty folder: choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    source = resources.files("groundplan.examples") / example
    for file in (ANSWERS, SYSTEM, "README.md"):
        text = (source / file).read_text()
        (folder / file).write_text(text.replace("{{name}}", folder.name))
    return folder


def _module_name(folder: Path) -> str:
    return "groundplan_system_" + re.sub(r"\W", "_", str(folder))


def _line(error: Exception, file: Path) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    return f", line {lines[-1]}" if lines else ""


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
