"""The bucket of the reserve on the loopback: what is sent, signed, and what answers are taken."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.caches import Reserve
from edgecache.config.secrets import KeyPair
from edgecache.rules.sigv4 import IncomingRequest, SignatureVerified, verify
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.store.reserve.bucket import BucketError, NoRoomError, ReserveBucket
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.pool import Pool
from tests.store.reserve.held_bucket import PAIR
from tests.upstream.loopback import network

NOW = 1_800_000_000.0
GONE = b"<Error><Code>NoSuchKey</Code></Error>"


def answer(status: int, body: bytes = b"", length: int | None = None) -> bytes:
    count = len(body) if length is None else length
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, count, body)


class StoreServer:
    """A server that gives each request the next of its answers, and closes after an empty one."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]
        self.heard: list[IncomingRequest] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                self.heard.append(await _read(reader))
                given = self.answers.pop(0)
                writer.write(given)
                await writer.drain()
                if not given or b"Content-Length: 99" in given:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> IncomingRequest:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *lines = head[:-4].split(b"\r\n")
    method, path, _ = line.split(b" ")
    fields = tuple((n.lower(), v.strip()) for n, _, v in (one.partition(b":") for one in lines))
    body = await reader.readexactly(int(dict(fields).get(b"content-length", b"0")))
    return IncomingRequest(method, path, b"", fields, body)


class Stand:
    """A bucket whose store is a server on the loopback."""

    def __init__(self, *answers: bytes, pair: KeyPair | None = PAIR, **settings: Any) -> None:
        self.server = StoreServer(*answers)
        self.account = MemoryAccount(1 << 30)
        self.pair = pair
        self.settings = replace(
            Reserve(endpoint="http://127.0.0.1:1", bucket="media", prefix="a/b"), **settings
        )

    def run(self, ask: str, *given: Any) -> Any:
        async def main() -> Any:
            listening = await asyncio.start_server(self.server.serve, "127.0.0.1", 0)
            port = listening.sockets[0].getsockname()[1]
            pool = Pool(network(), lambda: NOW)
            settings = replace(self.settings, endpoint=f"http://127.0.0.1:{port}")
            bucket = ReserveBucket(settings, pool, lambda: self.pair, lambda: NOW, self.account)
            async with listening:
                try:
                    works: list[Coroutine[Any, Any, Any]] = [getattr(bucket, ask)(*given)]
                    return await works[0]
                finally:
                    pool.close()

        return asyncio.run(main())


def is_signed(heard: IncomingRequest) -> bool:
    known = {PAIR.access_key_id: PAIR.secret_access_key}
    return verify(heard, known.get, "s3", NOW) == SignatureVerified(PAIR.access_key_id)


def test_an_object_is_got() -> None:
    stand = Stand(answer(200, b"object"))
    assert stand.run("get", "ab/abcd", 100) == b"object"
    (heard,) = stand.server.heard
    assert (heard.method, heard.path) == (b"GET", b"/media/a/b/ab/abcd")
    assert is_signed(heard)
    assert stand.account.held[MemoryHolding.RESERVE] == 0


def test_an_object_is_put_signed_with_its_digest() -> None:
    stand = Stand(answer(200))
    data = b"x" * 300_000
    stand.run("put", "ab/abcd", data, hashlib.sha256(data).hexdigest())
    (heard,) = stand.server.heard
    assert (heard.method, heard.body) == (b"PUT", data)
    assert is_signed(heard)


def test_an_object_is_deleted() -> None:
    for status in (204, 200, 404):
        stand = Stand(answer(status))
        stand.run("delete", "ab/abcd")
        assert stand.server.heard[0].method == b"DELETE"
        assert is_signed(stand.server.heard[0])


def test_a_missing_object_is_none() -> None:
    assert Stand(answer(404, GONE)).run("get", "ab/abcd", 100) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(403, b"<Error><Code>SignatureDoesNotMatch</Code>"), "403 SignatureDoesNotMatch"),
        (answer(404, b"<Error><Code>NoSuchBucket</Code>"), "404 NoSuchBucket"),
        (answer(503), "503"),
        (answer(500, b"<Code>\x1b[31m</Code>"), "500"),
        (answer(301, b"<Code>PermanentRedirect</Code>"), "301 PermanentRedirect"),
        (answer(200, b"x" * 101), "an object of 101 bytes, and none has so many"),
        (answer(206, b"x"), "206"),
    ],
)
def test_what_is_no_answer_of_a_store_that_is_well_is_told(said: bytes, words: str) -> None:
    with pytest.raises(BucketError) as raised:
        Stand(said).run("get", "ab/abcd", 100)
    assert str(raised.value) == words


def test_an_endless_answer_is_not_read_on() -> None:
    endless = (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"40\r\n%b\r\n" % (b"x" * 64) * 1_000
    )
    with pytest.raises(BucketError, match="more than 100 bytes"):
        Stand(endless).run("get", "ab/abcd", 100)


def test_a_body_that_breaks_off_is_no_object() -> None:
    with pytest.raises(UpstreamError):
        Stand(answer(200, b"half", 99)).run("get", "ab/abcd", 100)


@pytest.mark.parametrize("ask", ["put", "delete"])
def test_what_was_not_done_is_told(ask: str) -> None:
    given = (b"x", hashlib.sha256(b"x").hexdigest()) if ask == "put" else ()
    refusal = answer(403, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(BucketError, match="403 AccessDenied"):
        Stand(refusal).run(ask, "ab/abcd", *given)


def test_memory_that_is_short_reads_no_object() -> None:
    stand = Stand(answer(200, b"object"))
    stand.account.add(MemoryHolding.FILLS, 1 << 30)
    with pytest.raises(NoRoomError):
        stand.run("get", "ab/abcd", 100)


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        ("", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        ("cold", 'no key pair "cold" in secrets.json; run: edgecache keys store cold'),
    ],
)
def test_without_a_key_pair_nobody_is_asked(credential: str, words: str) -> None:
    stand = Stand(pair=None, credential=credential)
    with pytest.raises(BucketError, match=words):
        stand.run("get", "ab/abcd", 100)
    assert not stand.server.heard
