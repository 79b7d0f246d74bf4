"""What systemd is told and hands over: variables, datagrams, sockets by address and by name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.config.listen import Address, TcpAddress, UnixAddress
from edgecache.runtime import systemd
from edgecache.runtime.systemd import (
    ActivatedSocket,
    ActivationError,
    ServiceManager,
    service_manager,
)


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(one: socket.socket) -> TcpAddress:
    return TcpAddress(*one.getsockname()[:2])


def test_without_systemd_nothing_is_done() -> None:
    manager = service_manager({"PATH": "/bin"})
    assert manager == ServiceManager()
    manager.notify(READY=1)
    assert manager.assigned({}) == {}


@pytest.mark.parametrize("abstract", [False, True])
def test_states_are_lines_of_a_datagram(tmp_path: Path, abstract: bool) -> None:
    name = f"@edgecache-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(f"\0{name[1:]}" if abstract else name)
        manager = service_manager({"NOTIFY_SOCKET": name})
        manager.notify(READY=1, STATUS="6 processes")
        assert hears.recv(4_096) == b"READY=1\nSTATUS=6 processes"
        manager.reloading()
        assert hears.recv(4_096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_one_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "gone")).notify(READY=1)


@pytest.mark.parametrize(
    ("pid", "usec", "watchdog_s"),
    [("", "4000000", 4.0), ("own", "500000", 0.5), ("1", "4000000", 0.0), ("", "x", 0)],
)
def test_the_watchdog_of_this_process_alone_counts(pid: str, usec: str, watchdog_s: float) -> None:
    pid = str(os.getpid()) if pid == "own" else pid
    environment = {"WATCHDOG_PID": pid, "WATCHDOG_USEC": usec, "PATH": "/bin"}
    assert service_manager(environment).watchdog_s == watchdog_s
    assert environment == {"PATH": "/bin"}, "no child may take it for its own"


def test_sockets_of_another_process_are_left_alone() -> None:
    assert service_manager({"LISTEN_PID": "1", "LISTEN_FDS": "3"}).sockets == ()


def test_sockets_are_taken_over_and_not_inherited(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = bound.detach()
    os.set_inheritable(fd, True)
    monkeypatch.setattr(systemd, "FIRST_FD", fd)
    names = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "LHR50"}
    (taken,) = service_manager(names).sockets
    with taken.bound:
        assert (taken.name, taken.bound.fileno()) == ("LHR50", fd)
        assert not os.get_inheritable(fd)


def test_what_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as idle:
        monkeypatch.setattr(systemd, "FIRST_FD", os.dup(idle.fileno()))
        names = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
        with pytest.raises(ActivationError, match=r"\(web\) is no listening stream socket"):
            service_manager(names)


def test_a_socket_is_for_the_address_it_is_bound_to_else_for_its_name(
    bound: socket.socket,
) -> None:
    own, other = address_of(bound), TcpAddress("192.0.2.1", 80)
    manager = ServiceManager(sockets=(ActivatedSocket("edgecache.socket", bound),))
    assert manager.assigned({"LHR50": other, "NRT57": own}) == {own: [bound]}
    named = ServiceManager(sockets=(ActivatedSocket("LHR50", bound),))
    assert named.assigned({"LHR50": other}) == {other: [bound]}
    with pytest.raises(ActivationError, match=r"edgecache.socket at 127.0.0.1:\d+ is for no addr"):
        manager.assigned({"LHR50": other})


class Bound(socket.socket):
    """A socket that says it is bound somewhere, on a machine that need not have that family."""

    where: tuple[str, int] = ("", 0)

    def getsockname(self) -> tuple[str, int]:
        return self.where


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_any_address_is_one_in_both_families(host: str) -> None:
    with Bound() as server:
        server.where = (host, 8080)
        one = ActivatedSocket("", server)
        assert one.is_for(TcpAddress("0.0.0.0", 8080))
        assert one.is_for(TcpAddress("::", 8080))
        assert not one.is_for(TcpAddress("127.0.0.1", 8080))


def test_a_host_name_is_what_it_resolves_to(bound: socket.socket) -> None:
    one = ActivatedSocket("", bound)
    assert one.is_for(TcpAddress("localhost", bound.getsockname()[1]))
    assert not one.is_for(TcpAddress("localhost", 1))


def test_a_socket_file_is_known_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "regional.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        one = ActivatedSocket("", server)
        addresses: list[Address] = [UnixAddress(path), UnixAddress("/other"), TcpAddress("::", 1)]
        assert [one.is_for(address) for address in addresses] == [True, False, False]
