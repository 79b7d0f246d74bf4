"""What is asked of a supervisor, over a socket file in `state_dir`. Law: its owner alone may ask.

A line each way: a word, and the answer as JSON. Whoever may write there may also end the processes:
mode 0600 is all the admission it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from edgecache.cluster.control_access import supervisor_socket
from edgecache.supervisor.reload import REFUSED, ReloadResult

ANSWER_S_MAX = 600.0  # an upgrade waits for every process in turn
_LINE_BYTES_MAX = 64

ReloadCommand = Callable[[], Awaitable[ReloadResult]]


class NoSupervisorError(Exception):
    """No supervisor answers at that place."""


@contextlib.asynccontextmanager
async def answering(state_dir: str, words: Mapping[str, ReloadCommand]) -> AsyncIterator[None]:
    """Answer requests while the context lasts. OSError when that cannot be."""
    path = supervisor_socket(state_dir).path

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # it left; or a line without end
            word = (await reader.readline()).decode("ascii", "replace").strip()
            renew = words.get(word)
            told = await renew() if renew else ReloadResult(REFUSED, (f"not a request: {word}",))
            writer.write(msgspec.json.encode(told) + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=_LINE_BYTES_MAX)
    os.chmod(path, 0o600)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def ask(state_dir: str, word: str) -> ReloadResult:
    """What the supervisor of an installation answers. NobodyThereError when there is none."""
    path = supervisor_socket(state_dir).path
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(word.encode() + b"\n")
            answer = await reader.readline()
            writer.close()
    except FileNotFoundError as error:
        raise NoSupervisorError(f"nothing of this installation runs here: no {path}") from error
    except (OSError, TimeoutError) as error:
        raise NoSupervisorError(f"{path}: {error or 'no answer'}") from error
    try:
        return msgspec.json.decode(answer, type=ReloadResult)
    except msgspec.DecodeError as error:
        raise NoSupervisorError(f"{path}: ended before it answered") from error
