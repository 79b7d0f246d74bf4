"""Datagrams between processes of a machine."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

from edgecache.server.http3.datagram_relay import DatagramRelay
from tests.world.clock import FakeClock, FakeLoop


def test_a_datagram_comes_with_where_it_is_from(tmp_path: Path) -> None:
    loop, heard = FakeLoop(FakeClock()), list[tuple[bytes, Any]]()
    one, other = DatagramRelay(str(tmp_path), 1), DatagramRelay(str(tmp_path), 2)
    other.start(loop, lambda datagram, address: heard.append((datagram, address)))
    sent = [
        (b"\n\0any bytes\n", ("192.0.2.1", 443)),
        (b"x" * 1_500, ("2001:db8::1", 443, 0, 3)),
        (b"", ("fe80::1%eth0", 1, 0, 2)),
    ]
    assert all(one.send(2, *datagram) for datagram in sent)
    loop.settle()
    assert heard == sent
    mode = (tmp_path / "quic-2.sock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    one.close()
    other.close()
    assert not [*tmp_path.iterdir()]
    loop.close()
    asyncio.set_event_loop(None)


def test_who_is_gone_is_known_and_who_is_full_loses(tmp_path: Path) -> None:
    one = DatagramRelay(str(tmp_path), 1)
    assert not one.send(2, b"x", ("192.0.2.1", 443))
    full = DatagramRelay(str(tmp_path), 2)
    assert all(one.send(2, bytes(1_200), ("192.0.2.1", 443)) for _ in range(5_000))
    full._socket.close()  # as of a process that was killed
    assert not one.send(2, b"x", ("192.0.2.1", 443))
    assert (tmp_path / "quic-2.sock").exists()
    DatagramRelay(str(tmp_path), 3).close()
    assert [path.name for path in tmp_path.iterdir()] == ["quic-1.sock"]
    one.close()
