"""What cannot run says why in a line that names it, ends with 2, and leaves nothing running."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.control.state.sqlite import SqliteDatabase
from tests.end_to_end.installation import Installation, make_installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One that could run, before the test breaks something."""
    return make_installation(tmp_path)


def refused(installation: Installation, line: str) -> None:
    """`up` says `line` and nothing else."""
    assert installation.run("up") == (2, "", f"edgecache: {line}\n")
    assert not installation.left_running()


@pytest.mark.parametrize("who", ["control", "bucket", "location LHR50", "location NRT57"])
def test_a_port_in_use(installation: Installation, who: str) -> None:
    ports = installation.ports
    named = {"location LHR50": ports.lhr, "location NRT57": ports.nrt}
    port = named.get(who) or int(getattr(ports, who))
    with socket.create_server(("127.0.0.1", port)):
        refused(installation, f"127.0.0.1:{port} ({who}): address already in use")


def test_a_socket_in_use(installation: Installation) -> None:
    installation.state.mkdir()
    path = installation.state / "regional.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        refused(installation, f"unix:{path} (regional): address already in use")


def test_a_missing_file(installation: Installation) -> None:
    installation.config.unlink()
    refused(installation, f"{installation.config}: no such file or directory")


def test_a_file_that_is_not_toml(installation: Installation) -> None:
    installation.config.write_text("[control\n")
    code, out, err = installation.run("up")
    assert (code, out) == (2, "")
    assert str(installation.config) in err
    assert err.count("\n") <= 2
    assert not installation.left_running()


def test_a_bad_value(installation: Installation) -> None:
    installation.write(more="[limits]\nfields_max = 0\n")
    place = "edgecache.toml:3:1: limits.fields_max: 0 is outside 8 to 1000 fields"
    refused(installation, f"{installation.config}: 1 problem\n  {place}")


def test_a_missing_bucket(installation: Installation) -> None:
    folder = installation.folder / "bucket"
    shutil.rmtree(folder)
    refused(installation, f"bucket.folder: no such folder: {folder}")


def _newer(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state / "control.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")


def _garbage(state: Path) -> None:
    (state / "control.sqlite").write_bytes(b"not a database at all" * 500)


def _row_that_cannot_be_read(state: Path) -> None:
    made = SqliteDatabase(state)
    made.execute(
        "INSERT INTO resources VALUES ('distribution', 'E1', '', 'E2', 0, 0, 0, '', '{', '{}')"
    )
    made.close()


def _secrets(state: Path) -> None:
    (state / "secrets.json").write_text('{"peer": {}, "newer": {}}')
    (state / "secrets.json").chmod(0o600)


@pytest.mark.parametrize("role", ["up", "control"])
@pytest.mark.parametrize("spoil", [_newer, _garbage, _row_that_cannot_be_read, _secrets])
def test_a_state_that_cannot_be_used(
    installation: Installation, spoil: Callable[[Path], None], role: str
) -> None:
    installation.state.mkdir(mode=0o700)
    spoil(installation.state)
    code, out, err = installation.run(role)
    assert (code, out) == (2, ""), err
    if spoil is _secrets:
        assert err.startswith(f"edgecache: {installation.state / 'secrets.json'}: ")
    else:
        assert f" error control: {installation.state / 'control.sqlite'}: " in err
    assert err.count("\n") == 1, err
    assert not installation.left_running()


def test_an_unknown_location(installation: Installation) -> None:
    code, _, err = installation.run("edge", "--location", "CDG50")
    assert code == 2
    assert err.startswith("edgecache: --location: CDG50 is not in ")
