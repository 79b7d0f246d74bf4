"""Viewer rules of a behavior: redirects, request headers, passwords, maintenance, PURGE.

What nginx says with `return`, `rewrite`, `proxy_set_header` and `auth_basic`, and Varnish with VCL;
CloudFront has functions for it. Data only: `checks/viewer_rules.py` says what it must hold.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from edgecache.config.access_lists import AccessList
from edgecache.config.base import Model

_HOST = r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]"
_TO_HOST = re.compile(rf"(?:(https?)://)?({_HOST})(?::([1-9][0-9]{{0,4}}))?", re.IGNORECASE)
_URL = re.compile(
    rf"(https?)://({_HOST})(?::([1-9][0-9]{{0,4}}))?(?=/(?![/\\]))(.*)", re.IGNORECASE
)


class Redirect(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Redirect of what `path` matches on `hosts` (empty: all) to one of three targets.

    `to_host` is the same path of that host, `trailing_slash` the same path with or without a slash
    at its end, and `to` a path or a whole URL in which `$1` to `$9` are what the stars of `path`
    stand for.
    """

    path: str = ""  # a path pattern; "": every path
    hosts: tuple[str, ...] = ()
    to_host: str = ""  # with a scheme or without, with a port or without
    trailing_slash: Literal["", "add", "remove"] = ""
    to: str = ""
    status: int = 301
    query: Literal["keep", "drop"] = "keep"


class RedirectTarget(NamedTuple):
    """The fixed part of a redirect's target; what is empty is the request's own."""

    scheme: str = ""
    host: str = ""  # lower case
    port: str = ""
    rest: str = ""  # of `to`: path and query, with captures


def host_target(text: str) -> RedirectTarget:
    """What `to_host` says. ValueError."""
    match = _TO_HOST.fullmatch(text)
    if match is None or (match[3] and not match[1]):
        raise ValueError(text)
    return _target(match, "")


def path_target(text: str) -> RedirectTarget:
    """What `to` says. ValueError: neither a path nor a URL with a host and a path."""
    if text.startswith("/") and text[1:2] not in ("/", "\\"):
        return RedirectTarget(rest=text)
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return _target(match, match[4])


def _target(match: re.Match[str], rest: str) -> RedirectTarget:
    scheme, host, port = (match[1] or "").lower(), match[2].lower(), match[3] or ""
    if port and int(port) > 65_535:
        raise ValueError(match[0])
    return RedirectTarget(scheme, host, "" if (scheme, port) in _DEFAULTS else port, rest)


_DEFAULTS = {("http", "80"), ("https", "443")}


class BasicAuth(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Basic authentication by an htpasswd file of each machine's own; see `config/htpasswd.py`.

    The cache and the origin see no Authorization then, unless `forward_authorization`.
    """

    file: str
    realm: str = "restricted"
    forward_authorization: bool = False


class Maintenance(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maintenance of what is behind a behavior: while `enabled`, its origin is not asked.

    Viewers get what is stored, stale too, else 503 with `retry_after_s` and the distribution's page
    for that status, or one that says `message`.
    """

    enabled: bool = False
    retry_after_s: int = 300
    message: str = "This is being worked on, and will be back."


class Purge(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PURGE of URLs: from whom it is taken at all, and whether it makes stale instead of removing.

    Who asks also shows an operator's token, which control judges.
    """

    access_list: AccessList
    soft: bool = False


class RequestHeaders(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Request headers towards the origin: a viewer's that are removed, and ours that are set.

    Both are taken from the viewer's request before the cache key is made; `set` is put into what
    the origin is sent, and is in no key.
    """

    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()
