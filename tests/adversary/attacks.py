"""Attacks: many connections of strangers at once, each of a bounded number and for a bounded time.

They find little themselves: what they do to others, the watch and the bystander see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import SO_RCVBUF, SOL_SOCKET, socket

from tests.adversary.actions import Ask, Attack
from tests.adversary.origin import WELL, pause
from tests.adversary.site import Target
from tests.adversary.viewer import HOSTS
from tests.hostile import greedy

SMALL_BUFFER = 16_384
CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 20.0
AT_ONCE = 40
STRANGERS = [f"127.0.0.{last}" for last in range(9, 25)]  # each address has a share of its own
OWN = "127.0.0.6"  # the address of who asks beside an attack; the bystander has another
BEGUN_BYTES = 70_000  # of an upload: before 64 KiB it takes no connection to the origin
TRICKLED_BYTES = 512  # each 250 ms: a sender slower than BODY_BYTES_PER_S_MIN is given up
BESIDE_S = 0.1
BESIDE_AT_ONCE = 8
BESIDE_FAILED_MAX = 1
WELL_S_MAX = 6.0  # a place among an origin's connections comes free within 3 s, or never
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Row = Callable[[Target, Attack, str], Awaitable[list[str]]]


@asynccontextmanager
async def _viewers(target: Target, attack: Attack, count: int) -> AsyncIterator[list[Streams]]:
    """So many connections whose kernels take little for them."""
    port = target.port(Ask(site=attack.site, at=attack.at))
    opened: list[Streams] = []
    try:
        for number in range(count):
            with suppress(OSError, TimeoutError):
                opened.append(await _opened(port, STRANGERS[number % attack.addresses]))
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()
        await pause(0)


async def _opened(port: int, stranger: str) -> Streams:
    plain = socket()
    plain.setsockopt(SOL_SOCKET, SO_RCVBUF, SMALL_BUFFER)
    plain.setblocking(False)
    plain.bind((stranger, 0))
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=plain, limit=1 << 17)
    except BaseException:
        plain.close()
        raise


def _head(attack: Attack, path: str, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {HOSTS[attack.site]}\r\n{more}\r\n".encode()


async def _status(streams: Streams) -> bytes:
    """The status of what comes; empty when nothing does."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(ANSWER_S_MAX):
            return (await streams[0].readuntil(b"\r\n\r\n"))[9:12]
    return b""


async def _each(target: Target, attack: Attack, heads: list[bytes]) -> list[bytes]:
    """The statuses of requests, each on a connection of its own, some at once."""
    found: list[bytes] = []
    for start in range(0, len(heads), AT_ONCE):
        some = heads[start : start + AT_ONCE]
        async with _viewers(target, attack, len(some)) as viewers:
            for (_, writer), data in zip(viewers, some, strict=False):
                writer.write(data)
            found += await asyncio.gather(*(_status(one) for one in viewers))
    return found


async def slow_readers(target: Target, attack: Attack, name: str) -> list[str]:
    """Large bodies, each another, asked for and not read."""
    async with _viewers(target, attack, attack.count) as viewers:
        for number, (_, writer) in enumerate(viewers):
            writer.write(_head(attack, f"/{name}/big/{number}?{attack.size}"))
        await pause(attack.seconds)
    return []


async def aborted_downloads(target: Target, attack: Attack, name: str) -> list[str]:
    """Large bodies given up in the middle, again and again."""
    for start in range(0, attack.count, AT_ONCE):
        async with _viewers(target, attack, min(AT_ONCE, attack.count - start)) as viewers:
            for number, (_, writer) in enumerate(viewers):
                writer.write(_head(attack, f"/{name}/big/{start + number}?{attack.size}"))
            await asyncio.gather(*(_status(one) for one in viewers))
    return []


async def unread_uploads(target: Target, attack: Attack, name: str) -> list[str]:
    """Uploads to a page that does not read them."""
    more = f"Content-Length: {attack.size}\r\n"
    async with _viewers(target, attack, attack.count) as viewers:

        async def sends(writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(attack.seconds):
                    writer.write(_head(attack, f"/{name}/deaf", "POST", more))
                    for _ in range(0, attack.size, 65_536):
                        writer.write(b"x" * 65_536)
                        await writer.drain()

        await asyncio.gather(*(sends(writer) for _, writer in viewers))
        await pause(attack.seconds)
    return []


async def trickled_uploads(target: Target, attack: Attack, name: str) -> list[str]:
    """Uploads that send as little as they may."""
    more = "Content-Length: 1000000\r\n"
    async with _viewers(target, attack, attack.count) as viewers:
        for _, writer in viewers:
            writer.write(_head(attack, f"/{name}/upload", "POST", more) + b"x" * BEGUN_BYTES)
        for _ in range(int(attack.seconds / 0.25)):
            for _, writer in viewers:
                if not writer.is_closing():
                    writer.write(b"x" * TRICKLED_BYTES)
            await pause(0.25)
    return []


async def long_heads(target: Target, attack: Attack, name: str) -> list[str]:
    """Heads that are nearly as long as they may be, and do not end."""
    async with _viewers(target, attack, attack.count) as viewers:
        for _, writer in viewers:
            writer.write(_head(attack, f"/{name}/a")[:-2] + b"X: " + b"x" * attack.size)
        await pause(attack.seconds)
    return []


async def heads_ahead(target: Target, attack: Attack, name: str) -> list[str]:
    """Requests sent ahead, behind one whose answer takes its time."""
    data = _head(attack, f"/{name}/slow/0") + b"GET /" + b"x" * attack.size
    async with _viewers(target, attack, attack.count) as viewers:
        for _, writer in viewers:
            writer.write(data)
        await pause(attack.seconds)
    return []


async def left_bodies(target: Target, attack: Attack, name: str) -> list[str]:
    """Bodies that all who read them leave in the middle; whoever asks next gets them whole."""
    heads = [_head(attack, f"/{name}/drip/{n}?{attack.size}") for n in range(attack.count)]
    found: list[bool] = []
    for stays in (False, True):
        async with _viewers(target, attack, attack.count) as viewers:
            for (_, writer), data in zip(viewers, heads, strict=False):
                writer.write(data)
            await asyncio.gather(*(_status(one) for one in viewers))
            if stays:
                found = await asyncio.gather(*(_is_whole(one[0], attack.size) for one in viewers))
    if all(found):
        return []
    return [f"{found.count(False)} of {len(found)} bodies that others had left did not end"]


async def _is_whole(reader: asyncio.StreamReader, size: int) -> bool:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(WELL_S_MAX):
            await reader.readexactly(size)
            return True
    return False


async def many_pages(target: Target, attack: Attack, name: str) -> list[str]:
    """Different pages, each asked for once: all of them may be kept."""
    heads = [_head(attack, f"/{name}/big/{n}?{attack.size}") for n in range(attack.count)]
    found = await _each(target, attack, heads)
    return _few(found, {b"200"}, "pages that may be kept")


async def many_heads(target: Target, attack: Attack, name: str) -> list[str]:
    """One page, each time asked for with fields nobody has sent before."""
    more = "X-Of-My-Own-{}: {}\r\n"
    heads = [
        _head(attack, f"/{name}/big/0?100", more=more.format(n, "v" * attack.size))
        for n in range(attack.count)
    ]
    return _few(await _each(target, attack, heads), {b"200"}, "heads of their own")


async def failing_pages(target: Target, attack: Attack, name: str) -> list[str]:
    """Pages of an origin that closes without a byte for each of them."""
    heads = [_head(attack, f"/{name}/fails/{n}") for n in range(attack.count)]
    found = await _each(target, attack, heads)
    return _few(found, {b"502", b"503", b"504"}, "pages that fail")


async def bad_heads(target: Target, attack: Attack, name: str) -> list[str]:
    """The same head that may not be, again and again."""
    bad = _head(attack, f"/{name}/a")[:-2] + b"Bad header: x\r\nX: " + b"x" * attack.size
    found = await _each(target, attack, [bad + b"\r\n\r\n"] * attack.count)
    return _few(found, {b"400"}, "bad heads")


async def impatient(target: Target, attack: Attack, name: str) -> list[str]:
    """Slow pages asked for by viewers that leave at once."""
    for start in range(0, attack.count, AT_ONCE):
        async with _viewers(target, attack, AT_ONCE) as viewers:
            for number, (_, writer) in enumerate(viewers):
                writer.write(_head(attack, f"/{name}/slow/{start + number}"))
            await pause(0.05)
    return []


async def control_asked(target: Target, attack: Attack, name: str) -> list[str]:
    """Strangers at control's address, who have no token."""
    asked = (
        ("POST", "/invalidations", '{"distribution": "ECF", "paths": ["/*"]}'),
        ("GET", "/log?from=0", ""), ("DELETE", "/nodes/edge-LHR50-1", ""),
        ("POST", "/distributions/ECF/releases", '{"path": "*"}'),
        ("GET", "/2020-05-31/distribution", ""), ("GET", "/distributions/ECF", ""),
        ("POST", "/nodes/edge-LHR50-1/leave", ""),
    )  # fmt: skip
    found = []
    for method, path, body in asked:
        for more in ("Via: 1.1 a\r\n", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n"):
            port = target.up.installation.ports.control
            streams = await asyncio.open_connection("127.0.0.1", port)
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            streams[1].write(head.encode())
            status = await _status(streams)
            streams[1].close()
            if status.startswith(b"2"):
                found.append(f"control says {status.decode()} to a stranger's {method} {path}")
    return found


def _greedy(which: str) -> Row:
    async def attacked(target: Target, attack: Attack, name: str) -> list[str]:
        await greedy.run_for(greedy.ATTACKS[which], target.serve_port, attack.seconds)
        return []

    return attacked


def _beside(attacked: Row) -> Row:
    """The attack, while somebody else asks the same process and origin for a page that is well."""

    async def watched(target: Target, attack: Attack, name: str) -> list[str]:
        statuses = [await _well(target, attack)]  # so it has answered, a moment ago
        over = asyncio.ensure_future(attacked(target, attack, name))
        asked: list[asyncio.Task[bytes]] = []
        while not over.done():
            if sum(not one.done() for one in asked) < BESIDE_AT_ONCE:
                asked.append(asyncio.ensure_future(_well(target, attack)))
            await asyncio.wait((over,), timeout=BESIDE_S)
        statuses += await asyncio.gather(*asked)
        failed = [one for one in statuses if one != b"200"]
        found = await over
        if len(failed) > BESIDE_FAILED_MAX and len(failed) * 5 > len(statuses):
            found.append(
                f"{len(failed)} of {len(statuses)} who asked for a page that is well failed"
            )
        return found

    return watched


async def _well(target: Target, attack: Attack) -> bytes:
    """The status of a page that is well; empty when it took seconds."""
    port = target.port(Ask(site=attack.site, at=attack.at))
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(WELL_S_MAX):
            streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(OWN, 0))
            try:
                streams[1].write(_head(attack, WELL))
                return await _status(streams)
            finally:
                streams[1].close()
    return b""


def _few(found: list[bytes], right: set[bytes], what: str) -> list[str]:
    """Wrong when a tenth was answered otherwise: who floods may be refused now and then."""
    other = [one for one in found if one not in right]
    if len(other) * 10 <= len(found):
        return []
    return [f"{len(other)} of {len(found)} {what}: {sorted({one.decode() for one in other})}"]


ATTACKS: dict[str, Row] = {
    "slow readers": slow_readers,
    "aborted downloads": aborted_downloads,
    "unread uploads": unread_uploads,
    "trickled uploads": _beside(trickled_uploads),
    "long heads": long_heads,
    "heads ahead": heads_ahead,
    "left bodies": left_bodies,
    "many pages": many_pages,
    "many heads": many_heads,
    "failing pages": _beside(failing_pages),
    "unread answers": _beside(slow_readers),
    "bad heads": bad_heads,
    "impatient viewers": _beside(impatient),
    "control asked by strangers": control_asked,
    "pipelined hits": _greedy("pipelined hits"),
    "heads byte by byte": _greedy("heads byte by byte"),
    "tiny upload": _greedy("an upload in tiny chunks"),
}
