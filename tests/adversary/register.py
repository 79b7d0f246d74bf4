"""The register: who may see what, and what is newest. Law: it believes nothing the product says.

Everything the origin makes carries a nonce of its own, in body, `X-Nonce`, ETag and Set-Cookie, and
is written down here with what was presented for it. Whatever a viewer then sees of a nonce is held
against a reading of the rules that knows of no store, no flight and no tier
(tests/plays/letters.py), with room for clocks that are read on the way: it must never err to the
product's harm.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.adversary.actions import Ask, SiteName
from tests.adversary.readings import plainest
from tests.plays.letters import Said, for_others, usable_s

NONCE = re.compile(rb"n\d{8}x")
MARKER = re.compile(rb"evil-\d+-x")
SLACK_S = 2.5  # two tiers, whose Age is in whole seconds, and a busy machine
ERRORS_S = 12.0  # ErrorCachingMinTTL, and a little
SEMANTICS = {"serve": "rfc9111", "rfc": "rfc9111", "cf": "cloudfront"}
MAY_BE_CUT = ("silent", "short", "reset", "stall", "rubbish")


@dataclass(slots=True, eq=False)
class OriginAnswer(Said):
    """What the origin gave for one request; times are the adversary's own, monotonic."""

    nonce: str
    site: SiteName
    target: str
    credentials: Mapping[str, str | None]
    asked_by: str  # the id of the request, if it has one
    cache: str
    vary: str
    status: int
    size: int
    began: float
    at: float = 0.0  # when its head was sent
    tags: tuple[str, ...] = ()
    ranged: bool = False  # asked for with a Range
    confirms: str = ""  # the nonce a 304 speaks of
    private: bool = False
    faulty: bool = False

    def credential(self, name: str) -> str | None:
        return self.credentials.get(name)


@dataclass(slots=True, eq=False)
class Question:
    """What a viewer asks, and what is known when its first byte leaves."""

    ask: Ask
    number: int
    target: str
    credentials: dict[str, str]
    began: float
    opens: bool = False  # a signature of ours, that is good for this very URL
    id: str = ""  # as the origin is told it
    marker: bytes = b""  # in fields that must reach nobody
    floor: list[Floor] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """What came: head and body as read strictly. `whole`: framing says that it is all."""

    status: int = 0
    fields: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    ended: float = 0.0
    trouble: str = ""  # why nothing came

    def values(self, name: str) -> list[bytes]:
        return [value for known, value in self.fields if known == name]

    def value(self, name: str) -> bytes:
        return next(iter(self.values(name)), b"")


@dataclass(frozen=True, slots=True)
class Floor:
    """What was asked for before `since` is over for who asks from now on."""

    since: float
    site: SiteName
    names: re.Pattern[str]
    tags: frozenset[str]
    why: str

    def covers(self, answer: OriginAnswer) -> bool:
        named = self.names.fullmatch(answer.target) is not None
        return answer.site == self.site and (named or not self.tags.isdisjoint(answer.tags))


@dataclass(frozen=True, slots=True)
class Write:
    """A write that succeeded at a place: when the origin said so, and when the viewer heard."""

    place: str
    origin_at: float
    viewer_at: float


def body_of(nonce: str, size: int) -> bytes:
    """The body of an answer: its nonce again and again."""
    return (f"{nonce};".encode() * (size // 10 + 1))[:size]


class Register:
    """Every answer and what bounds it; `findings` are what viewers or origins saw against it."""

    def __init__(self) -> None:
        self.answers: dict[str, OriginAnswer] = {}
        self.checked = 0
        self._by_path: defaultdict[tuple[str, str], list[OriginAnswer]] = defaultdict(list)
        self._floors: list[Floor] = []
        self._writes: defaultdict[tuple[str, str], list[Write]] = defaultdict(list)
        self._count = 0

    def next_nonce(self) -> str:
        self._count += 1
        return f"n{self._count:08d}x"

    def answered(self, answer: OriginAnswer) -> None:
        """The origin is about to send it."""
        self.answers[answer.nonce] = answer
        self._by_path[answer.site, plainest(answer.target)].append(answer)

    def of_path(self, site: SiteName, target: str) -> list[OriginAnswer]:
        return self._by_path[site, plainest(target)]

    def floors_now(self) -> list[Floor]:
        """Those that bind who asks now."""
        return list(self._floors)

    def over(self, floor: Floor) -> None:
        """Completed, or what is like it, was seen."""
        self._floors.append(floor)

    def forget_floors(self, marker: str) -> None:
        """The episode of that name is over: nobody asks for its paths again."""
        self._floors = [one for one in self._floors if marker not in one.names.pattern]
        gone = [key for key in self._by_path if f"/{marker}/" in key[1] + "/"]
        for key in gone:
            for answer in self._by_path.pop(key):
                self.answers.pop(answer.nonce, None)
        for place in [place for place in self._writes if f"/{marker}/" in place[1]]:
            del self._writes[place]

    def wrote(self, question: Question, reply: Reply) -> None:
        """A viewer has heard that its write succeeded."""
        own = [a for a in self.of_path(question.ask.site, question.target) if own_of(question, a)]
        if own:
            done = Write(place_of(question.ask), own[-1].at, reply.ended)
            self._writes[question.ask.site, plainest(question.target)].append(done)

    def judge(self, question: Question, reply: Reply) -> Iterator[str]:
        """What is wrong with a reply, one line for each thing."""
        self.checked += 1
        yield from self._markers(question, reply)
        yield from self._whole(question, reply)
        seen = b"\n".join([value for _, value in reply.fields] + [reply.body])
        for nonce in {found.decode() for found in NONCE.findall(seen)}:
            answer = self.answers.get(nonce)
            if answer is None:
                yield f"{nonce}, of another episode"
                continue
            why = self._objection(question, answer, reply)
            if why is not None:
                yield f"{nonce} of {answer.target} ({answer.cache!r}, {answer.status}): {why}"
        yield from self._cookies(question, reply)
        yield from self._failure(question, reply)

    def _failure(self, question: Question, reply: Reply) -> Iterator[str]:
        """A failure after an invalidation is one of the origin's, not one remembered."""
        if question.ask.site != "cf" or reply.status not in (502, 504):
            return
        known = self.of_path("cf", question.target)
        for floor in question.floor:
            named = any(floor.covers(one) for one in known)
            if named and not any(one.began >= floor.since for one in known):
                yield f"{reply.status}, and the origin was not asked since {floor.why}"

    def _markers(self, question: Question, reply: Reply) -> Iterator[str]:
        seen = b"\n".join([value for _, value in reply.fields] + [reply.body])
        for marker in set(MARKER.findall(seen)):
            if marker != question.marker:
                yield f"{marker.decode()}, which another viewer had sent, came back"

    def _whole(self, question: Question, reply: Reply) -> Iterator[str]:
        """Length and bytes agree with what the head says."""
        answer = self.answers.get(reply.value("x-nonce").decode())
        if answer is None or question.ask.method == "HEAD" or reply.status not in (200, 206):
            return
        if b"multipart" in reply.value("content-type"):
            return
        first, total = 0, answer.size
        if reply.status == 206:
            if not _is_ranged(question):
                yield "a part, to who asked for all of it"
            form = re.fullmatch(rb"bytes (\d+)-(\d+)/(\d+)", reply.value("content-range"))
            if form is None:
                yield f"a 206 with Content-Range {reply.value('content-range')!r}"
                return
            first, total = int(form[1]), int(form[2]) + 1
        right = body_of(answer.nonce, answer.size)[first:total]
        if reply.whole and reply.body != right and not reply.value("content-encoding"):
            yield f"{answer.nonce}: {len(reply.body)} bytes for whole, and not its {len(right)}"
        elif not reply.whole and not right.startswith(reply.body):
            yield f"{answer.nonce}: bytes that are not of it"

    def _cookies(self, question: Question, reply: Reply) -> Iterator[str]:
        for cookie in reply.values("set-cookie"):
            if question.ask.site == "cf" and "/cookie/" not in question.target:
                yield f"Set-Cookie {cookie!r} where no cookie is forwarded"
            for nonce in NONCE.findall(cookie):
                answer = self.answers.get(nonce.decode())
                if answer is None or own_of(question, answer):
                    continue
                if '="set-cookie"' in answer.cache:
                    yield f"Set-Cookie of {answer.nonce}, which says it is for one ({answer.cache})"

    def _objection(self, question: Question, answer: OriginAnswer, reply: Reply) -> str | None:
        """Why this viewer may not see anything of it; None when it may."""
        site = question.ask.site
        if answer.site != site:
            return f"it is of another site ({answer.site})"
        if plainest(answer.target) != plainest(question.target):
            return "it is another page"
        if answer.private and not question.opens:
            return f"private, and asked for with {question.ask.signed or 'no signature'}"
        own, known = own_of(question, answer), self.of_path(answer.site, answer.target)
        # The origin said so to this very request, and knew whose it is.
        confirmed = any(x.confirms == answer.nonce and own_of(question, x) for x in known)
        for floor in question.floor:
            told = confirmed and reply.status == 304  # a condition of the viewer's own
            if floor.covers(answer) and answer.began < floor.since and not told:
                return f"older than {floor.why} by {floor.since - answer.began:.3f} s"
        if own or confirmed:
            return None
        if answer.ranged and answer.status >= 400 and not _is_ranged(question):
            return f"the {answer.status} is to the Range of another"
        if not for_others(answer, question.credentials, SEMANTICS[site]):
            return f"for others alone: {dict(answer.credentials)}, Vary {answer.vary!r}"
        keyed = site == "cf" and plainest(answer.target).startswith("/cookie/")
        if keyed and answer.credential("cookie") != question.credentials.get("cookie"):
            return f"for {answer.credential('cookie')}, which is in the key there"
        return self._not_fresh(question, answer, reply)

    def _not_fresh(self, question: Question, answer: OriginAnswer, reply: Reply) -> str | None:
        semantics, known = SEMANTICS[question.ask.site], self.of_path(answer.site, answer.target)
        if semantics == "rfc9111":
            for write in self._writes[answer.site, plainest(answer.target)]:
                here = write.place == place_of(question.ask)
                before = answer.began < write.origin_at and write.viewer_at < question.began
                if here and before:
                    return f"older than a write by {write.origin_at - answer.began:.3f} s"
            if ("Cache-Control", "no-cache") in question.ask.fields:
                return "asked for with no-cache, and not asked for"
        failed = any(
            one.status >= 500 or one.faulty
            for one in known
            if question.began - ERRORS_S <= one.began <= reply.ended
        )
        confirming = [one for one in known if one.confirms == answer.nonce]
        for source in (answer, *confirming):
            good_s = usable_s(source, semantics, failed=failed)
            if good_s and question.began - source.at < good_s + SLACK_S:
                return None
        return f"{question.began - answer.at:.1f} s old, and {answer.cache!r}"


def place_of(ask: Ask) -> str:
    """The process a viewer meets and the scheme it asks with, which is of the URI."""
    return "serve" if ask.site == "serve" else ask.at


def _is_ranged(question: Question) -> bool:
    return any(name == "Range" for name, _ in question.ask.fields)


def own_of(question: Question, answer: OriginAnswer) -> bool:
    """Whether it was fetched for this very request.

    Where requests have no id of their own: whether it may have been.
    """
    if answer.began < question.began:
        return False
    if question.id or answer.asked_by:
        return bool(question.id) and question.id == answer.asked_by
    presented = {name: value for name, value in answer.credentials.items() if value is not None}
    same = plainest(answer.target) == plainest(question.target)
    return same and presented == {
        name: value for name, value in question.credentials.items() if name in answer.credentials
    }
