"""Who accepts it gets it compressed, from a store that keeps it so; everyone else is unharmed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace

import brotli  # type: ignore[import-untyped]
import pytest

from edgecache.cache.tier import Tier
from edgecache.config.model import CachePolicy, HeaderSelection
from edgecache.rules.routing import compile_routes
from tests.world.play import Play, config_of
from tests.world.viewer import Got

BOTH = CachePolicy(
    accept_encoding_gzip=True,
    accept_encoding_brotli=True,
    headers=HeaderSelection(behavior="whitelist", items=("Origin",)),
)
PAGE = "<p>The quick brown fox jumps over the lazy dog.</p>\n" * 100
CODED: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture
def site(stage: Callable[..., Play]) -> Play:
    """One tier that compresses."""
    return stage(policy=BOTH, compress=True)


@pytest.fixture
def two(stage: Callable[..., Play]) -> Play:
    """An edge in front of a regional cache, under a behavior that compresses."""
    return stage(policy=BOTH, compress=True, regional=True)


def page(play: Play, body: str | None = PAGE, **fields: str) -> None:
    """The origin answers with a page; None: its body is sent by the play."""
    fields = {"content_type": "text/html", "cache": "max-age=60", **fields}
    play.origin.answers(200, body, **fields)


def plain(got: Got) -> str:
    """The body a viewer sees, its content coding undone."""
    coding = got.field("content-encoding")
    return (CODED[coding](got.body) if coding else got.body).decode()


@pytest.mark.parametrize(
    ("accept_encoding", "coding", "asked"),
    [
        ("gzip, deflate, br, zstd", "br", "br,gzip"),
        ("gzip", "gzip", "gzip"),
        ("identity;q=0, *;q=0", None, "identity"),  # hostile N03: identity, and no crash
        ("deflate", None, "identity"),
    ],
)
def test_a_page_goes_out_in_a_form_its_viewer_accepts(
    site: Play, accept_encoding: str, coding: str | None, asked: str
) -> None:
    site.viewer().asks("/a", accept_encoding=accept_encoding)
    site.origin.hears("/a", accept_encoding=asked)
    page(site, etag='"v1"', accept_ranges="bytes")
    for x_cache in ("Miss", "Hit"):
        got = site.viewer().gets(200, x_cache=x_cache)
        assert got.field("content-encoding") == coding
        assert got.field("etag") == ('W/"v1"' if coding else '"v1"')
        assert got.field("vary") == ("Accept-Encoding" if coding else None)
        assert got.field("accept-ranges") == (None if coding else "bytes")
        assert plain(got) == PAGE
        site.viewer().asks("/a", accept_encoding=accept_encoding)
    got = site.viewer().gets(200)
    assert got.field("content-length") == str(len(got.body))
    assert (len(got.body) < len(PAGE) / 10) is (coding is not None)
    site.origin.hears_nothing()


def test_each_form_is_stored_once_and_never_given_to_who_cannot_read_it(site: Play) -> None:
    forms = {"gzip, br": "br", "gzip": "gzip", "identity": None}
    for accept_encoding, coding in forms.items():
        site.viewer().asks("/a", accept_encoding=accept_encoding)
        site.origin.hears("/a")
        page(site)
        assert site.viewer().gets(200, x_cache="Miss").field("content-encoding") == coding
    for accept_encoding, coding in forms.items():
        got = site.viewer("b").asks("/a", accept_encoding=accept_encoding).gets(200, x_cache="Hit")
        assert got.field("content-encoding") == coding
        assert plain(got) == PAGE
    assert site.viewer("c").asks("/a").gets(200, PAGE, x_cache="Hit").field("vary") is None
    site.origin.hears_nothing()


def test_an_http_1_0_viewer_gets_it_plain(site: Play) -> None:
    site.viewer().sends(b"GET /a HTTP/1.0\r\nHost: site.test\r\nAccept-Encoding: gzip\r\n\r\n")
    site.origin.hears("/a", accept_encoding=None)
    page(site)
    assert site.viewer().gets(200, PAGE).field("content-encoding") is None


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_the_first_bytes_do_not_wait_for_the_last(site: Play, coding: str) -> None:
    site.viewer("a").asks("/v", accept_encoding=coding)
    site.origin.hears("/v")
    page(site, None, content_length="6000")
    site.origin.sends("first " * 500)
    site.viewer("b").asks("/v", accept_encoding=f"{coding}, deflate")
    site.origin.hears_nothing()
    for name in "ab":
        got = site.viewer(name).got()
        assert got is not None
        assert not got.whole
        assert _begun(coding, got.body) == b"first " * 500
    site.origin.sends("later " * 500)
    site.origin.ends()
    for name, x_cache in (("a", "Miss"), ("b", "Hit")):
        got = site.viewer(name).gets(200, x_cache=x_cache)
        assert plain(got) == "first " * 500 + "later " * 500


def _begun(coding: str, data: bytes) -> bytes:
    if coding == "br":
        return bytes(brotli.Decompressor().process(data))
    return zlib.decompressobj(31).decompress(data)


def test_a_body_that_breaks_off_is_aborted_and_not_stored(site: Play) -> None:
    site.viewer().asks("/v", accept_encoding="gzip")
    site.origin.hears("/v")
    page(site, None, content_length="6000")
    site.origin.sends("first " * 500)
    site.origin.breaks()
    assert site.viewer().transport.aborted
    site.viewer("b").asks("/v", accept_encoding="gzip")
    site.origin.hears("/v")
    page(site)
    assert plain(site.viewer("b").gets(200, x_cache="Miss")) == PAGE


@pytest.mark.parametrize(
    "fields",
    [
        {"content_type": "image/png"},
        {"content_encoding": "bogus"},  # hostile N02: opaque, also when it is no coding at all
        {"content_encoding": "gzip, gzip, gzip"},
        {"content_encoding": "gzip"},  # and the label says what the bytes are not
    ],
)
def test_what_is_not_to_be_compressed_passes_untouched(site: Play, fields: dict[str, str]) -> None:
    site.viewer().asks("/a", accept_encoding="gzip, br")
    page(site, **fields, etag='"v1"')
    site.viewer().asks("/a", accept_encoding="gzip, br")
    for x_cache in ("Miss", "Hit"):
        got = site.viewer().gets(200, PAGE, x_cache=x_cache)
        assert got.field("content-encoding") == fields.get("content_encoding")
        assert got.field("etag") == '"v1"'
        assert got.field("content-length") == str(len(PAGE))


def test_what_is_not_stored_is_compressed_all_the_same(site: Play) -> None:
    for _ in range(2):
        site.viewer().asks("/me", accept_encoding="gzip, br")
        site.origin.hears("/me")
        page(site, cache="private")
        got = site.viewer().gets(200, x_cache="Miss")
        assert got.field("content-encoding") == "br"
        assert plain(got) == PAGE


def test_an_error_page_of_the_origin_is_compressed(site: Play) -> None:
    site.viewer().asks("/gone", accept_encoding="gzip")
    site.origin.answers(404, PAGE, content_type="text/html")
    site.viewer().asks("/gone", accept_encoding="gzip")
    for _ in range(2):
        got = site.viewer().gets(404)
        assert got.field("content-encoding") == "gzip"
        assert plain(got) == PAGE
    assert len(site.origin.heard) == 1


def test_head_says_what_get_would(site: Play) -> None:
    site.viewer().asks("/a", "HEAD", accept_encoding="gzip")
    site.origin.answers(
        200, "", content_length=str(len(PAGE)), content_type="text/html", etag='"v1"'
    )
    got = site.viewer().gets(200, "")
    assert got.field("content-encoding") == "gzip"
    assert got.field("etag") == 'W/"v1"'
    assert got.field("content-length") is None
    site.viewer().asks("/a", accept_encoding="gzip")
    page(site, etag='"v1"')
    body = site.viewer().gets(200).body
    got = site.viewer().asks("/a", "HEAD", accept_encoding="gzip").gets(200, "", x_cache="Hit")
    assert got.field("content-encoding") == "gzip"
    assert got.field("content-length") == str(len(body))


def test_ranges_are_of_the_form_that_is_stored(site: Play) -> None:
    """Hostile R09: offsets count in the selected form, and forms are never mixed."""
    whole: dict[str, bytes] = {}
    for coding in ("br", "gzip", "identity"):
        site.viewer().asks("/a", accept_encoding=coding, range="bytes=0-9")
        asked = "bytes=0-1048575" if coding == "identity" else None
        site.origin.hears("/a", range=asked)
        page(site, etag='"v1"')
        site.viewer().gets(200 if coding != "identity" else 206)
        whole[coding] = site.viewer().asks("/a", accept_encoding=coding).gets(200).body
    for coding, data in whole.items():
        site.viewer().asks("/a", accept_encoding=coding, range="bytes=3-12")
        got = site.viewer().gets(206, x_cache="Hit")
        assert got.body == data[3:13]
        assert got.field("content-range") == f"bytes 3-12/{len(data)}"
        assert got.field("content-encoding") == (None if coding == "identity" else coding)
        beyond = f"bytes={len(data)}-"
        site.viewer().asks("/a", accept_encoding=coding, range=beyond).gets(416)
    site.origin.hears_nothing()


def test_no_part_is_combined_across_forms(site: Play) -> None:
    site.viewer().asks("/a", accept_encoding="gzip")
    page(site, etag='"v1"')
    data = site.viewer().gets(200).body
    for tag in ('"v1"', 'W/"v1"'):  # RFC 9110 §13.1.5: If-Range compares strongly
        site.viewer().asks("/a", accept_encoding="gzip", range="bytes=5-9", if_range=tag)
        assert site.viewer().gets(200, x_cache="Hit").body == data


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
def test_a_stale_form_is_validated_with_the_origins_own_tag(site: Play, etag: str) -> None:
    """Weakly compared (RFC 9110 §13.1.2) ours would do, but some origins compare by the letter."""
    site.viewer().asks("/a", accept_encoding="gzip")
    site.origin.hears("/a")
    page(site, etag=etag, vary="Origin")
    stored = site.viewer().gets(200).body
    site.advance(61)
    site.viewer().asks("/a", accept_encoding="gzip")
    site.origin.hears("/a", if_none_match=etag, accept_encoding="gzip")
    site.origin.answers(304, etag=etag, cache="max-age=100", vary="Origin", accept_ranges="bytes")
    for x_cache in ("RefreshHit", "Hit"):
        got = site.viewer().gets(200, x_cache=x_cache)
        assert got.body == stored
        assert got.field("etag") == 'W/"v1"'
        assert not [name for name, _ in got.head.fields if name.startswith(b"edgecache-")]
        assert got.field("content-encoding") == "gzip"
        assert got.field("vary") == "Origin, Accept-Encoding"
        assert got.field("accept-ranges") is None
        site.viewer().asks("/a", accept_encoding="gzip")
    site.viewer().gets(200)


def test_a_viewer_who_has_it_gets_304_by_either_tag(site: Play) -> None:
    site.viewer().asks("/a", accept_encoding="gzip")
    page(site, etag='"v1"')
    site.viewer().gets(200)
    for tag in ('W/"v1"', '"v1"'):
        got = site.viewer().asks("/a", accept_encoding="gzip", if_none_match=tag).gets(304, "")
        assert got.field("etag") == 'W/"v1"'
        assert got.field("vary") == "Accept-Encoding"


def test_a_304_does_not_compress_what_was_stored_plain(stage: Callable[..., Play]) -> None:
    play = stage(policy=BOTH)
    play.viewer().asks("/a", accept_encoding="gzip")
    page(play, etag='"v1"')
    play.viewer().gets(200, PAGE)
    play.listener.frontend.table = compile_routes(config_of(replace(play.scene, compress=True)))
    play.viewer().asks("/a", accept_encoding="gzip").gets(200, PAGE, x_cache="Hit")
    play.advance(61)
    play.viewer().asks("/a", accept_encoding="gzip")
    play.origin.answers(304, etag='"v1"', cache="max-age=60", content_type="text/html")
    got = play.viewer().gets(200, PAGE, x_cache="RefreshHit")
    assert (got.field("etag"), got.field("content-encoding")) == ('"v1"', None)


def test_viewers_of_one_key_share_a_flight_however_they_say_it(site: Play) -> None:
    ways = ("gzip, br", "br;q=0.9, gzip;q=0.8, zstd", "br, gzip, identity")
    for number, way in enumerate(ways):
        site.viewer(str(number)).asks("/a", accept_encoding=way)
    site.origin.hears("/a", accept_encoding="br,gzip")
    site.origin.hears_nothing()
    page(site)
    for number in range(len(ways)):
        got = site.viewer(str(number)).gets(200)
        assert got.field("content-encoding") == "br"
        assert plain(got) == PAGE


def test_the_regional_cache_compresses_and_the_edge_keeps_what_it_gets(two: Play) -> None:
    two.viewer().asks("/a", accept_encoding="gzip, br")
    two.origin.hears("/a", accept_encoding="br,gzip")
    page(two, etag='"v1"')
    assert plain(two.viewer().gets(200, x_cache="Miss")) == PAGE
    key, stored = only(two.regional)
    assert only(two.edge) == (key, stored)
    assert brotli.decompress(stored).decode() == PAGE
    two.edge.store.remove(key)
    two.viewer("b").asks("/a", accept_encoding="br, gzip")
    assert two.viewer("b").gets(200, x_cache="Hit").body == stored
    two.origin.hears_nothing()


def test_what_regional_stored_plain_stays_so(two: Play) -> None:
    """As after Compress was turned on: the guide says to invalidate what is to be compressed."""
    plainly = compile_routes(config_of(replace(two.scene, compress=False)))
    compressing, two.listener.frontend.table = two.listener.frontend.table, plainly
    two.viewer().asks("/a", accept_encoding="gzip")
    page(two)
    two.viewer().gets(200, PAGE)
    two.edge.store.remove(only(two.edge)[0])
    two.listener.frontend.table = compressing
    got = two.viewer("b").asks("/a", accept_encoding="gzip").gets(200, PAGE, x_cache="Hit")
    assert got.field("content-encoding") is None


def test_an_answer_of_unknown_length_is_compressed_by_no_tier(two: Play) -> None:
    """However its segments come, and whoever has it by now: the first tier states a length."""
    two.viewer().asks("/a", accept_encoding="gzip, br")
    page(two, None)
    two.origin.sends(PAGE)
    two.origin.ends()
    assert two.viewer().gets(200, PAGE).field("content-encoding") is None
    two.edge.store.remove(only(two.edge)[0])
    two.viewer("b").asks("/a", accept_encoding="gzip, br")
    assert two.viewer("b").gets(200, PAGE, x_cache="Hit").field("content-encoding") is None


def test_both_tiers_validate_what_they_hold(two: Play) -> None:
    two.viewer().asks("/a", accept_encoding="gzip")
    two.origin.hears("/a")
    page(two, etag='"v1"')
    stored = two.viewer().gets(200).body
    two.advance(61)
    two.viewer().asks("/a", accept_encoding="gzip")
    two.origin.hears("/a", if_none_match='"v1"')
    two.origin.answers(304, etag='"v1"', cache="max-age=60")
    for x_cache in ("RefreshHit", "Hit"):
        got = two.viewer().gets(200, x_cache=x_cache)
        assert got.body == stored
        assert got.field("vary") == "Accept-Encoding"
        two.viewer().asks("/a", accept_encoding="gzip")
    two.viewer().gets(200)


def only(tier: Tier | None) -> tuple[bytes, bytes]:
    """The key and the body of the one entry a tier holds."""
    assert tier is not None
    (entry,) = tier.store
    return entry.key, entry.body
