"""Command explain-signature: why a signature opens or does not. Law: the edges' rules decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from edgecache.config.model import Config
from edgecache.http.message import Fields, Request
from edgecache.rules.private.key_ring import TrustedKeys
from edgecache.rules.private.signature_fields import SignatureRefused, presented, signed_url
from edgecache.rules.routing import Route, compile_routes, locate


def request_for(url: str, cookies: list[str], address: str) -> Request:
    """The request a viewer at `address` makes for `url`."""
    parts = urlsplit(url)
    fields: Fields = ((b"host", parts.netloc.encode()),)
    if cookies:
        fields += ((b"cookie", "; ".join(cookies).encode()),)
    return Request(
        b"GET",
        parts.path.encode(),
        parts.query.encode() if "?" in url.partition("#")[0] else None,
        fields,
        (parts.hostname or "").lower().encode(),
        parts.scheme.encode(),
        client=(address, 0),
    )


def explain_access(
    config: Config, secrets: Mapping[str, str], request: Request, now: float
) -> tuple[bool, list[str]]:
    """Whether `request` is let in at `now` (epoch seconds), and how that was concluded."""
    routed = locate(request, compile_routes(config, secrets))
    if routed is None:
        return False, [f"no distribution answers to {request.host.decode()}"]
    if routed.ambiguous:
        return False, ["refused       the path: origins may differ in what it names"]
    route = routed.route
    lines = [
        f"distribution  {route.distribution.id}",
        f"behavior      {route.behavior.path_pattern} ({_trusted(route)})",
    ]
    if route.trust is None:
        return True, [*lines, "opens         to everybody"]
    lines += _presented(request, route.trust)
    opened = route.trust.opens(request, now)
    if isinstance(opened, SignatureRefused):
        return False, [*lines, f"refused       {opened.fault}: {opened.detail}"]
    end = datetime.fromtimestamp(opened.until, UTC)
    left = int(opened.until - now)
    return True, [*lines, f"opens         until {end:%Y-%m-%d %H:%M:%S} UTC ({left} s from now)"]


def _trusted(route: Route) -> str:
    behavior = route.behavior
    kinds = {
        "key groups": behavior.trusted_key_groups,
        "accounts": behavior.trusted_signers,
        "native keys": behavior.trusted_native_keys,
    }
    named = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    return "; ".join(named) or "public"


def _presented(request: Request, trust: TrustedKeys) -> Iterator[str]:
    yield f"trusted       {', '.join([*trust.keys, *trust.native]) or 'no key is there'}"
    if trust.means_native(request):
        return
    token = presented(request)
    if isinstance(token, SignatureRefused):
        return
    kind = "canned" if token.expires is not None else "custom"
    yield f"presented     {kind} policy, key {token.key_id}, SHA{256 if token.sha256 else 1}"
    yield f"signed text   {token.policy.decode('utf-8', 'backslashreplace')}"
    yield f"URL           {signed_url(request).decode('latin-1')}"
