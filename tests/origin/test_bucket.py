"""The bucket: GetObject and HeadObject, their conditions, ranges and errors."""

from __future__ import annotations

import asyncio
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from edgecache.origin.bucket import FileTruncated, bucket_app, content_type

NOW = 1_700_000_000.0
MODIFIED_AT = 1_600_000_000
MODIFIED = b"Sun, 13 Sep 2020 12:26:40 GMT"
EARLIER = b"Sun, 13 Sep 2020 12:26:39 GMT"
BODY = b"0123456789"
ETAG = b'"781e5e245d69b566979b86e28d23f2c7"'
RULES = [("assets/*", "immutable"), ("*.html", "max-age=60")]
Ask = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets" / "deep").mkdir(parents=True)
    for name in ("ten.txt", "index.html", "assets/app.js", "assets/deep/page.html"):
        (tmp_path / name).write_bytes(BODY)
        os.utime(tmp_path / name, (MODIFIED_AT, MODIFIED_AT))
    (tmp_path / "empty.txt").touch()
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Starlette:
    return bucket_app(folder, RULES, lambda: NOW)


def code_of(answer: Any) -> str | None:
    assert answer.headers[b"content-type"] == b"application/xml"
    assert b"cache-control" not in answer.headers
    error = ET.fromstring(answer.body)
    assert error.findtext("RequestId", "").encode() == answer.headers[b"x-amz-request-id"]
    return error.findtext("Code")


def test_an_object(ask: Ask, app: Starlette) -> None:
    answer = ask(app, b"/ten.txt?versionId=null")
    headers = dict(answer.headers)
    assert len(headers.pop(b"x-amz-request-id")) == 16
    assert len(headers.pop(b"x-amz-id-2")) == 64
    assert (answer.status, answer.body) == (200, BODY)
    assert headers == {
        b"etag": ETAG,
        b"last-modified": MODIFIED,
        b"accept-ranges": b"bytes",
        b"content-length": b"10",
        b"content-type": b"text/plain; charset=utf-8",
    }


def test_head_is_get_without_the_body(ask: Ask, app: Starlette) -> None:
    get, head = ask(app, b"/ten.txt"), ask(app, b"/ten.txt", method=b"HEAD")
    ids = {b"x-amz-request-id", b"x-amz-id-2"}
    assert head.body == b""
    assert head.status == 200
    assert {k: v for k, v in head.headers.items() if k not in ids} == {
        k: v for k, v in get.headers.items() if k not in ids
    }


def test_an_empty_object(ask: Ask, app: Starlette) -> None:
    answer = ask(app, b"/empty.txt")
    assert (answer.status, answer.body, answer.headers[b"content-length"]) == (200, b"", b"0")


def test_a_large_object_comes_in_pieces(ask: Ask, app: Starlette, folder: Path) -> None:
    body = os.urandom(200_000)
    (folder / "large.bin").write_bytes(body)
    answer = ask(app, b"/large.bin")
    assert answer.body == body
    assert max(len(chunk) for chunk in answer.chunks) == 65_536


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (b"/assets/app.js", b"immutable"),
        (b"/assets/deep/page.html", b"immutable"),  # the first that matches
        (b"/index.html", b"max-age=60"),
        (b"/ten.txt", None),
    ],
)
def test_cache_control(ask: Ask, app: Starlette, target: bytes, value: bytes | None) -> None:
    assert ask(app, target).headers.get(b"cache-control") == value


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("a/B.JPG", "image/jpeg"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.b/c", "binary/octet-stream"),
        ("noext", "binary/octet-stream"),
        ("odd.xyz", "binary/octet-stream"),
    ],
)
def test_content_types(key: str, expected: str) -> None:
    assert content_type(key) == expected


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        (b"bytes=0-3", 206, b"0123", b"bytes 0-3/10"),
        (b"bytes=4-", 206, b"456789", b"bytes 4-9/10"),
        (b"bytes=-3", 206, b"789", b"bytes 7-9/10"),
        (b"bytes=8-99", 206, b"89", b"bytes 8-9/10"),
        (b"bytes=-99", 206, BODY, b"bytes 0-9/10"),
        (b"bytes=0-", 206, BODY, b"bytes 0-9/10"),
        (b"bytes=0-1,4-5", 200, BODY, None),  # as S3: one range or everything
        (b"bytes=3-1", 200, BODY, None),
        (b"lines=0-1", 200, BODY, None),
        (b"bytes=a-b", 200, BODY, None),
    ],
)
def test_ranges(
    ask: Ask, app: Starlette, asked: bytes, status: int, body: bytes, content_range: bytes | None
) -> None:
    answer = ask(app, b"/ten.txt", (b"range", asked))
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers.get(b"content-range") == content_range
    assert answer.headers[b"content-length"] == b"%d" % len(body)


@pytest.mark.parametrize("asked", [b"bytes=10-", b"bytes=-0", b"bytes=99-100"])
def test_a_range_beyond_the_end(ask: Ask, app: Starlette, asked: bytes) -> None:
    answer = ask(app, b"/ten.txt", (b"range", asked))
    assert (answer.status, code_of(answer)) == (416, "InvalidRange")
    assert answer.headers[b"content-range"] == b"bytes */10"
    error = ET.fromstring(answer.body)
    assert error.findtext("RangeRequested") == asked.decode()
    assert error.findtext("ActualObjectSize") == "10"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b"if-none-match", ETAG)], 304),
        ([(b"if-none-match", b"W/" + ETAG)], 304),
        ([(b"if-none-match", b'"a", ' + ETAG)], 304),
        ([(b"if-none-match", b"*")], 304),
        ([(b"if-none-match", b'"a"')], 200),
        ([(b"if-modified-since", MODIFIED)], 304),
        ([(b"if-modified-since", EARLIER)], 200),
        ([(b"if-modified-since", b"yesterday")], 200),
        ([(b"if-none-match", b'"a"'), (b"if-modified-since", MODIFIED)], 200),
        ([(b"if-match", ETAG)], 200),
        ([(b"if-match", b'"a"')], 412),
        ([(b"if-unmodified-since", MODIFIED)], 200),
        ([(b"if-unmodified-since", EARLIER)], 412),
        ([(b"range", b"bytes=0-1"), (b"if-none-match", ETAG)], 304),
        ([(b"range", b"bytes=0-1"), (b"if-range", ETAG)], 206),
        ([(b"range", b"bytes=0-1"), (b"if-range", b'"a"')], 200),
        ([(b"range", b"bytes=0-1"), (b"if-range", MODIFIED)], 206),
        ([(b"range", b"bytes=99-"), (b"if-range", b'"a"')], 200),
    ],
)
def test_conditions(
    ask: Ask, app: Starlette, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    assert ask(app, b"/ten.txt", *fields).status == status


def test_not_modified_says_what_a_cache_renews(ask: Ask, app: Starlette) -> None:
    answer = ask(app, b"/index.html", (b"if-none-match", ETAG))
    assert (answer.status, answer.body) == (304, b"")
    kept = {k: v for k, v in answer.headers.items() if not k.startswith(b"x-amz-")}
    assert kept == {b"etag": ETAG, b"last-modified": MODIFIED, b"cache-control": b"max-age=60"}


def test_a_file_from_the_future_is_modified_now(ask: Ask, folder: Path) -> None:
    early = bucket_app(folder, clock=lambda: 1_500_000_000.0)
    assert ask(early, b"/ten.txt").headers[b"last-modified"] == b"Fri, 14 Jul 2017 02:40:00 GMT"


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        (b"GET", b"/absent", 404, "NoSuchKey"),
        (b"HEAD", b"/absent", 404, "NoSuchKey"),
        (b"GET", b"/assets", 404, "NoSuchKey"),
        (b"GET", b"/assets/", 404, "NoSuchKey"),
        (b"GET", b"/a%0ab", 404, "NoSuchKey"),
        (b"GET", b"/ten.txt/", 404, "NoSuchKey"),
        (b"GET", b"//ten.txt", 404, "NoSuchKey"),
        (b"GET", b"/", 403, "AccessDenied"),
        (b"GET", b"/?list-type=2", 403, "AccessDenied"),
        (b"PUT", b"/ten.txt", 405, "MethodNotAllowed"),
        (b"POST", b"/absent", 405, "MethodNotAllowed"),
        (b"DELETE", b"/ten.txt", 405, "MethodNotAllowed"),
        (b"OPTIONS", b"/", 405, "MethodNotAllowed"),
    ],
)
def test_errors(
    ask: Ask, app: Starlette, method: bytes, target: bytes, status: int, code: str
) -> None:
    answer = ask(app, target, method=method)
    assert (answer.status, code_of(answer)) == (status, code)
    assert answer.headers.get(b"allow") == (b"GET, HEAD" if status == 405 else None)


@pytest.mark.parametrize(
    "target",
    [
        b"/../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"/..%5c..%5cetc/passwd",
        b"/%252e%252e/%252e%252e/etc/passwd",
        b"//etc/passwd",
        b"/static../x",
        b"/.%2e/.%2e/etc/passwd",
    ],
)
def test_hostile_paths(ask: Ask, app: Starlette, target: bytes) -> None:
    assert ask(app, target).status in (403, 404)


def test_a_file_that_shrinks_breaks_the_answer_off(folder: Path) -> None:
    path = folder / "shrinks.bin"
    path.write_bytes(b"x" * 200_000)
    app = bucket_app(folder)
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/shrinks.bin"}
    scope |= {"raw_path": b"/shrinks.bin", "query_string": b"", "headers": [], "root_path": ""}

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("body"):
            os.truncate(path, 65_536)

    with pytest.raises(FileTruncated, match="200000 bytes became 65536"):
        asyncio.run(asyncio.wait_for(app(scope, receive, send), 30))


def test_a_websocket_is_closed(app: Starlette) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ten.txt", "headers": [], "root_path": ""}
    asyncio.run(app(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]
