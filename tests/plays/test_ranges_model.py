"""Property: whatever is stored, a range gives the bytes a simple reading of RFC 9110 §14 gives."""

from __future__ import annotations

import re

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from edgecache.config.model import Limits
from edgecache.http.message import Fields, first_value
from tests.world.byteranges import pieces_of
from tests.world.play import Play, Scene
from tests.world.viewer import Got

TAG = '"v1"'
Spans = list[tuple[int, int]]
NUMBERS = st.integers(0, 40).map(str)
MEMBERS = st.one_of(
    st.builds("{}-{}".format, NUMBERS, NUMBERS),
    NUMBERS.map("{}-".format),
    NUMBERS.map("-{}".format),
)
WANTED = st.one_of(
    MEMBERS.map("bytes={}".format),
    st.lists(MEMBERS, min_size=1, max_size=4).map(lambda members: "bytes=" + ",".join(members)),
    st.sampled_from(["bytes=", "bytes=x", "items=0-1", "bytes=0-1;", "bytes=--1", "bytes 0-1"]),
)
BODIES = st.text("abcdefghij", max_size=36)


def model(wanted: str, total: int) -> Spans | None:
    """The satisfiable spans in order; None when the field counts for nothing."""
    if not wanted.startswith("bytes=") or total == 0:
        return None
    spans = []
    for member in wanted.removeprefix("bytes=").split(","):
        read = re.fullmatch(r"(\d*)-(\d*)", member)
        if read is None or member == "-":
            return None
        if not read[1]:
            first, last = max(0, total - int(read[2])), total - 1
            if int(read[2]) == 0:
                continue
        else:
            first = int(read[1])
            last = int(read[2]) if read[2] else max(first, total)
            if last < first:
                return None
        if first < total:
            spans.append((first, min(last, total - 1)))
    return spans


def check(got: Got, wanted: str, body: str) -> None:
    """`got` answers `wanted` from `body`, with a part of it or, where that is allowed, all."""
    spans = model(wanted, len(body))
    event(f"status {got.head.status}")
    if got.head.status == 200:
        assert got.body.decode() == body
        assert spans is None or wanted.count(",")
        return
    assert spans is not None
    if got.head.status == 416:
        assert not spans
        assert got.field("content-range") == f"bytes */{len(body)}"
    elif (got.field("content-type") or "").startswith("multipart/byteranges"):
        assert [(piece.first, piece.last) for piece in pieces_of(got)] == spans
        for piece in pieces_of(got):
            assert (piece.total, piece.data) == (len(body), body[piece.first : piece.last + 1])
    else:
        assert got.head.status == 206
        [(first, last)] = spans
        assert got.body.decode() == body[first : last + 1]
        assert got.field("content-range") == f"bytes {first}-{last}/{len(body)}"


class Origin:
    """Serves one object; honors ranges, and If-Range, or takes no notice of them."""

    def __init__(self, play: Play, body: str, honors: bool, tag: str = TAG) -> None:
        self._held = play.origin
        self._tag = tag
        self._body = body
        self._honors = honors
        self._answered = 0

    def answers_all(self) -> None:
        while self._answered < len(self._held.heard):
            fields = self._held.heard[self._answered].request.fields
            self._answered += 1
            self._answer(fields)

    def _answer(self, fields: Fields) -> None:
        body, cache = self._body, "max-age=60"
        wanted = (first_value(fields, b"range") or b"").decode()
        spans = model(wanted, len(body)) if self._honors else None
        if first_value(fields, b"if-range") not in (None, self._tag.encode()):
            spans = None
        if spans is None or len(spans) > 1:
            self._held.answers(200, body, cache=cache, etag=self._tag, accept_ranges="bytes")
        elif not spans:
            self._held.answers(416, "", content_range=f"bytes */{len(body)}")
        else:
            first, last = spans[0]
            place = f"bytes {first}-{last}/{len(body)}"
            data = body[first : last + 1]
            self._held.answers(206, data, cache=cache, etag=self._tag, content_range=place)


@settings(max_examples=100)
@given(BODIES, st.lists(WANTED, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_from_an_origin_that_has_the_object(
    body: str, asked: list[str], honors: bool, warm: bool
) -> None:
    """Cold: parts come, are stored and joined. Warm: the whole is here. Then the whole is asked."""
    play = Play(Scene(semantics="rfc9111"))
    origin = Origin(play, body, honors)
    try:
        for number, wanted in enumerate([""] * warm + asked + [""] + asked):
            viewer = play.viewer(str(number))
            viewer.asks("/a", **({"range": wanted} if wanted else {}))
            origin.answers_all()
            got = viewer.got()
            assert got is not None
            assert got.whole
            check(got, wanted, body)
    finally:
        play.close()


@settings(max_examples=100)
@given(BODIES, st.integers(0, 36), st.lists(WANTED, min_size=1, max_size=3), st.booleans())
def test_while_the_object_arrives(body: str, here: int, asked: list[str], told: bool) -> None:
    """`here` bytes of it have come when the ranges are asked for; its length is `told` or not."""
    play = Play(Scene(semantics="rfc9111"))
    length = {"content_length": str(len(body))} if told else {}
    try:
        play.viewer("first").asks("/a")
        play.origin.answers(200, None, cache="max-age=60", etag=TAG, **length)
        if body[:here]:
            play.origin.sends(body[:here])
        for number, wanted in enumerate(asked):
            play.viewer(str(number)).asks("/a", range=wanted)
        if body[here:]:
            play.origin.sends(body[here:])
        play.origin.ends()
        for number, wanted in enumerate(asked):
            got = play.viewer(str(number)).got()
            assert got is not None
            assert got.whole
            if told or got.head.status != 200:
                check(got, wanted, body)
            else:  # no total, no Content-Range: the whole
                assert got.body.decode() == body
        play.viewer("first").gets(200, body)
    finally:
        play.close()


@settings(max_examples=150)
@given(
    BODIES,
    st.lists(WANTED, min_size=1, max_size=5),
    st.sampled_from([(True, TAG), (True, 'W/"v1"'), (False, TAG)]),
    st.integers(3, 12),
    st.booleans(),
)
@example("a" * 19, ["bytes=15-18,19-19"], (True, TAG), 3, True)  # who has all it asked for leaves
def test_in_blocks(
    body: str, asked: list[str], kind: tuple[bool, str], size: int, regional: bool
) -> None:
    """Under CloudFront's rules, of an object of several blocks, or of fewer bytes than one."""
    play = Play(Scene(limits=Limits(block_bytes=size), regional=regional))
    origin = Origin(play, body, *kind)
    try:
        for number, wanted in enumerate([*asked, "", *asked]):
            viewer = play.viewer(str(number))
            viewer.asks("/a", **({"range": wanted} if wanted else {}))
            for _ in range(20):  # one block after the other
                origin.answers_all()
            got = viewer.got()
            assert got is not None
            assert got.whole
            check(got, wanted, body)
    finally:
        play.close()
