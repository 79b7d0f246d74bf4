"""Checks of a distribution beside origins and behaviors: error pages, countries, certificate, tags.

API reference, DistributionConfig and what it is made of; Developer Guide, "Quotas".
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from edgecache.config.caches import HTTP_VERSIONS
from edgecache.config.dns import DnsSettings
from edgecache.config.model import (
    Config,
    Control,
    CustomErrorResponse,
    Distribution,
    Logging,
    ViewerCertificate,
)
from edgecache.config.problems import Problems, listed, quoted
from edgecache.config.settings import TTL_S_MAX

ERROR_CODES = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
RESPONSE_CODES = (200, *ERROR_CODES)
PAGE_PATH_CHARS_MAX = 4_000
COMMENT_CHARS_MAX = 128
CONTROLS_MAX = 16  # each reads what all others write
TAGS_MAX = 50
TAG_KEY_CHARS_MAX = 128
TAG_VALUE_CHARS_MAX = 256
MINIMUM_PROTOCOL_VERSIONS = (
    "SSLv3",
    "TLSv1",
    "TLSv1_2016",
    "TLSv1.1_2016",
    "TLSv1.2_2018",
    "TLSv1.2_2019",
    "TLSv1.2_2021",
    "TLSv1.2_2025",
    "TLSv1.3_2025",
)
PRICE_CLASSES = ("PriceClass_100", "PriceClass_200", "PriceClass_All", "None")
SSL_SUPPORT_METHODS = ("", "sni-only", "vip", "static-ip")

# ISO 3166-1 alpha-2, officially assigned, and XK, which CloudFront lists too.
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
# Ours to say, or of one connection (RFC 9110 §7.6.1): no answer has them when its tags are read.
_TAKEN_AWAY = re.compile(
    r"(x-)?edgecache-.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade"
    r"|proxy-(authenticate|authentication-info|authorization|connection)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")  # RFC 9110 §5.6.2
INSTALL = "pip install 'edgecache[acme]'"

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,254}|file:[^\0]{1,4096}")
_NO_REFERENCE = (
    'a connection string holds a secret and does not belong here: name where it is kept, "env:NAME"'
    ' (EDGECACHE_DATABASE is usual) or "file:PATH"; what was here is not repeated'
)
_EMAIL = re.compile(r"[^@\s:/?,;]{1,64}@[A-Za-z0-9.-]{1,255}")  # one mailbox (RFC 8555 §7.3)
_PROVABLE_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*[a-z0-9]")


def check_site(distribution: Distribution, where: str, problems: Problems) -> None:
    """Everything of a distribution that is neither an origin nor a behavior."""
    _check_error_responses(distribution, f"{where}.custom_error_responses", problems)
    _check_geo(distribution, f"{where}.geo_restriction", problems)
    _check_certificate(distribution.viewer_certificate, f"{where}.viewer_certificate", problems)
    _check_logging(distribution.logging, f"{where}.logging", problems)
    _check_tags(distribution.tags, f"{where}.tags", problems)
    _one_of(distribution.price_class, PRICE_CLASSES, f"{where}.price_class", problems)
    _one_of(distribution.http_version, HTTP_VERSIONS, f"{where}.http_version", problems)
    if len(distribution.comment) > COMMENT_CHARS_MAX:
        count = len(distribution.comment)
        problems.add(f"{where}.comment", f"{count} characters are more than {COMMENT_CHARS_MAX}")
    _check_tag_header(distribution.cache_tag_header, f"{where}.cache_tag_header", problems)


def _check_tag_header(name: str, where: str, problems: Problems) -> None:
    if name and not _TOKEN.fullmatch(name):
        problems.add(where, f"{quoted(name)} is not a header's name")
    elif _TAKEN_AWAY.fullmatch(name):
        why = "is taken from an origin's answers before they are read: name another"
        problems.add(where, f"{quoted(name)} {why}")


def _one_of(value: str, legal: tuple[str, ...], where: str, problems: Problems) -> None:
    if value not in legal:
        problems.add(where, f"{quoted(value)} is not one of {listed(legal)}")


def _check_error_responses(distribution: Distribution, where: str, problems: Problems) -> None:
    seen: set[int] = set()
    for index, response in enumerate(distribution.custom_error_responses):
        place = f"{where}[{index}]"
        if response.error_code in seen:
            problems.add(f"{place}.error_code", f"{response.error_code} is named twice")
        elif response.error_code not in ERROR_CODES:
            problems.add(f"{place}.error_code", _not_a_code(response.error_code, ERROR_CODES))
        seen.add(response.error_code)
        _check_page(response, place, problems)
        ttl_s = response.error_caching_ttl_s_min
        if not 0 <= ttl_s <= TTL_S_MAX:
            problems.add(
                f"{place}.error_caching_ttl_s_min", f"{ttl_s} is outside 0 to {TTL_S_MAX} seconds"
            )


def _not_a_code(code: int, legal: tuple[int, ...]) -> str:
    return f"{code} is not one of {', '.join(map(str, legal))}"


def _check_page(response: CustomErrorResponse, where: str, problems: Problems) -> None:
    """ResponsePagePath and ResponseCode go together."""
    path, code = response.response_page_path, response.response_code
    if path and code is None:
        problems.add(f"{where}.response_code", "missing: a response_page_path needs one")
    if code is not None and not path:
        problems.add(f"{where}.response_page_path", "missing: a response_code needs one")
    if code is not None and code not in RESPONSE_CODES:
        problems.add(f"{where}.response_code", _not_a_code(code, RESPONSE_CODES))
    if path and not path.startswith("/"):
        problems.add(f"{where}.response_page_path", f"{quoted(path)} does not start with /")
    elif len(path) > PAGE_PATH_CHARS_MAX or re.search(r"[^\x21-\x7e]", path):
        problems.add(
            f"{where}.response_page_path",
            f"not printable ASCII of at most {PAGE_PATH_CHARS_MAX} characters",
        )


def _check_geo(distribution: Distribution, where: str, problems: Problems) -> None:
    geo = distribution.geo_restriction
    if geo.kind == "none" and geo.countries:
        problems.add(f"{where}.countries", 'not used with kind "none"')
    if geo.kind != "none" and not geo.countries:
        problems.add(f"{where}.countries", f"empty, but kind is {quoted(geo.kind)}")
    for index, country in enumerate(geo.countries):
        place = f"{where}.countries[{index}]"
        if country not in COUNTRIES:
            problems.add(place, f"{quoted(country)} is not a country (ISO 3166-1 alpha-2)")
        elif country in geo.countries[:index]:
            problems.add(place, f"{quoted(country)} is named twice")


def check_pair(
    part: ViewerCertificate | Control | DnsSettings, where: str, problems: Problems
) -> None:
    """A certificate goes with its key."""
    for name, other in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
        if getattr(part, name) and not getattr(part, other):
            problems.add(f"{where}.{other}", f"missing: a {name} needs one")


def _check_certificate(certificate: ViewerCertificate, where: str, problems: Problems) -> None:
    version, method = certificate.minimum_protocol_version, certificate.ssl_support_method
    place = f"{where}.minimum_protocol_version"
    _one_of(version, MINIMUM_PROTOCOL_VERSIONS, place, problems)
    if method not in SSL_SUPPORT_METHODS:
        legal = listed(SSL_SUPPORT_METHODS[1:])
        problems.add(f"{where}.ssl_support_method", f"{quoted(method)} is not one of {legal}")
    check_pair(certificate, where, problems)
    if certificate.acm_certificate_arn and certificate.iam_certificate_id:
        problems.add(f"{where}.iam_certificate_id", "not used with acm_certificate_arn")


def _check_logging(logging: Logging, where: str, problems: Problems) -> None:
    if logging.enabled and not logging.bucket:
        problems.add(f"{where}.bucket", "missing: logging is enabled")
    if logging.prefix.startswith("/"):
        problems.add(f"{where}.prefix", f"{quoted(logging.prefix)} starts with /")


def _check_tags(tags: dict[str, str], where: str, problems: Problems) -> None:
    if len(tags) > TAGS_MAX:
        problems.add(where, f"{len(tags)} tags are more than {TAGS_MAX}")
    for key, value in tags.items():
        if not 1 <= len(key) <= TAG_KEY_CHARS_MAX:
            problems.add(
                where, f"a key of {len(key)} characters is outside 1 to {TAG_KEY_CHARS_MAX}"
            )
        elif len(value) > TAG_VALUE_CHARS_MAX:
            problems.add(
                f"{where}.{key}", f"{len(value)} characters are more than {TAG_VALUE_CHARS_MAX}"
            )


def issued_names(config: Config, distribution: Distribution) -> tuple[str, ...]:
    """The names of the certificate issued for a distribution; none where it has its own."""
    if config.certificates != "acme" or not distribution.enabled:
        return ()
    if distribution.viewer_certificate.certificate_file:
        return ()
    return tuple(dict.fromkeys(map(str.lower, filter(provable, distribution.aliases))))


def provable(name: str) -> bool:
    """Whether HTTP-01 can prove a name."""
    folded = name.lower()
    return bool(_PROVABLE_NAME.fullmatch(folded)) and not folded.endswith(".localhost")


def check_control(config: Config, problems: Problems) -> None:
    """Settings of control that name what is elsewhere: its database, ACME."""
    control = config.control
    if control is None:
        if config.certificates == "acme":
            problems.add("certificates", '"acme" needs a [control], which asks for them')
        return
    if control.database and not _REFERENCE.fullmatch(control.database):
        problems.add("control.database", _NO_REFERENCE)
    addresses = control.addresses
    if len(addresses) > CONTROLS_MAX:
        problems.add("control.addresses", f"{len(addresses)} are more than {CONTROLS_MAX}")
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            problems.add(f"control.addresses[{index}]", f"{quoted(address)} is there twice")
    if "\0" in control.acme_challenges:
        problems.add("control.acme_challenges", f"{quoted(control.acme_challenges)} is not a path")
    acme = control.acme
    if acme.email and not _EMAIL.fullmatch(acme.email):
        problems.add("control.acme.email", f"{quoted(acme.email)} is not an address (name@host)")
    url = urlsplit(acme.directory_url)
    if url.scheme != "https" or not url.hostname:
        why = "is not the https URL of a directory (RFC 8555 §7.1.1)"
        problems.add("control.acme.directory_url", f"{quoted(acme.directory_url)} {why}")
