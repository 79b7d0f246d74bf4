"""Which node control takes by what its connection has shown, beside what its credential says."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.cluster.certificates import NodeIdentity, PeerCertificate
from edgecache.config.model import Cluster
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.enrollment import CERTIFICATE, CertificateAdmission

NOW = 1_000.0
NODE = "edge-LHR50-2"
HERE, THERE = ("10.0.0.5", 8090), ("10.0.0.9", 40_000)


def shown(place: str, instance: str = "a1", ends: float = NOW + 1) -> PeerCertificate:
    return PeerCertificate(NodeIdentity("0" * 16, place, instance), "1", ends)


@pytest.mark.parametrize(
    ("mutual_tls", "client", "certificate", "told"),
    [
        (True, THERE, shown("edge-LHR50"), ""),
        (True, THERE, None, "no certificate"),
        (True, HERE, None, "no certificate"),  # by TCP: whoever is on this machine
        (True, THERE, shown("edge-NRT57"), "is for edge-NRT57, not for edge-LHR50"),
        (True, THERE, shown("regional"), "is for regional"),
        (True, THERE, shown("edge-LHR50", "a2"), "revoked or has ended"),
        (True, THERE, shown("edge-LHR50", ends=NOW), "revoked or has ended"),
        (True, (LOCAL_PEER, 0), None, ""),  # the socket file
        (None, THERE, None, "plain HTTP from another machine"),
        (None, HERE, None, ""),
        (None, (LOCAL_PEER, 0), None, ""),
        (False, THERE, None, ""),
    ],
)
def test_a_node_is_taken_by_its_certificate(
    mutual_tls: bool | None, client: tuple[str, int], certificate: PeerCertificate | None, told: str
) -> None:
    cluster = Cluster(mutual_tls=mutual_tls)
    admission = CertificateAdmission(cluster, bool(mutual_tls), lambda: NOW)
    admission.revoked = frozenset({"edge-LHR50/a2"})
    scope: dict[str, Any] = {"client": client, "server": HERE, CERTIFICATE: certificate}
    trouble = admission.trouble(scope, NODE)
    assert told in trouble
    assert bool(trouble) is bool(told)


def test_connections_of_who_is_refused_now_are_closed() -> None:
    admission = CertificateAdmission(Cluster(mutual_tls=True), True, lambda: NOW)

    class Connection:
        def __init__(self, certificate: PeerCertificate) -> None:
            self.shown: PeerCertificate | None = certificate
            self.closed = False

        def close(self) -> None:
            self.closed = True

    good, ended, revoked = (
        Connection(shown("edge-LHR50", instance, NOW + seconds))
        for instance, seconds in (("a1", 1), ("a3", 0), ("a2", 1))
    )
    admission.connections |= {good, ended, revoked}
    admission.revoked = frozenset({"edge-LHR50/a2"})
    admission.close_refused()
    assert [one.closed for one in (good, ended, revoked)] == [False, True, True]
