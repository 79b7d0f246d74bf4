"""A WebSocket client that is used from a test's own thread, and speaks in one other.

TLS connections of Python before 3.13.2 are not to be read and written by two threads at once: what
is read then looks like an end of the stream, now and then (https://github.com/python/cpython,
issue 124984). Clients with a thread that reads, as `websockets.sync` has, do just that.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.end_to_end.viewers import ANSWER_S_MAX

CHAT = Subprotocol("chat")
Result = TypeVar("Result")


class WebSocketClient:
    """An open WebSocket. What fails raises as in `websockets`; nothing takes longer than a test."""

    def __init__(self, url: str, port: int, ca: Path | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        try:
            self.connection = self._run(self._open(url, port, ca))
        except BaseException:
            self._end()
            raise

    async def _open(self, url: str, port: int, ca: Path | None) -> ClientConnection:
        return await connect(
            url,
            sock=socket.create_connection(("127.0.0.1", port), ANSWER_S_MAX),
            ssl=None if ca is None else ssl.create_default_context(cafile=ca),
            subprotocols=[CHAT],
            max_size=None,
            proxy=None,
            close_timeout=ANSWER_S_MAX,
            open_timeout=ANSWER_S_MAX,
        )

    def _run(self, doing: Coroutine[Any, Any, Result]) -> Result:
        waiting = asyncio.run_coroutine_threadsafe(doing, self._loop)
        return waiting.result(2 * ANSWER_S_MAX)

    def send(self, message: str | bytes) -> None:
        self._run(self.connection.send(message))

    def recv(self) -> str | bytes:
        return self._run(asyncio.wait_for(self.connection.recv(), ANSWER_S_MAX))

    def ping(self) -> None:
        """Until the answer to it has come."""

        async def ping() -> None:
            await asyncio.wait_for(await self.connection.ping(), ANSWER_S_MAX)

        self._run(ping())

    def close(self) -> None:
        self._run(self.connection.close())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_S_MAX)
        self._loop.close()

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()
