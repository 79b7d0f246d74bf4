"""Configuration of `edgecache serve`, made of its arguments: one tier in front of one origin."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from msgspec import convert

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Location,
    Origin,
    OriginRequestPolicy,
    Selection,
    SemanticsName,
)
from edgecache.rules.semantics import SEMANTICS

EVERY = Selection(behavior="all")
# Everything passes: under RFC 9111 it is Vary, not the key, that tells variants apart.
PASSES_ALL = OriginRequestPolicy(
    headers=HeaderSelection(behavior="allViewer"), cookies=EVERY, query_strings=EVERY
)
BY_HOST_AND_QUERY = CachePolicy(
    headers=HeaderSelection(behavior="whitelist", items=("Host",)),
    query_strings=EVERY,
)
METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")


def serve_config(origin: Origin, listen: str, semantics: str, state_dir: str) -> Config:
    """One distribution for any host, one location, no control and no regional cache."""
    name: SemanticsName = convert(semantics, SemanticsName)
    behavior = Behavior(
        origin="origin",
        allowed_methods=METHODS,
        cache_policy=BY_HOST_AND_QUERY,
        origin_request_policy=None if SEMANTICS[name].policies_forward else PASSES_ALL,
    )
    distribution = Distribution(
        id="serve",
        aliases=("*",),
        origins=(origin,),
        default_behavior=behavior,
        semantics=name,
    )
    return Config(
        state_dir=str(Path(state_dir).absolute()),
        brand="edgecache",
        locations=(Location(name="edgecache", listen=listen),),
        distributions=(distribution,),
    )


def origin_at(url: str, ca_file: str = "", server_name: str = "") -> Origin:
    """The origin of `http://HOST[:PORT][/PATH]` or `https://...`, whose form is checked already."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return Origin(
        id="origin",
        domain_name=parts.hostname or "",
        http_port=80 if secure else parts.port or 80,
        https_port=parts.port or 443 if secure else 443,
        protocol_policy="https-only" if secure else "http-only",
        path=parts.path.rstrip("/"),
        ca_file=str(Path(ca_file).absolute()) if ca_file else "",
        server_name=server_name,
    )
