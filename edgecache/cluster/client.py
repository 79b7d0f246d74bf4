"""Client of our own processes. Law: one question, one connection; it ends, and is bounded.

A new connection for each question, because workers that share a port are told apart by it. A node
is asked with a request head as it is to be on the wire, which an HTTP library would change; control
is asked by httpx, which is imported when it is first needed: a supervisor without control starts
sooner.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edgecache.cluster.control_access import CA_ENV, ControlAccess
from edgecache.config.listen import Address, UnixAddress
from edgecache.http.proxy_protocol import LOCAL_HEADER
from edgecache.rules.sigv4 import SigningInput, signing_fields
from edgecache.runtime.environment import wall_clock

if TYPE_CHECKING:
    import httpx

ANSWER_S_MAX = 2.0  # a look into memory; what does not answer by then is not well
ANSWER_BYTES_MAX = 1024 * 1024  # eight variants of an object, a hundred long headers each
CONTROL_S_MAX = 5.0  # control may ask nodes before it answers; a process that starts, as well

# Nothing here may reach an origin or leave an object in a cache: OPTIONS * is the ping of
# RFC 9110 §9.3.7; ASGI servers do not know it. An edge is not asked at all, for its viewers'
# requests are counted and logged: one that serves closes a connection that its viewer has ended.
_PINGS = {"control": "GET /health", "origin": "HEAD /", "edge": ""}

TlsAccess = tuple[ssl.SSLContext, str]
"""A client's context, and the name that the other end has to prove."""

Exchange = Callable[[Address, bytes], Awaitable[bytes]]
"""Sends a request's head, gives all that comes back until the end. OSError when nothing does."""


@asynccontextmanager
async def connection(
    address: Address, tls: TlsAccess | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a process, cut when the context ends. OSError when nobody listens."""
    if isinstance(address, UnixAddress):
        reader, writer = await asyncio.open_unix_connection(address.path)
    else:
        context, name = (None, None) if tls is None else tls
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=context, server_hostname=name
        )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(address: Address, head: bytes, tls: TlsAccess | None = None) -> bytes:
    """An Exchange over real sockets."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX), connection(address, tls) as (reader, writer):
            writer.write(head)
            return await _read_all(reader)
    except TimeoutError as error:
        raise OSError(f"no answer within {ANSWER_S_MAX:g} s") from error


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while data := await reader.read(65_536):
        received += data
        if len(received) > ANSWER_BYTES_MAX:
            raise OSError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(received)


async def answers(
    address: Address, role: str = "", *, secured: bool = False, proxied: bool = False
) -> bool:
    """Whether somebody at `address` speaks HTTP now; what they say does not matter.

    `role`: of a process of ours, which knows a way to be asked that nobody counts as a viewer's.
    `secured`: it speaks TLS. Then its hello is answer enough, whoever it is. `proxied`: it wants a
    PROXY header first.
    """
    if secured:
        return await _shakes_hands(address)
    line = _PINGS.get(role, "OPTIONS *")
    request = f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(CONTROL_S_MAX), connection(address) as (reader, writer):
            if proxied:
                writer.write(LOCAL_HEADER)
            if not line:
                writer.write_eof()
                return not await reader.read(1)
            writer.write(request.encode())
            return (await reader.read(7)).startswith(b"HTTP/1.")
    except (OSError, TimeoutError):
        return False


async def _shakes_hands(address: Address) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(CONTROL_S_MAX), connection(address, (context, "localhost")):
            return True
    except (OSError, TimeoutError):
        return False


@dataclass(frozen=True, slots=True)
class ControlQuestion:
    """A request to control: its target, method, body and fields, and how long it may take."""

    target: str = ""
    method: str = "GET"
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    answer_s_max: float = CONTROL_S_MAX


class ControlAnswer(NamedTuple):
    """Status, fields and body of control's answer."""

    status: int
    fields: Mapping[str, str]
    body: bytes


async def ask_control(
    control: ControlAccess, target: str = "", method: str = "GET"
) -> tuple[int, bytes]:
    """Status and body of one request to control. OSError when nobody answers."""
    answer = await put_question(control, ControlQuestion(target, method))
    return answer.status, answer.body


async def put_question(control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
    """Control's answer to a question. OSError, in one line, when there is none.

    Of several controls the first that can be reached: what one may have done is asked of no other.
    """
    for other in control.others:
        try:
            return await _asked(control, question)
        except OutOfReachError:
            control = replace(control, url=other)
    return await _asked(control, question)


class OutOfReachError(OSError):
    """Nothing was asked: there is no connection to control."""


async def _asked(control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
    import httpx

    url = httpx.URL(control.url + question.target)
    trust = trusted_authorities(control.ca_file) if url.scheme == "https" else False
    transport = httpx.AsyncHTTPTransport(verify=trust, uds=control.socket or None)
    fields = [*question.fields, *_proof(control, question, url)]
    try:
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            response = await client.request(
                question.method,
                url,
                content=question.body or None,
                headers=fields,
                timeout=question.answer_s_max,
            )
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise OutOfReachError(_reason(error, url)) from error
    except httpx.HTTPError as error:
        raise OSError(_reason(error, url)) from error
    return ControlAnswer(response.status_code, response.headers, response.content)


def trusted_authorities(ca_file: str) -> ssl.SSLContext:
    """A client's context that trusts those of a file alone, or the system's. OSError names it."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        raise OSError(f"{CA_ENV}: {ca_file}: holds no certificate (PEM)") from None
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise OSError(f"{CA_ENV}: {ca_file}: {words}") from None


def _proof(
    control: ControlAccess, question: ControlQuestion, url: httpx.URL
) -> list[tuple[str, str]]:
    """The fields that admit us: a token, or a signature over the whole request (SigV4)."""
    if control.key is None:
        return [("authorization", f"Bearer {control.token}")] if control.token else []
    path, _, query = url.raw_path.partition(b"?")
    host = url.netloc
    digest = hashlib.sha256(question.body).hexdigest().encode()
    method = question.method.encode()
    wanted = SigningInput(method, path, query or None, ((b"host", host),), digest)
    signed = signing_fields(wanted, control.key, wall_clock())
    return [("host", host.decode()), *((n.decode(), v.decode()) for n, v in signed)]


def _reason(error: Exception, url: httpx.URL) -> str:
    """Why there is no answer, in one line, with the way out where it is known."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            way_out = f"{CA_ENV} names authorities to trust"
            if "mismatch" in why:
                way_out = "ask for one of its names"
            return f"its certificate is not trusted: {why}; {way_out}"
        if isinstance(cause, ssl.SSLError):
            return f"it does not speak TLS here ({cause.reason}); if so, say http://"
        if isinstance(cause, OSError) and cause.errno:
            named = cause.errno > 0  # else it is a look-up's
            return (os.strerror(cause.errno) if named else str(cause.strerror)).lower()
        cause = cause.__cause__ or cause.__context__
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    cut = type(error).__name__ in ("RemoteProtocolError", "ReadError")
    return f"{words}; if it speaks TLS, say https://" if cut and url.scheme == "http" else words
