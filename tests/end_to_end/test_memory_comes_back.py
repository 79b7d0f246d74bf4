"""Whatever viewers do and however they leave, a process's memory stays within its budget."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.end_to_end.lone_edge import HOST, start_lone_edge
from tests.end_to_end.processes import resident_bytes, wait_for

pytestmark = pytest.mark.alone

MIB = 1024 * 1024
BUDGET_MIB = 64
OBJECT_BYTES = 20 * MIB  # of no version, so that it does not come in blocks
ABORTED = 120  # of each wire
AT_ONCE = 8
SLOW = 30  # of each wire: together 20 times the budget
SLOW_S = 4  # at 40 KiB/s
PIECE = b"x" * 65_536
HEAD = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: %d\r\n\r\n" % OBJECT_BYTES

Wire = tuple[int, ssl.SSLContext | None]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The origin: one large object at every path."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(HEAD)
            for _ in range(OBJECT_BYTES // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def asking(wire: Wire, path: str) -> AsyncIterator[Stream]:
    """A viewer that has asked for `path`, takes little by itself, and leaves without a word."""
    port, context = wire
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    one.setblocking(False)
    await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", port))
    name = HOST if context else None
    reader, writer = await asyncio.open_connection(
        sock=one, ssl=context, server_hostname=name, limit=16_384
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def broken_off(wire: Wire, number: int, room: asyncio.Semaphore) -> None:
    async with room, asking(wire, f"/aborted?{number}") as (reader, _):
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(MIB)


async def read_slowly(wire: Wire, number: int, statuses: list[bytes]) -> None:
    async with asking(wire, f"/slow?{number}") as (reader, _):
        statuses.append((await reader.readuntil(b"\r\n"))[9:12])
        if statuses[-1] != b"200":
            return
        for _ in range(SLOW_S * 10):
            await reader.readexactly(4_096)
            await nothing(0.1)


async def nothing(seconds: float) -> None:
    """Let so much time pass without reading."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def watched(resident: Callable[[], int], until: asyncio.Event) -> int:
    """The most that was resident."""
    most = resident()
    while not until.is_set():
        await nothing(0.1)
        most = max(most, resident())
    return most


async def abuse(edge: int, wires: list[Wire]) -> tuple[int, list[bytes]]:
    """Viewers break off and read slowly; the most that was resident, and what slow ones heard."""
    room, over, statuses = asyncio.Semaphore(AT_ONCE), asyncio.Event(), list[bytes]()
    watching = asyncio.create_task(watched(lambda: resident_bytes(edge), over))
    numbers = range(ABORTED)
    await asyncio.gather(*[broken_off(wire, n, room) for n in numbers for wire in wires])
    ids = range(SLOW * len(wires))
    await asyncio.gather(*[read_slowly(wires[n % len(wires)], n, statuses) for n in ids])
    over.set()
    return await watching, statuses


async def staged(folder: Path) -> None:
    origin = await asyncio.start_server(give, "127.0.0.1", 0)
    port = origin.sockets[0].getsockname()[1]
    edge = await asyncio.to_thread(start_lone_edge, folder, port, BUDGET_MIB)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    worker, base = edge.worker, resident_bytes(edge.worker)
    most, statuses = await abuse(worker, [(edge.plain, None), (edge.tls, unchecked)])
    print(f"base {base / MIB:.0f} MiB, most {(most - base) / MIB:.0f} more; {set(statuses)}")
    assert set(statuses) <= {b"200", b"503"}
    assert statuses.count(b"200") >= SLOW, "half of them at least are served"
    assert most < base + 2 * BUDGET_MIB * MIB, f"{(most - base) / MIB:.0f} MiB more at the most"
    after = base + 1.1 * BUDGET_MIB * MIB
    await asyncio.to_thread(wait_for, "memory is back", lambda: resident_bytes(worker) < after)
    assert await asyncio.to_thread(edge.process.stop) == 0
    assert "Traceback" not in edge.process.stderr, edge.process.stderr
    origin.close()


def test_downloads_broken_off_and_slow_readers_stay_within_the_budget(tmp_path: Path) -> None:
    asyncio.run(staged(tmp_path))
