"""Places of addresses: MaxMind records as CloudFront's viewer headers have them.

Developer Guide, "Add CloudFront request headers" (viewer location); MaxMind, "City and Country
databases" and "ASN databases" for the records. What a record lacks, or has of another kind, is
unknown: an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
_METRO_COUNTRY = "US"  # no other country has Nielsen's market areas


@dataclass(frozen=True, slots=True)
class GeoPlace:
    """Where an address is, each part empty when it is not known. Text is ready for a field."""

    country: str = ""  # ISO 3166-1 alpha-2
    country_name: str = ""
    region: str = ""  # ISO 3166-2 without its country
    region_name: str = ""
    city: str = ""
    latitude: str = ""
    longitude: str = ""
    metro_code: str = ""
    postal_code: str = ""
    time_zone: str = ""  # of the IANA database
    asn: str = ""


NOWHERE = GeoPlace()


def place_of(record: object) -> GeoPlace:
    """The place a record (as decoded: mappings, lists, text, numbers) tells of."""
    country = _text(_at(record, "country", "iso_code")).upper()
    metro = _number(_at(record, "location", "metro_code"))
    asn = _number(_at(record, "autonomous_system_number"))
    return GeoPlace(
        country=country,
        country_name=_text(_at(record, "country", "names", "en")),
        region=_text(_at(record, "subdivisions", 0, "iso_code")),
        region_name=_text(_at(record, "subdivisions", 0, "names", "en")),
        city=_text(_at(record, "city", "names", "en")),
        latitude=_degrees(_at(record, "location", "latitude")),
        longitude=_degrees(_at(record, "location", "longitude")),
        metro_code=metro if country == _METRO_COUNTRY else "",
        postal_code=_text(_at(record, "postal", "code")),
        time_zone=_text(_at(record, "location", "time_zone")),
        asn=asn or _number(_at(record, "traits", "autonomous_system_number")),
    )


def _at(record: object, *path: str | int) -> object:
    for step in path:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and len(record) > step else None
        else:
            record = record.get(step) if isinstance(record, Mapping) else None
    return record


def _text(value: object) -> str:
    """Text with all but printable ASCII percent-encoded (RFC 3986), as CloudFront does."""
    return quote(value, safe=_PRINTABLE) if isinstance(value, str) else ""


def _number(value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else ""


def _degrees(value: object) -> str:
    """Five decimals, about a meter."""
    return f"{value:.5f}" if isinstance(value, float | int) and not isinstance(value, bool) else ""
