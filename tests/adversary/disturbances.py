"""Disturbances: what befalls an installation's processes; each waits until it is well again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable

from edgecache.supervisor import reload as requests
from tests.adversary import operators
from tests.adversary.origin import HIT, pause
from tests.adversary.site import Target
from tests.end_to_end.test_faults import pid_of

WELL_S_MAX = 40.0
Disturbance = Callable[[Target, float], Awaitable[list[str]]]
_stopped: set[int] = set()


def _kills(name: str) -> Disturbance:
    async def killed(target: Target, _: float) -> list[str]:
        os.kill(pid_of(target.up, name), signal.SIGKILL)
        return await _well(target, f"after {name} was killed")

    return killed


def _stops(name: str) -> Disturbance:
    async def stopped(target: Target, seconds: float) -> list[str]:
        pid = pid_of(target.up, name)
        _stopped.add(pid)
        os.kill(pid, signal.SIGSTOP)
        await pause(seconds)
        return []

    return stopped


async def undo(target: Target) -> list[str]:
    """Whatever is stopped goes on."""
    while _stopped:
        pid = _stopped.pop()
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue
    return []


async def _continues(target: Target, _: float) -> list[str]:
    return await undo(target)


async def _emptied(target: Target, _: float) -> list[str]:
    pid = pid_of(target.up, "regional")
    os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(target.up.installation.state / "disk" / "regional", ignore_errors=True)
    os.kill(pid, signal.SIGKILL)
    return await _well(target, "after the regional cache came back empty")


def _asks(word: str) -> Disturbance:
    async def asked(target: Target, _: float) -> list[str]:
        if word == "reload":
            config = target.up.installation.config
            text = config.read_text().partition("\n# ")[0]
            config.write_text(f"{text}\n# {os.urandom(4).hex()}\n")
        place = target.up.installation
        told = await requests.ask_supervisors(str(place.state), word, place.config.resolve())
        found = [f"{word}: {told}"] if told.code else []
        return found + await _well(target, f"after {word}")

    return asked


async def _well(target: Target, when: str) -> list[str]:
    """Wait until every node lives and both locations answer."""
    ports = (target.up.installation.ports.lhr, target.up.installation.ports.nrt)
    for _ in range(int(WELL_S_MAX / 0.2)):
        await pause(0.2)
        living = [node for node in await operators.nodes(target) if node["alive"]]
        if len(living) >= 3 and all([await _answers(port) for port in ports]):
            return []
    return [f"not well within {WELL_S_MAX:g} s {when}"]


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET %b HTTP/1.1\r\nHost: cf.test\r\n\r\n" % HIT.encode())
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return line.startswith(b"HTTP/1.1 200")


DISTURBANCES: dict[str, Disturbance] = {
    "kill lhr": _kills("LHR50"),
    "kill nrt": _kills("NRT57"),
    "kill regional": _kills("regional"),
    "kill control": _kills("control"),
    "empty regional": _emptied,
    "stop nrt": _stops("NRT57"),
    "stop regional": _stops("regional"),
    "stop control": _stops("control"),
    "continue": _continues,
    "reload": _asks("reload"),
    "upgrade": _asks("upgrade"),
}
