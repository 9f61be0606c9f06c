"""A server binds where it is told, and says where that is."""

import socket

import pytest

from groundplan.errors import EngineError
from groundplan.serving import server


@pytest.mark.parametrize(
    ("host", "loopback", "shown"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:"),
        ("127.0.0.2", True, "http://127.0.0.2:"),
        ("localhost", True, "http://"),
        ("::1", True, "http://[::1]:"),
        ("0.0.0.0", False, "http://0.0.0.0:"),
        ("::", False, "http://[::]:"),
    ],
)
def test_it_knows_whether_other_machines_reach_it(host: str, loopback: bool, shown: str) -> None:
    """Every loopback address is one, in both families; the others are not."""
    try:
        listener = server.bind(0, host)
    except EngineError:
        if ":" in host and not socket.has_ipv6:
            pytest.skip("this machine has no IPv6")
        raise
    with listener:
        assert server.is_loopback(listener) is loopback
        assert server.address(listener, tls=False).startswith(shown)
        assert server.address(listener, tls=True).startswith("https://")


def test_an_ipv4_address_in_ipv6_notation_is_what_it_stands_for() -> None:
    """`::ffff:127.0.0.1` is loopback, `::ffff:0.0.0.0` is every address."""
    for host, loopback in (("::ffff:127.0.0.1", True), ("::ffff:0.0.0.0", False)):
        with server.bind(0, host) as listener:
            assert server.is_loopback(listener) is loopback


def test_an_address_that_cannot_be_had_is_named() -> None:
    """A taken port, another machine's address, a name of none: each says what to do."""
    with server.bind(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=rf"port {port} on 127\.0\.0\.1 .* --port"):
            server.bind(port)
    with pytest.raises(EngineError, match=r"port 0 on 192\.0\.2\.1 cannot be had"):
        server.bind(0, "192.0.2.1")
    for host in ("nowhere.invalid", "300.1.1.1", "a" * 300, "127.0.0.1:80"):
        with pytest.raises(EngineError, match="is no address"):
            server.bind(0, host)
    for wrong in (-1, 65_536):
        with pytest.raises(EngineError, match=f"port {wrong}"):
            server.bind(wrong)
