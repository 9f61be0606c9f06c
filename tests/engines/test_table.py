"""The table of engines leads from a URL to the adapter that answers to it."""

import pytest

from groundplan.engines import table
from groundplan.errors import EngineError


@pytest.mark.parametrize(
    ("role", "url"),
    [(role, f"{scheme}://x") for role, known in table.ENGINES.items() for scheme in known],
)
def test_every_entry_names_an_adapter(role: str, url: str) -> None:
    """No line of the table points at nothing."""
    assert callable(table.find(role, url))


def test_an_unknown_scheme_names_the_known_ones() -> None:
    """The error says what can be written."""
    with pytest.raises(EngineError, match="nothing here speaks amqp://; there is kafka://"):
        table.find("events", "amqp://host/queue")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(table.ENGINES["events"], "nats", "nats:NatsStream")
    with pytest.raises(EngineError, match=r"pip install 'groundplan\[nats\]'"):
        table.find("events", "nats://host/subject")
