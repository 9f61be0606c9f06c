"""What goes on beside the requests goes on whatever becomes of one time."""

import asyncio

import pytest

from groundplan.errors import EngineError
from groundplan.serving.rounds import again


@pytest.mark.parametrize(
    ("error", "traced"), [(EngineError("no store"), False), (ValueError("no idea"), True)]
)
def test_the_first_of_several_failures_is_told(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """No error ends the rounds; each row of them is one line, with a traceback where it is new."""
    fates: list[Exception | None] = [error, error, None, error, None]
    ended = asyncio.Event()
    loop: asyncio.AbstractEventLoop | None = None

    def work() -> None:
        fate = fates.pop(0)
        if not fates:
            assert loop is not None
            loop.call_soon_threadsafe(ended.set)
            fates.append(None)
        if fate is not None:
            raise fate

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(again(0.0, work, "nothing is looked at"))
        await asyncio.wait_for(ended.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert caplog.messages == [f"nothing is looked at: {error}"] * 2
    assert bool(caplog.records[0].exc_info) is traced
