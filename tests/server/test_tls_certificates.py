"""The development authority: kept while it serves, made anew when it no longer does."""

from __future__ import annotations

import errno
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from edgecache.server.dev_certificate import (
    ADDRESSES_MAX,
    CA_DAYS,
    RENEW_DAYS,
    SITE_DAYS,
    DevelopmentCertificate,
    alternative_names,
    ca_file,
    development,
    development_certificate,
    folder_of,
)

NOW = datetime(2027, 1, 15, tzinfo=UTC)
NAMES = ["www.test", "*.wild.test", "192.0.2.1", "[2001:db8::1]", "WWW.test", "*"]
ADDRESSES = {"192.0.2.1", "[2001:db8::1]"}
LOCAL = {"localhost", "127.0.0.1", "[::1]"}


def loaded(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def names_in(pem: bytes) -> frozenset[str]:
    return alternative_names(loaded(pem))


def site(folder: Path) -> bytes:
    return (folder_of(folder) / "site.pem").read_bytes()


def test_the_default_names_this_machine_and_addresses(tmp_path: Path) -> None:
    assert names_in(development(tmp_path, NAMES, NOW).default) == ADDRESSES | LOCAL
    many = [f"10.0.{high}.{low}" for high in range(4) for low in range(100)]
    found = names_in(development(tmp_path, many, NOW).default)
    assert len(found) == ADDRESSES_MAX + len(LOCAL)


def test_a_site_has_its_own_names_and_no_others(tmp_path: Path) -> None:
    found = development(tmp_path, [], NOW)
    assert names_in(found.certificate(NAMES)) == {"www.test", "*.wild.test"} | ADDRESSES
    assert names_in(found.certificate(["other.test"])) == {"other.test"}


def test_a_file_for_another_server(tmp_path: Path) -> None:
    path = development_certificate(tmp_path, ["www.test"], NOW)
    assert names_in(path.read_bytes()) == {"www.test"} | LOCAL


def test_its_authority_signed_it(tmp_path: Path) -> None:
    found = development(tmp_path, NAMES, NOW)
    authority = loaded(ca_file(tmp_path).read_bytes())
    for pem in (found.default, found.certificate(["a.test"])):
        loaded(pem).verify_directly_issued_by(authority)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_nobody_else_reads_a_key(tmp_path: Path) -> None:
    development(tmp_path, NAMES, NOW)
    folder = folder_of(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("ca.key", "site.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("names", "days", "kept"),
    [
        (NAMES, 0, True),
        ([*reversed(NAMES)], 0, True),
        (NAMES, SITE_DAYS - RENEW_DAYS - 1, True),
        (NAMES, SITE_DAYS - RENEW_DAYS, False),
        ([*NAMES, "new.test"], 0, True),  # what control has added to the file: no address
        (NAMES[1:4], 0, True),
        ([*NAMES, "192.0.2.2"], 0, False),
    ],
)
def test_it_is_kept_while_it_serves(
    tmp_path: Path, names: list[str], days: int, kept: bool
) -> None:
    first = development(tmp_path, NAMES, NOW)
    authority = ca_file(tmp_path).read_bytes()
    second = development(tmp_path, names, NOW + timedelta(days=days))
    assert (second.default == first.default == site(tmp_path)) is kept
    assert loaded(second.default).public_key() == loaded(first.default).public_key()
    assert ca_file(tmp_path).read_bytes() == authority


def test_one_of_a_former_release_that_names_every_site_gives_way(tmp_path: Path) -> None:
    first = development(tmp_path, [], NOW)
    (folder_of(tmp_path) / "site.pem").write_bytes(first.certificate(["tenant.test", *LOCAL]))
    second = development(tmp_path, [], NOW)
    assert names_in(second.default) == LOCAL
    assert loaded(second.default).public_key() == loaded(first.default).public_key()


def test_an_authority_near_its_end_is_made_anew(tmp_path: Path) -> None:
    development(tmp_path, NAMES, NOW)
    authority = ca_file(tmp_path).read_bytes()
    found = development(tmp_path, NAMES, NOW + timedelta(days=CA_DAYS - RENEW_DAYS))
    assert ca_file(tmp_path).read_bytes() != authority
    loaded(found.default).verify_directly_issued_by(loaded(ca_file(tmp_path).read_bytes()))


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "site.pem"])
def test_a_file_that_was_spoilt_is_made_anew(tmp_path: Path, name: str) -> None:
    development(tmp_path, NAMES, NOW)
    (folder_of(tmp_path) / name).write_text("spoilt")
    found = development(tmp_path, NAMES, NOW)
    loaded(found.default).verify_directly_issued_by(loaded(ca_file(tmp_path).read_bytes()))


def full(_path: Path, _data: bytes) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def on_a_full_disk(folder: Path, days: int = 0) -> DevelopmentCertificate:
    return development(folder, ["192.0.2.9"], NOW + timedelta(days=days), full)


def test_a_full_disk_leaves_what_is_there_in_use(tmp_path: Path) -> None:
    first = development(tmp_path, [], NOW)
    second = on_a_full_disk(tmp_path)  # which would have to name an address more
    assert loaded(second.default).public_key() == loaded(first.default).public_key()
    loaded(second.default).verify_directly_issued_by(loaded(ca_file(tmp_path).read_bytes()))
    assert site(tmp_path) == first.default
    old = on_a_full_disk(tmp_path, CA_DAYS - RENEW_DAYS)  # near its end is better than unknown
    loaded(old.default).verify_directly_issued_by(loaded(ca_file(tmp_path).read_bytes()))


def test_a_full_disk_with_nothing_on_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = on_a_full_disk(tmp_path)
    assert names_in(found.default) == LOCAL | {"192.0.2.9"}
    assert not ca_file(tmp_path).exists()
    assert len(caplog.records) == 1
    assert "No space left on device: a certificate is made in memory" in caplog.text
