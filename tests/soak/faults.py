"""What befalls an installation in a soak, in turn; each leaves it as it was, sooner or later."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from edgecache.cluster.lease import LEASE_S
from tests.end_to_end.installation import Up
from tests.end_to_end.renewals import ask, comment
from tests.end_to_end.test_faults import limited, pid_of, stopped
from tests.soak import attacks

Fault = Callable[[Up], list[str] | None]  # what it found wrong itself, if it looks
FOR_S = 2.0  # how long what lasts does


def _for_a_while() -> None:
    threading.Event().wait(FOR_S)


def kills(name: str) -> Fault:
    def killed(up: Up) -> None:
        os.kill(pid_of(up, name), signal.SIGKILL)

    return killed


def stops(name: str) -> Fault:
    def hung(up: Up) -> None:
        with stopped(pid_of(up, name)):
            _for_a_while()

    return hung


def full_disk(up: Up) -> None:
    with limited(pid_of(up, "NRT57"), resource.RLIMIT_FSIZE, 4_096):
        _for_a_while()


def no_descriptors(up: Up) -> None:
    pid = pid_of(up, "NRT57")
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    with limited(pid, resource.RLIMIT_NOFILE, used + 2):
        _for_a_while()


def slow_heads(up: Up) -> None:
    """Three hundred who never finish what they ask."""
    viewers = []
    for _ in range(300):
        viewer = socket.create_connection(("127.0.0.1", up.installation.ports.nrt), 10)
        viewer.sendall(b"GET / HTTP/1.1\r\nHost: ")
        viewers.append(viewer)
    _for_a_while()
    for viewer in viewers:
        viewer.close()


def reload(up: Up) -> None:
    comment(up.installation, f"soak {os.urandom(4).hex()}")
    ask(up, "reload")


def control_gone(up: Up) -> None:
    """For longer than its leases last."""
    with stopped(pid_of(up, "control")):
        threading.Event().wait(LEASE_S + FOR_S)


def regional_emptied(up: Up) -> None:
    pid = pid_of(up, "regional")
    os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(up.installation.state / "disk" / "regional")
    os.kill(pid, signal.SIGKILL)


def upgrade_all(up: Up) -> None:
    ask(up, "upgrade")


FAULTS: dict[str, tuple[Fault, bool]] = {
    "a worker is killed": (kills("LHR50"), True),
    "equal bad heads": (attacks.equal_bad_heads, False),
    "upgrade": (upgrade_all, False),
    "aborted downloads": (attacks.aborted_downloads, False),
    "the regional cache hangs": (stops("regional"), False),
    "control is killed": (kills("control"), False),
    "slow TLS readers": (attacks.slow_tls_readers, False),
    "the access log's disk is full": (full_disk, False),
    "the regional cache is killed": (kills("regional"), False),
    "trickled uploads": (attacks.trickled_uploads, False),
    "slow heads": (slow_heads, False),
    "no descriptors are left": (no_descriptors, True),
    "dead addresses": (attacks.dead_addresses, False),
    "the origin hangs": (stops("origin"), False),
    "reload": (reload, False),
    "a page that always fails": (attacks.a_page_that_fails, False),
    "control is gone for longer than a lease": (control_gone, False),
    "the regional cache comes back empty": (regional_emptied, False),
}
"""By name: what is done, and whether some viewers must notice (their process or place is gone)."""
