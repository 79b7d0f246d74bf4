"""Places out of real files in MaxMind's format, and what is done without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.node.geoip import database_problem, geo_lookup
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace
from tests.node.mmdb import database

CITIES = database(
    {
        "192.0.2.0/24": {
            "country": {"iso_code": "CH", "names": {"en": "Switzerland"}},
            "location": {"latitude": 47.3682, "longitude": -8.5671},
            "subdivisions": [{"iso_code": "ZH"}],
        },
        "2001:db8::/32": {"country": {"iso_code": "JP"}},
    }
)
NUMBERS = database({"192.0.2.0/25": {"autonomous_system_number": 64_500}})


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A file of cities and one of autonomous systems."""
    (tmp_path / "city.mmdb").write_bytes(CITIES)
    (tmp_path / "asn.mmdb").write_bytes(NUMBERS)
    return str(tmp_path / "city.mmdb"), str(tmp_path / "asn.mmdb")


@pytest.mark.parametrize(
    ("address", "country", "asn"),
    [
        ("192.0.2.1", "CH", "64500"),
        ("192.0.2.200", "CH", ""),
        ("198.51.100.1", "", ""),
        ("2001:db8::7", "JP", ""),
        ("2001:db8::7%eth0", "JP", ""),
        ("::1", "", ""),
        ("", "", ""),
        ("unix", "", ""),
    ],
)
def test_an_address_has_a_place(
    files: tuple[str, str], address: str, country: str, asn: str
) -> None:
    place_of = geo_lookup(*files)
    assert (place_of(address).country, place_of(address).asn) == (country, asn)
    assert place_of(address).country == country


def test_a_record_becomes_a_place(files: tuple[str, str]) -> None:
    assert geo_lookup(files[0])("192.0.2.9") == GeoPlace(
        country="CH",
        country_name="Switzerland",
        region="ZH",
        latitude="47.36820",
        longitude="-8.56710",
    )


def test_a_file_of_numbers_alone_is_enough(files: tuple[str, str]) -> None:
    assert geo_lookup("", files[1])("192.0.2.1") == GeoPlace(asn="64500")


def test_without_a_file_nothing_is_known() -> None:
    assert geo_lookup("")("192.0.2.1") == NOWHERE
    assert not geo_lookup("")("192.0.2.1").country


def test_what_cannot_be_read_says_why(tmp_path: Path, files: tuple[str, str]) -> None:
    bad = tmp_path / "bad.mmdb"
    bad.write_bytes(b"no database")
    assert database_problem(files[0]) == ""
    assert database_problem(str(tmp_path / "none.mmdb")) == "no such file or directory"
    assert database_problem(str(bad)) == "not a file in MaxMind's format"
    with pytest.raises(ValueError, match=r"bad\.mmdb"):
        geo_lookup(str(bad))


def test_a_damaged_file_costs_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start, end = CITIES.rindex(bytes(16)) + 16, CITIES.rindex(b"\xab\xcd\xefMaxMind.com")
    damaged = CITIES[:start] + b"\xff" * (end - start) + CITIES[end:]
    (tmp_path / "damaged.mmdb").write_bytes(damaged)
    assert geo_lookup(str(tmp_path / "damaged.mmdb"))("192.0.2.1") == NOWHERE
    assert "damaged" in caplog.text
