"""Who control refuses: by whom, from where and why; forgotten soon, and never many."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.cluster.credentials import AUTH_SCHEME, CredentialVerdict, control_message
from edgecache.control.nodes.refusals import (
    ADDRESS_REFUSED_MAX,
    REFUSED_MAX,
    REFUSED_S,
    NodeAdmission,
    refusal_reason,
)
from tests.world.credentials import signer, verifier


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> NodeAdmission:
    return NodeAdmission(verifier("control", clock).verify, clock)


def asked(
    clock: Clock, name: str = "edge-A-1", peer: str = "192.0.2.1", secret: str = "k" * 32
) -> dict[str, Any]:
    """The scope of a request that `name` has signed with `secret`."""
    made = signer(name, "control", clock, {"k1": secret})
    credential = made.sign(control_message("GET", b"/log", ""))
    value = f"{AUTH_SCHEME} {credential.decode()}".encode()
    head = {"method": "GET", "path": "/log", "query_string": b"", "client": (peer, 1)}
    return head | {"headers": [(b"authorization", value)]}


def test_who_is_admitted_is_named_and_not_listed(clock: Clock, admission: NodeAdmission) -> None:
    scope = asked(clock)
    assert admission.sender(scope) == "edge-A-1"
    assert admission.sender(scope) == "edge-A-1", "it is found out once"
    assert refusal_reason(scope) == ""
    assert admission.listing() == []


@pytest.mark.parametrize("name", ["regional", "regional-eu-1"])
def test_a_regional_cache_is_a_node(clock: Clock, admission: NodeAdmission, name: str) -> None:
    assert admission.sender(asked(clock, name)) == name


def test_who_is_refused_is_listed_with_the_reason(clock: Clock, admission: NodeAdmission) -> None:
    for _ in range(3):
        scope = asked(clock, secret="x" * 32)
        assert admission.sender(scope) == ""
        assert refusal_reason(scope) == CredentialVerdict.BAD_SIGNATURE
    late = asked(clock, "regional")
    clock.now += 61
    assert admission.sender(late) == ""
    assert admission.listing() == [
        {"name": "regional", "address": "192.0.2.1", "reason": "expired", "times": 1}
        | {"seen_s_ago": 0.0}
    ]


def test_who_comes_no_more_is_forgotten(clock: Clock, admission: NodeAdmission) -> None:
    for _ in range(2):
        admission.sender(asked(clock, secret="x" * 32))
        clock.now += REFUSED_S
    assert [one["times"] for one in admission.listing()] == [2]
    clock.now += 1
    assert admission.listing() == []


def test_who_is_admitted_in_the_end_is_listed_no_more(
    clock: Clock, admission: NodeAdmission
) -> None:
    admission.sender(asked(clock, secret="x" * 32))
    assert admission.sender(asked(clock)) == "edge-A-1"
    assert admission.listing() == []


@pytest.mark.parametrize("authorization", [b"", b"Bearer x", b"Edgecache x", b"Edgecache 1.k.x"])
def test_what_is_no_credential_is_nobodys(
    clock: Clock, admission: NodeAdmission, authorization: bytes
) -> None:
    scope = asked(clock) | {"headers": [(b"authorization", authorization)]}
    assert admission.sender(scope) == ""
    assert admission.listing() == []


def test_a_name_that_no_node_has_is_not_listed(clock: Clock, admission: NodeAdmission) -> None:
    assert admission.sender(asked(clock, "control", secret="x" * 32)) == ""
    assert admission.listing() == []


def test_strangers_fill_no_memory_and_hide_nobody(clock: Clock, admission: NodeAdmission) -> None:
    admission.sender(asked(clock, secret="x" * 32))
    for number in range(100):
        admission.sender(asked(clock, f"edge-{number}-1", "198.51.100.9", "x" * 32))
    listed = admission.listing()
    assert len(listed) == 1 + ADDRESS_REFUSED_MAX
    assert ("edge-A-1", "192.0.2.1") in [(one["name"], one["address"]) for one in listed]
    for number in range(2 * REFUSED_MAX):
        admission.sender(asked(clock, "edge-B-1", f"198.51.100.{number}", "x" * 32))
    assert len(admission.listing()) == REFUSED_MAX
