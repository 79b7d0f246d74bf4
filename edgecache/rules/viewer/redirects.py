"""Redirects of a behavior: where a request is sent to, by its host and path.

Law: a target's scheme and host are the operator's, never a viewer's. Where no host is configured,
Location is a path (RFC 9110 §10.2.2) that begins with one slash and no second one, so that nobody
reads `//evil.test` as an authority (RFC 3986 §4.2). What a viewer says stands in path and query
alone, as characters that those may have: neither a line end nor a backslash goes out. RFC 9110
§15.4; nginx: `return`, `rewrite`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from edgecache.config.listen import ViewerPorts
from edgecache.config.viewer_rules import (
    Redirect,
    RedirectTarget,
    host_target,
    path_target,
)
from edgecache.http.message import Request
from edgecache.http.target import DEFAULT_PORTS, normalized_path, with_port
from edgecache.rules.globs import glob

KEEPS_METHOD = {301: 308, 302: 307}  # of what is no GET or HEAD (RFC 9110 §15.4.2, §15.4.3)
CAPTURE = re.compile(rb"\$([1-9])")
# RFC 3986 §3.3, §3.4: what a path and a query may have; `%` begins what is escaped already.
_NO_PATH = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
_NO_QUERY = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")
_PARTS_PARAMETERS = re.compile(rb"[^A-Za-z0-9\-._~!$'()*,:@/%]")
_LEADING = re.compile(rb"^[/\\]+")


class RedirectRule(Struct, frozen=True):
    """A redirect with its pattern compiled; see `config.viewer_rules.Redirect`."""

    expression: re.Pattern[bytes] | None
    hosts: frozenset[bytes]
    scheme: bytes  # of the target; empty: the request's
    host: bytes
    port: bytes
    slash: str
    path: bytes  # of `to`; empty: the request's
    fixed_query: bytes | None
    status: int
    keeps_query: bool


class Redirection(Struct, frozen=True):
    """Where a request is sent, with which status, by which redirect of its behavior."""

    status: int
    location: bytes
    index: int


def compile_redirects(redirects: Sequence[Redirect]) -> tuple[RedirectRule, ...]:
    """The redirects of a behavior that has passed `check`, in their order."""
    return tuple(map(_compiled, redirects))


def redirection(
    request: Request, rules: Sequence[RedirectRule], ports: ViewerPorts
) -> Redirection | None:
    """Where `request`, as received, is sent; None: nowhere, it is served here.

    A redirect that leads to what was asked for is passed over, so none leads to itself.
    """
    path = normalized_path(request.path)
    for index, rule in enumerate(rules):
        location = _location(request, path, rule, ports)
        if location:
            status = rule.status
            if request.method not in (b"GET", b"HEAD"):
                status = KEEPS_METHOD.get(status, status)
            return Redirection(status, location, index)
    return None


def _compiled(redirect: Redirect) -> RedirectRule:
    if redirect.to_host:
        target = host_target(redirect.to_host)
    else:
        target = path_target(redirect.to) if redirect.to else RedirectTarget()
    path, mark, query = target.rest.partition("?")
    expression = None
    if redirect.path:
        source = glob(redirect.path.removeprefix("/").encode(), captures=True)
        expression = re.compile(b"/" + source, re.DOTALL)
    return RedirectRule(
        expression=expression,
        hosts=frozenset(name.lower().encode() for name in redirect.hosts),
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port.encode(),
        slash=redirect.trailing_slash,
        path=path.encode(),
        fixed_query=query.encode() if mark else None,
        status=redirect.status,
        keeps_query=redirect.query == "keep",
    )


def _location(request: Request, path: bytes, rule: RedirectRule, ports: ViewerPorts) -> bytes:
    """Where the rule sends the request; empty: nowhere."""
    if rule.hosts and request.host not in rule.hosts:
        return b""
    match = None if rule.expression is None else rule.expression.fullmatch(path)
    if rule.expression is not None and match is None:
        return b""
    query = request.query if rule.keeps_query else None
    if rule.host and not rule.path:
        return _to_host(request, query, rule, ports)
    if rule.slash:
        changed = _with_slash(path) if rule.slash == "add" else _without_slash(path)
        return b"" if changed == path else _local(_escaped(changed, _NO_PATH), query)
    assert rule.path, "a redirect has a target"
    runs = () if match is None else _runs(match)
    target = _filled(rule.path, runs, _NO_PATH)
    if rule.fixed_query is not None:
        fixed = _filled(rule.fixed_query, runs, _PARTS_PARAMETERS)
        query = fixed if query is None else fixed + b"&" + query
    if rule.host:
        there = rule.scheme + b"://" + with_port(rule.host, rule.port, rule.scheme)
        return b"" if _is_here(request, rule) and target == path else there + target + _query(query)
    location = _local(target, query)
    return b"" if location == _local(_escaped(path, _NO_PATH), request.query) else location


def _to_host(
    request: Request, query: bytes | None, rule: RedirectRule, ports: ViewerPorts
) -> bytes:
    """The same of another host. Without a port it is ours where the viewer named that, as who
    comes by something in between does not; else the scheme's own."""
    if _is_here(request, rule):
        return b""
    scheme = rule.scheme or request.scheme
    port = rule.port
    if not port and request.port:
        own = {b"http": ports.http, b"https": ports.https}
        port = b"%d" % own[scheme] if request.port == b"%d" % own[request.scheme] else b""
    path = _escaped(request.path, _NO_PATH) if request.path.startswith(b"/") else b"/"
    authority = with_port(rule.host, b"" if port == b"0" else port, scheme)
    return scheme + b"://" + authority + path + _query(query)


def _is_here(request: Request, rule: RedirectRule) -> bool:
    """Whether the request came to where the rule leads; any port will do where it names none."""
    asked = request.port or DEFAULT_PORTS[request.scheme]
    same_scheme = rule.scheme in (b"", request.scheme)
    return same_scheme and request.host == rule.host and rule.port in (b"", asked)


def _runs(match: re.Match[bytes]) -> tuple[bytes, ...]:
    groups = match.groupdict()
    return tuple(groups[f"s{n}"] for n in range(len(groups)) if f"s{n}" in groups)


def _filled(template: bytes, runs: Sequence[bytes], unfit: re.Pattern[bytes]) -> bytes:
    """The template with what the stars stand for; nothing for one that is not there."""

    def run(number: re.Match[bytes]) -> bytes:
        index = int(number[1]) - 1
        return _escaped(runs[index], unfit) if index < len(runs) else b""

    return CAPTURE.sub(run, template)


def _with_slash(path: bytes) -> bytes:
    """A folder's name ends with a slash, a file's, which has a dot, does not."""
    return path if path.endswith(b"/") or b"." in path.rpartition(b"/")[2] else path + b"/"


def _without_slash(path: bytes) -> bytes:
    return path if path == b"/" else path.removesuffix(b"/")


def _local(path: bytes, query: bytes | None) -> bytes:
    """A reference that stays where it was read, whatever the path begins with."""
    return b"/" + _LEADING.sub(b"", path) + _query(query)


def _query(query: bytes | None) -> bytes:
    return b"" if query is None else b"?" + _escaped(query, _NO_QUERY)


def _escaped(text: bytes, unfit: re.Pattern[bytes]) -> bytes:
    return unfit.sub(lambda byte: b"%%%02X" % byte[0][0], text)
