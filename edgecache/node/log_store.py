"""Stores that log files are delivered to: a folder, or a bucket of an S3-compatible service.

Law: a file appears there whole or not at all. Amazon S3 API reference, PutObject; signed by
Signature Version 4, path-style.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote

import httpx

from edgecache.config.observation import LogBucket
from edgecache.config.secrets import KeyPair
from edgecache.rules.sigv4 import Credential, SigningInput, signing_fields
from edgecache.runtime.environment import BlockingCalls

PIECE_BYTES = 64 * 1024
ANSWER_BYTES_MAX = 4_096  # of an error's document: its code stands in the first hundred
TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # of each step
RawFields = list[tuple[bytes, bytes]]
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")


class DeliveryError(Exception):
    """A file could not be delivered now; its words are for the operator."""


class LogStore(Protocol):
    """Where files of one bucket go."""

    async def check(self) -> None:
        """DeliveryError for what is sure to be missing; nobody is asked for it."""
        ...

    async def put(self, key: str, file: Path) -> None:
        """Have `file` there under `key`, in place of one of the same. DeliveryError."""
        ...


class LogFolder:
    """A folder of this machine, or what is mounted there."""

    def __init__(self, folder: Path, threads: BlockingCalls) -> None:
        self._folder = folder
        self._threads = threads

    async def check(self) -> None:
        """See `LogStore`."""
        await self._threads(self._find)

    async def put(self, key: str, file: Path) -> None:
        """See `LogStore`."""
        try:
            await self._threads(lambda: self._copy(key, file))
        except OSError as error:
            raise DeliveryError(f"{self._folder}: {error.strerror or error}") from error

    def _copy(self, key: str, file: Path) -> None:
        steps = PurePosixPath(key).parts
        if not steps or any(step in ("..", "/") for step in steps):
            raise DeliveryError(f"{self._folder}: the prefix leads out of it")
        self._find()
        path = self._folder.joinpath(*steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with file.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, PIECE_BYTES)
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, path)

    def _find(self) -> None:
        if not self._folder.is_dir():  # a mount that is missing is not to be made up for
            raise DeliveryError(f"{self._folder}: no such folder")


@dataclass(slots=True)
class S3Bucket:
    """A bucket of an S3-compatible store. `clock` gives epoch seconds; `key_pair` may change.

    `transport` is the network's, and None the real one. Each file has a connection of its own: they
    come hours apart.
    """

    bucket: LogBucket
    key_pair: Callable[[], KeyPair | None]
    clock: Callable[[], float]
    threads: BlockingCalls
    transport: httpx.AsyncBaseTransport | None = None
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    async def check(self) -> None:
        """See `LogStore`."""
        self._pair()

    def _pair(self) -> KeyPair:
        pair = self.key_pair()
        if pair is None:
            raise DeliveryError(no_key_pair(self.bucket))
        return pair

    async def put(self, key: str, file: Path) -> None:
        """See `LogStore`."""
        pair = self._pair()
        try:
            digest, size = await self.threads(lambda: (_sha256(file), file.stat().st_size))
            if self._tls is None:
                self._tls = await self.threads(self._context)
            url, fields = self._request(key, pair, digest, size)
            status, text = await self._send(url, fields, file)
        except (httpx.HTTPError, OSError) as error:
            raise DeliveryError(str(error) or type(error).__name__) from error
        if status // 100 != 2:
            code = _CODE.search(text)
            raise DeliveryError(f"{status} {code[1] if code else ''}".strip())

    def _context(self) -> ssl.SSLContext:
        if self.bucket.endpoint.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of no use, and quickly made
        return ssl.create_default_context(cafile=self.bucket.ca_file or None)

    async def _send(self, url: httpx.URL, fields: RawFields, file: Path) -> tuple[int, str]:
        """The status of the answer, and the start of its body."""
        assert self._tls is not None
        client = httpx.AsyncClient(
            trust_env=False, verify=self._tls, timeout=TIMEOUT, transport=self.transport
        )
        async with (
            client,
            client.stream(
                "PUT", url, headers=fields, content=_pieces(file, self.threads)
            ) as answer,
        ):
            return answer.status_code, await _start_of(answer)

    def _request(
        self, key: str, pair: KeyPair, digest: str, size: int
    ) -> tuple[httpx.URL, RawFields]:
        """The URL of an object, and the fields that prove who puts it there."""
        url = httpx.URL(self.bucket.endpoint)
        path = f"{url.path.rstrip('/')}/{self.bucket.store_name}/{key}"
        target = url.copy_with(raw_path=quote(path, safe="/-._~").encode())
        host = url.netloc
        signed = signing_fields(
            SigningInput(b"PUT", target.raw_path, None, ((b"host", host),), digest.encode()),
            Credential(
                pair.access_key_id,
                pair.secret_access_key,
                self.bucket.region,
                session_token=pair.session_token,
            ),
            self.clock(),
        )
        fields = [
            (b"host", host),
            (b"content-type", b"application/x-gzip"),
            (b"content-length", b"%d" % size),
            *signed,
        ]
        return target, fields


def environment_key_pair(env: Mapping[str, str]) -> KeyPair | None:
    """The key pair in the variables that AWS's tools read."""
    id, secret = env.get("AWS_ACCESS_KEY_ID", ""), env.get("AWS_SECRET_ACCESS_KEY", "")
    return KeyPair(id, secret, env.get("AWS_SESSION_TOKEN", "")) if id and secret else None


def no_key_pair(bucket: LogBucket) -> str:
    """What is told where there is none to sign with."""
    if bucket.credential:
        name = bucket.credential
        return f'no key pair "{name}" in secrets.json; run: edgecache keys store {name}'
    return (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; set them, or name a "
        "`credential` and run: edgecache keys store NAME"
    )


async def _pieces(file: Path, threads: BlockingCalls) -> AsyncIterator[bytes]:
    """A file's bytes, of which each piece is read by itself: who is cancelled leaves nothing open.

    The loop that sends them serves viewers, too.
    """
    offset = 0
    while piece := await threads(partial(_piece, file, offset)):
        yield piece
        offset += len(piece)


def _piece(file: Path, offset: int) -> bytes:
    with file.open("rb") as source:
        source.seek(offset)
        return source.read(PIECE_BYTES)


async def _start_of(answer: httpx.Response) -> str:
    """The first of an answer's body: a store that goes on for ever is not listened to."""
    start = b""
    async for piece in answer.aiter_raw():
        start += piece
        if len(start) >= ANSWER_BYTES_MAX:
            break
    return start[:ANSWER_BYTES_MAX].decode("utf-8", "replace")


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
