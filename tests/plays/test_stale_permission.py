"""Property: whatever comes from the store is fresh, or somebody explicitly permitted it stale.

One object, random origins, times and wishes; `permitted` is a second reading of RFC 9111 §4.2 and
§5.2 that shares nothing with `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from edgecache.http.message import first_value
from tests.world.play import Play, Scene
from tests.world.viewer import Got

DAY = 86_400
Said = dict[str, int | None]  # directives and their seconds
STRICT = {"must-revalidate", "proxy-revalidate", "s-maxage"}
SECONDS = st.integers(0, 30)


@dataclass(frozen=True)
class Step:
    """Time passes, a viewer asks, and the origin, if it is asked, does this."""

    later: int
    wish: Said
    origin: str  # "answers", "validates" what it can, "errs" with 503, "fails"
    said: Said
    age: int


@dataclass
class Known:
    """What the origin last said of a body, and when it was that old."""

    said: Said
    born: float


def directives(counted: list[str], plain: list[str]) -> st.SearchStrategy[Said]:
    """A few of these, the former with seconds."""
    with_seconds = st.dictionaries(st.sampled_from(counted), SECONDS, max_size=3)
    without = st.dictionaries(st.sampled_from(plain), st.none(), max_size=1)
    return st.builds(lambda one, other: {**one, **other}, with_seconds, without)


STEPS = st.builds(
    Step,
    later=st.one_of(SECONDS, st.just(DAY)),
    wish=directives(
        ["max-age", "min-fresh", "max-stale"], ["no-cache", "no-store", "max-stale", "unknown"]
    ),
    origin=st.sampled_from(["answers", "validates", "errs", "fails"]),
    said=directives(
        ["max-age", "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"],
        ["no-cache", "no-store", "private", "must-revalidate", "proxy-revalidate", "public"],
    ),
    age=st.integers(0, 5),
)


def permitted(known: Known, step: Step, now: float) -> bool:
    """Whether a stored response may answer without the origin's word, or with its failure."""
    said, wish, age = known.said, step.wish, now - known.born
    lifetime = said.get("s-maxage", said.get("max-age", 0)) or 0
    if {"no-store", "private", "no-cache"} & said.keys() or "no-cache" in wish:
        return False
    if age > (wish.get("max-age", 9 * DAY) or 0) or lifetime - age < (
        wish.get("min-fresh") or -DAY * 9
    ):
        return False
    stale = age - lifetime
    if stale < 0:
        return True
    if STRICT & said.keys() or ("max-age" in wish and "max-stale" not in wish):
        return False
    accepted = wish.get("max-stale", -1)
    if accepted is None or stale <= accepted:
        return True
    if step.origin == "fails" and stale < DAY:
        return True
    if step.origin in ("fails", "errs") and stale < (said.get("stale-if-error") or 0):
        return True
    return stale < (said.get("stale-while-revalidate") or 0)


def line(said: Said) -> str:
    return ", ".join(name if n is None else f"{name}={n}" for name, n in said.items()) or "x"


class Acting:
    """A play whose origin acts as each step says, and remembers what it said."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.known: dict[str, Known] = {}
        self._answered = 0
        self._bodies = 0
        self._viewers = 0

    def take(self, step: Step) -> None:
        """One step, checked."""
        play = self.play
        play.advance(step.later)
        self._viewers += 1
        viewer = play.viewer(str(self._viewers))
        viewer.asks("/a", cache_control=line(step.wish))
        before = {body: Known(known.said, known.born) for body, known in self.known.items()}
        spoken_of: set[str] = set()
        if (got := viewer.got()) is not None and got.whole:
            self._check(got, step, before, spoken_of)
            self._act(step)
            return
        spoken_of = self._act(step)
        got = viewer.got()
        assert got is not None
        self._check(got, step, before, spoken_of)

    def _check(self, got: Got, step: Step, before: dict[str, Known], spoken_of: set[str]) -> None:
        body = got.body.decode()
        if got.head.status != 200 or body in spoken_of:
            event("from the origin")
            return
        event("from the store")
        assert permitted(before[body], step, self.play.clock.now), (before[body], step)

    def _act(self, step: Step) -> set[str]:
        """Answer all that was asked; the bodies of which the origin spoke."""
        spoken_of = set()
        origin, now = self.play.origin, self.play.clock.now
        while self._answered < len(origin.heard):
            asked = origin.heard[self._answered].request
            self._answered += 1
            offered = (first_value(asked.fields, b"if-none-match") or b"").decode()
            if step.origin == "fails":
                origin.fails()
            elif step.origin == "errs":
                origin.answers(503, "error")
            else:
                spoken_of.add(self._say(step, offered, now))
        return spoken_of

    def _say(self, step: Step, offered: str, now: float) -> str:
        known = Known(step.said, now - step.age)
        fields = {"cache": line(step.said), "age": str(step.age)}
        if step.origin == "validates" and offered:
            body = offered.strip('"')
            self.play.origin.answers(304, "", etag=f'"{body}"', **fields)
            if "no-store" in step.wish:  # §5.2.1.5: nothing of this exchange is kept
                return body
        else:
            self._bodies += 1
            body = f"body{self._bodies}"
            self.play.origin.answers(200, body, etag=f'"{body}"', **fields)
        self.known[body] = known
        return body


FRESH: Said = {"max-age": 10}


@settings(max_examples=100)
@given(st.lists(STEPS, min_size=2, max_size=8))
@example([Step(0, {}, "answers", FRESH, 0), Step(DAY, {}, "fails", {}, 0)])
@example(
    [
        Step(0, {}, "answers", {"max-age": 1, "stale-while-revalidate": 9}, 0),
        Step(5, {"max-age": 9}, "answers", FRESH, 0),
    ]
)
def test_what_comes_from_the_store_is_permitted(steps: list[Step]) -> None:
    play = Play(Scene(semantics="rfc9111"))
    acting = Acting(play)
    try:
        for step in steps:
            acting.take(step)
    finally:
        play.close()
