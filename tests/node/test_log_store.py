"""Stores of log files: a folder, and S3's PutObject as a store would check it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from edgecache.config.observation import LogBucket
from edgecache.config.secrets import KeyPair
from edgecache.node.log_store import (
    DeliveryError,
    LogFolder,
    S3Bucket,
    environment_key_pair,
)
from edgecache.rules.sigv4 import IncomingRequest, SignatureVerified, verify

T = TypeVar("T")
NOW = 1_800_014_400.0
PAIR = KeyPair("AKIDLOGS", "s3cret/of+the=store", "a-session-token")
KEY = "web site/E1.2027-01-15-12.0000000a.gz"
BODY = b"\x1f\x8b" + b"lines" * 50_000


def threads(work: Callable[[], T]) -> Awaitable[T]:
    return asyncio.to_thread(work)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spooled.gz"
    path.write_bytes(BODY)
    return path


class Store(httpx.AsyncBaseTransport):
    """A store that answers what it is told to, and keeps what it was sent."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = [*answers]
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def put(
    store: Store, file: Path, *, pair: KeyPair | None = PAIR, bucket: LogBucket | None = None
) -> None:
    made = bucket or LogBucket(
        bucket="logs.s3.amazonaws.com", endpoint="http://store.test:9000", region="eu-west-2"
    )
    asyncio.run(S3Bucket(made, lambda: pair, lambda: NOW, threads, store).put(KEY, file))


@pytest.mark.parametrize(
    ("bucket", "url"),
    [
        (
            LogBucket(bucket="logs.s3.amazonaws.com", endpoint="http://store.test:9000"),
            "http://store.test:9000/logs/web%20site/E1.2027-01-15-12.0000000a.gz",
        ),
        (
            LogBucket(bucket="logs", name="other", endpoint="https://s3.test/base/"),
            "https://s3.test/base/other/web%20site/E1.2027-01-15-12.0000000a.gz",
        ),
    ],
)
def test_an_object_is_put_by_a_signed_request(file: Path, bucket: LogBucket, url: str) -> None:
    store = Store(answered(200))
    put(store, file, bucket=bucket)
    (request,) = store.requests
    assert (request.method, str(request.url), request.content) == ("PUT", url, BODY)
    assert request.headers["content-length"] == str(len(BODY))
    assert "transfer-encoding" not in request.headers
    came = IncomingRequest(
        b"PUT",
        request.url.raw_path,
        b"",
        tuple((name.lower(), value) for name, value in request.headers.raw),
        request.content,
    )
    checked = verify(came, {"AKIDLOGS": PAIR.secret_access_key}.get, "s3", NOW)
    assert checked == SignatureVerified("AKIDLOGS")
    assert request.headers["x-amz-security-token"] == "a-session-token"


def test_no_viewer_waits_for_the_disk_that_a_file_is_read_from(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that sends it is the one that serves."""
    opened, stated = list[bool](), list[bool]()
    open_path, stat_path = Path.open, Path.stat

    def on_loop() -> bool:
        return threading.current_thread() is threading.main_thread()

    def seen_open(path: Path, mode: str) -> Any:
        opened.append(on_loop())
        return open_path(path, mode)

    def seen_stat(path: Path, **options: Any) -> Any:
        stated.append(on_loop())
        return stat_path(path, **options)

    monkeypatch.setattr(Path, "open", seen_open)
    monkeypatch.setattr(Path, "stat", seen_stat)
    put(store := Store(answered(200)), file)
    assert store.requests[0].content == BODY
    assert opened
    assert not any(opened + stated)


def answered(status: int, text: bytes = b"") -> httpx.Response:
    """As from a network: nothing of its body is read yet."""
    return httpx.Response(status, stream=httpx.ByteStream(text))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered(500), "500"),
        (answered(301), "301"),
        (answered(403, b"<Error><Code>AccessDenied</Code></Error>"), "403 AccessDenied"),
        (answered(404, b"<Error><Code>NoSuchBucket</Code>"), "404 NoSuchBucket"),
        (answered(400, b"<Code>\x1b[31m</Code>"), "400"),
        (answered(507, b"x" * 1_000_000), "507"),
        (httpx.ConnectError("All connection attempts failed"), "All connection attempts failed"),
        (httpx.ReadTimeout(""), "ReadTimeout"),
    ],
)
def test_what_a_store_says_is_told(
    file: Path, answer: httpx.Response | Exception, told: str
) -> None:
    with pytest.raises(DeliveryError) as error:
        put(Store(answer), file)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("credential", "told"),
    [
        ("", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        ("minio", 'no key pair "minio" in secrets.json; run: edgecache keys store minio'),
    ],
)
def test_without_a_key_pair_nobody_is_asked(file: Path, credential: str, told: str) -> None:
    bucket = LogBucket(bucket="logs", endpoint="http://store.test", credential=credential)
    store = Store()
    with pytest.raises(DeliveryError, match=told):
        put(store, file, pair=None, bucket=bucket)
    assert not store.requests


@pytest.mark.parametrize(
    ("env", "pair"),
    [
        ({}, None),
        ({"AWS_ACCESS_KEY_ID": "A"}, None),
        ({"AWS_SECRET_ACCESS_KEY": "S"}, None),
        ({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}, KeyPair("A", "S")),
        (
            {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"},
            KeyPair("A", "S", "T"),
        ),
    ],
)
def test_a_key_pair_of_the_environment(env: dict[str, str], pair: KeyPair | None) -> None:
    assert environment_key_pair(env) == pair


def test_a_ca_file_that_is_gone_is_told(file: Path, tmp_path: Path) -> None:
    bucket = LogBucket(bucket="b", endpoint="https://s.test", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(DeliveryError, match="No such file"):
        put(Store(), file, bucket=bucket)


def test_a_folder_has_the_file_whole(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    asyncio.run(LogFolder(folder, threads).put("a/b/E1.gz", file))
    asyncio.run(LogFolder(folder, threads).put("a/b/E1.gz", file))
    assert (folder / "a" / "b" / "E1.gz").read_bytes() == BODY
    assert [one.name for one in (folder / "a" / "b").iterdir()] == ["E1.gz"]


@pytest.mark.parametrize("key", ["../E1.gz", "a/../../E1.gz", "/etc/E1.gz", ""])
def test_no_key_leads_out_of_a_folder(file: Path, tmp_path: Path, key: str) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    with pytest.raises(DeliveryError, match="the prefix leads out of it"):
        asyncio.run(LogFolder(folder, threads).put(key, file))
    assert not [*folder.iterdir()]


def test_a_folder_that_is_not_there_is_not_made(file: Path, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="no such folder"):
        asyncio.run(LogFolder(tmp_path / "mount", threads).put("E1.gz", file))
    assert not (tmp_path / "mount").exists()


def test_what_a_disk_says_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "web").write_text("in the way")
    with pytest.raises(DeliveryError, match="logs: "):
        asyncio.run(LogFolder(tmp_path / "logs", threads).put("web/E1.gz", file))


def test_a_store_on_the_network_fails_is_silent_answers_and_is_gone(file: Path) -> None:
    """By real connections: what it is sent is whole each time, whatever came of the last."""
    bodies: list[bytes] = []
    answers = [b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", b""]
    answers.append(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"PUT /logs/web%20site/")
        bodies.append(await reader.readexactly(len(BODY)))
        writer.write(answers.pop(0))
        writer.close()

    async def play() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        bucket = LogBucket(bucket="logs", endpoint=f"http://127.0.0.1:{port}")
        store = S3Bucket(bucket, lambda: PAIR, lambda: NOW, threads)
        told = [await told_by(store, file) for _ in range(3)]
        server.close()
        await server.wait_closed()
        return [*told, await told_by(store, file)]

    assert asyncio.run(play()) == [
        "500",
        "Server disconnected without sending a response.",
        "",
        "All connection attempts failed",
    ]
    assert bodies == [BODY] * 3


async def told_by(store: S3Bucket, file: Path) -> str:
    try:
        await store.put(KEY, file)
    except DeliveryError as error:
        return str(error)
    return ""
