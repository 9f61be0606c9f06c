"""The models that a user names, by what their paths hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from groundplan.errors import ProjectError
from groundplan.practice.calibrate import folder, gguf
from groundplan.practice.calibrate.model import Model

KINDS: Final = "a Hugging Face folder (config.json and safetensors) or a GGUF file"


def models(paths: Sequence[Path]) -> list[Model]:
    """The models at these paths, of which only what they say of themselves is read.

    Raises:
        ProjectError: one of them is no model that can be measured, or two are measured for the
            same row.
        EngineError: the library that reads one of them is not installed.
    """
    found = [_model(path) for path in paths]
    owners: dict[str, Model] = {}
    for one in found:
        for row in one.rows:
            if (other := owners.setdefault(row, one)) is not one:
                raise ProjectError(
                    f"{other.path} and {one.path} are both measured for {row}: name one of them"
                )
    return found


def _model(path: Path) -> Model:
    found = path.expanduser().absolute()
    if not found.exists():
        raise ProjectError(f"{path} is not there: --model names {KINDS} on this machine")
    if found.is_dir():
        return folder.model(found)
    if gguf.is_one(found):
        return gguf.model(found)
    raise ProjectError(f"{path} is no model that can be measured: --model names {KINDS}")
