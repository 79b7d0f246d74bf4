"""A certificate of another tier opens its own place alone."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.cluster.certificates import NodeIdentity, PeerCertificate
from edgecache.server.peer_tls import PeerSession, PeerTlsPort

NOW = 1_000.0


def shown(place: str, instance: str = "a1", ends: float = NOW + 1) -> PeerCertificate:
    return PeerCertificate(NodeIdentity("0" * 16, place, instance), "1", ends)


@pytest.mark.parametrize(
    ("place", "sender", "admitted"),
    [
        ("edge-LHR50", "edge-LHR50-1", True),
        ("edge-LHR50", "edge-LHR50-77", True),
        ("edge-LHR50", "edge-NRT57-1", False),
        ("edge-LHR50", "control", False),
        ("edge-LHR50", "", False),
        ("control", "control", True),
    ],
)
def test_a_credential_is_held_against_the_certificate(
    place: str, sender: str, admitted: bool
) -> None:
    any_certificate: Any = None
    session = PeerSession(any_certificate, "TLSv1.3", "suite", False, False, shown(place))
    assert session.admits(sender) is admitted
    assert session.covers(b"any.test")
    assert session.told == b""  # what the viewer's connection is, the edge has said


@pytest.mark.parametrize(
    ("certificate", "good"),
    [
        (shown("edge-LHR50"), True),
        (shown("control"), True),
        (shown("regional-eu-1"), True),  # the origin shield is asked by others
        (shown("origin"), False),
        (shown("edge-LHR50", "a2"), False),
        (shown("edge-LHR50", ends=NOW), False),
    ],
)
def test_who_may_ask_a_regional_cache(certificate: PeerCertificate, good: bool) -> None:
    port = object.__new__(PeerTlsPort)
    port.revoked = frozenset({"edge-LHR50/a2"})
    port._clock = lambda: NOW
    assert port.is_good(certificate) is good
