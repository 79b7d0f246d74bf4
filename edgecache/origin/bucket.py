"""Bucket server: a folder of objects over HTTP, as Amazon S3's GetObject and HeadObject answer.

Law: what is sent belongs to one open file; a path is resolved once for each request.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from anyio import to_thread
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from edgecache.http.conditional import PreconditionResult, evaluate_at_origin, if_range_matches
from edgecache.http.dates import format_date
from edgecache.http.message import Fields, first_value
from edgecache.http.ranges import Span, content_range, parse_range, resolve, unsatisfied
from edgecache.origin.errors import Ids, S3ErrorCode, new_ids, refusal
from edgecache.origin.folder import Folder, OpenObject, key_of
from edgecache.origin.gate import IDENTITY
from edgecache.origin.policy import BucketAction, BucketPolicy
from edgecache.origin.versions import Versions

CHUNK_BYTES = 65_536  # one read and one write; Starlette's FileResponse has the same

# Fixed, so that two machines answer alike whatever their mime.types say. Text is UTF-8.
CONTENT_TYPES = {
    "avif": "image/avif",
    "bin": "application/octet-stream",
    "bmp": "image/bmp",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4s": "video/iso.segment",
    "map": "application/json",
    "md": "text/markdown; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpd": "application/dash+xml",
    "ogg": "audio/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "rss": "application/rss+xml",
    "svg": "image/svg+xml",
    "ts": "video/mp2t",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "zip": "application/zip",
}
UNKNOWN_TYPE = "binary/octet-stream"  # S3's word for an object put without a type
_ABSENT = (S3ErrorCode.NO_SUCH_KEY, S3ErrorCode.NO_SUCH_VERSION)


class FileTruncated(RuntimeError):
    """The file became shorter while it was sent: the connection is broken off, not filled up."""


def content_type(key: str) -> str:
    """By the name's last suffix, whatever its case."""
    return CONTENT_TYPES.get(key.rpartition(".")[2].lower(), UNKNOWN_TYPE)


def bucket_app(
    folder: str | Path,
    cache_control: Sequence[tuple[str, str]] = (),
    clock: Callable[[], float] = time.time,
    versions: Versions | None = None,
    policy: BucketPolicy | None = None,
) -> Starlette:
    """Serves `folder` to whom `policy` allows it, or to everybody; put a gate before it.

    `cache_control`: (glob over the key, value), the first that matches wins; `*` goes across
    slashes. `clock`: epoch seconds. `versions` keeps what was served. There is no listing and no
    way to write.
    """
    app = Starlette()
    # No routes: a route matches the decoded path, and an object is named by the raw one.
    app.router.default = _Bucket(Folder(folder, versions), cache_control, clock, policy)
    return app


class _Bucket:
    def __init__(
        self,
        folder: Folder,
        rules: Sequence[tuple[str, str]],
        clock: Callable[[], float],
        policy: BucketPolicy | None,
    ) -> None:
        self._folder = folder
        self._rules = [(re.compile(fnmatch.translate(glob)), value) for glob, value in rules]
        self._clock = clock
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        ids = new_ids()
        if scope["method"] not in ("GET", "HEAD"):
            await _method_not_allowed(scope["method"], ids)(scope, receive, send)
            return
        opened = await self._find(scope)
        if isinstance(opened, S3ErrorCode):
            await refusal(opened, ids)(scope, receive, send)
            return
        with opened.file:
            await self._answer(scope, opened, ids)(scope, receive, send)

    async def _find(self, scope: Scope) -> OpenObject | S3ErrorCode:
        """The object asked for, as far as the policy lets this identity know of it."""
        version_id = _version_id(scope["query_string"])
        if isinstance(version_id, S3ErrorCode):
            return version_id
        key = key_of(scope["raw_path"]) or ""
        action = BucketAction.GET_OBJECT if version_id is None else BucketAction.GET_OBJECT_VERSION
        if not self._allows(scope, action, key):
            return S3ErrorCode.ACCESS_DENIED
        opened = await to_thread.run_sync(self._folder.open, scope["raw_path"], version_id)
        if opened in _ABSENT and not self._allows(scope, BucketAction.LIST_BUCKET):
            return (
                S3ErrorCode.ACCESS_DENIED
            )  # S3: who may not list does not learn what is not there
        return opened

    def _allows(self, scope: Scope, action: BucketAction, key: str = "") -> bool:
        return self._policy is None or self._policy.allows(scope.get(IDENTITY, ""), action, key)

    def _answer(self, scope: Scope, opened: OpenObject, ids: Ids) -> Response:
        """The reply by preconditions, then by range (RFC 9110 §13.2.2)."""
        now = self._clock()
        fields = tuple((name, value) for name, value in scope["headers"])
        modified = format_date(min(opened.modified_at, now))  # §8.8.2.1: never after Date
        headers = self._headers(opened, modified, ids)
        etag = opened.etag.encode()
        match evaluate_at_origin(fields, scope["method"].encode(), etag, modified, now):
            case PreconditionResult.NOT_MODIFIED:
                return Response(status_code=304, headers=headers)
            case PreconditionResult.PRECONDITION_FAILED:
                return refusal(S3ErrorCode.PRECONDITION_FAILED, ids)
        part = _part(fields, opened, modified, now)
        if isinstance(part, S3ErrorCode):
            return _unsatisfiable(fields, opened, ids)
        return _content(scope["method"], opened, part, headers)

    def _headers(self, opened: OpenObject, modified: bytes, ids: Ids) -> dict[str, str]:
        headers = ids.fields | {"etag": opened.etag, "last-modified": modified.decode()}
        if opened.version_id:
            headers["x-amz-version-id"] = opened.version_id
        for matches, value in self._rules:
            if matches.match(opened.key):
                return headers | {"cache-control": value}
        return headers


def _version_id(query: bytes) -> str | S3ErrorCode | None:
    """The `versionId` of a query; one that is empty or named twice is none of S3's."""
    pairs = [part.partition(b"=") for part in query.split(b"&")]
    ids = [unquote_to_bytes(value) for name, _, value in pairs if name == b"versionId"]
    if not ids:
        return None
    if len(ids) > 1 or not ids[0]:
        return S3ErrorCode.INVALID_ARGUMENT
    return ids[0].decode("latin-1")


@dataclass(frozen=True, slots=True)
class _Part:
    """Status and bytes of a reply: 200 and every one, or 206 and those of a range."""

    status: int
    span: Span


def _part(fields: Fields, opened: OpenObject, modified: bytes, now: float) -> _Part | S3ErrorCode:
    """The part asked for; as in S3 several ranges get everything (RFC 9110 §14.2 allows it)."""
    whole = _Part(200, Span(0, opened.size - 1))
    range_value, condition = first_value(fields, b"range"), first_value(fields, b"if-range")
    specs = parse_range(range_value) if range_value is not None else None
    if specs is None or len(specs) > 1:
        return whole
    if condition is not None:
        date = format_date(now)
        if not if_range_matches(condition, opened.etag.encode(), modified, date):
            return whole
    spans = resolve(specs, opened.size)
    return _Part(206, spans[0]) if spans else S3ErrorCode.INVALID_RANGE


def _content(method: str, opened: OpenObject, part: _Part, headers: dict[str, str]) -> Response:
    headers |= {
        "accept-ranges": "bytes",
        "content-length": str(part.span.length),
        "content-type": content_type(opened.key),
    }
    if part.status == 206:
        headers["content-range"] = content_range(part.span, opened.size).decode()
    if method == "HEAD" or not part.span.length:
        return Response(status_code=part.status, headers=headers)
    return StreamingResponse(_chunks(opened, part.span), part.status, headers)


async def _chunks(opened: OpenObject, span: Span) -> AsyncIterator[bytes]:
    at = span.first
    while at <= span.last:
        count = min(CHUNK_BYTES, span.last + 1 - at)
        chunk = await to_thread.run_sync(opened.read, at, count)
        if not chunk:
            raise FileTruncated(f"{opened.key}: {opened.size} bytes became {at}")
        yield chunk
        at += len(chunk)


def _method_not_allowed(method: str, ids: Ids) -> Response:
    return refusal(
        S3ErrorCode.METHOD_NOT_ALLOWED,
        ids,
        details=[("Method", method), ("ResourceType", "OBJECT")],
        fields=[("allow", "GET, HEAD")],
    )


def _unsatisfiable(fields: Fields, opened: OpenObject, ids: Ids) -> Response:
    range_value = first_value(fields, b"range") or b""
    details = [
        ("RangeRequested", range_value.decode("latin-1")),
        ("ActualObjectSize", str(opened.size)),
    ]
    total = unsatisfied(opened.size).decode()
    return refusal(
        S3ErrorCode.INVALID_RANGE, ids, details=details, fields=[("content-range", total)]
    )
