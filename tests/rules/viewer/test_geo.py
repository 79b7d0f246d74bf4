"""Places out of MaxMind's records: what is there, what is missing, what is of another kind."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.rules.viewer.geo import NOWHERE, GeoPlace, place_of
from tests.rules.pieces import ZURICH

CITY: dict[str, Any] = {
    "city": {"names": {"en": "Zürich", "de": "Zürich"}},
    "country": {"iso_code": "ch", "names": {"en": "Switzerland"}},
    "location": {
        "latitude": 47.3682,
        "longitude": 8.5671,
        "metro_code": 819,
        "time_zone": "Europe/Zurich",
    },
    "postal": {"code": "8000"},
    "subdivisions": [{"iso_code": "ZH", "names": {"en": "Zurich"}}, {"iso_code": "X"}],
    "traits": {"autonomous_system_number": 559},
}


def test_a_whole_record() -> None:
    assert place_of(CITY) == ZURICH  # a metro code is of the United States alone


def test_the_united_states_have_metro_codes() -> None:
    record = {"country": {"iso_code": "US"}, "location": {"metro_code": 819}}
    assert place_of(record) == GeoPlace(country="US", metro_code="819")


def test_an_asn_database_has_its_number_on_top() -> None:
    assert place_of({"autonomous_system_number": 64_500}) == GeoPlace(asn="64500")


@pytest.mark.parametrize(
    "record",
    [
        None,
        "text",
        [],
        {},
        {"country": "CH"},
        {"country": {"iso_code": 7, "names": []}},
        {"subdivisions": []},
        {"subdivisions": {"0": {"iso_code": "ZH"}}},
        {"location": {"latitude": "47", "longitude": True, "metro_code": 1.5}},
        {"traits": {"autonomous_system_number": False}},
    ],
)
def test_what_is_of_another_kind_is_unknown(record: object) -> None:
    assert place_of(record) == NOWHERE


def test_degrees_have_a_sign() -> None:
    assert place_of({"location": {"longitude": -8.5671}}).longitude == "-8.56710"


def test_no_text_of_a_record_can_break_a_field() -> None:
    assert place_of({"city": {"names": {"en": "a\r\nb\x00c"}}}).city == "a%0D%0Ab%00c"
