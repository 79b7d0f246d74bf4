"""ForwardedValues, the way before policies: the cache and origin request policies it stands for.

Developer Guide, "Request and response behavior for custom origins" (what is removed and replaced
without policies); API reference, ForwardedValues.
"""

from __future__ import annotations

from edgecache.config.model import (
    CachePolicy,
    ForwardedValues,
    HeaderSelection,
    OriginRequestPolicy,
    Selection,
)

EVERY_HEADER = ("*",)  # the value that forwards all headers and switches caching off
REMOVED = (
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cookie",
    "Expect",
    "Host",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Referer",
    "TE",
    "Trailer",
    "Upgrade",
    "User-Agent",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Real-IP",
)


def legacy_policies(values: ForwardedValues) -> tuple[CachePolicy, OriginRequestPolicy]:
    """Policies of the key, and of what is sent beyond it: most headers, and with keys the query."""
    everything = values.headers == EVERY_HEADER
    ttl_s = (values.ttl_s_min, values.ttl_s_default, values.ttl_s_max)
    ttl_s_min, ttl_s_default, ttl_s_max = (0, 0, 0) if everything else ttl_s
    named = () if everything else values.headers
    verbatim = everything or "accept-encoding" in map(str.lower, named)
    cache = CachePolicy(
        ttl_s_min=ttl_s_min,
        ttl_s_default=ttl_s_default,
        ttl_s_max=ttl_s_max,
        headers=HeaderSelection(behavior="whitelist", items=named) if named else HeaderSelection(),
        cookies=_cookies(values),
        query_strings=_keyed_query(values),
        accept_encoding_gzip=not verbatim,
    )
    sent = OriginRequestPolicy(
        headers=HeaderSelection(behavior="allViewer")
        if everything
        else HeaderSelection(behavior="allExcept", items=REMOVED),
        query_strings=Selection(behavior="all") if values.query_string else Selection(),
    )
    return cache, sent


def _keyed_query(values: ForwardedValues) -> Selection:
    if not values.query_string:
        return Selection()
    keys = values.query_string_cache_keys
    return Selection(behavior="whitelist", items=keys) if keys else Selection(behavior="all")


def _cookies(values: ForwardedValues) -> Selection:
    if values.cookies == "whitelist" and values.cookie_names:
        wild = any(char in name for name in values.cookie_names for char in "*?")
        return Selection(behavior="whitelist", items=values.cookie_names, wildcards=wild)
    return Selection(behavior="all") if values.cookies == "all" else Selection()
