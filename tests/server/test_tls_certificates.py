"""The development certificate: kept while it serves, made anew when it no longer does."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from edgecache.server.certificates import (
    CA_DAYS,
    RENEW_DAYS,
    SITE_DAYS,
    alternative_names,
    ca_file,
    development_certificate,
)

NOW = datetime(2027, 1, 15, tzinfo=UTC)
NAMES = ["www.test", "*.wild.test", "192.0.2.1", "[2001:db8::1]", "WWW.test", "*"]


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_names_what_was_asked_and_this_machine(tmp_path: Path) -> None:
    found = alternative_names(loaded(development_certificate(tmp_path, NAMES, NOW)))
    wanted = {"www.test", "*.wild.test", "192.0.2.1", "[2001:db8::1]"}
    assert found == wanted | {"localhost", "127.0.0.1", "[::1]"}


def test_its_authority_signed_it(tmp_path: Path) -> None:
    site = loaded(development_certificate(tmp_path, NAMES, NOW))
    authority = loaded(ca_file(tmp_path))
    site.verify_directly_issued_by(authority)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_nobody_else_reads_a_key(tmp_path: Path) -> None:
    path = development_certificate(tmp_path, NAMES, NOW)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for name in ("ca.key", "site.pem"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("names", "days", "kept"),
    [
        (NAMES, 0, True),
        (reversed(NAMES), 0, True),
        (NAMES, SITE_DAYS - RENEW_DAYS - 1, True),
        (NAMES, SITE_DAYS - RENEW_DAYS, False),
        ([*NAMES, "new.test"], 0, False),
        (NAMES[1:4], 0, False),
    ],
)
def test_it_is_kept_while_it_serves(
    tmp_path: Path, names: list[str], days: int, kept: bool
) -> None:
    first = development_certificate(tmp_path, NAMES, NOW).read_bytes()
    authority = ca_file(tmp_path).read_bytes()
    later = NOW + timedelta(days=days)
    assert (development_certificate(tmp_path, names, later).read_bytes() == first) is kept
    assert ca_file(tmp_path).read_bytes() == authority


def test_an_authority_near_its_end_is_made_anew(tmp_path: Path) -> None:
    development_certificate(tmp_path, NAMES, NOW)
    authority = ca_file(tmp_path).read_bytes()
    later = NOW + timedelta(days=CA_DAYS - RENEW_DAYS)
    site = loaded(development_certificate(tmp_path, NAMES, later))
    assert ca_file(tmp_path).read_bytes() != authority
    site.verify_directly_issued_by(loaded(ca_file(tmp_path)))


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "site.pem"])
def test_a_file_that_was_spoilt_is_made_anew(tmp_path: Path, name: str) -> None:
    path = development_certificate(tmp_path, NAMES, NOW)
    (path.parent / name).write_text("spoilt")
    site = loaded(development_certificate(tmp_path, NAMES, NOW))
    site.verify_directly_issued_by(loaded(ca_file(tmp_path)))
