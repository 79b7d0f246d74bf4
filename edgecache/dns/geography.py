"""Geography: which continent a country is of, and distances.

Countries by continent as Route 53 counts them (Developer Guide, "Values specific for geolocation
records").
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


def distance_km(one: Coordinates, other: Coordinates) -> float:
    """Along the surface (haversine)."""
    north, south = radians(one[0]), radians(other[0])
    chord = sin((north - south) / 2) ** 2
    chord += cos(north) * cos(south) * sin(radians(one[1] - other[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(chord)))


def biased_distance(km: float, bias: int) -> float:
    """A distance by Route 53's bias, -99 to 99: above 0 the region grows, below it shrinks."""
    return km * (1 - bias / 100) if bias >= 0 else km / (1 + bias / 100)
