"""Property: every field of a revalidated response is that of a fresh fetch.

One object whose fields, version and ways of being validated change; a warm edge, asked with GET and
HEAD, and beside it one that has nothing. Both rules; one tier, two, and two with a wire between.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from edgecache.config.model import SemanticsName
from edgecache.http.message import first_value
from edgecache.rules.caching.vary import vary_names
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene
from tests.world.viewer import Got

LIFETIME_S = 10
ANEW = {"age", "date", "via", "x-cache", "x-amz-cf-id", "x-amz-cf-pop", "cache-status", "vary"}
VALUES = st.sampled_from(["one", "two", "three"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "access-control-allow-origin": VALUES,
        "content-security-policy": VALUES,
        "content-type": st.sampled_from(["text/plain", "text/html"]),
        "link": VALUES,
        "x-any": VALUES,
        "set-cookie": VALUES,
        "cache-tag": VALUES,
        "last-modified": st.just("Tue, 12 Jan 2027 00:00:00 GMT"),
        "cdn-cache-control": st.just("max-age=10, stale-if-error=5"),
        "vary": st.sampled_from(["Accept-Language", "X-Vary", "Accept-Language, X-Vary"]),
        "cache-control": st.sampled_from(
            ["max-age=10", "public, max-age=10", 'max-age=10, no-cache="set-cookie"']
        ),
    },
)


@dataclass(frozen=True)
class Step:
    """The object's fields from now on, and how it is asked for and answered."""

    fields: dict[str, str]
    changed: bool  # it is another version
    whole: bool  # the origin knows no conditions
    weak: bool  # what it says of a new version
    heads: bool  # a HEAD comes first


STEPS = st.lists(
    st.builds(Step, FIELDS, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    min_size=2,
    max_size=5,
)


class Origin:
    """Has one object, and says of it what the last step says."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._answered = 0
        self._version = 0
        self._tag = ""
        self._fields: dict[str, str] = {}
        self._whole = True

    def becomes(self, step: Step) -> None:
        """A field is taken away by a whole answer alone: a 304 and a HEAD only add and replace.

        RFC 9111 §3.2, §4.3.5.
        """
        if step.changed or not self._version:
            self._version += 1
            self._tag = f'{"W/" if step.weak else ""}"{self._version}"'
        kept = {} if (step.whole and not step.heads) or step.changed else self._fields
        self._fields = {"cache-control": "max-age=10", **kept, **step.fields}
        self._whole = step.whole

    @property
    def body(self) -> str:
        return f"version {self._version}"

    def answers_all(self) -> None:
        held = self._play.origin
        while self._answered < len(held.heard):
            asked = held.heard[self._answered].request
            self._answered += 1
            condition = first_value(asked.fields, b"if-none-match")
            fields = {name.replace("-", "_"): value for name, value in self._fields.items()}
            if condition == self._tag.encode() and not self._whole:
                event("304")
                held.answers(304, "", etag=self._tag, **fields)
            elif asked.method == b"HEAD":
                length = str(len(self.body))
                held.answers(200, "", etag=self._tag, content_length=length, **fields)
            else:
                held.answers(200, self.body, etag=self._tag, **fields)


def asks(play: Play, origin: Origin, method: str = "GET") -> Got:
    viewer = play.viewer("a").asks("/a", method, accept_language="en")
    origin.answers_all()
    return viewer.gets(200, origin.body if method == "GET" else "")


def as_hit(play: Play, origin: Origin) -> Got:
    """What who comes next is given."""
    asks(play, origin)
    return asks(play, origin)


def said(got: Got) -> dict[str, list[str]]:
    names = {name.decode() for name, _ in got.head.fields} - ANEW
    return {name: got.fields(name) for name in names}


def fresh(play: Play, origin: Origin) -> tuple[Got, list[tuple[bytes, ...]]]:
    """What an edge gives that has nothing, and the tags it keeps; then all is as it was."""
    edge, entries = play.edge.store, list(play.edge.store)
    for entry in entries:
        edge.remove(entry.key)
    got = as_hit(play, origin)
    tags = [entry.tags for entry in edge]
    for entry in list(edge):
        edge.remove(entry.key)
    for entry in reversed(entries):
        assert edge.put(entry)
    return got, tags


def scene(semantics: SemanticsName, tiers: str) -> Play:
    site = {"cache_tag_header": "Cache-Tag"}
    kind = PeeredPlay if tiers == "on a wire" else Play
    return kind(Scene(semantics=semantics, regional=tiers != "one", site=site))


@pytest.mark.parametrize("tiers", ["one", "two", "on a wire"])
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
@settings(
    max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(steps=STEPS)
def test_a_warm_edge_says_what_a_cold_one_says(
    semantics: SemanticsName, tiers: str, steps: list[Step]
) -> None:
    play = scene(semantics, tiers)
    origin = Origin(play)
    try:
        for step in steps:
            origin.becomes(step)
            if step.heads:
                asks(play, origin, "HEAD")
            warm = as_hit(play, origin)
            tags = [entry.tags for entry in play.edge.store]
            cold, cold_tags = fresh(play, origin)
            assert said(warm) == said(cold)
            assert warm.body == cold.body
            assert tags == cold_tags
            assert set(vary_names(warm.head.fields)) >= set(vary_names(cold.head.fields))
            play.advance(LIFETIME_S + 1)
    finally:
        play.close()
