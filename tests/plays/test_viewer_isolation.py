"""Property: no credential, cookie or answer of one viewer reaches another who may not have it.

Viewers ask, an origin answers each request with a letter of its own, bodies stay away, time passes,
writes come between. Whatever the order, and wherever responses are cut: each letter a viewer sees,
in body and fields, was either fetched for that very request, or is such as a reading of RFC 9111
that knows nothing of flights and stores lets it have.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy, HeaderSelection
from edgecache.http.message import first_value
from edgecache.upstream.interface import Call
from tests.plays.letters import Answer, Ask, may_have
from tests.world.origin import HeldBody
from tests.world.play import Play, Scene
from tests.world.viewer import Got
from tests.world.wire import Wire

LETTERS = string.ascii_letters + string.digits
LENGTH = 10
OPS_MAX = 12
CACHE = (
    *["max-age=5"] * 4, "public, max-age=5", "max-age=0", "no-cache, max-age=5",
    "private, max-age=5", "no-store", "s-maxage=5", "must-revalidate, max-age=0",
    "must-revalidate, max-age=5", 'private="set-cookie", max-age=5',
    'no-cache="set-cookie", max-age=5', "max-age=2, stale-while-revalidate=4",
    "max-age=2, stale-if-error=20", None,
)  # fmt: skip
VARY = (None, None, None, None, "cookie", "authorization", "cookie, authorization")
CREDENTIALS: tuple[tuple[str, ...], ...] = ((), (), ("authorization",), ("cookie",))
PART = {"range": "bytes=2-4"}
WISHES: tuple[dict[str, str], ...] = (
    *[{}] * 6, *[PART] * 4, {**PART, "if_range": "?"}, *[{**PART, "if_range": '"other"'}] * 2,
    {**PART, "if_none_match": "?"}, {"range": "bytes=5-"}, {"if_none_match": "?"},
    {"cache_control": "no-cache"}, {"cache_control": "max-age=1"},
)  # fmt: skip
# "?" is the entity tag of what was answered last.
ANSWERS = st.tuples(
    st.just("answers"),
    st.sampled_from(CACHE),
    st.sampled_from(VARY),
    st.sampled_from((*[200] * 10, 404, 503)),
    st.sampled_from(("now", "held")),
    st.sampled_from((True, True, False)),  # an entity tag
)
ASKS = st.tuples(
    st.just("asks"),
    st.sampled_from(("alice", "bob")),
    st.sampled_from(("GET", "GET", "GET", "HEAD")),
    st.sampled_from(CREDENTIALS),
    st.sampled_from(WISHES),
    st.one_of(ANSWERS, ANSWERS, ANSWERS, st.none()),  # what comes at once, if it was first to ask
)
OPS = st.lists(
    st.one_of(
        *[ASKS] * 5, ANSWERS, st.tuples(st.just("brings")), st.tuples(st.just("writes")),
        st.tuples(st.just("waits"), st.sampled_from((1, 3, 7))),
    ),
    min_size=5, max_size=OPS_MAX,
)  # fmt: skip


@dataclass
class Story:
    """A play, what was asked in it, and what its origin answered."""

    play: Play
    honors: bool  # Range and If-None-Match count at the origin
    asks: list[Ask] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    held: list[tuple[HeldBody, str]] = field(default_factory=list)
    open: list[tuple[Call, int]] = field(default_factory=list)  # and the step each came at
    seen: int = 0  # requests the origin has heard
    step: int = 0

    def does(self, op: tuple[Any, ...]) -> None:
        self.step += 1
        match op:
            case ("asks", who, method, named, wishes, answer):
                self._asks(who, method, named, wishes)
                self._note()
                if answer is not None and len(self.open) == 1:
                    self.does(answer)
            case ("answers", cache, vary, status, when, tagged):
                self._answers(cache, vary, status, when, tagged)
            case ("brings",) if self.held:
                body, data = self.held.pop(0)
                self._brings(body, data)
            case ("writes",):
                self._writes()
            case ("waits", seconds):
                self.play.advance(seconds)
        self._note()

    def ends(self) -> None:
        """Everything asked is answered, and looked at."""
        for _ in range(4 * OPS_MAX):
            if not self.open and not self.held:
                break
            self.does(("answers", "no-store", None, 200, "now", False))
            while self.held:
                self._brings(*self.held.pop(0))
        for ask in self.asks:
            self._looks(ask)
            assert ask.got is not None, f"{ask} was not answered"

    def _note(self) -> None:
        self.play.loop.settle()
        heard = self.play.origin.heard
        self.open += [(call, self.step) for call in heard[self.seen :]]
        self.seen = len(heard)
        for ask in self.asks:
            self._looks(ask)

    def _looks(self, ask: Ask) -> None:
        if ask.got is None and (got := self.play.viewer(ask.name).got()) is not None and got.whole:
            ask.got, ask.got_at = got, self.play.clock.now
            ask.id = got.field("x-amz-cf-id") or ""

    def _asks(self, who: str, method: str, named: tuple[str, ...], wishes: dict[str, str]) -> None:
        credentials = {name: f"{name}-of-{who}" for name in named}
        last = next((one.tag for one in reversed(self.answers) if one.tag), '"none"')
        wishes = {name: last if value == "?" else value for name, value in wishes.items()}
        name = f"{who}-{len(self.asks)}"
        ask = Ask(name, method, credentials, wishes, self.play.clock.now, self.step)
        self.asks.append(ask)
        self.play.viewer(name).asks("/a", method, **credentials, **wishes)

    def _writes(self) -> None:
        """A write that the origin answers before all that it was asked earlier."""
        if self.play.scene.semantics != "rfc9111":
            return
        self._note()
        self.play.viewer(f"writer-{self.step}").asks("/a", "POST", body="x")
        self.seen += 1
        self.play.origin.delays(len(self.open))
        self.play.origin.answers(200, "")
        self.writes.append(self.step)

    def _brings(self, body: HeldBody, data: str) -> None:
        for piece in (data[:3], data[3:]):
            if piece:
                body.put(piece.encode())
                self.play.loop.settle()
        body.put(b"")
        self.play.loop.settle()

    def _answers(
        self, cache: str | None, vary: str | None, status: int, when: str, tagged: bool
    ) -> None:
        if not self.open:
            return
        call, begun = self.open.pop(0)
        letter = LETTERS[len(self.answers)]
        answer = Answer(letter, call, self.play.clock.now, begun, cache or "")
        answer.vary = vary or ""
        answer.status, place = self._form(call, status)
        told = {"x_letter": letter, "set_cookie": f"of={letter}", **place}
        if answer.status == 304:
            answer.confirms = _asked(call, "if-none-match").strip('"')
            told["etag"] = f'"{answer.confirms}"'
        elif tagged:
            told["etag"] = answer.tag = f'"{letter}"'
        if vary is not None:
            told["vary"] = vary
        self.answers.append(answer)
        length = (
            3 if place.get("content_range", "").startswith("bytes 2") else 5 if place else LENGTH
        )
        data = "" if answer.status == 304 or call.request.method == b"HEAD" else letter * length
        if when == "now" or not data:
            self.play.origin.answers(answer.status, data, cache=cache, **told)
            return
        self.play.origin.answers(
            answer.status, None, cache=cache, **told, content_length=str(length)
        )
        assert self.play.origin.body is not None
        self.held.append((self.play.origin.body, data))

    def _form(self, call: Call, status: int) -> tuple[int, dict[str, str]]:
        """The status this request gets, and what goes with it."""
        tags = _asked(call, "if-none-match")
        known = {one.tag: one for one in self.answers if one.tag}
        if not self.honors or status != 200:
            return status, {}
        if tags in known and known[tags].like(call):
            return 304, {}
        wanted = _asked(call, "range")
        if wanted in ("bytes=2-4", "bytes=5-") and not _asked(call, "if-range"):
            return 206, {"content_range": f"bytes {'2-4' if '2' in wanted else '5-9'}/{LENGTH}"}
        return 200, {}


def _asked(call: Call, name: str) -> str:
    return (first_value(call.request.fields, name.encode()) or b"").decode()


def letters_of(got: Got) -> set[str]:
    """Every answer that something in `got` is of."""
    seen = set(got.body.decode()) if got.field("x-letter") or got.head.status == 206 else set()
    if got.field("x-letter"):
        seen.add(got.field("x-letter") or "")
    seen |= {value.removeprefix("of=") for value in got.fields("set-cookie")}
    if got.field("etag"):
        seen.add((got.field("etag") or "").strip('"'))
    return seen


# Without shrinking, which takes minutes: what failed stands in the message, step by step.
@settings(
    max_examples=900,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.sampled_from(("rfc9111", "rfc9111", "cloudfront")),
    st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from(list(Wire)),
    OPS,
)  # fmt: skip
def test_whatever_is_asked_in_whatever_order(
    semantics: Any, regional: bool, memo: bool, honors: bool, wire: Wire, ops: list[Any]
) -> None:
    policy = CachePolicy(
        ttl_s_min=0, ttl_s_default=5,
        headers=HeaderSelection(behavior="whitelist", items=("Authorization", "Host")),
    )  # fmt: skip
    scene = Scene(semantics=semantics, policy=policy, regional=regional, memo=memo, wire=wire)
    story = Story(Play(scene), honors)
    try:
        for op in ops:
            story.does(op)
        story.ends()
        for ask in story.asks:
            assert ask.got is not None
            for letter in letters_of(ask.got):
                answer = next(one for one in story.answers if one.letter == letter)
                if answer.call.request.id.decode() != ask.id:
                    event("shared")
                assert may_have(ask, answer, story.answers, story.writes, semantics), (
                    f"{ask} got {letter}"
                )
            for cookie in ask.got.fields("set-cookie"):
                answer = next(one for one in story.answers if f"of={one.letter}" == cookie)
                own = answer.call.request.id.decode() == ask.id
                assert own or '="set-cookie"' not in answer.cache, f"{ask} got {cookie}"
            tag = ask.wishes.get("if_range")
            if ask.got.head.status == 206 and tag is not None:
                assert ask.got.field("etag") == tag
    finally:
        story.play.close()
