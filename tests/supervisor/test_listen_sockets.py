"""Listening sockets: who is handed which, and what happens to those nobody holds."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from edgecache.config.listen import Address, TcpAddress, UnixAddress
from edgecache.runtime.inherited import LISTENING_ENV, SocketShare, inherited_share, sockets_at
from edgecache.supervisor.child import Child
from edgecache.supervisor.listen_sockets import Sockets


def workers(count: int, address: Address) -> list[Child]:
    return [Child(f"edge-{n}", "edge", (), address) for n in range(count)]


@pytest.fixture
def address() -> TcpAddress:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return TcpAddress("127.0.0.1", tried.getsockname()[1])


def test_each_worker_has_a_socket_and_knows_its_siblings(address: TcpAddress) -> None:
    sockets, children = Sockets(), workers(3, address)
    sockets.open(children)
    shares = [sockets.share(child, children) for child in children]
    own = [share.own[str(address)] for share in shares]
    assert len({fd for fds in own for fd in fds}) == 3
    for share in shares:
        assert len(share.own[str(address)]) == 1
        assert len(share.siblings[str(address)]) == 2
        assert len(set(share.fds)) == 3
    sockets.keep_only([])


def test_fewer_workers_take_over_the_sockets_of_those_that_left(address: TcpAddress) -> None:
    sockets, three, one = Sockets(), workers(3, address), workers(1, address)
    sockets.open(three)
    sockets.open(one)
    sockets.keep_only(one)
    share = sockets.share(one[0], one)
    assert len(share.own[str(address)]) == 3
    assert not share.siblings
    sockets.keep_only([])


def test_where_nobody_is_left_connections_are_refused_at_once(address: TcpAddress) -> None:
    sockets, (child,) = Sockets(), workers(1, address)
    sockets.open([child])
    sockets._held[address][0].listen()  # as the worker did that died
    socket.create_connection((address.host, address.port)).close()
    sockets.rebind_unserved(child, [])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))
    sockets.keep_only([])


def test_a_port_that_is_not_to_be_had_again_is_kept(
    address: TcpAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 1024, once root has been given up."""

    def refused(_address: Address) -> socket.socket:
        raise PermissionError

    held, (child,) = Sockets(), workers(1, address)
    held.open([child])
    before = held._held[address][0]
    before.listen()
    monkeypatch.setattr("edgecache.supervisor.listen_sockets.bind", refused)
    held.rebind_unserved(child, [])
    socket.create_connection((address.host, address.port)).close()
    held.open([child])
    assert held._held[address][0] is before
    held.keep_only([])


def test_where_a_sibling_lives_they_are_kept(address: TcpAddress) -> None:
    sockets, (one, other) = Sockets(), workers(2, address)
    sockets.open([one, other])
    before = sockets.share(one, [one, other])
    sockets.rebind_unserved(one, [other])
    assert sockets.share(one, [one, other]) == before
    sockets.keep_only([])


def test_what_nobody_wants_any_more_is_closed_and_its_file_removed(tmp_path: Path) -> None:
    path = tmp_path / "regional.sock"
    sockets, child = Sockets(), Child("regional", "regional", (), UnixAddress(str(path)))
    sockets.open([child])
    assert path.stat().st_mode & 0o777 == 0o600
    assert sockets.holds(UnixAddress(str(path)))
    sockets.keep_only([])
    assert not path.exists()
    assert not sockets.holds(UnixAddress(str(path)))


def test_an_address_that_is_taken_is_told(address: TcpAddress) -> None:
    server = socket.create_server((address.host, address.port))
    with server, pytest.raises(OSError, match="already in use"):
        Sockets().open(workers(1, address))


def test_a_process_gets_what_it_was_handed(
    address: TcpAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets, children = Sockets(), workers(2, address)
    sockets.open(children)
    share = sockets.share(children[0], children)
    monkeypatch.setenv(LISTENING_ENV, msgspec.json.encode(share).decode())
    got = inherited_share()
    assert got == share
    assert inherited_share() == SocketShare()
    (own,) = sockets_at(got.own, address)
    assert own.getsockname() == (address.host, address.port)
    assert not own.getblocking()
    assert sockets_at(got.own, TcpAddress("127.0.0.1", 1)) == []
    own.detach()
    sockets.keep_only([])


def test_workers_share_a_socket_that_was_handed_over(address: TcpAddress) -> None:
    """systemd has bound one; what it holds cannot be bound again without its consent."""
    with socket.create_server((address.host, address.port)) as activated:
        sockets, three = Sockets({address: [activated]}), workers(3, address)
        sockets.open(three)
        shares = [sockets.share(child, three) for child in three]
        assert len({fd for share in shares for fd in share.own[str(address)]}) == 3
        for share in shares:
            with socket.socket(fileno=socket.dup(share.own[str(address)][0])) as one:
                assert one.getsockname() == (address.host, address.port)
        sockets.keep_only([])


def test_what_was_handed_over_is_not_bound_anew(address: TcpAddress) -> None:
    with socket.create_server((address.host, address.port)) as activated:
        sockets, (child,) = Sockets({address: [activated]}), workers(1, address)
        sockets.open([child])
        sockets.rebind_unserved(child, [])
        with socket.create_connection((address.host, address.port)):
            pass  # it waits for the successor
        assert sockets.holds(address)
        sockets.keep_only([])


def test_a_socket_file_that_was_handed_over_stays(tmp_path: Path) -> None:
    path = tmp_path / "regional.sock"
    with socket.socket(socket.AF_UNIX) as activated:
        activated.bind(str(path))
        activated.listen()
        sockets = Sockets({UnixAddress(str(path)): [activated]})
        sockets.keep_only([])
        assert path.exists()
