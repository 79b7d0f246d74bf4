"""Bucket of the reserve: GET, PUT and DELETE of objects, signed, over the pool of upstreams.

Law: a request has a bounded time and a bounded answer. Amazon S3 API reference; path-style,
Signature Version 4 with the SHA-256 of what is put: a store takes it as it was sent, or refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, quote, urlsplit

from edgecache.config.caches import Reserve
from edgecache.config.secrets import KeyPair
from edgecache.http.message import Fields
from edgecache.rules.sigv4 import EMPTY_SHA256, Credential, SigningInput, signing_fields
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.endpoint import Endpoint, Timeouts, TlsName, WireRequest
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.interface import Body, Reply, WholeBody
from edgecache.upstream.pool import Pool
from edgecache.upstream.request_body import BegunBody

CONNECTIONS_MAX = 64
ANSWER_BYTES_MAX = 4_096  # of an error's document: its code stands in the first hundred
TIMEOUTS = Timeouts(connect_s=2.0, response_s=30.0, read_s=10.0)
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class BucketError(Exception):
    """A store did not do what it was asked for; the words are for the operator."""


class NoRoomError(Exception):
    """Memory is short: an object is not read. It says nothing of the store."""


class ReserveBucket:
    """The objects of one bucket, under one prefix. `clock` gives wall clock, `key_pair` may change.

    Every method raises BucketError, or UpstreamError where the store is not reached; `get`
    NoRoomError, too.
    """

    def __init__(
        self,
        settings: Reserve,
        pool: Pool,
        key_pair: Callable[[], KeyPair | None],
        clock: Callable[[], float],
        account: MemoryAccount,
    ) -> None:
        url = urlsplit(settings.endpoint)
        self.where = f"{settings.endpoint.rstrip('/')}/{settings.bucket}"
        self._settings = settings
        self._pool = pool
        self._key_pair = key_pair
        self._clock = clock
        self._account = account
        self._endpoint = _endpoint_of(settings, url)
        self._host = url.netloc.encode()
        self._path = "/".join(
            part
            for part in (url.path.rstrip("/"), settings.bucket, settings.prefix.strip("/"))
            if part
        )

    def pair(self) -> KeyPair:
        """The key pair to sign with."""
        pair = self._key_pair()
        if pair is None:
            name = self._settings.credential
            if name:
                what = f'no key pair "{name}" in secrets.json; run: edgecache keys store {name}'
                raise BucketError(what)
            what = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
            raise BucketError(f"{what}; set them, or name a `credential`")
        return pair

    async def get(self, name: str, bytes_max: int) -> bytes | None:
        """The bytes of an object; None when there is none."""
        reply = await self._ask(b"GET", name, None)
        if reply.head.status == 200:
            return await self._read(reply.body, bytes_max)
        code = await _code_of(reply)
        if reply.head.status == 404 and code != "NoSuchBucket":
            return None
        raise BucketError(f"{reply.head.status} {code}".strip())

    async def put(self, name: str, data: bytes, sha256: str) -> None:
        """Have `data`, of this digest in hex, under `name`: all of it or nothing."""
        reply = await self._ask(b"PUT", name, data, sha256.encode())
        code = await _code_of(reply)
        if reply.head.status // 100 != 2:
            raise BucketError(f"{reply.head.status} {code}".strip())

    async def delete(self, name: str) -> None:
        """Have nothing under `name`."""
        reply = await self._ask(b"DELETE", name, None)
        code = await _code_of(reply)
        if reply.head.status // 100 != 2 and (reply.head.status != 404 or code == "NoSuchBucket"):
            raise BucketError(f"{reply.head.status} {code}".strip())

    async def _ask(
        self, method: bytes, name: str, data: bytes | None, sha256: bytes = EMPTY_SHA256
    ) -> Reply:
        pair, settings = self.pair(), self._settings
        path = quote(f"/{self._path.lstrip('/')}/{name}", safe="/-._~").encode()
        signed = signing_fields(
            SigningInput(method, path, None, ((b"host", self._host),), sha256),
            Credential(
                pair.access_key_id,
                pair.secret_access_key,
                settings.region,
                session_token=pair.session_token,
            ),
            self._clock(),
        )
        fields: Fields = ((b"host", self._host), *signed)
        body: Body | None = None
        if data is not None:
            fields += (
                (b"content-type", b"application/octet-stream"),
                (b"content-length", b"%d" % len(data)),
            )
            body = BegunBody(WholeBody(b""), data, whole=True)
            body.length = len(data)
        lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in fields)
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, path, lines)
        return await self._pool.send(self._endpoint, WireRequest(method, head, body, TIMEOUTS))

    def _has_room(self) -> bool:
        """True; else NoRoomError: what is fetched is kept, and may not be while memory is short."""
        if not self._account.keeps:
            raise NoRoomError
        return True

    async def _read(self, body: Body, bytes_max: int) -> bytes:
        """All of a body. BucketError when it is longer than anything we would have written."""
        pieces: list[bytes] = []
        held = 0
        try:
            if body.length is not None and body.length > bytes_max:
                raise BucketError(f"an object of {body.length} bytes, and none has so many")
            while self._has_room() and (piece := await body.read()):
                pieces.append(piece)
                held += len(piece)
                self._account.add(MemoryHolding.RESERVE, len(piece))
                if held > bytes_max:
                    raise BucketError(f"an object of more than {bytes_max} bytes")
        finally:
            self._account.add(MemoryHolding.RESERVE, -held)
            body.close()
        return b"".join(pieces)


async def _code_of(reply: Reply) -> str:
    """The code of an error, of whose document no more than its start is read."""
    start = b""
    try:
        while len(start) < ANSWER_BYTES_MAX and (piece := await reply.body.read()):
            start += piece
    except UpstreamError:
        pass  # its status says enough
    finally:
        reply.body.close()
    code = _CODE.search(start)
    return code[1].decode() if code else ""


def _endpoint_of(settings: Reserve, url: SplitResult) -> Endpoint:
    host, secure = url.hostname or "", url.scheme == "https"
    tls = TlsName(host, settings.ca_file) if secure else None
    port = url.port or (443 if secure else 80)
    return Endpoint(host, port, tls=tls, connections_max=CONNECTIONS_MAX, idle_s=20)
