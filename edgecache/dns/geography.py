"""Geography: which continent a country is of, and where regions are.

Countries by continent as Route 53 counts them (Developer Guide, "Values specific for geolocation
records"); it has no geolocation records for `WITHOUT_RECORDS`. Coordinates of AWS's regions are
those of the cities they are named after, in degrees.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

Coordinates = tuple[float, float]
"""Latitude and longitude in degrees."""

EARTH_KM = 6_371.0
_COUNTRIES = {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG"
    " ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ GS TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK"
    " MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TM TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE"
    " LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM TR UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX"
    " NI PA PM PR SV SX TC TT US VC VG VI",
    "OC": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}
CONTINENT_OF = {
    country: continent for continent, row in _COUNTRIES.items() for country in row.split()
}
CONTINENTS = frozenset(_COUNTRIES)
WITHOUT_RECORDS = frozenset({"BV", "CX", "EH", "HM"})
REGIONS: dict[str, Coordinates] = {
    "us-east-1": (38.9, -77.4), "us-east-2": (40.0, -83.0), "us-west-1": (37.8, -122.4),
    "us-west-2": (45.8, -119.7), "ca-central-1": (45.5, -73.6), "ca-west-1": (51.0, -114.1),
    "mx-central-1": (20.6, -100.4), "sa-east-1": (-23.5, -46.6), "eu-west-1": (53.3, -6.3),
    "eu-west-2": (51.5, -0.1), "eu-west-3": (48.9, 2.4), "eu-central-1": (50.1, 8.7),
    "eu-central-2": (47.4, 8.5), "eu-north-1": (59.3, 18.1), "eu-south-1": (45.5, 9.2),
    "eu-south-2": (41.6, -0.9), "il-central-1": (32.1, 34.8), "me-south-1": (26.2, 50.6),
    "me-central-1": (24.5, 54.4), "af-south-1": (-33.9, 18.4), "ap-south-1": (19.1, 72.9),
    "ap-south-2": (17.4, 78.5), "ap-southeast-1": (1.4, 103.8), "ap-southeast-2": (-33.9, 151.2),
    "ap-southeast-3": (-6.2, 106.8), "ap-southeast-4": (-37.8, 145.0), "ap-east-1": (22.3, 114.2),
    "ap-northeast-1": (35.7, 139.7), "ap-northeast-2": (37.6, 127.0),
    "ap-northeast-3": (34.7, 135.5),
}  # fmt: skip


def distance_km(one: Coordinates, other: Coordinates) -> float:
    """Along the surface (haversine)."""
    north, south = radians(one[0]), radians(other[0])
    chord = sin((north - south) / 2) ** 2
    chord += cos(north) * cos(south) * sin(radians(one[1] - other[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(chord)))


def biased_distance(km: float, bias: int) -> float:
    """A distance by Route 53's bias, -99 to 99: above 0 the region grows, below it shrinks."""
    return km * (1 - bias / 100) if bias >= 0 else km / (1 + bias / 100)
