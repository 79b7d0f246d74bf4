"""Certificates of machines: whose one is, by which names; what one without it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.cluster.certificates import (
    NAMES_MAX,
    CertificateFile,
    NodeIdentity,
    general_names,
    identity_of,
    server_name,
)
from edgecache.config.secrets import SecretsError

CLUSTER = "0123456789abcdef"


@pytest.mark.parametrize(
    ("place", "uri", "name", "serves"),
    [
        ("control", "control/a1", "control.edgecache.internal", True),
        ("regional", "regional/a1", "regional.edgecache.internal", True),
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
    with pytest.raises(SecretsError, match="nodes token --regional"):
        CertificateFile(tmp_path, "regional")


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    for name in ("ca.pem", "regional.pem"):
        (tmp_path / "cluster" / name).write_text("nothing")
    with pytest.raises(SecretsError, match=r"regional\.pem: "):
        CertificateFile(tmp_path, "regional")
