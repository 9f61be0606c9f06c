"""What the tests of the page share: the pages of a module's dossiers, and a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, found
from groundplan.plan.dossier import Dossier
from groundplan.plan.page import page


@pytest.fixture(scope="module")
def files(dossiers: dict[str, Dossier], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages in a folder."""
    folder = tmp_path_factory.mktemp("pages")
    for name, dossier in dossiers.items():
        (folder / f"{name}.html").write_text(page(dossier), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the module."""
    binary = found()
    if binary is None:
        pytest.skip("no chromium on this machine: the page is not opened")
    with Browser(binary, tmp_path_factory.mktemp("profile")) as opened:
        yield opened
