"""Privileges: given up once everything is bound, or nothing is started."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from edgecache.config.model import Config, Process
from edgecache.runtime.privileges import (
    PrivilegesError,
    account_identity,
    drop_privileges,
    missing_privileges,
)

ME = pwd.getpwuid(os.geteuid()).pw_name
DROPPING = """
import os, sys
from edgecache.config.listen import UnixAddress
from edgecache.config.model import Config, Process
from edgecache.runtime.privileges import drop_privileges
from edgecache.runtime.inherited import bind
state = sys.argv[1]
address = UnixAddress(state + "/regional.sock")
bind(address)
open(state + "/secrets.json", "w").close()
folder = os.open(state, os.O_RDONLY)  # others may not pass through those above it
drop_privileges(Config(state_dir=state, process=Process(user="nobody")), [address])
print(*os.getresuid(), *os.getresgid(), os.fstat(folder).st_uid, end=" ")
print(*(os.stat(name, dir_fd=folder).st_uid for name in ("regional.sock", "secrets.json")))
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


def test_without_a_user_nothing_changes() -> None:
    drop_privileges(Config())
    assert missing_privileges(Config()) == []


def test_who_is_that_user_already_stays_so() -> None:
    assert missing_privileges(Config(process=Process(user=ME))) == []
    assert account_identity(ME, "").uid == os.geteuid()


def test_an_unknown_account_is_refused_before_anything_starts() -> None:
    (line,) = missing_privileges(Config(process=Process(user="no-such-user-here")))
    assert "no-such-user-here" in line
    with pytest.raises(PrivilegesError):
        account_identity(ME, "no-such-group-here")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can become anybody")
def test_others_than_root_cannot_become_somebody_else() -> None:
    config = Config(process=Process(user="nobody"))
    assert missing_privileges(config) == ["process.user: only root can become nobody"]
    with pytest.raises(PrivilegesError):
        drop_privileges(config)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
def test_root_becomes_the_user_for_good(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    root = Path(__file__).resolve().parents[2]
    state = tmp_path / "state"
    state.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", DROPPING, str(state)], capture_output=True, text=True, cwd=root
    )
    ids = [nobody.pw_uid] * 3 + [nobody.pw_gid] * 3 + [nobody.pw_uid] * 3
    assert done.stdout.splitlines() == [" ".join(map(str, ids)), "for good"], done.stderr
