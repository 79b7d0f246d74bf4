"""Addresses and folders are judged before anything starts."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.cluster.credentials import part_of
from edgecache.config.dns import DnsSettings
from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.config.model import Bucket, Config, Control, Location, RegionalCache
from edgecache.config.secrets import load_secrets, spelled
from edgecache.supervisor.preflight import (
    Binding,
    bindings,
    missing_files,
    missing_zone_secret,
    occupied_addresses,
    unusable_state_dir,
)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on, ready to share it with its own kind."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_in_use_is_one_line_though_it_could_be_shared(taken: int) -> None:
    wanted = Binding(TcpAddress("127.0.0.1", taken), "location LHR50")
    assert occupied_addresses([wanted]) == [
        f"127.0.0.1:{taken} (location LHR50): address already in use"
    ]


def test_a_free_port_is_left_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wanted = Binding(TcpAddress("127.0.0.1", port), "control")
    assert occupied_addresses([wanted, wanted]) == []


def test_an_address_of_another_machine_is_told() -> None:
    wanted = Binding(TcpAddress("192.0.2.1", 9), "control")  # TEST-NET-1 (RFC 5737)
    assert occupied_addresses([wanted]) == [
        "192.0.2.1:9 (control): cannot assign requested address"
    ]


def test_a_socket_file_left_behind_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert occupied_addresses([Binding(UnixAddress(str(path)), "regional")]) == []
    assert not path.exists()


def test_a_socket_file_that_answers_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        lines = occupied_addresses([Binding(UnixAddress(str(path)), "regional")])
    assert lines == [f"unix:{path} (regional): address already in use"]
    assert path.exists()


def test_a_file_that_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    path.write_text("precious")
    lines = occupied_addresses([Binding(UnixAddress(str(path)), "regional")])
    assert lines == [f"unix:{path} (regional): is there and is not a socket"]
    assert path.read_text() == "precious"


def test_a_missing_socket_file_is_fine(tmp_path: Path) -> None:
    assert occupied_addresses([Binding(UnixAddress(str(tmp_path / "none.sock")), "regional")]) == []


def test_every_listener_is_bound(tmp_path: Path) -> None:
    config = Config(
        state_dir=str(tmp_path),
        control=Control(),
        regional=RegionalCache(),
        bucket=Bucket(listen="127.0.0.1:8070", folder="b"),
        locations=(Location(name="LHR50", listen="[::1]:8080"),),
    )
    assert [f"{binding.address} ({binding.owner})" for binding in bindings(config)] == [
        "127.0.0.1:8090 (control)",
        f"unix:{tmp_path}/regional.sock (regional)",
        "127.0.0.1:8070 (bucket)",
        "[::1]:8080 (location LHR50)",
        f"unix:{tmp_path}/control.sock (control)",
    ]


def test_folders_that_are_not_there_are_told(tmp_path: Path) -> None:
    bucket = Bucket(listen="127.0.0.1:1", folder=str(tmp_path / "none"))
    config = Config(state_dir=str(tmp_path / "state"), bucket=bucket)
    assert missing_files(config) == [f"bucket.folder: no such folder: {tmp_path}/none"]
    assert (tmp_path / "state").is_dir()


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = f"{tmp_path}/file/state"
    assert unusable_state_dir(place) == [f"state_dir: not a directory: {place}"]


def test_a_certificate_of_control_that_is_none_is_told(tmp_path: Path) -> None:
    pem = tmp_path / "control.pem"
    pem.write_text("-")
    named = Control(certificate_file=str(pem), key_file=str(tmp_path / "none.pem"))
    assert missing_files(Config(state_dir=str(tmp_path), control=named)) == [
        f"control.key_file: no such file: {tmp_path / 'none.pem'}"
    ]
    alone = Control(certificate_file=str(pem), key_file=str(pem))
    (line,) = missing_files(Config(state_dir=str(tmp_path), control=alone))
    assert line.startswith(f"control: {pem}: no certificate in PEM; ")


def test_the_secret_of_signed_zones_is_made_at_control_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECACHE_SECRETS", raising=False)
    dns = DnsSettings(listen=("127.0.0.1:53",), zone="cdn.test", dnssec=True)
    config = Config(state_dir=str(tmp_path), dns=dns, control=Control())
    (line,) = missing_zone_secret(config, at_control=False)
    assert "no secret of dnssec, by which zones are signed; copy the file" in line
    (line,) = missing_zone_secret(replace(config, control=None), at_control=False)
    assert line.endswith("run: edgecache dns ds ZONE")
    assert missing_zone_secret(config, at_control=True) == []
    assert len(load_secrets(tmp_path, {}).dnssec) == 1
    assert missing_zone_secret(config, at_control=False) == []
    plain = Config(state_dir=str(tmp_path / "plain"), dns=replace(dns, dnssec=False))
    assert missing_zone_secret(plain, at_control=True) == []
    assert not (tmp_path / "plain").exists()


def test_a_machine_that_has_a_part_of_the_secrets_makes_none_of_zones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECACHE_SECRETS", raising=False)
    whole = load_secrets(tmp_path / "control", {})
    part = {name: part_of(secret, "nameserver") for name, secret in whole.peer.items()}
    (tmp_path / "secrets.json").write_text(spelled(whole, part, with_origins=False))
    (tmp_path / "secrets.json").chmod(0o600)
    dns = DnsSettings(listen=("127.0.0.1:53",), zone="cdn.test", dnssec=True)
    config = Config(state_dir=str(tmp_path), dns=dns, control=Control())
    assert len(missing_zone_secret(config, at_control=True)) == 1
