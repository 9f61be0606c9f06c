"""What servers say while something is wrong with them, for the tests of failures."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from endpoint import Answered, read

WAIT = 10.0
"""Seconds until something that happens beside the requests must have happened."""


@dataclass
class Told:
    """What servers said while something was wrong.

    Args:
        words: what answered instead, in the server's own words, by the cause of the failure.
        pages: their metrics.
        checks: those that a publication makes, by whether they passed where keys were lost.
    """

    words: dict[str, list[str]] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)
    checks: dict[str, bool] = field(default_factory=dict)

    def say(self, cause: str, *words: str) -> None:
        """Keep what was answered for a cause."""
        self.words.setdefault(cause, []).extend(words)

    def page(self, client: httpx.Client) -> None:
        """Keep the metrics of a server."""
        self.pages.append(client.get("/metrics").text)


def until(found: Callable[[], bool]) -> None:
    """Wait until something is so."""
    last = time.monotonic() + WAIT
    while not found():
        assert time.monotonic() < last
        time.sleep(0.05)


def stands_in(lines: list[str], stage: str) -> str:
    """What a degraded line says stands in for a stage."""
    (line,) = [line for line in lines if line.startswith(f"{stage}:")]
    return line.partition("; ")[2]


def refusal(answer: httpx.Response) -> str:
    """A refusal as a plan would say it."""
    assert answer.headers["retry-after"]
    return f"{answer.status_code} with Retry-After: {answer.json()['error']['message']}"


def flood(port: int, asked: Sequence[bytes]) -> list[Answered]:
    """The answers to requests that are sent at the same moment, each on its own connection."""

    async def send() -> list[Answered]:
        lines = [await asyncio.open_connection("127.0.0.1", port) for _ in asked]
        for (_, writer), one in zip(lines, asked, strict=True):
            writer.write(one)
        answers = [await read(reader) for reader, _ in lines]
        for _, writer in lines:
            writer.close()
        return answers

    return asyncio.run(send())


def crowd(refused: Sequence[Answered]) -> list[str]:
    """Refusals for want of time, as a plan would say them."""
    assert all(one.headers[b"retry-after"] for one in refused)
    said = {json.loads(one.body)["error"]["message"] for one in refused}
    # What waited until its deadline had passed is refused by its first stage.
    said.discard("validate cannot answer in time; try again in a second")
    return [f"503 with Retry-After: {message}" for message in sorted(said)]


def late(line: str) -> str:
    """A degraded line that tells of a passed deadline, as a plan would say it."""
    return "the answer all the same, which says " + re.sub(r"[\d.]+ ms", "... ms", line)


INPUT = "a client sends what the schema does not take"
CROWD = "more requests than one process can answer"
STALL = "the machine stalls while a request is on its way"
