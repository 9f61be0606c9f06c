"""The connection to a Redis or Valkey server, and the script that runs inside it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from groundplan.errors import EngineError

Word: TypeAlias = bytes | int | str

_CALLED: Final = {"online_store": "an online store", "scores": "a store of scores"}


class Server:
    """A server, reached by several threads at once.

    A connection that a restart of the server has cut is made anew, once per call: every step that
    is asked of the server may be asked twice.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, `rediss://` for TLS, or
            `unix:///path/to/socket[?db=0]`.
        script: the Lua source.
        timeout: seconds that one call may take.
        role: the key of the table `[engines]` that names it, for messages.

    Raises:
        EngineError: the URL is not one of these.
    """

    def __init__(self, url: str, script: str, timeout: float, role: str = "online_store") -> None:
        self.name = shown(url)
        self._called = f"the {_CALLED[role].partition(' ')[2]} {self.name}"
        self._role = role
        self._script = script
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            self.client = redis.Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
                health_check_interval=0,
            )
        except (ValueError, redis.RedisError) as error:
            raise EngineError(f"{self.name} is no address of {_CALLED[role]}: {error}") from None

    def run(self, prefix: str, words: Sequence[Word]) -> Any:
        """What the script gives for these arguments."""
        with self.reached():
            try:
                return self.client.evalsha(self._sha, 1, prefix, *words)
            except redis.exceptions.NoScriptError:  # the server is new, or was restarted
                return self.client.eval(self._script, 1, prefix, *words)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Turns what the client raises into an error of ours, which never holds the password."""
        try:
            yield
        except redis.TimeoutError as error:
            raise EngineError(
                f"{self._called} did not answer in time ({_reason(error)}): whether "
                "it has done its work is unknown, and asking again is safe"
            ) from None
        except redis.AuthenticationError as error:
            raise EngineError(
                f"{self._called} refuses the name or password: correct the URL of "
                f"[engines] {self._role} ({_reason(error)})"
            ) from None
        except redis.ConnectionError as error:
            raise EngineError(
                f"{self._called} cannot be reached: start it, or correct the URL of "
                f"[engines] {self._role} ({_reason(error)})"
            ) from None
        except redis.RedisError as error:
            raise EngineError(f"{self._called} did not do its work: {_reason(error)}") from None

    def setting(self, name: str) -> str | None:
        """A setting of the server, or None where it does not say: some hosted ones do not."""
        try:
            found: Any = self.client.config_get(name)
        except redis.ResponseError:
            return None
        return str(found[name]) if name in found else None

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()


def warnings(server: Server) -> list[str]:
    """What in the server's settings can lose state."""
    with server.reached():
        policy, limit = server.setting("maxmemory-policy"), server.setting("maxmemory")
        kept, synced = server.setting("appendonly"), server.setting("appendfsync")
    found = []
    if policy is not None and policy != "noeviction" and limit != "0":
        found.append(
            f"{server.name} evicts keys at {limit} bytes (maxmemory-policy {policy}), histories "
            "among them: set maxmemory-policy noeviction"
        )
    if kept == "no":
        found.append(
            f"{server.name} keeps no append-only file: when it ends it loses all that came after "
            "its last snapshot; set appendonly yes"
        )
    if kept == "yes" and synced == "no":
        found.append(
            f"{server.name} leaves it to the system when its file reaches the disk (appendfsync "
            "no): a loss of power loses what did not; set appendfsync everysec or always"
        )
    return found


def shown(url: str) -> str:
    """A URL as messages may show it: without name, password and options."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
