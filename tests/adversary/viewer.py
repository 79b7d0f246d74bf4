"""A viewer: writes a request as its action says, and reads the answer strictly."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress

from tests.adversary.actions import Ask
from tests.adversary.origin import pause
from tests.adversary.register import Question, Reply
from tests.adversary.signatures import Keys

ANSWER_S_MAX = 25.0
RECEIVED_MAX = 1 << 18
HOSTS = {"serve": "serve.test", "cf": "cf.test", "rfc": "rfc.test"}
TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


def question(
    ask: Ask, number: int, name: str, now: float, keys: Keys, tag: str
) -> tuple[Question, bytes]:
    """What is asked, and the bytes of it. `name`: of the episode; `tag`: the ETag it may name."""
    target, host = ask.path.replace("{e}", name), HOSTS[ask.site]
    credentials = {one: f"{one}-of-{ask.who}" for one in ask.credentials}
    fields = [("Host", host), *((one.title(), value) for one, value in credentials.items())]
    if ask.named and ask.site != "cf":
        fields.append(("X-Ask", f"{name}-{number}"))
    if tag and ask.tag:
        fields.append((ask.tag, f'"{tag}"'))
    marker = b"evil-%d-x" % number
    for one, value in ask.fields:
        fields.append((one, value.replace("{evil}", marker.decode())))
    target, cookie, opens = keys.signed(ask.signed, host, target, secure=ask.at == "tls")
    if cookie:
        fields.append(("Cookie", cookie))
    if ask.body:
        fields.append(("Content-Length", str(len(ask.body))))
    if ask.named:  # else the bytes are those of a browser, whose answers are remembered
        fields.append(("Connection", "close"))
    lines = [f"{ask.method} {target} HTTP/1.1", *(f"{one}: {value}" for one, value in fields)]
    data = "\r\n".join([*lines, "", ask.body]).encode("latin-1")
    credentials |= {one.lower(): value for one, value in ask.fields if one == "X-Lang"}
    asked = Question(ask, number, target, credentials, now, opens, marker=marker)
    asked.id = f"{name}-{number}" if ask.named and ask.site != "cf" else ""
    return asked, data


async def reply_to(ask: Ask, port: int, data: bytes, began: asyncio.Future[None]) -> Reply:
    """Send it, and what came; `began` is set just before the first byte leaves."""
    reply, writer = Reply(), None
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            secure = TLS if ask.at == "tls" and ask.site != "serve" else None
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=secure, limit=RECEIVED_MAX,
                server_hostname=HOSTS[ask.site] if secure else None,
            )  # fmt: skip
            if not began.done():
                began.set_result(None)
            await _send(ask, data, writer)
            if ask.leaves_after >= 0:
                if ask.leaves_after:
                    await reader.read(ask.leaves_after)
                writer.transport.abort()
                reply.trouble = "left"
                return reply
            await _read(reader, ask.method, reply)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
        reply.trouble = type(error).__name__
    except asyncio.LimitOverrunError:
        reply.trouble = "a head without an end"
    finally:
        if not began.done():
            began.set_result(None)
        if writer is not None:
            writer.close()
            with suppress(OSError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()
    return reply


async def _send(ask: Ask, data: bytes, writer: asyncio.StreamWriter) -> None:
    if ask.pace == "at once":
        writer.write(data)
    elif ask.pace == "halves":
        writer.write(data[: len(data) // 2])
        await writer.drain()
        await pause(0.05)
        writer.write(data[len(data) // 2 :])
    else:
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await pause(0)
    await writer.drain()


async def _read(reader: asyncio.StreamReader, method: str, reply: Reply) -> None:
    """The final answer, by RFC 9112 §6.3."""
    status = 100
    while status < 200:
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        form = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*", head[0])
        if form is None:
            raise ValueError("no status line")
        status = int(form[1])
    reply.status = status
    for line in head[1:-2]:
        name, _, value = line.partition(b":")
        reply.fields.append((name.decode("latin-1").lower(), value.strip()))
    if method == "HEAD" or status in (204, 304):
        reply.whole = True
    elif reply.value("transfer-encoding"):
        await _read_chunks(reader, reply)
    elif reply.value("content-length"):
        await _read_more(reader, reply, int(reply.value("content-length")))
        reply.whole = True
    else:
        reply.body = await reader.read(-1)


async def _read_more(reader: asyncio.StreamReader, reply: Reply, count: int) -> None:
    try:
        reply.body += await reader.readexactly(count)
    except asyncio.IncompleteReadError as error:
        reply.body += error.partial
        raise


async def _read_chunks(reader: asyncio.StreamReader, reply: Reply) -> None:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        await _read_more(reader, reply, size)
        await reader.readuntil(b"\r\n")
    await reader.readuntil(b"\r\n")
    reply.whole = True
