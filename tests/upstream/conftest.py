"""Every test that needs a loop gets both kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest
import uvloop

from tests.upstream.loopback import Run


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on each kind of loop: their transports differ where connections end."""

    def on_the_loop(main: Coroutine[None, None, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return on_the_loop
