"""The authority: made once, its own alone, and certifying a key and names, never an identity."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgecache.cluster.certificates import certificate_request, common_name
from edgecache.config.secrets import SecretsError
from edgecache.control.nodes.authority import CertificateRequestError, open_authority

NOW = 1_800_000_000.0
LIFETIME_S = 3_600.0


def test_it_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    made = open_authority(tmp_path, NOW)
    again = open_authority(tmp_path, NOW + 100)
    assert made.fingerprint == again.fingerprint
    path = tmp_path / "cluster" / "authority.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" not in (tmp_path / "cluster" / "ca.pem").read_bytes()
    path.chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        open_authority(tmp_path, NOW)


def test_a_lost_certificate_is_told_anew_and_a_lost_key_is_not_made_up(tmp_path: Path) -> None:
    made = open_authority(tmp_path, NOW)
    (tmp_path / "cluster" / "ca.pem").unlink()
    assert open_authority(tmp_path, NOW).fingerprint == made.fingerprint
    assert (tmp_path / "cluster" / "ca.pem").exists()
    (tmp_path / "cluster" / "authority.key").unlink()
    with pytest.raises(SecretsError, match=r"authority\.key"):
        open_authority(tmp_path, NOW)


@pytest.mark.parametrize(
    ("place", "serves"), [("edge-LHR50", False), ("regional", True), ("control", True)]
)
def test_a_certificate_is_for_what_control_says(tmp_path: Path, place: str, serves: bool) -> None:
    authority = open_authority(tmp_path, NOW)
    _, request = certificate_request(("edge7.test", "10.0.0.7"))
    issued = authority.certify(request, place, "a1", NOW, LIFETIME_S)
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    made.verify_directly_issued_by(authority.certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [issued.identity.uri]
    assert issued.names == ("edge7.test", "10.0.0.7")
    purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (ExtendedKeyUsageOID.SERVER_AUTH in purposes) is serves
    assert issued.ends == NOW + LIFETIME_S
    assert made.not_valid_after_utc.timestamp() == issued.ends


def _request(key: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
    asked = x509.CertificateSigningRequestBuilder().subject_name(common_name("regional"))
    known = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    signed = asked.add_extension(known, False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (b"nothing", "not a certificate request"),
        (_request(ec.generate_private_key(ec.SECP384R1())), "not of ECDSA P-256"),
        (
            _request(ec.generate_private_key(ec.SECP256R1()), "control.edgecache.internal"),
            "is no name",
        ),
    ],
)
def test_requests_that_are_refused(tmp_path: Path, request_: bytes, told: str) -> None:
    authority = open_authority(tmp_path, NOW)
    with pytest.raises(CertificateRequestError, match=told):
        authority.certify(request_, "edge-LHR50", "a1", NOW, LIFETIME_S)
