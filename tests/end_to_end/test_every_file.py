"""Every file of a real tree comes through byte-identical, and the origin is asked once for each."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable

import httpx

from tests.end_to_end.installation import TREE, Up
from tests.end_to_end.nginx import Nginx
from tests.end_to_end.processes import wait_for
from tests.end_to_end.tree import File
from tests.end_to_end.viewers import curl

AT_ONCE = 16


async def fetched(url: str, files: Iterable[File], host: str) -> Counter[tuple[int, str, bool]]:
    """How often each status, word of X-Cache, and "the bytes are right" came."""
    waiting = iter(files)
    found: Counter[tuple[int, str, bool]] = Counter()
    headers = {"host": host, "accept-encoding": "identity"}
    limits = httpx.Limits(max_connections=AT_ONCE)

    async def work(client: httpx.AsyncClient) -> None:
        for file in waiting:
            answer = await client.get(url + file.target)
            same = hashlib.sha256(answer.content).hexdigest() == file.digest
            word = answer.headers.get("x-cache", "").partition(" ")[0]
            found[answer.status_code, word, same] += 1

    async with httpx.AsyncClient(
        headers=headers, limits=limits, timeout=60, trust_env=False
    ) as client:
        await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))
    return found


def fetch_all(url: str, files: list[File], host: str) -> Counter[tuple[int, str, bool]]:
    return asyncio.run(fetched(url, files, host))


def asked_once(nginx: Nginx, before: int, files: list[File]) -> None:
    """nginx writes its log after the answer, so the last lines may come a moment later."""
    wait_for("a line for each file", lambda: len(nginx.asked()) >= before + len(files))
    asked = Counter(nginx.asked()[before:])
    assert asked == Counter(f"GET {file.target}" for file in files)


def test_through_serve(serve: str, nginx: Nginx, files: list[File]) -> None:
    assert len(files) > 300
    before = len(nginx.asked())
    assert fetch_all(serve, files, "127.0.0.1") == {(200, "Miss", True): len(files)}
    assert fetch_all(serve, files, "127.0.0.1") == {(200, "Hit", True): len(files)}
    asked_once(nginx, before, files)


def test_through_two_edges_and_a_regional_cache(up: Up, nginx: Nginx, files: list[File]) -> None:
    before = len(nginx.asked())
    assert fetch_all(up.lhr, files, TREE) == {(200, "Miss", True): len(files)}
    assert fetch_all(up.lhr, files, TREE) == {(200, "Hit", True): len(files)}
    for _ in range(2):
        assert fetch_all(up.nrt, files, TREE) == {(200, "Hit", True): len(files)}
    asked_once(nginx, before, files)


def test_curl_agrees(up: Up, serve: str, files: list[File]) -> None:
    for file in files[:: len(files) // 8]:
        for url in (up.lhr, up.nrt, serve):
            answer = curl(url + file.target, "-H", f"Host: {TREE}")
            assert (answer.exit_code, answer.status) == (0, 200)
            assert hashlib.sha256(answer.body).hexdigest() == file.digest
            assert int(answer.fields["content-length"]) == len(answer.body)
