"""The real network: which addresses it connects to for whom, and which of several."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.config.origins import Reach
from edgecache.rules.origin_addresses import Listeners
from edgecache.upstream.endpoint import Endpoint, Network, is_local
from edgecache.upstream.faults import Fault
from edgecache.upstream.pool import Pool
from edgecache.upstream.resolver import NameResolver
from tests.upstream.loopback import GET, Run, answers, everything, failure, world


def leads(*addresses: str) -> NameResolver:
    """Every name leads to these."""

    async def look_up(host: str) -> tuple[str, ...]:
        return addresses

    return NameResolver(look_up, lambda: 0.0)


def pool(names: NameResolver, *own: TcpAddress | UnixAddress) -> Pool:
    return Pool(Network(names, Listeners(own, is_local)), lambda: 0.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "o.test"])
@pytest.mark.parametrize(
    ("leads_to", "reach", "own", "asked"),
    [
        ("127.0.0.1", "own", True, True),  # the regional cache, the canary
        ("127.0.0.1", "private", False, True),
        ("127.0.0.1", "private", True, False),
        ("127.0.0.1", "public", False, False),
        ("169.254.169.254", "private", False, False),
        ("169.254.169.254", "public", False, False),
        ("10.1.2.3", "public", False, False),
        ("fd00:ec2::254", "private", False, False),
        ("::ffff:169.254.169.254", "private", False, False),
    ],
)
def test_what_a_name_leads_to_is_judged_before_it_is_connected_to(
    host: str, leads_to: str, reach: Reach, own: bool, asked: bool, run: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    host = leads_to if host == "127.0.0.1" else host

    async def main() -> None:
        async with world(answers) as (_, server, there):
            listens = [TcpAddress("0.0.0.0", there.port)] if own else []
            asking = pool(leads(leads_to), *listens)
            endpoint = Endpoint(host, there.port, reach=reach)
            if asked:
                assert await everything(await asking.send(endpoint, GET)) == b"1.1"
            else:
                for _ in range(3):
                    error = await failure(asking.send(endpoint, GET))
                    assert (error.fault, error.status) == (Fault.FORBIDDEN, 502)
            assert server.connections == asked
            asking.close()

    with caplog.at_level(logging.ERROR):
        run(main())
    told = [record.message for record in caplog.records]
    assert len(told) == (not asked)  # once
    assert all(leads_to in line and host in line for line in told)


def test_of_several_addresses_the_forbidden_ones_are_left_out(run: Run) -> None:
    async def main() -> None:
        async with world(answers) as (_, _, there):
            asking = pool(leads("169.254.169.254", "127.0.0.1"))
            endpoint = Endpoint("o.test", there.port, reach="private")
            assert await everything(await asking.send(endpoint, GET)) == b"1.1"
            asking.close()

    run(main())


@pytest.mark.parametrize("reach", ["private", "public"])
def test_sockets_are_a_file_s_alone_and_none_is_ours(
    reach: Reach, run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        (tmp_path / "other.sock").symlink_to(tmp_path / "regional.sock")
        (tmp_path / "state").symlink_to(tmp_path)  # as the configuration may name it
        asking = pool(leads(), UnixAddress(str(tmp_path / "state" / "regional.sock")))
        for name in ("regional.sock", "other.sock"):
            endpoint = Endpoint("", 0, str(tmp_path / name), reach=reach)
            assert (await failure(asking.send(endpoint, GET))).fault is Fault.FORBIDDEN
        endpoint = Endpoint("", 0, str(tmp_path / "app.sock"), reach=reach)
        expected = Fault.FORBIDDEN if reach == "public" else Fault.REFUSED
        assert (await failure(asking.send(endpoint, GET))).fault is expected

    run(main())


async def _seconds(asking: Pool, port: int, told: bytes, idle_s: float) -> float:
    """How long one answer takes over a connection of its own."""
    endpoint = Endpoint("o.test", port, reach="private", idle_s=idle_s)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await everything(await asking.send(endpoint, GET)) == told
    return loop.time() - began


def test_a_black_holed_first_address_is_passed_by(run: Run) -> None:
    """Its queue of connections is full, so that nothing it is sent is answered."""

    async def main() -> None:
        async with world(answers) as (_, _, there):
            hole = socket.create_server(("127.0.0.2", there.port), backlog=0)
            full = [socket.socket() for _ in range(4)]
            for one in full:
                one.setblocking(False)
                one.connect_ex(("127.0.0.2", there.port))
            asking = pool(leads("127.0.0.2", "127.0.0.1"))
            try:
                first = await _seconds(asking, there.port, b"1.1", 60)
                assert 0.25 <= first < 5
                assert await _seconds(asking, there.port, b"2.2", 61) < first  # it is known now
            finally:
                asking.close()
                for one in (*full, hole):
                    one.close()

    run(main())


def test_which_addresses_are_this_machine_s() -> None:
    assert is_local("127.0.0.1")
    assert not is_local("192.0.2.1")
    assert not is_local("2001:db8::1")
