"""Certificates of machines: whose one is, by which names; what one without it is told."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from edgecache.cluster.certificates import (
    NAMES_MAX,
    CertificateFile,
    NodeIdentity,
    certificate_path,
    certificate_request,
    general_names,
    identity_of,
    server_name,
    shown_certificate,
    write_private,
)
from edgecache.config.secrets import SecretsError
from edgecache.control.nodes.authority import open_authority

CLUSTER = "0123456789abcdef"


@pytest.mark.parametrize(
    ("place", "uri", "name", "serves"),
    [
        ("control", "control/a1", "control.edgecache.internal", True),
        ("regional", "regional/a1", "regional.edgecache.internal", True),
        ("regional-eu-1", "regional/eu-1/a1", "regional-eu-1.edgecache.internal", True),
        ("edge-LHR50", "edge/LHR50/a1", "edge-lhr50.edgecache.internal", False),
        ("edge-a-b", "edge/a-b/a1", "edge-a-b.edgecache.internal", False),
    ],
)
def test_a_certificate_spells_its_place(place: str, uri: str, name: str, serves: bool) -> None:
    identity = NodeIdentity(CLUSTER, place, "a1")
    assert identity.uri == f"edgecache://{CLUSTER}/{uri}"
    assert identity_of(identity.uri) == identity
    assert (server_name(place), identity.serves) == (name, serves)
    assert identity.node == f"{place}/a1"


@pytest.mark.parametrize(
    "uri",
    [
        "", "https://a.test/", f"edgecache://{CLUSTER}/edge/a1", f"edgecache://{CLUSTER}/origin/a1",
        f"edgecache://{CLUSTER}/edge/L/a1/", f"edgecache://{CLUSTER}/edge/L M/a1",
        "edgecache://short/control/a1", f"edgecache://{CLUSTER}/edge/../control/a1",
    ],
)  # fmt: skip
def test_another_uri_is_nobody(uri: str) -> None:
    assert identity_of(uri) is None


@pytest.mark.parametrize(
    "names",
    [
        ("control.edgecache.internal",), ("x.EDGECACHE.internal",), ("edgecache.internal",),
        ("*.a.test",), ("a b",), ("",), ("-",), ("a/b",),
        tuple(f"{number}.test" for number in range(NAMES_MAX + 1)),
    ],
)  # fmt: skip
def test_names_nobody_gets(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"is no name|are more than"):
        general_names(names)


def test_names_and_addresses_once_each() -> None:
    found = general_names(("Edge7.test", "10.0.0.7", "::1", "10.0.0.7"))
    assert [str(one.value) for one in found] == ["edge7.test", "10.0.0.7", "::1"]


def test_a_machine_without_one_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match=r"nodes token --location LHR50.*nodes enroll TOKEN"):
        CertificateFile(tmp_path, "edge-LHR50")
    with pytest.raises(SecretsError, match="nodes token --regional`"):
        CertificateFile(tmp_path, "regional")
    with pytest.raises(SecretsError, match="nodes token --regional --name eu-1`"):
        CertificateFile(tmp_path, "regional-eu-1")


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    for name in ("ca.pem", "regional.pem"):
        (tmp_path / "cluster" / name).write_text("nothing")
    with pytest.raises(SecretsError, match=r"regional\.pem: "):
        CertificateFile(tmp_path, "regional")


def enrolled(folder: Path, place: str, instance: str = "a1") -> CertificateFile:
    """A machine of the installation in `folder`; its contexts verify as strictly as 3.13's do."""
    key, request = certificate_request(())
    issued = open_authority(folder, time.time()).certify(
        request, place, instance, time.time(), 3_600
    )
    write_private(certificate_path(folder, place), key + issued.pem.encode())
    held = CertificateFile(folder, place)
    for context in (held.client, held.server):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return held


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """The server's end of a handshake in memory. ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return answering


def test_both_ends_say_who_they_are(tmp_path: Path) -> None:
    regional, edge = enrolled(tmp_path, "regional"), enrolled(tmp_path, "edge-LHR50")
    shaken = shake_hands(edge.client, regional.server, server_name("regional"))
    shown = shown_certificate(shaken)
    assert shown is not None
    assert (shown.identity.node, shaken.version()) == ("edge-LHR50/a1", "TLSv1.3")


@pytest.mark.parametrize("name", ["control", "regional", "edge-LHR50"])
def test_an_edge_poses_as_nobody(tmp_path: Path, name: str) -> None:
    regional, edge = enrolled(tmp_path, "regional"), enrolled(tmp_path, "edge-LHR50")
    with pytest.raises(ssl.SSLError, match=r"(?i)purpose|hostname|certificate"):
        shake_hands(regional.client, edge.server, server_name(name))


def test_a_file_that_was_replaced_counts_for_the_next_handshake(tmp_path: Path) -> None:
    regional, edge = enrolled(tmp_path, "regional"), enrolled(tmp_path, "edge-LHR50")
    assert not edge.renewed()
    enrolled(tmp_path, "edge-LHR50", "a2")
    assert edge.renewed()
    shown = shown_certificate(shake_hands(edge.client, regional.server, server_name("regional")))
    assert shown is not None
    assert shown.identity.instance == "a2"
    assert edge.renew_at < edge.certificate.not_valid_after_utc.timestamp()
