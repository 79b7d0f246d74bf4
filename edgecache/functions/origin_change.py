"""Origin that a function chose or changed for one request. Law: what is not said is inherited.

Developer Guide, "Helper methods for origin modification". What a function asks for that is not done
here (VPC origins, media quality scores, IP address types, ...) is a ValidationProblem, as is what
CloudFront would refuse. A route with another origin is made once for all requests that ask alike,
because routes are compared by identity.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import msgspec
from msgspec.structs import replace

from edgecache.config.checks.distribution import check_origin
from edgecache.config.model import Distribution, Origin, OriginGroup
from edgecache.config.origins import OriginShield
from edgecache.config.problems import Problems
from edgecache.functions.event import Json
from edgecache.functions.header_rules import ValidationProblem
from edgecache.rules.routing import Route

ROUTES_MAX = 256
NOTE_BYTES_MAX = 8_192
_HOST = re.compile(r"(?=.{1,253}\Z)(?!\d+(\.\d+){3}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_UPDATES = {
    "domainName", "originPath", "customHeaders", "connectionAttempts", "originShield",
    "originAccessControlConfig", "timeouts", "customOriginConfig", "hostHeader", "sni",
    "allowedCertificateNames",
}  # fmt: skip
_TIMEOUTS = {
    "readTimeout": ("read_timeout_s", 1, 120),
    "keepAliveTimeout": ("keepalive_timeout_s", 1, 120),
    "connectionTimeout": ("connection_timeout_s", 1, 10),
    "responseCompletionTimeout": ("completion_timeout_s", 1, 3_600),
}


class OriginRoutes:
    """Routes with the origins that functions asked for; the one asked for least lately goes."""

    def __init__(self) -> None:
        self._routes: OrderedDict[tuple[int, bytes], tuple[Route, Route]] = OrderedDict()

    def of(self, route: Route, note: bytes) -> Route:
        """`route` with the origin that `note`, a function's call as JSON, asks for.

        ValidationProblem.
        """
        key = (id(route), note)
        found = self._routes.get(key)
        if found is not None and found[0] is route:
            self._routes.move_to_end(key)
            return found[1]
        made = changed_route(route, msgspec.json.decode(note))
        self._routes[key] = (route, made)
        if len(self._routes) > ROUTES_MAX:
            self._routes.popitem(last=False)
        return made


def note_of(call: list[Any]) -> bytes:
    """A function's call as it travels between tiers. ValidationProblem."""
    note = msgspec.json.encode(call)
    if len(note) > NOTE_BYTES_MAX:
        raise ValidationProblem(f"the change of the origin is larger than {NOTE_BYTES_MAX} bytes")
    return _ascii(note)


def _ascii(note: bytes) -> bytes:
    text = note.decode()
    return "".join(
        c if " " <= c <= "~" else f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000
    ).encode()


def changed_route(route: Route, call: list[Any]) -> Route:
    """The route with the origin of a call. ValidationProblem."""
    kind, asked, *rest = call
    if kind == "select":
        origin = _overridden(_named(route.distribution, asked), _table(rest[0], "the overrides"))
        return replace(route, origin=origin, group=None, origins=(origin,))
    if kind == "group":
        return _with_group(route, _table(asked, "the origin group"))
    origin = _updated(route.origin, _table(asked, "the origin"))
    others = tuple(origin if one is route.origin else one for one in route.origins)
    return replace(route, origin=origin, origins=others or (origin,))


def _table(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise ValidationProblem(f"{what} is not an object")
    return value


def _named(distribution: Distribution, origin_id: object) -> Origin:
    for origin in distribution.origins:
        if origin.id == origin_id:
            if origin.client_certificate_file:
                raise ValidationProblem(f"the origin {origin_id!r} has a client certificate")
            return origin
    raise ValidationProblem(f"there is no origin {origin_id!r} in the distribution")


def _require_known(asked: Json, known: set[str], what: str) -> None:
    for name in asked.keys() - known:
        raise ValidationProblem(f"{name} of {what} is not supported here")


def _overridden(origin: Origin, asked: Json) -> Origin:
    """What an origin is called for this request, and its certificate."""
    _require_known(asked, set(_NAMES), "the overrides")
    new = _names(asked)
    return _checked(origin, new) if new else origin


_NAMES = ("hostHeader", "sni", "allowedCertificateNames")


def _names(asked: Json) -> Json:
    """Those of a call, in the model; checked with the whole origin."""
    new: Json = {}
    if "hostHeader" in asked:
        new["host_header"] = _host(asked["hostHeader"], "hostHeader")
    if "sni" in asked:
        new["server_name"] = _host(asked["sni"], "sni")
    if "allowedCertificateNames" in asked:
        new["certificate_names"] = asked["allowedCertificateNames"]
    return new


def _host(value: object, where: str) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ValidationProblem(f"{where} is not a host name (no port, no address)")
    return value


def _with_group(route: Route, asked: Json) -> Route:
    _require_known(asked, {"originIds", "failoverCriteria", "selectionCriteria"}, "the group")
    if asked.get("selectionCriteria", "default") != "default":
        raise ValidationProblem("selectionCriteria other than default are not supported here")
    ids = asked.get("originIds")
    if not isinstance(ids, list) or len(ids) != 2:
        raise ValidationProblem("originIds are not two origins")
    members = []
    for one in ids:
        own = one if isinstance(one, dict) else {"originId": one}
        origin = _named(route.distribution, own.get("originId"))
        members.append(
            _overridden(origin, _table(own.get("originOverrides", {}), "originOverrides"))
        )
    if members[0].id == members[1].id:
        raise ValidationProblem("originIds are not two different origins")
    codes = _table(asked.get("failoverCriteria"), "failoverCriteria").get("statusCodes")
    if not isinstance(codes, list) or not all(type(code) is int for code in codes) or not codes:
        raise ValidationProblem("failoverCriteria.statusCodes is not a list of statuses")
    group = OriginGroup(
        id="function:" + "|".join(one.id for one in members),
        members=(members[0].id, members[1].id),
        status_codes=tuple(codes),
    )
    return replace(route, origin=members[0], group=group, origins=tuple(members))


def _updated(origin: Origin, asked: Json) -> Origin:
    """The origin with the properties of `updateRequestOrigin`."""
    _require_known(asked, _UPDATES, "the origin")
    if origin.kind == "vpc":
        raise ValidationProblem("a VPC origin cannot be updated")
    new: dict[str, Any] = {}
    if "domainName" in asked:
        new["domain_name"] = _host(asked["domainName"], "domainName")
        new |= {"server_name": "", "host_header": "", "certificate_names": ()}
    if "originPath" in asked:
        new["path"] = asked["originPath"]
    if "connectionAttempts" in asked:
        new["connection_attempts"] = _whole(asked["connectionAttempts"], "connectionAttempts", 1, 3)
    if "customHeaders" in asked:
        new["custom_headers"] = _headers(_table(asked["customHeaders"], "customHeaders"))
        new["secret_headers"] = {}
    if "originShield" in asked:
        shield = _table(asked["originShield"], "originShield")
        on = shield.get("enabled") is True
        new["origin_shield"] = OriginShield(region=str(shield.get("region", ""))) if on else None
    new |= _signing(origin, asked)
    new |= _timeouts(_table(asked.get("timeouts", {}), "timeouts"))
    new |= _connection(_table(asked.get("customOriginConfig") or {}, "customOriginConfig"))
    return _checked(origin, new | _names(asked))


def _signing(origin: Origin, asked: Json) -> Json:
    """An access control can be turned off for a request, and not made for it: it would need a key
    pair that is named nowhere.
    """
    asked_for = asked.get("originAccessControlConfig")
    control = {} if asked_for is None else _table(asked_for, "originAccessControlConfig")
    off = control.get("enabled") is False or control.get("signingBehavior") == "never"
    if asked_for is not None and not off:
        raise ValidationProblem(
            "originAccessControlConfig of a function is not supported here: select an origin"
        )
    signed = origin.access_control_id and not off
    if "domainName" in asked and (signed or origin.access_identity or origin.access != "none"):
        raise ValidationProblem("an origin that is proved to whom we are keeps its domainName")
    return {"access_control_id": ""} if off else {}


def _checked(origin: Origin, new: Json) -> Origin:
    try:
        made = msgspec.convert(
            {**msgspec.to_builtins(origin), **msgspec.to_builtins(new)}, Origin, strict=False
        )
    except msgspec.ValidationError as error:
        raise ValidationProblem(f"the origin: {error}") from error
    problems = Problems()
    check_origin(made, "origin", problems)
    if problems.found:
        raise ValidationProblem(str(problems.found[0]))
    return made


def _whole(value: object, where: str, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise ValidationProblem(f"{where} is not a whole number from {low} to {high}")
    return value


def _headers(asked: Json) -> dict[str, str]:
    for name, value in asked.items():
        if name != name.lower() or not isinstance(value, str):
            raise ValidationProblem("customHeaders are names in lower case and strings")
    return dict(asked)


def _timeouts(asked: Json) -> Json:
    _require_known(asked, set(_TIMEOUTS), "timeouts")
    found: Json = {}
    for name, value in asked.items():
        own, low, high = _TIMEOUTS[name]
        found[own] = _whole(value, name, low, high)
    return found


def _connection(asked: Json) -> Json:
    if not asked:
        return {}
    _require_known(asked, {"port", "protocol", "sslProtocols"}, "customOriginConfig")
    port = _whole(asked.get("port"), "port", 1, 65_535)
    protocol, versions = asked.get("protocol"), asked.get("sslProtocols")
    if protocol not in ("http", "https") or not isinstance(versions, list):
        raise ValidationProblem(
            "customOriginConfig needs protocol (http or https) and sslProtocols"
        )
    ports = {"http_port": port} if protocol == "http" else {"https_port": port}
    return {**ports, "protocol_policy": f"{protocol}-only", "ssl_protocols": tuple(versions)}
