"""Who may have which answer, by a reading of RFC 9111 that knows of no store and no flight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecache.http.message import first_value
from edgecache.upstream.interface import Call
from tests.world.viewer import Got

ERROR_S = 10  # ErrorCachingMinTTL, CloudFront's default


@dataclass
class Ask:
    """What a viewer asked, and what came of it."""

    name: str
    method: str
    credentials: dict[str, str]
    wishes: dict[str, str]
    at: float
    step: int
    got: Got | None = None
    got_at: float = 0.0
    id: str = ""


class Said:
    """What an origin's answer says of who may have it, whoever recorded it."""

    cache: str
    vary: str
    status: int

    def credential(self, name: str) -> str | None:
        """What was presented with the request it answers."""
        raise NotImplementedError

    def seconds(self, name: str) -> int | None:
        for one in self.cache.split(", "):
            said, _, value = one.partition("=")
            if said == name and value:
                return int(value)
        return None

    def says(self, name: str) -> bool:
        return name in self.cache.split(", ")


@dataclass
class Answer(Said):
    """What the origin gave for one request."""

    letter: str
    call: Call
    at: float
    begun: int  # the step its request came
    cache: str
    vary: str = ""
    status: int = 200
    tag: str = ""
    confirms: str = ""  # the letter a 304 speaks of
    more: dict[str, str] = field(default_factory=dict)

    def credential(self, name: str) -> str | None:
        value = first_value(self.call.request.fields, name.encode())
        return None if value is None else value.decode()

    def like(self, other: Call) -> bool:
        """Whether the origin means this by `other` too: nobody else's credentials are there."""
        return all(
            first_value(self.call.request.fields, name) == first_value(other.request.fields, name)
            for name in (b"cookie", b"authorization")
        )


def may_have(
    ask: Ask, answer: Answer, answers: list[Answer], writes: list[int], semantics: str
) -> bool:
    """Whether something of `answer` may be in what `ask` got."""
    if answer.call.request.id.decode() == ask.id:
        return True
    if not for_others(answer, ask.credentials, semantics):
        return False
    if any(answer.begun <= write < ask.step for write in writes) and not _confirmed(
        ask, answer, answers
    ):
        return False
    if _confirmed(ask, answer, answers):
        return True
    if semantics == "rfc9111" and ask.wishes.get("cache_control") == "no-cache":
        return False
    errors = [
        one.at for one in answers if one.status >= 500 and ask.at - ERROR_S <= one.at <= ask.got_at
    ]
    sources = [answer] + [
        one
        for one in answers
        if one.confirms == answer.letter and for_others(one, ask.credentials, semantics)
    ]
    return any(_usable(one, ask, bool(errors), semantics) for one in sources)


def _confirmed(ask: Ask, answer: Answer, answers: list[Answer]) -> bool:
    """Whether the origin said to this very request that it holds."""
    return any(
        one.confirms == answer.letter and one.call.request.id.decode() == ask.id for one in answers
    )


def for_others(answer: Said, credentials: Mapping[str, str], semantics: str) -> bool:
    """Whether anybody but who asked may have it, and who has these (§3, §3.5, §4.1)."""
    if answer.says("no-store"):
        return False
    if semantics == "cloudfront":
        if answer.credential("authorization") != credentials.get("authorization"):
            return False  # it is in the key
        return answer.status >= 400 or not (answer.says("private") or answer.says("no-cache"))
    if answer.says("private"):
        return False
    if answer.credential("authorization") is not None and not (
        answer.says("public") or answer.says("must-revalidate") or answer.seconds("s-maxage")
    ):
        return False
    named = [name for name in answer.vary.split(", ") if name]
    return all(answer.credential(name) == credentials.get(name) for name in named)


def _usable(source: Answer, ask: Ask, failed: bool, semantics: str) -> bool:
    """Whether it was fresh at the earliest moment it could be given, or might be given stale."""
    wish = ask.wishes.get("cache_control", "").partition("max-age=")[2]
    age = max(ask.at, source.at) - source.at
    if semantics == "rfc9111" and wish and age > int(wish):
        return False
    return age < usable_s(source, semantics, failed=failed)


def usable_s(source: Said, semantics: str, *, failed: bool) -> float:
    """The age until which it may be given unasked. `failed`: the origin did, a moment ago."""
    if source.says("no-cache") and semantics == "rfc9111":
        return 0.0
    named = source.seconds("s-maxage")
    lifetime = source.seconds("max-age") if named is None else named
    if semantics == "cloudfront":
        lifetime = 5 if lifetime is None else lifetime
        if source.status >= 400:
            lifetime = max(lifetime, ERROR_S)
    strict = source.says("must-revalidate") or source.seconds("s-maxage") is not None
    stale = 0.0
    if not strict or semantics == "cloudfront":
        stale = source.seconds("stale-while-revalidate") or 0
        if failed:
            stale = max(stale, source.seconds("stale-if-error") or 0)
            stale = 1e9 if semantics == "cloudfront" else stale
    return (lifetime or 0) + stale
