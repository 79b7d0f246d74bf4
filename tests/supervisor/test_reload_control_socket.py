"""The supervisor's socket file: words, answers, and who may ask."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path
from typing import Any

import pytest

from edgecache.cluster.control_access import supervisor_socket
from edgecache.supervisor.reload import (
    DONE,
    FAILED,
    REFUSED,
    NoSupervisorError,
    ReloadResult,
    ask_supervisor,
    serve_control_socket,
)
from edgecache.supervisor.supervisor import Supervisor

FILE = Path("/etc/edgecache.toml")


async def upgraded(_: str) -> ReloadResult:
    return ReloadResult(DONE, ("upgraded: 6 processes",))


async def failed(_: str) -> ReloadResult:
    return ReloadResult(FAILED, ("upgraded in part:", "edge-1 exited with 3"))


def test_a_word_is_answered_with_how_it_went(tmp_path: Path) -> None:
    async def scene() -> list[ReloadResult]:
        words = {"upgrade": upgraded, "reload": failed}
        async with serve_control_socket(supervisor_socket(str(tmp_path)).path, words, FILE):
            mode = Path(supervisor_socket(str(tmp_path)).path).stat().st_mode  # noqa: ASYNC240
            assert stat.S_IMODE(mode) == 0o600
            return [
                await ask_supervisor(supervisor_socket(str(tmp_path)), word, FILE)
                for word in ("upgrade", "reload", "nonsense")
            ]

    done, in_part, unknown = asyncio.run(scene())
    assert str(done) == "upgraded: 6 processes"
    assert (in_part.code, str(in_part)) == (1, "upgraded in part:\n  edge-1 exited with 3")
    assert (unknown.code, str(unknown)) == (2, "not a request: nonsense")
    assert not Path(supervisor_socket(str(tmp_path)).path).exists()


def test_a_file_that_nothing_was_started_with_is_refused(tmp_path: Path) -> None:
    async def scene() -> ReloadResult:
        async with serve_control_socket(
            supervisor_socket(str(tmp_path)).path, {"reload": upgraded}, FILE
        ):
            return await ask_supervisor(
                supervisor_socket(str(tmp_path)), "reload", tmp_path / "other.toml"
            )

    refused = asyncio.run(scene())
    assert refused.code == REFUSED
    assert str(FILE) in refused.lines[0]
    assert str(tmp_path / "other.toml") in refused.lines[1]


def test_a_stop_ends_what_runs_and_says_so(tmp_path: Path) -> None:
    """No word of it reaches the log of `up`: neither of who asked, nor of who only connected."""
    told: list[Any] = []

    async def scene() -> ReloadResult:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        supervisor = Supervisor([])
        begun = asyncio.Event()

        async def never_ends() -> ReloadResult:
            begun.set()
            return await asyncio.Future()

        async def command(_: str) -> ReloadResult:
            return await supervisor.run_command(never_ends) or ReloadResult(FAILED, ("stopped",))

        async with serve_control_socket(
            supervisor_socket(str(tmp_path)).path, {"upgrade": command}, FILE
        ):
            place = supervisor_socket(str(tmp_path))
            _, silent = await asyncio.open_unix_connection(place.path)
            running = asyncio.create_task(supervisor.run())
            asking = asyncio.create_task(
                ask_supervisor(supervisor_socket(str(tmp_path)), "upgrade", FILE)
            )
            await begun.wait()
            supervisor.stop()
            assert await running == 0
            assert await supervisor.run_command(never_ends) is None
        silent.close()
        await silent.wait_closed()
        return await asking

    assert asyncio.run(scene()).lines == ("stopped",)
    assert told == []


def test_what_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serve_control_socket(supervisor_socket(str(tmp_path)).path, {}, FILE):
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
        asyncio.run(ask_supervisor(supervisor_socket(str(tmp_path)), "upgrade", FILE))
