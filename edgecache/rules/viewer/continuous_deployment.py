"""Continuous deployment: which of two distributions serves a viewer's request, and for how long.

Law: what is decided is a function of the policy, the request's fields, one draw and the time.
Developer Guide, "Learn how continuous deployment works". A session is a cookie, which says the
distribution, when it began and when it was used last; it is ours alone: no key and no origin sees
it. Who changes it reaches what any viewer reaches by chance. A staging site is reached by way of
its primary alone, and both know that they are two: no memory of requests repeats for one what the
other has answered.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from edgecache.config.checks.continuous_deployment import staging_ids
from edgecache.config.model import Config, ContinuousDeploymentPolicy
from edgecache.http.message import Fields, cookie_pairs

if TYPE_CHECKING:
    from edgecache.rules.routing import Site

COOKIE = b"aws-cf-cd-session"
AHEAD_S_MAX = 60  # how far the clock of another location may be ahead
_SESSION = re.compile(rb"([ps])\.([0-9]{1,12})\.([0-9]{1,12})\.([0-9a-f]{8})")
_STAGING, _PRIMARY = b"s", b"p"


class TrafficRule(Struct, frozen=True):
    """A policy, as requests are judged by it: by `header` (lower case), else by `weight`."""

    header: bytes = b""
    value: bytes = b""
    weight: float = 0.0
    idle_s: int = 0  # 0: there are no sessions
    session_s_max: int = 0
    since: int = 0
    mark: bytes = b""  # of the policy: sessions of another are none

    def sends_to_staging(self, fields: Fields, chance: Callable[[], float], now: float) -> bool:
        """Whether staging serves a request of these fields; `chance` is drawn from [0, 1) where
        it decides."""
        if self.header:
            return any(name == self.header and value == self.value for name, value in fields)
        session = self.session(fields, now)
        return chance() < self.weight if session is None else session[0]

    def session(self, fields: Fields, now: float) -> tuple[bool, int] | None:
        """Whether the session that a request belongs to is staging's, and when it began (epoch
        seconds); None: it belongs to none."""
        if not self.idle_s:
            return None
        for name, line in fields:
            if name != b"cookie":
                continue
            for cookie, value in cookie_pairs(line):
                if cookie == COOKIE and (found := self._read(value or b"", now)) is not None:
                    return found
        return None

    def _read(self, value: bytes, now: float) -> tuple[bool, int] | None:
        match = _SESSION.fullmatch(value)
        if match is None or match[4] != self.mark:
            return None
        began, used = int(match[2]), int(match[3])
        if not self.since <= began <= used <= now + AHEAD_S_MAX:
            return None
        if now - used >= self.idle_s or now - began >= self.session_s_max:
            return None
        return match[1] == _STAGING, began


class ServedSide(Struct, frozen=True):
    """One of the two distributions of a rule, as a route of it has it."""

    rule: TrafficRule
    staging: bool

    def session_fields(self, fields: Fields, now: float) -> Fields:
        """Set-Cookie for who sent these fields and is served by this side: its session goes on, or
        begins. Nothing where there are no sessions."""
        rule = self.rule
        if not rule.idle_s:
            return ()
        session = rule.session(fields, now)
        began = session[1] if session and session[0] is self.staging else int(now)
        age_s = min(rule.idle_s, began + rule.session_s_max - int(now))
        side = _STAGING if self.staging else _PRIMARY
        value = b"%b.%d.%d.%b" % (side, began, int(now), rule.mark)
        cookie = b"%b=%b; Max-Age=%d; Path=/; HttpOnly" % (COOKIE, value, max(age_s, 0))
        return ((b"set-cookie", cookie),)


def compile_traffic(policy: ContinuousDeploymentPolicy) -> TrafficRule:
    """The rule of a policy that has passed its checks."""
    if policy.header:
        return TrafficRule(policy.header.lower().encode("ascii"), policy.value.encode("ascii"))
    sessions = policy.session_stickiness
    if sessions is None:
        return TrafficRule(weight=policy.weight or 0.0)
    return TrafficRule(
        weight=policy.weight or 0.0,
        idle_s=sessions.idle_ttl_s,
        session_s_max=sessions.maximum_ttl_s,
        since=policy.sessions_since,
        mark=b"%08x" % zlib.crc32(policy.id.encode()),
    )


def without_session(fields: Fields) -> Fields:
    """A request's fields less the cookie of its session."""
    if not any(name == b"cookie" and COOKIE in value for name, value in fields):
        return fields
    kept = []
    for name, value in fields:
        if name == b"cookie":
            parts = (part.strip(b" \t") for part in value.split(b";"))
            value = b"; ".join(part for part in parts if part.partition(b"=")[0] != COOKIE)
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)


def paired(config: Config, sites: dict[str, Site]) -> dict[str, Site]:
    """The sites by id, each primary with its staging site where both are served and the policy is
    in effect."""
    policies = {one.id: one for one in config.continuous_deployment_policies if one.enabled}
    if not policies:
        return sites
    by_id = dict(sites)
    ids = staging_ids(config)
    for distribution in config.distributions:
        policy = policies.get(distribution.continuous_deployment_policy)
        if policy is None or distribution.staging or distribution.id not in by_id:
            continue
        id = ids.get(policy.staging_distribution.lower(), "")
        if id not in by_id:
            continue
        rule = compile_traffic(policy)
        staging = by_id[id] = _as_side(by_id[id], ServedSide(rule, staging=True))
        primary = _as_side(by_id[distribution.id], ServedSide(rule, staging=False))
        by_id[distribution.id] = replace(primary, traffic=rule, staging=staging)
    return by_id


def _as_side(site: Site, side: ServedSide) -> Site:
    """The site as one of two. By weight the same bytes may have another answer the next time."""
    routes = tuple(
        (
            matches,
            structs.replace(
                found,
                side=side,
                depends_on_viewer=found.depends_on_viewer or not side.rule.header,
            ),
        )
        for matches, found in site.behaviors
    )
    return replace(site, behaviors=routes)
