"""The origin: answers each path as the episode's pages say, and writes every answer down.

It is careless on purpose: it takes a path for whatever any server may take it for, and tells what
it heard of a viewer that it should not have heard.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from socket import SO_LINGER, SOL_SOCKET, socket

from msgspec.structs import replace

from tests.adversary.actions import Page, SiteName
from tests.adversary.readings import SIGNING, is_private, plainest
from tests.adversary.register import MARKER, OriginAnswer, Register, body_of

STALL_S = 20.0
RECEIVED_MAX = 128 * 1024
NOTHING = Page(status=404, cache="no-store", cookie=False, tagged=False)
WELL, HIT = "/by/well", "/by/hit"  # the bystander's
# Fields a viewer's GET must not carry to an origin where no policy names them (docs/request.md).
NOT_FOR_ORIGINS = {
    "forwarded", "x-host", "x-forwarded-host", "x-forwarded-port", "x-forwarded-scheme",
    "x-original-url", "x-rewrite-url", "x-http-method-override", "x-method-override",
    "x-accel-redirect", "x-middleware-subrequest", "x-real-ip", "true-client-ip",
    "cf-connecting-ip", "edgecache-credential", "edgecache-viewer", "x-edgecache-x",
    "edgecache-token", "x-amz-cf-id", "x-forwarded-for", "connection", "keep-alive", "te",
    "proxy-connection", "upgrade", "x-of-one-hop", "x-forwarded-proto", "x-invoke-path",
}  # fmt: skip
SLOW_S = 2.0
DRIP_S = 1.0
_OF_ATTACKS = re.compile(r"/e\d+e/(big|drip|fails|slow|upload)(?:/\d+)?(?:\?(\d+))?$")
PERSONAL = ("authorization", "cookie")
OF_VIEWERS = (*PERSONAL, "x-lang")  # what answers may vary by
_NAMED_COOKIES = re.compile(r"CloudFront-|Edgecache-Token")


async def pause(seconds: float) -> None:
    """So many seconds pass."""
    over = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


@dataclass(slots=True)
class Heard:
    """A request as the origin got it."""

    method: str
    target: str
    fields: list[tuple[str, str]]

    def value(self, name: str) -> str | None:
        return next((value for known, value in self.fields if known == name), None)


@dataclass(slots=True)
class ScriptedOrigin:
    """One server, a port for each site. `told`: what it heard that it must not."""

    register: Register
    clock: Callable[[], float]
    told: Callable[[str, str], None]
    pages: dict[str, Page] = field(default_factory=dict)
    asked: Counter[SiteName] = field(default_factory=Counter)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def listens(self, site: SiteName, taken: socket) -> None:
        """Answer for `site` there."""
        server = await asyncio.start_server(
            partial(self._serves, site), sock=taken, backlog=1024, limit=RECEIVED_MAX
        )
        self._servers.append(server)

    async def stops(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serves(
        self, site: SiteName, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (heard := await _heard(reader)) is not None:
                self.asked[site] += 1
                if not await self._answers(site, heard, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        except asyncio.CancelledError:
            pass  # the run is over
        finally:
            self._tasks.discard(task)
            writer.close()

    def page_of(self, target: str) -> Page:
        """What is played there: by the path as it stands, or as the most careless reads it."""
        path = target.partition("?")[0]
        page = self.pages.get(path) or self.pages.get(plainest(path)) or NOTHING
        if page.framing == "close" and page.fault == "short":
            return replace(page, fault="")  # nobody can tell it from one that ends there
        return page

    async def _answers(self, site: SiteName, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer; whether the connection goes on."""
        if heard.target.startswith("/by"):
            return await _bystanders(heard, writer)
        form = _OF_ATTACKS.match(heard.target)
        if form is not None:
            return await _attacked(form[1], int(form[2] or 100), writer)
        page, began = self.page_of(heard.target), self.clock()
        self._looks(heard)
        answer = self._recorded(site, heard, page, began)
        if page.head_s:
            await pause(page.head_s)
        if page.fault == "silent":
            return False
        if page.fault == "rubbish":
            writer.write(b"rubbish\r\n\r\n")
            return False
        answer.at = self.clock()
        head, body = self._rendered(heard, page, answer)
        writer.write(head)
        if page.body_s or page.pieces > 1:
            await writer.drain()
        has_body = heard.method != "HEAD" and answer.status not in (204, 304)
        return await _sends(page, body, writer, has_body=has_body)

    def _recorded(self, site: SiteName, heard: Heard, page: Page, began: float) -> OriginAnswer:
        status, confirms = page.status, ""
        ranged = heard.value("range") is not None
        if ranged and page.for_ranges:
            status = page.for_ranges
        elif page.honors and status == 200 and heard.method in ("GET", "HEAD"):
            confirms = self._confirmed(site, heard)
            status = 304 if confirms else status
        tags = next((value for name, value in page.fields if name.lower() == "cache-tag"), "")
        answer = OriginAnswer(
            nonce=self.register.next_nonce(),
            site=site,
            target=heard.target,
            credentials={name: heard.value(name) for name in OF_VIEWERS},
            asked_by=_id(site, heard),
            cache=page.cache,
            vary=page.vary,
            status=status,
            size=page.size,
            began=began,
            at=began,
            tags=tuple(tags.split(",")) if tags else (),
            confirms="" if page.mistaken else confirms,
            ranged=ranged,
            private=site != "serve" and is_private(heard.target),
            faulty=bool(page.fault),
        )
        self.register.answered(answer)
        return answer

    def _confirmed(self, site: SiteName, heard: Heard) -> str:
        """The nonce that a condition names, if this is of the same page and viewer."""
        for tag in (heard.value("if-none-match") or "").split(","):
            known = self.register.answers.get(tag.strip().strip('"'))
            if (
                known is not None
                and known.site == site
                and plainest(known.target) == plainest(heard.target)
                and all(heard.value(name) == known.credential(name) for name in PERSONAL)
            ):
                return known.nonce
        return ""

    def _rendered(self, heard: Heard, page: Page, answer: OriginAnswer) -> tuple[bytes, bytes]:
        """Head and body."""
        tag = answer.confirms or answer.nonce
        body = body_of(answer.nonce, page.size)
        fields = [("Cache-Control", page.cache)] if page.cache else []
        fields += [("Vary", page.vary)] if page.vary else []
        fields += [("ETag", f'"{tag}"')] if page.tagged else []
        fields += [("X-Nonce", tag)]
        fields += [("Set-Cookie", f"of={answer.nonce}")] if page.cookie else []
        fields += list(page.fields)
        status, wanted = answer.status, heard.value("range")
        form = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        if form and page.honors and status == 200 and not heard.value("if-range"):
            first = int(form[1])
            last = min(int(form[2] or page.size - 1), page.size - 1)
            if first <= last:
                status, body = 206, body[first : last + 1]
                answer.status = 206
                fields.append(("Content-Range", f"bytes {first}-{last}/{page.size}"))
        if status == 304:
            body = b""
        elif page.framing == "length":
            fields.append(("Content-Length", str(len(body))))
        elif page.framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
        else:
            fields.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), body

    def _looks(self, heard: Heard) -> None:
        """Whether a viewer's word came this far that must not."""
        for name, value in heard.fields:
            if MARKER.search(value.encode("latin-1")) and (
                name in NOT_FOR_ORIGINS and heard.method in ("GET", "HEAD")
            ):
                self.told(heard.target, f"the origin heard {name}: {value[:60]}")
            if name == "cookie" and _NAMED_COOKIES.search(value):
                self.told(heard.target, "the origin heard a signature in Cookie")
        for tag in (heard.value("if-none-match") or "").split(","):
            known = self.register.answers.get(tag.strip().strip('"'))
            named = [] if known is None else [x for x in PERSONAL if x in known.vary.split(", ")]
            if known and any(known.credential(name) != heard.value(name) for name in named):
                self.told(heard.target, f"one viewer's {tag} was offered for another")
        names = {one.partition("=")[0] for one in heard.target.partition("?")[2].split("&")}
        if is_private(heard.target) and names & SIGNING:
            self.told(heard.target, f"the origin heard {names & SIGNING} in the query")


def _id(site: SiteName, heard: Heard) -> str:
    """What tells one viewer's request from another's."""
    return heard.value("x-amz-cf-id" if site == "cf" else "x-ask") or ""


async def _heard(reader: asyncio.StreamReader) -> Heard | None:
    """The next request, with its body read to the end."""
    data = await reader.readuntil(b"\r\n\r\n")
    line, *lines = data.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    fields = [(name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)]
    heard = Heard(method, target, [(name, value) for name, value in fields if name])
    if target.endswith("/deaf"):
        await pause(STALL_S)
        return None
    length = heard.value("content-length")
    if length is not None:
        await _drop(reader, int(length))
    elif heard.value("transfer-encoding") is not None:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await _drop(reader, size + 2)
        await reader.readuntil(b"\r\n")
    return heard


async def _drop(reader: asyncio.StreamReader, count: int) -> None:
    while count:
        data = await reader.read(min(count, 1 << 16))
        if not data:
            raise ConnectionError("the body broke off")
        count -= len(data)


async def _sends(page: Page, body: bytes, writer: asyncio.StreamWriter, *, has_body: bool) -> bool:
    """The body, as the page says it comes; whether the connection goes on."""
    if not has_body:
        return page.framing != "close"
    if page.body_s:
        await pause(page.body_s)
    if page.fault in ("short", "reset", "stall"):
        body = body[: len(body) // 2]
    each = max(1, -(-len(body) // page.pieces))
    for at in range(0, len(body), each):
        piece = body[at : at + each]
        if page.framing == "chunked":
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        writer.write(piece)
        await writer.drain()
    if page.fault == "stall":
        await pause(STALL_S)
    if page.fault == "reset":
        with suppress(OSError):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
    if page.fault:
        return False
    if page.framing == "chunked":
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return page.framing != "close"


async def _attacked(what: str, size: int, writer: asyncio.StreamWriter) -> bool:
    """What the attacks ask for."""
    if what == "fails":
        return False
    if what == "slow":
        await pause(SLOW_S)
    head = f"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: {size}\r\n\r\n"
    writer.write(head.encode())
    for at in range(0, size, 65_536):
        if what == "drip" and at <= size // 2 < at + 65_536:
            await pause(DRIP_S)
        writer.write(b"x" * min(65_536, size - at))
        await writer.drain()
    return True


async def _bystanders(heard: Heard, writer: asyncio.StreamWriter) -> bool:
    """A page that may be kept, and one that may not."""
    cache = "max-age=600" if heard.target.startswith(HIT) else "no-store"
    writer.write(
        f"HTTP/1.1 200 OK\r\nCache-Control: {cache}\r\nContent-Length: 2\r\n\r\nby".encode()
    )
    await writer.drain()
    return True
