"""Whether viewers should be sent to a node: each reason, and the look at the regional cache."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.node.readiness import NodeReadiness, regional_probe
from edgecache.runtime.inherited import Unready


def readiness(**changed: object) -> NodeReadiness:
    made = NodeReadiness(follows=True, reported=True)
    for name, value in changed.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("state", "configured", "lease_s", "words"),
    [
        (readiness(), True, 2.0, []),
        (readiness(), True, 0.0, ["lease"]),
        (readiness(), False, 2.0, ["configuration"]),
        (readiness(reported=False), False, -1.0, ["starting"]),
        (readiness(drained_by_control=True), True, 2.0, ["draining"]),
        (readiness(drained_here=True), True, -1.0, ["draining", "lease"]),
        (readiness(reported=False, drained_here=True), True, 2.0, ["draining", "starting"]),
        (readiness(upstream_problem="gone"), True, 2.0, ["upstream"]),
        (NodeReadiness(follows=False), False, -1.0, []),
    ],
)
def test_each_reason_has_a_word(
    state: NodeReadiness, configured: bool, lease_s: float, words: list[str]
) -> None:
    reasons = state.unready(configured=configured, lease_s=lease_s)
    assert sorted(reasons) == words
    assert set(reasons) <= {*Unready}
    assert all(reasons.values())


def test_what_is_wrong_with_control_is_told() -> None:
    reasons = readiness().unready(configured=True, lease_s=0.0, problem="refuses this node: x" * 99)
    assert reasons["lease"].startswith("control refuses this node: x")
    assert len(reasons["lease"]) <= 500


def test_a_regional_cache_that_listens_is_well_and_is_asked_nothing(tmp_path: Path) -> None:
    path = tmp_path / "regional.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        probe = regional_probe(UnixAddress(str(path)), lambda: False)
        assert asyncio.run(_asked(probe)) == ""
        came, _ = server.accept()
        with came:
            assert came.recv(1) == b""


def test_one_that_is_gone_or_hangs_is_not(tmp_path: Path) -> None:
    gone = regional_probe(UnixAddress(str(tmp_path / "none")), lambda: False)
    assert "the regional cache at unix:" in asyncio.run(_asked(gone))
    hung = regional_probe(TcpAddress("127.0.0.1", 1), lambda: True)
    assert asyncio.run(_asked(hung)).endswith("does not answer")


async def _asked(probe: object) -> str:
    assert callable(probe)
    problem: str = await probe()
    return problem
