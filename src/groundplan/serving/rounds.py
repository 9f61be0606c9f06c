"""Work that goes on beside the requests, again and again."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from groundplan.errors import GroundplanError

_logger: Final = logging.getLogger(__name__)


async def again(seconds: float, work: Callable[[], object], what: str) -> None:
    """Work in a thread until cancelled, whatever becomes of one time.

    The first of several failures in a row is told; the next round may find it mended.

    Args:
        seconds: between two rounds.
        work: one round.
        what: did not happen where a round fails, for the log.
    """
    told = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(work)
            told = False
        except Exception as error:  # nobody would see this task end
            if not told:
                surprising = not isinstance(error, GroundplanError | OSError)
                _logger.warning("%s: %s", what, error, exc_info=surprising)
            told = True
