"""A tier that is slow is waited for; one that hangs is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.peer import liveness as pulse
from edgecache.upstream.peer.liveness import PeerLiveness
from edgecache.upstream.pool import Pool
from tests.upstream.loopback import network, open_connections, shut, until


class Peer:
    """Answers pings while it lives, and nothing else."""

    def __init__(self) -> None:
        self.lives = asyncio.Event()
        self.pings = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"OPTIONS"):
                self.pings += 1
                await self.lives.wait()
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def scene(monkeypatch: pytest.MonkeyPatch, play: Any) -> None:
    for name, value in (("QUIET_S", 0.01), ("PING_S_MAX", 0.2), ("PAUSE_S", 0.01)):
        monkeypatch.setattr(pulse, name, value)

    async def run() -> None:
        peer = Peer()
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        pool = Pool(network(), lambda: 0.0)
        try:
            async with asyncio.timeout(20):
                await play(peer, PeerLiveness(pool, Endpoint(*server.sockets[0].getsockname())))
        finally:
            peer.lives.set()
            pool.close()
            await until(lambda: open_connections(pool) == 0)
            await shut(server)

    asyncio.run(run())


def test_a_quick_answer_costs_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer, of: PeerLiveness) -> None:
        async def answer() -> int:
            return 5

        assert await of.watch(answer) == 5
        assert peer.pings == 0

    scene(monkeypatch, play)


def test_a_slow_one_that_lives_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer, of: PeerLiveness) -> None:
        peer.lives.set()

        async def answer() -> int:
            await until(lambda: peer.pings >= 3)
            return 5

        assert await of.watch(answer) == 5
        assert not of.silent

    scene(monkeypatch, play)


def test_without_a_descriptor_for_the_ping_nobody_is_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer, of: PeerLiveness) -> None:
        asked = 0

        def none_left() -> bool:
            nonlocal asked
            asked += 1
            return False

        of._pool.may_open = none_left

        async def answer() -> int:
            await until(lambda: asked >= 3)
            return 5

        assert await of.watch(answer) == 5
        assert not of.silent
        assert not peer.pings

    scene(monkeypatch, play)


def test_one_that_hangs_lets_everyone_go_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer, of: PeerLiveness) -> None:
        async def never() -> int:
            await asyncio.Event().wait()
            return 0

        waiting = [asyncio.create_task(of.watch(never)) for _ in range(5)]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, UpstreamError)
            assert outcome.fault is Fault.RESPONSE_TIMEOUT
        with pytest.raises(UpstreamError) as at_once:
            await of.watch(never)
        assert not at_once.value.sent
        peer.lives.set()
        await until(lambda: not of.silent)

        async def answer() -> int:
            return 5

        assert await of.watch(answer) == 5

    scene(monkeypatch, play)


def test_who_leaves_is_not_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer, of: PeerLiveness) -> None:
        peer.lives.set()

        async def never() -> int:
            await asyncio.Event().wait()
            return 0

        waiting = asyncio.create_task(of.watch(never))
        await until(lambda: peer.pings >= 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        await until(lambda: of._looking is None)
        assert not of._waiting

    scene(monkeypatch, play)
