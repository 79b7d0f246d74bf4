"""The supervisor's socket file: words, answers, and who may ask."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest

from edgecache.cluster.control_access import supervisor_socket
from edgecache.supervisor.reload import (
    DONE,
    FAILED,
    NoSupervisorError,
    ReloadResult,
    ask_supervisor,
    serve_control_socket,
)


async def upgraded() -> ReloadResult:
    return ReloadResult(DONE, ("upgraded: 6 processes",))


async def failed() -> ReloadResult:
    return ReloadResult(FAILED, ("upgraded in part:", "edge-1 exited with 3"))


def test_a_word_is_answered_with_how_it_went(tmp_path: Path) -> None:
    async def scene() -> list[ReloadResult]:
        words = {"upgrade": upgraded, "reload": failed}
        async with serve_control_socket(str(tmp_path), words):
            mode = Path(supervisor_socket(str(tmp_path)).path).stat().st_mode  # noqa: ASYNC240
            assert stat.S_IMODE(mode) == 0o600
            return [
                await ask_supervisor(str(tmp_path), word)
                for word in ("upgrade", "reload", "nonsense")
            ]

    done, in_part, unknown = asyncio.run(scene())
    assert str(done) == "upgraded: 6 processes"
    assert (in_part.code, str(in_part)) == (1, "upgraded in part:\n  edge-1 exited with 3")
    assert (unknown.code, str(unknown)) == (2, "not a request: nonsense")
    assert not Path(supervisor_socket(str(tmp_path)).path).exists()


def test_what_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serve_control_socket(str(tmp_path), {}):
            place = supervisor_socket(str(tmp_path))
            reader, writer = await asyncio.open_unix_connection(place.path)
            writer.write(b"x" * 100_000)
            with contextlib.suppress(ConnectionError):  # for what it has not read
                assert await reader.read() == b""
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    asyncio.run(scene())


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoSupervisorError, match="nothing of this installation runs here"):
        asyncio.run(ask_supervisor(str(tmp_path), "upgrade"))
