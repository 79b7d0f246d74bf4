"""Table of the members of CloudFront's model that are not acted on. Law: none is taken in silence.

A member that decides who is served, or what, is refused with CloudFront's code; one without which
the same is served to the same viewers is told. Both only where its value asks for something.
API reference, DistributionConfig and what it is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from edgecache.config.aws.passthrough import IDENTITY
from edgecache.config.aws.write import distribution_config
from edgecache.config.model import Distribution

UNSUPPORTED = "not supported"
GEO = "Restrictions.GeoRestriction.RestrictionType"
LOGGING = "Logging"
SHIELD = "Origins[].OriginShield"
CERTIFICATES = ("ViewerCertificate.ACMCertificateArn", "ViewerCertificate.IAMCertificateId")
_BEHAVIORS = ("DefaultCacheBehavior", "CacheBehaviors[]")


@dataclass(frozen=True, slots=True)
class UnsupportedMember:
    """A member of a DistributionConfig. `X[]` in its place is each of the `Items` of X.

    `code` is that of the refusal, empty when it is only told; `off` are values that ask for
    nothing, beside what is empty, zero, false or not enabled. What is refused and does not stop a
    distribution is told of one that has it already, which goes on being served.
    """

    place: str
    why: str
    code: str = ""
    off: tuple[object, ...] = ()
    stops: bool = True

    def asks(self, value: object) -> bool:
        """Whether a value of it asks for something."""
        if value in self.off:
            return False
        return value is False if True in self.off else not _is_off(value)


def _of_behaviors(name: str, why: str, code: str) -> tuple[UnsupportedMember, ...]:
    return tuple(UnsupportedMember(f"{behavior}.{name}", why, code) for behavior in _BEHAVIORS)


MEMBERS: tuple[UnsupportedMember, ...] = (
    *_of_behaviors(
        "FieldLevelEncryptionId", "fields are not encrypted", "NoSuchFieldLevelEncryptionConfig"
    ),
    *_of_behaviors("SmoothStreaming", "the format is not made", "InvalidArgument"),
    UnsupportedMember("WebACLId", "requests are not filtered", "InvalidWebACLId"),
    UnsupportedMember(
        "ViewerMtlsConfig", "viewers are not asked for certificates", "InvalidArgument"
    ),
    UnsupportedMember(
        "ConnectionFunctionAssociation", "connection functions are not run", "EntityNotFound"
    ),
    UnsupportedMember("ConnectionMode", "there are no tenants", "InvalidArgument", ("direct",)),
    UnsupportedMember("TenantConfig", "there are no tenants, and no parameters", "InvalidArgument"),
    UnsupportedMember(
        GEO,
        "there is no geo_database to tell countries by",
        "InvalidGeoRestrictionParameter",
        ("none",),
    ),
    UnsupportedMember(
        "OriginGroups[].SelectionCriteria",
        "the first member that answers is taken, not the one of better quality",
        "InvalidArgument",
        ("default",),
    ),
    UnsupportedMember(
        LOGGING,
        "log_delivery.buckets of the file has no such Bucket: add it, or log without (Enabled "
        "false)",
        "InvalidArgument",
        stops=False,
    ),
    UnsupportedMember(
        SHIELD,
        "no regional cache has this OriginShieldRegion for its name or region: see "
        "regional_caches of the file; where there is one alone it is the shield",
        "InvalidArgument",
        stops=False,
    ),
    UnsupportedMember(
        "HttpVersion",
        "HTTP/3 is spoken at locations whose `protocols` have `h3`, and at no other",
        off=("http1.1", "http2"),
    ),
    UnsupportedMember("PriceClass", "every location serves", off=("PriceClass_All", "None")),
    UnsupportedMember("IsIPV6Enabled", "`listen` says which addresses are served", off=(True,)),
    UnsupportedMember("AnycastIpListId", "`listen` says which addresses are served"),
    *(
        UnsupportedMember(place, "the certificate is `certificate_file`, else a development one")
        for place in CERTIFICATES
    ),
    UnsupportedMember(
        "ViewerCertificate.SSLSupportMethod",
        "certificates are chosen by the name in the hello (SNI)",
        off=("sni-only",),
    ),
    UnsupportedMember(
        "Origins[].VpcOriginConfig", "the domain name is asked, whatever network it is in"
    ),
    UnsupportedMember(
        "Origins[].CustomOriginConfig.IpAddressType",
        "the origin is asked at every address its name has",
        off=("ipv4",),
    ),
    UnsupportedMember(
        "Origins[].CustomOriginConfig.OriginMtlsConfig",
        "`client_certificate_file` of the origin is what it is shown",
    ),
    UnsupportedMember(
        "Origins[].CustomOriginConfig.OriginSslProtocols",
        "TLS 1.2 and 1.3 are spoken, nothing older (only older ones: refused unless http-only)",
        off=(
            {"Quantity": 1, "Items": ["TLSv1.2"]},
            {"Quantity": 1, "Items": ["TLSv1.3"]},
            {"Quantity": 2, "Items": ["TLSv1.2", "TLSv1.3"]},
        ),
    ),
)
"""All of them, those that are refused first."""

IDLE = (
    "ViewerCertificate.Certificate",  # deprecated, and says again what the others say
    "ViewerCertificate.CertificateSource",
    "ViewerCertificate.CloudFrontDefaultCertificate",
    *(f"{place}.{ttl}" for place in _BEHAVIORS for ttl in ("MinTTL", "DefaultTTL", "MaxTTL")),
)
"""What CloudFront itself passes over: the TTLs of a behavior that has a cache policy."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A member that asks for what is not done, at its place in one document."""

    member: UnsupportedMember
    place: str  # `CacheBehaviors.Items[0].GrpcConfig`

    @property
    def refused(self) -> bool:
        return bool(self.member.code)

    @property
    def message(self) -> str:
        """The text for people."""
        return f"{UNSUPPORTED}: {self.member.why}"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def unsupported(
    config: dict[str, Any],
    *,
    geo: bool,
    log_buckets: Collection[str] = (),
    shields: Collection[str] | None = (),
) -> tuple[Unsupported, ...]:
    """Members of a DistributionConfig that ask for something unsupported.

    `geo`: there is a geo_database. `log_buckets`: those that logs are delivered to. `shields`: what
    an origin shield may name; None: anything, there is one cache before all origins.
    """
    return tuple(
        Unsupported(member, place)
        for member in MEMBERS
        if not (geo and member.place == GEO)
        for place, value in _values(config, member.place.split("."), "")
        if member.asks(value)
        and not (member.place == LOGGING and _text_of(value, "Bucket") in log_buckets)
        and not (member.place == SHIELD and _is_shield(value, shields))
    )


def unsupported_of(
    distribution: Distribution,
    *,
    geo: bool,
    log_buckets: Collection[str] = (),
    shields: Collection[str] | None = (),
) -> tuple[Unsupported, ...]:
    """Unsupported members of a distribution of the model, and those that are not known at all."""
    document = distribution_config(distribution)
    members = unsupported(document, geo=geo, log_buckets=log_buckets, shields=shields)
    if distribution.viewer_certificate.certificate_file:
        members = tuple(one for one in members if one.member.place not in CERTIFICATES)
    return (*members, *_unknown(distribution.kept, document))


def refused_of(
    distribution: Distribution,
    *,
    geo: bool,
    log_buckets: Collection[str] = (),
    shields: Collection[str] | None = (),
) -> tuple[Unsupported, ...]:
    """Unsupported members that are refused; quick, where a distribution has nothing of the kind."""
    logging = distribution.logging
    logged = not logging.enabled or logging.bucket in log_buckets
    located = geo or distribution.geo_restriction.kind == "none"
    shielded = any(one.origin_shield is not None for one in distribution.origins)
    if logged and located and not shielded and not distribution.kept:
        return ()  # all others that are refused are what the model cannot say
    members = unsupported_of(distribution, geo=geo, log_buckets=log_buckets, shields=shields)
    return tuple(one for one in members if one.refused)


def as_markdown() -> str:
    """The table for people; `docs/api.md` has it word for word."""
    rows: dict[tuple[str, str], list[str]] = {}
    for member in MEMBERS:
        rows.setdefault((member.code, member.why), []).append(f"`{member.place}`")
    lines = ["| member | what happens | refused with |", "|---|---|---|"]
    for (code, why), places in rows.items():
        lines.append(f"| {', '.join(places)} | {why} | {f'`{code}`' if code else 'told'} |")
    return "\n".join(lines) + "\n"


def _values(value: object, steps: list[str], place: str) -> Iterator[tuple[str, object]]:
    """Every value at a member's place, with its own place; of malformed documents what is there."""
    if not steps:
        yield place, value
        return
    name = steps[0].removesuffix("[]")
    if not isinstance(value, dict) or name not in value:
        return
    at, inner = f"{place}.{name}" if place else name, value[name]
    if not steps[0].endswith("[]"):
        yield from _values(inner, steps[1:], at)
        return
    items = inner.get("Items") if isinstance(inner, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from _values(item, steps[1:], f"{at}.Items[{index}]")


def _is_shield(value: object, shields: Collection[str] | None) -> bool:
    return shields is None or _text_of(value, "OriginShieldRegion") in shields


def _text_of(value: object, name: str) -> object:
    """A text of a member; of a malformed one none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _is_off(value: object) -> bool:
    if isinstance(value, dict):
        if "Enabled" in value:
            return value["Enabled"] is False
        return all(_is_off(inner) for inner in value.values())
    return value is None or value is False or value in ("", 0) or value == []


def _unknown(kept: dict[str, Any], document: dict[str, Any]) -> Iterator[Unsupported]:
    """Members a document has and CloudFront has not, or not yet."""
    places = [member.place for member in MEMBERS] + [*IDLE]
    for place in _leaves(kept, document):
        if not any(place[1] == known or place[1].startswith(known + ".") for known in places):
            yield Unsupported(UnsupportedMember(place[1], "there is no such member"), place[0])


def _leaves(
    kept: dict[str, Any], document: dict[str, Any], place: str = "", general: str = ""
) -> Iterator[tuple[str, str]]:
    """The kept values' places, as they stand in the document and as the table has them."""
    for name, value in kept.items():
        at, of = f"{place}.{name}".lstrip("."), f"{general}.{name}".lstrip(".")
        if not isinstance(value, dict):
            if not _is_off(value):
                yield at, of
        elif name in IDENTITY and not place:
            for index, item in enumerate(document[name].get("Items", ())):
                inner = value.get(str(item[IDENTITY[name]]), {})
                yield from _leaves(inner, document, f"{at}.Items[{index}]", of + "[]")
        else:
            yield from _leaves(value, document, at, of)
