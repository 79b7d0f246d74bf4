"""What a node says when control refuses it or is away: the way out, each once."""

from __future__ import annotations

import logging

import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.node.control_contact import ControlContact

REQUIRED = "a node's credential is required"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def contact(clock: Clock) -> ControlContact:
    return ControlContact("edge-A-1", "http://control:8090", "/state/secrets.json", clock)


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, f"{REQUIRED}: bad-signature", "bad-signature: its secrets are not control's: copy"),
        (401, f"{REQUIRED}: unknown-key", "to /state/secrets.json, or what"),
        (403, f"{REQUIRED}: expired", "expired: the clocks of the two machines differ"),
        (401, f"{REQUIRED}: full", "full: too many processes"),
        (403, "unknown Host", "unknown Host"),
        (401, "", "it does not say why"),
    ],
)
def test_a_refusal_is_told_at_once_and_once(
    caplog: pytest.LogCaptureFixture, status: int, error: str, told: str
) -> None:
    caplog.set_level(logging.INFO)
    found = contact(Clock())
    for _ in range(3):
        found.answered(status, error)
    (line,) = caplog.messages
    assert line.startswith("control at http://control:8090 refuses this node (edge-A-1): ")
    assert told in line
    assert told in found.problem
    found.answered(200, "")
    assert found.problem == ""
    assert caplog.messages[1:] == ["control at http://control:8090: well again"]


def test_silence_is_told_once_a_lease_has_run_out(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    found = contact(clock)
    found.silent("connection refused")
    found.answered(200, "")
    found.answered(503, "busy")
    clock.now += LEASE_S - 0.1
    found.silent("connection refused")
    assert not caplog.messages
    clock.now += 0.1
    found.silent("connection refused")
    found.silent("no route to host")
    assert caplog.messages == [
        "control at http://control:8090 cannot be reached: connection refused"
    ]
    assert found.problem == "cannot be reached: no route to host"
