"""The conformance suite of the online store, on every adapter that there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from groundplan.checks.online_store import CHECKS, Check, Unmet, windows
from groundplan.engines.redis import RedisStore
from groundplan.features import EmbeddedStore, Event, FeatureSet, OnlineStore


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Valkey]:
    with servers.valkey(tmp_path_factory.mktemp("v")) as server:
        yield server


def test_the_inventory() -> None:
    """There are twenty-five checks; one more, or one fewer, is on purpose."""
    assert len(CHECKS) == 25
    assert all(check.__doc__ for check in CHECKS.values())


ONE_HANDLE = {
    "handles_see_each_other",
    "concurrent_writers_lose_nothing",
    "concurrent_repeats_count_once",
    "concurrent_labels_are_all_kept",
}
"""Left out for the embedded store: a process opens an LMDB folder once. What they promise is
checked in test_embedded.py, with processes."""


@pytest.mark.parametrize("check", [c for n, c in CHECKS.items() if n not in ONE_HANDLE])
def test_the_embedded_store_conforms(check: Check, tmp_path: Path) -> None:
    """The embedded store meets every check, except those that need two handles in a process."""
    check(lambda inputs: EmbeddedStore(tmp_path, inputs))


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_redis_store_conforms(check: Check, valkey: servers.Valkey) -> None:
    """The store on a real server meets every check."""
    with valkey.client() as client:
        client.flushall()
    check(lambda inputs: RedisStore(valkey.url, inputs))


class Forgetful(RedisStore):
    """A store with a fault: it does not record what it joins."""

    def join(self, event: Event):  # type: ignore[no-untyped-def]
        return self.peek(event)


def test_a_faulty_store_is_found(valkey: servers.Valkey) -> None:
    """A store that forgets what it joins does not pass, and the message names the feature."""

    def make(inputs: FeatureSet) -> OnlineStore:
        return Forgetful(valkey.url, inputs)

    with valkey.client() as client:
        client.flushall()
    with pytest.raises(Unmet, match="buyer_count"):
        windows.values_in_order(make)
