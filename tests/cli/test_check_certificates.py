"""Warnings and problems of certificates that `edgecache check` tells, in their words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecache.cli.check import certificate_warnings, uncovered
from edgecache.config.model import (
    Acme,
    Behavior,
    Config,
    Control,
    Distribution,
    Origin,
    ViewerCertificate,
)
from edgecache.server.dev_certificate import SITE_DAYS, development_certificate
from edgecache.supervisor.preflight import unopened_files

NOW = datetime.now(UTC)


def config(certificate: Path, key: Path, *aliases: str, control: Control | None = None) -> Config:
    site = Distribution(
        id="E",
        aliases=aliases,
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=Behavior(origin="o"),
        viewer_certificate=ViewerCertificate(certificate_file=str(certificate), key_file=str(key)),
    )
    return Config(distributions=(site,), control=control)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return development_certificate(tmp_path, ["own.test", "*.wild.test"], NOW)


def warned(found: Config, days: float = 0) -> list[str]:
    return [*map(str, certificate_warnings(found, NOW.timestamp() + days * 86_400))]


def test_what_covers_its_aliases_and_lasts_is_not_warned_of(pem: Path) -> None:
    found = config(pem, pem, "own.test", "OWN.test", "www.wild.test", "*.wild.test", "*")
    assert warned(found) == []
    assert unopened_files(found) == []


def test_aliases_that_it_does_not_cover_are_named(pem: Path) -> None:
    (line,) = warned(config(pem, pem, "own.test", "other.test", "a.b.wild.test"))
    assert line.startswith(
        f"distributions[0].viewer_certificate: {pem}: "
        'not for "other.test", "a.b.wild.test", whose viewers refuse it; it is for '
    )


@pytest.mark.parametrize(
    ("days", "words"), [(SITE_DAYS - 13, "ends in 13."), (SITE_DAYS + 1, "has ended (")]
)
def test_its_end_is_told(pem: Path, days: float, words: str) -> None:
    (line,) = warned(config(pem, pem, "own.test"), days)
    assert line.startswith("distributions[0].viewer_certificate: the certificate of own.test ")
    assert words in line


def test_a_pair_that_does_not_go_together_is_a_problem(tmp_path: Path, pem: Path) -> None:
    other = development_certificate(tmp_path / "other", ["own.test"], NOW)
    found = config(pem, other, "own.test")
    (line,) = unopened_files(found)
    assert line.startswith(
        f"distributions[0].viewer_certificate: {other}: is not the key of {pem} (serial "
    )
    assert warned(found) == []


def test_files_and_folders_of_acme(tmp_path: Path, pem: Path) -> None:
    control = Control(acme_challenges="/nowhere", acme=Acme(ca_file="/none.pem"))
    found = config(pem, pem, "own.test", control=control)
    assert unopened_files(found) == ["control.acme.ca_file: no such file: /none.pem"]
    assert warned(found) == [
        "control.acme_challenges: no such folder: /nowhere: make it, and name it to your client "
        "of ACME"
    ]


def test_a_wildcard_is_for_one_label() -> None:
    assert uncovered(["a.x.test", "x.test", "a.b.x.test"], {"*.x.test"}) == ["x.test", "a.b.x.test"]
