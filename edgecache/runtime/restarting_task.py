"""Background tasks. Law: what fails is told and begun anew; nothing of ours ends by accident.

Memory may have been short, which says nothing of the next time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

logger = logging.getLogger("edgecache.server")

AGAIN_S_MIN = 0.5  # within what viewers are promised to wait after a fault
AGAIN_S_MAX = 30.0  # a defect that shows each time is told twice a minute
HEALTHY_S = 60.0  # after so long without a failure the next one is the first again

Pause = Callable[[float], Awaitable[None]]


async def kept(work: Callable[[], Coroutine[Any, Any, None]], pause: Pause = asyncio.sleep) -> None:
    """Run `work` until it ends by itself; where it raises, once more, each time later."""
    now, again_s = asyncio.get_running_loop().time, AGAIN_S_MIN
    while True:
        began = now()
        try:
            await work()
        except Exception:
            with contextlib.suppress(MemoryError):  # for the telling itself
                logger.exception("a background task failed, and is begun anew")
        else:
            return
        if now() - began >= HEALTHY_S:
            again_s = AGAIN_S_MIN
        await pause(again_s)
        again_s = min(2 * again_s, AGAIN_S_MAX)
