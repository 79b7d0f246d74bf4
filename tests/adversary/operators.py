"""Operators: what they ask control for, over its socket in the state folder."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.adversary.site import Target

ANSWER_S_MAX = 35.0
TRIES = 3


async def _asked(target: Target, method: str, path: str, body: object = None) -> Any:
    """The JSON of its answer. OSError, TimeoutError or ValueError when there is none."""
    data = b"" if body is None else msgspec.json.encode(body)
    async with asyncio.timeout(ANSWER_S_MAX):
        socket = str(target.up.installation.socket)
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            writer.write(head.encode() + data)
            answer = await reader.read(-1)
        finally:
            writer.close()
    head_bytes, _, rest = answer.partition(b"\r\n\r\n")
    if not head_bytes.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise ValueError(answer[:300])
    return msgspec.json.decode(rest)


async def invalidates(target: Target, site: str, body: dict[str, object]) -> bool:
    """Whether it is Completed; asked again while control is away."""
    for _ in range(TRIES):
        try:
            told = await _asked(target, "POST", "/invalidations", {"distribution": site, **body})
            where = f"/invalidations/{site}/{told['id']}?wait_s=30"
            return bool((await _asked(target, "GET", where))["status"] == "Completed")
        except (OSError, TimeoutError, ValueError, msgspec.MsgspecError):
            continue
    return False


async def cuts(target: Target, site: str, pattern: str) -> bool:
    """Whether every node goes by the next release of a pattern."""
    where = f"/distributions/{site}/releases"
    try:
        told = await _asked(target, "POST", where, {"path": pattern})
        for _ in range(200):
            if told["deployed"]:
                return True
            told = await _asked(target, "GET", where)
    except (OSError, TimeoutError, ValueError, msgspec.MsgspecError):
        pass
    return False


async def metrics(target: Target) -> str:
    """Control's, as text; empty when it does not answer."""
    port = target.up.installation.ports.control
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(-1)
            writer.close()
    except (OSError, TimeoutError):
        return ""
    return answer.decode("latin-1").partition("\r\n\r\n")[2]


async def nodes(target: Target) -> list[dict[str, Any]]:
    """What control says of every node; empty when it does not answer."""
    try:
        return list((await _asked(target, "GET", "/nodes"))["nodes"])
    except (OSError, TimeoutError, ValueError):
        return []
