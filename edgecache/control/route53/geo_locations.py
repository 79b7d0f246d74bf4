"""Areas that geolocation records may name: continents, countries, states of the United States.

Developer Guide, "Values specific for geolocation records". Names of countries are those of the
public table of ISO 3166-1 that comes with time zones.
"""

from __future__ import annotations

from edgecache.control.route53.call import Document, Route53Call, Run, page_size
from edgecache.control.route53.model import Route53Error

_CONTINENTS = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America",
    "OC": "Oceania", "SA": "South America",
}  # fmt: skip
_COUNTRIES = (
    "AD Andorra;AE United Arab Emirates;AF Afghanistan;AG Antigua & Barbuda;AI Anguilla;AL "
    "Albania;AM Armenia;AO Angola;AQ Antarctica;AR Argentina;AS Samoa (American);AT Austria;AU "
    "Australia;AW Aruba;AX Åland Islands;AZ Azerbaijan;BA Bosnia & Herzegovina;BB Barbados;BD "
    "Bangladesh;BE Belgium;BF Burkina Faso;BG Bulgaria;BH Bahrain;BI Burundi;BJ Benin;BL St "
    "Barthelemy;BM Bermuda;BN Brunei;BO Bolivia;BQ Caribbean NL;BR Brazil;BS Bahamas;BT Bhutan;BW"
    " Botswana;BY Belarus;BZ Belize;CA Canada;CC Cocos (Keeling) Islands;CD Congo (Dem. Rep.);CF "
    "Central African Rep.;CG Congo (Rep.);CH Switzerland;CI Côte d'Ivoire;CK Cook Islands;CL "
    "Chile;CM Cameroon;CN China;CO Colombia;CR Costa Rica;CU Cuba;CV Cape Verde;CW Curaçao;CY "
    "Cyprus;CZ Czech Republic;DE Germany;DJ Djibouti;DK Denmark;DM Dominica;DO Dominican "
    "Republic;DZ Algeria;EC Ecuador;EE Estonia;EG Egypt;ER Eritrea;ES Spain;ET Ethiopia;FI "
    "Finland;FJ Fiji;FK Falkland Islands;FM Micronesia;FO Faroe Islands;FR France;GA Gabon;GB "
    "Britain (UK);GD Grenada;GE Georgia;GF French Guiana;GG Guernsey;GH Ghana;GI Gibraltar;GL "
    "Greenland;GM Gambia;GN Guinea;GP Guadeloupe;GQ Equatorial Guinea;GR Greece;GS South Georgia "
    "& the South Sandwich Islands;GT Guatemala;GU Guam;GW Guinea-Bissau;GY Guyana;HK Hong Kong;HN"
    " Honduras;HR Croatia;HT Haiti;HU Hungary;ID Indonesia;IE Ireland;IL Israel;IM Isle of Man;IN"
    " India;IO British Indian Ocean Territory;IQ Iraq;IR Iran;IS Iceland;IT Italy;JE Jersey;JM "
    "Jamaica;JO Jordan;JP Japan;KE Kenya;KG Kyrgyzstan;KH Cambodia;KI Kiribati;KM Comoros;KN St "
    "Kitts & Nevis;KP Korea (North);KR Korea (South);KW Kuwait;KY Cayman Islands;KZ Kazakhstan;LA"
    " Laos;LB Lebanon;LC St Lucia;LI Liechtenstein;LK Sri Lanka;LR Liberia;LS Lesotho;LT "
    "Lithuania;LU Luxembourg;LV Latvia;LY Libya;MA Morocco;MC Monaco;MD Moldova;ME Montenegro;MF "
    "St Martin (French);MG Madagascar;MH Marshall Islands;MK North Macedonia;ML Mali;MM Myanmar "
    "(Burma);MN Mongolia;MO Macau;MP Northern Mariana Islands;MQ Martinique;MR Mauritania;MS "
    "Montserrat;MT Malta;MU Mauritius;MV Maldives;MW Malawi;MX Mexico;MY Malaysia;MZ "
    "Mozambique;NA Namibia;NC New Caledonia;NE Niger;NF Norfolk Island;NG Nigeria;NI Nicaragua;NL"
    " Netherlands;NO Norway;NP Nepal;NR Nauru;NU Niue;NZ New Zealand;OM Oman;PA Panama;PE Peru;PF"
    " French Polynesia;PG Papua New Guinea;PH Philippines;PK Pakistan;PL Poland;PM St Pierre & "
    "Miquelon;PN Pitcairn;PR Puerto Rico;PS Palestine;PT Portugal;PW Palau;PY Paraguay;QA "
    "Qatar;RE Réunion;RO Romania;RS Serbia;RU Russia;RW Rwanda;SA Saudi Arabia;SB Solomon "
    "Islands;SC Seychelles;SD Sudan;SE Sweden;SG Singapore;SH St Helena;SI Slovenia;SJ Svalbard &"
    " Jan Mayen;SK Slovakia;SL Sierra Leone;SM San Marino;SN Senegal;SO Somalia;SR Suriname;SS "
    "South Sudan;ST Sao Tome & Principe;SV El Salvador;SX St Maarten (Dutch);SY Syria;SZ Eswatini"
    " (Swaziland);TC Turks & Caicos Is;TD Chad;TF French S. Terr.;TG Togo;TH Thailand;TJ "
    "Tajikistan;TK Tokelau;TL East Timor;TM Turkmenistan;TN Tunisia;TO Tonga;TR Turkey;TT "
    "Trinidad & Tobago;TV Tuvalu;TW Taiwan;TZ Tanzania;UA Ukraine;UG Uganda;UM US minor outlying "
    "islands;US United States;UY Uruguay;UZ Uzbekistan;VA Vatican City;VC St Vincent;VE "
    "Venezuela;VG Virgin Islands (UK);VI Virgin Islands (US);VN Vietnam;VU Vanuatu;WF Wallis & "
    "Futuna;WS Samoa (western);XK Kosovo;YE Yemen;YT Mayotte;ZA South Africa;ZM Zambia;ZW "
    "Zimbabwe"
)
_STATES = (
    "AK Alaska;AL Alabama;AR Arkansas;AZ Arizona;CA California;CO Colorado;CT Connecticut;DC "
    "District of Columbia;DE Delaware;FL Florida;GA Georgia;HI Hawaii;IA Iowa;ID Idaho;IL "
    "Illinois;IN Indiana;KS Kansas;KY Kentucky;LA Louisiana;MA Massachusetts;MD Maryland;ME "
    "Maine;MI Michigan;MN Minnesota;MO Missouri;MS Mississippi;MT Montana;NC North Carolina;ND "
    "North Dakota;NE Nebraska;NH New Hampshire;NJ New Jersey;NM New Mexico;NV Nevada;NY New "
    "York;OH Ohio;OK Oklahoma;OR Oregon;PA Pennsylvania;RI Rhode Island;SC South Carolina;SD "
    "South Dakota;TN Tennessee;TX Texas;UT Utah;VA Virginia;VT Vermont;WA Washington;WI "
    "Wisconsin;WV West Virginia;WY Wyoming"
)
Area = tuple[str, str, str]
"""Codes of a continent, a country and a subdivision; empty where they do not count."""


def _table(text: str) -> dict[str, str]:
    return {code: name for code, _, name in (one.partition(" ") for one in text.split(";"))}


def _areas() -> dict[Area, Document]:
    """Every area in the order of lists: continents, everywhere, countries with their states."""
    areas: dict[Area, Document] = {
        (code, "", ""): {"ContinentCode": code, "ContinentName": name}
        for code, name in _CONTINENTS.items()
    }
    areas["", "*", ""] = {"CountryCode": "*", "CountryName": "Default"}
    for code, name in _table(_COUNTRIES).items():
        country = {"CountryCode": code, "CountryName": name}
        areas["", code, ""] = country
        if code == "US":
            for state, called in _table(_STATES).items():
                named = {"SubdivisionCode": state, "SubdivisionName": called}
                areas["", code, state] = country | named
    return areas


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {"GetGeoLocation": get, "ListGeoLocations": list_all}


def get(call: Route53Call) -> Document:
    found = _areas().get(_given(call, ""))
    if found is None:
        raise Route53Error("NoSuchGeoLocation", "There is no such area.")
    return {"GeoLocationDetails": found}


def list_all(call: Route53Call) -> Document:
    """From the area that is given on."""
    areas, start = _areas(), _given(call, "Start")
    keys, most = [*areas], page_size(call.input.get("MaxItems"))
    if any(start) and start not in areas:
        raise Route53Error("InvalidInput", "There is no such area to begin with.")
    first = keys.index(start) if any(start) else 0
    listed: Document = {
        "GeoLocationDetailsList": [areas[key] for key in keys[first : first + most]],
        "IsTruncated": first + most < len(keys),
        "MaxItems": str(most),
    }
    if first + most < len(keys):
        members = ("NextContinentCode", "NextCountryCode", "NextSubdivisionCode")
        following = zip(members, keys[first + most], strict=True)
        listed |= {member: code for member, code in following if code}
    return listed


def _given(call: Route53Call, prefix: str) -> Area:
    continent, country, subdivision = (
        str(call.input.get(f"{prefix}{member}Code") or "").upper()
        for member in ("Continent", "Country", "Subdivision")
    )
    return continent, country, subdivision
