"""The demo's origin: its video, and the way through the gate, over a real socket too."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from edgecache.config.model import Bucket, Config
from edgecache.origin.demo import MARK, VIDEO, VIDEO_BYTES, demo_app, ensure_video
from edgecache.origin.identity import IdentitySigner, host_keys

SITE = Path(__file__).resolve().parents[2] / "config" / "bucket"
KEYS = {"k1": "a secret of the tests"}
HOST = b"127.0.0.1:8070"
VIDEO_SHA256 = "776a7c8f8fa9512972039aa444654c8ac004f1dfe815c61bd3b69d307ac41da8"
Ask = Callable[..., Any]


def test_the_video_is_the_same_everywhere(tmp_path: Path) -> None:
    path = ensure_video(tmp_path)
    assert path == tmp_path / VIDEO
    content = path.read_bytes()
    assert len(content) == VIDEO_BYTES == 20_971_520
    assert content[4:12] == b"ftypisom"
    assert hashlib.sha256(content).hexdigest() == VIDEO_SHA256
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_whole_video_is_left_alone_and_a_broken_one_replaced(tmp_path: Path) -> None:
    path = ensure_video(tmp_path)
    made = path.stat()
    ensure_video(tmp_path)
    assert path.stat() == made
    path.write_bytes(b"half")
    ensure_video(tmp_path)
    assert path.stat().st_size == VIDEO_BYTES


def test_who_starts_together_makes_one(tmp_path: Path) -> None:
    threads = [threading.Thread(target=ensure_video, args=(tmp_path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [path.name for path in (tmp_path / "media").iterdir()] == ["video.mp4"]


def config(folder: Path, **more: Any) -> Config:
    return Config(bucket=Bucket(listen="127.0.0.1:8070", folder=str(folder), **more))


def test_the_video_is_made_only_where_it_is_wanted(tmp_path: Path) -> None:
    demo_app(config(tmp_path), lambda: KEYS)
    assert [*tmp_path.iterdir()] == []
    (tmp_path / MARK).parent.mkdir()
    (tmp_path / MARK).touch()
    demo_app(config(tmp_path), lambda: KEYS)
    assert (tmp_path / VIDEO).exists()


def test_where_it_cannot_be_made_the_rest_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / MARK).parent.mkdir()
    (tmp_path / MARK).touch()
    (tmp_path / VIDEO).mkdir()  # no file takes its place
    demo_app(config(tmp_path), lambda: KEYS)
    assert "no video was made" in caplog.text


def test_a_configuration_without_a_bucket() -> None:
    with pytest.raises(ValueError, match="no bucket"):
        demo_app(Config(), lambda: KEYS)


def test_rules_come_before_the_rest(ask: Ask, tmp_path: Path) -> None:
    for name in ("a.css", "b.txt"):
        (tmp_path / name).write_text(name)
    rules = {"*.css": "max-age=9"}
    app = demo_app(
        config(tmp_path, cache_control="max-age=1", cache_control_rules=rules), lambda: KEYS
    )
    signer = IdentitySigner(KEYS, time.time)
    for target, expected in ((b"/a.css", b"max-age=9"), (b"/b.txt", b"max-age=1")):
        answer = ask(app, target, *signer.sign(b"GET", HOST, target), host=HOST)
        assert answer.headers[b"cache-control"] == expected
        assert ask(app, target).status == 403


@pytest.mark.parametrize(
    ("listen", "hosts", "admitted"),
    [
        ("127.0.0.1:8070", (), [b"127.0.0.1:8070", b"127.0.0.1", b"localhost:8070"]),
        ("[::1]:8070", (), [b"[::1]:8070", b"LOCALHOST"]),
        ("10.0.0.7:8070", ("bucket.test",), [b"10.0.0.7:8070", b"bucket.test", b"Bucket.test:80"]),
        ("0.0.0.0:8070", ("bucket.test",), [b"bucket.test"]),
    ],
)
def test_a_key_of_another_origin_does_not_open_the_bucket(
    ask: Ask, tmp_path: Path, listen: str, hosts: tuple[str, ...], admitted: list[bytes]
) -> None:
    (tmp_path / "a").write_text("a")
    app = demo_app(
        Config(bucket=Bucket(listen=listen, folder=str(tmp_path), hosts=hosts)), lambda: KEYS
    )
    others = [b"app.internal", b"app.internal:8070", b"0.0.0.0:8070"]
    keys = {"k1": host_keys(KEYS["k1"], ["app.internal", "0.0.0.0"])}
    ours, theirs = IdentitySigner(KEYS, time.time), IdentitySigner(keys, time.time)
    for host in admitted:
        assert ask(app, b"/a", *ours.sign(b"GET", host, b"/a"), host=host).status == 200, host
    for host in others:
        for signer in (ours, theirs):  # one that was sent to the application, and one of its own
            assert ask(app, b"/a", *signer.sign(b"GET", host, b"/a"), host=host).status == 403


async def visit(app: Any, visitor: Callable[[httpx.AsyncClient], Any]) -> None:
    """Runs `visitor` against `app` under Uvicorn on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                await asyncio.wait_for(visitor(client), 60)
        finally:
            server.should_exit = True
            await serving


def test_a_real_server_tells_the_gate_the_same_bytes(tmp_path: Path) -> None:
    signer = IdentitySigner(KEYS, time.time)

    async def visitor(client: httpx.AsyncClient) -> None:
        host = client.base_url.netloc
        denied = await client.get("/index.html")
        assert denied.status_code == 403
        assert "<Code>AccessDenied</Code>" in denied.text
        for target in ("/index.html", "/index.html?a=%20b&c", "/index%2Ehtml", "/index.html?"):
            signed = signer.sign(b"GET", host, target.encode())
            answer = await client.get(target, headers=[*signed])
            assert answer.status_code == 200, target
            assert answer.content == (SITE / "index.html").read_bytes()
        stolen = signer.sign(b"GET", host, b"/index.html")
        assert (await client.get("/about.html", headers=[*stolen])).status_code == 403

    folder = shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("media"))
    asyncio.run(visit(demo_app(config(folder), lambda: KEYS), visitor))
