"""Checks of viewer rules: redirects lead to the operator's targets, headers are no one else's."""

from __future__ import annotations

import re

from edgecache.config.checks.policies import TOKEN
from edgecache.config.model import Behavior, Distribution
from edgecache.config.problems import ProblemCode, Problems, quoted
from edgecache.config.viewer_rules import (
    BasicAuth,
    Redirect,
    RequestHeaders,
    host_target,
    path_target,
)

REDIRECTS_MAX = 100  # of one behavior: each is tried in turn
STARS_MAX = 9  # of a pattern with captures: `$1` to `$9`
TARGET_CHARS_MAX = 2_048
HEADERS_MAX = 30  # CloudFront's quota for custom headers of an origin
VALUE_CHARS_MAX = 1_783  # and for the value of one
MESSAGE_CHARS_MAX = 500
STATUSES = (301, 302, 303, 307, 308)

_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
_TARGET = re.compile(r"(?:[A-Za-z0-9\-._~!&'()*+,;=:@/%?\[\]]|\$[1-9])+")
_CAPTURE = re.compile(r"\$([1-9])")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")
# Of the message and its way (RFC 9110 §7.6, RFC 9112 §6), of its body (§8), and our own words.
_OURS = re.compile(
    r"connection|content-.+|expect|host|keep-alive|max-forwards|proxy-.+|te|trailer"
    r"|transfer-encoding|upgrade|via|cdn-loop|x-forwarded-for|x-amz-cf-id"
    r"|x-amzn-trace-id|traceparent|tracestate|sec-websocket-.+|cloudfront-.+|(x-)?edgecache-.+",
    re.IGNORECASE,
)
# What the cache answers itself (RFC 9110 §13, §14), and what a CORS policy does.
_ANSWERED = re.compile(r"range|if-.+|origin|access-control-request-.+", re.IGNORECASE)
_REALM = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")
_NOT_SET = {
    "accept-encoding": "the cache policy says what is asked for (accept_encoding_gzip)",
    "authorization": "a secret stands in secret_headers of the origin, by reference",
}


def check_viewer_rules(
    distribution: Distribution, behavior: Behavior, where: str, problems: Problems
) -> None:
    """Every rule of a behavior that needs no other distribution."""
    redirects = behavior.redirects
    if len(redirects) > REDIRECTS_MAX:
        trouble = f"{len(redirects)} redirects are more than {REDIRECTS_MAX}"
        problems.add(f"{where}.redirects", trouble, ProblemCode.TOO_MANY)
    for index, redirect in enumerate(redirects):
        _check_redirect(distribution, redirect, f"{where}.redirects[{index}]", problems)
    _check_headers(distribution, behavior, f"{where}.request_headers", problems)
    if behavior.basic_auth is not None:
        _check_basic_auth(behavior.basic_auth, f"{where}.basic_auth", problems)
    message = behavior.maintenance.message
    if len(message) > MESSAGE_CHARS_MAX or not message.isprintable():
        trouble = f"not one line of at most {MESSAGE_CHARS_MAX} characters"
        problems.add(f"{where}.maintenance.message", trouble)


def _check_redirect(
    distribution: Distribution, redirect: Redirect, where: str, problems: Problems
) -> None:
    targets = [name for name in ("to", "to_host", "trailing_slash") if getattr(redirect, name)]
    if len(targets) != 1:
        named = "none" if not targets else " and ".join(targets)
        problems.add(where, f"needs one of to, to_host and trailing_slash, and has {named}")
    if redirect.status not in STATUSES:
        choices = ", ".join(map(str, STATUSES))
        problems.add(f"{where}.status", f"{redirect.status} is not one of {choices}")
    if redirect.path and not _PATTERN.fullmatch(redirect.path):
        problems.add(f"{where}.path", f"{quoted(redirect.path)} is not a path pattern")
    if redirect.path.count("*") > STARS_MAX:
        problems.add(f"{where}.path", f"more than {STARS_MAX} stars")
    names = {name.lower() for name in (*distribution.aliases, distribution.domain_name)}
    for index, host in enumerate(redirect.hosts):
        if not _is_served(host.lower(), names):
            trouble = f"{quoted(host)} is not a name of this distribution"
            problems.add(f"{where}.hosts[{index}]", trouble)
    if redirect.to_host:
        _check_host(redirect.to_host, f"{where}.to_host", problems)
    if redirect.to:
        _check_target(redirect, f"{where}.to", problems)


def _is_served(host: str, names: set[str]) -> bool:
    parent = host.partition(".")[2]
    return host in names or f"*.{parent}" in names or "*" in names


def _check_host(text: str, where: str, problems: Problems) -> None:
    try:
        host_target(text)
    except ValueError:
        trouble = f'{quoted(text)} is not a host ("www.example.com", "https://example.com:8443")'
        problems.add(where, trouble)


def _check_target(redirect: Redirect, where: str, problems: Problems) -> None:
    """A host that is written out, and captures that the pattern has, each once."""
    text = redirect.to
    try:
        rest = path_target(text).rest
    except ValueError:
        trouble = f"{quoted(text)} is neither a path with one slash nor http(s)://HOST/PATH"
        problems.add(where, trouble)
        return
    if len(text) > TARGET_CHARS_MAX:
        problems.add(where, f"{len(text)} characters are more than {TARGET_CHARS_MAX}")
    elif not _TARGET.fullmatch(rest):
        problems.add(where, f"{quoted(text)} has characters no URL has, or a $ without a number")
    numbers = [int(number) for number in _CAPTURE.findall(rest)]
    stars = redirect.path.count("*")
    for number in numbers:
        if number > stars:
            problems.add(where, f"${number} is no star of path, which has {stars}")
        elif numbers.count(number) > 1:
            problems.add(where, f"${number} stands there twice")


def _check_basic_auth(auth: BasicAuth, where: str, problems: Problems) -> None:
    if not auth.file or "\0" in auth.file:
        problems.add(f"{where}.file", f"{quoted(auth.file)} is not a path")
    if not _REALM.fullmatch(auth.realm):
        trouble = f"{quoted(auth.realm)} is not 1 to 64 printable characters without quotes"
        problems.add(f"{where}.realm", f"{trouble} and backslashes (ASCII)")


def _check_headers(
    distribution: Distribution, behavior: Behavior, where: str, problems: Problems
) -> None:
    headers: RequestHeaders = behavior.request_headers
    if len(headers.set) + len(headers.remove) > HEADERS_MAX:
        count = len(headers.set) + len(headers.remove)
        problems.add(where, f"{count} headers are more than {HEADERS_MAX}", ProblemCode.TOO_MANY)
    for index, name in enumerate(headers.remove):
        _check_name(name, f"{where}.remove[{index}]", problems)
    theirs = {name.lower() for origin in distribution.origins for name in origin.custom_headers}
    theirs |= {name.lower() for origin in distribution.origins for name in origin.secret_headers}
    for name, value in headers.set.items():
        place = f"{where}.set.{name}"
        _check_name(name, place, problems)
        if name.lower() in _NOT_SET:
            problems.add(place, f"is not set here: {_NOT_SET[name.lower()]}")
        if name.lower() in theirs:
            problems.add(place, "is a header of an origin too, and that one counts")
        if len(value) > VALUE_CHARS_MAX or not _VALUE.fullmatch(value):
            trouble = f"not a header's value of at most {VALUE_CHARS_MAX} characters"
            problems.add(place, trouble)


def _check_name(name: str, where: str, problems: Problems) -> None:
    """A field that is a viewer's to say: not of one hop, of the message, or our own."""
    if not TOKEN.fullmatch(name):
        problems.add(where, f"{quoted(name)} is not a header's name")
    elif _OURS.fullmatch(name.replace("_", "-")):
        problems.add(where, f"{quoted(name)} is not a rule's to say: it is of one hop, or ours")
    elif _ANSWERED.fullmatch(name.replace("_", "-")):
        problems.add(where, f"{quoted(name)} is not a rule's to say: the cache answers it")
