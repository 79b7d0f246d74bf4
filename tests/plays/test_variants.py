"""Variants: a stored response answers requests that say the same of what it was chosen by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import Limits
from edgecache.http.message import first_value
from tests.world.play import Play


def stores(play: Play, body: str, vary: str, etag: str = "", **asked: str) -> None:
    """A viewer asks for /v and gets `body`, good for a minute."""
    play.viewer().asks("/v", **asked)
    play.origin.hears("/v")
    tag = {"etag": f'"{etag}"'} if etag else {}
    play.origin.answers(200, body, cache="max-age=60", vary=vary, **tag)
    play.viewer().gets(200, body, x_cache="Miss")


def test_each_variant_answers_its_own_requests(rfc: Play) -> None:
    """RFC 9111 §4.1."""
    stores(rfc, "gzip", "Accept-Encoding", accept_encoding="gzip")
    stores(rfc, "br", "Accept-Encoding", accept_encoding="br")
    stores(rfc, "plain", "Accept-Encoding")
    for accept, body in (("gzip", "gzip"), ("br", "br")):
        rfc.viewer().asks("/v", accept_encoding=accept).gets(200, body, x_cache="Hit")
    rfc.viewer().asks("/v").gets(200, "plain", x_cache="Hit")
    rfc.origin.hears_nothing()


@pytest.mark.parametrize(
    ("vary", "one", "other", "same"),
    [
        # §4.1: white space where the syntax allows it, and several lines joined by commas
        ("Foo", "a, b", "a,b", True),
        ("Foo", "a,  b ", "a, b", True),
        ("foo, Foo", "a", "a", True),
        ("Foo", "a", "A", False),
        ("Foo", "a, b", "b, a", False),
        # RFC 9110 §12.5.3, §12.5.4: case-insensitive, and weights order them, not their place
        ("Accept-Encoding", "gzip, br", "br, GZIP", True),
        ("Accept-Encoding", "gzip;q=1", "gzip;q=0.5", True),
        ("Accept-Encoding", "gzip", "gzip;q=0", False),
        ("Accept-Encoding", "gzip", "gzip, identity;q=0", False),
        ("Accept-Encoding", "gzip, deflate, br", "br;q=1.0, x-gzip;q=0.8", True),
        ("Accept-Language", "en, de", "DE,en", True),
        ("Accept-Language", "en", "de", False),
    ],
)
def test_values_that_mean_the_same_are_the_same(
    rfc: Play, vary: str, one: str, other: str, same: bool
) -> None:
    name = vary.split(",")[-1].strip().lower().replace("-", "_")
    stores(rfc, "first", vary, **{name: one})
    rfc.viewer().asks("/v", **{name: other})
    if same:
        rfc.viewer().gets(200, "first", x_cache="Hit")
        return
    rfc.origin.hears("/v")
    rfc.origin.answers(200, "second", cache="max-age=60", vary=vary)
    rfc.viewer().gets(200, "second", cache_status="fwd=vary-miss")


BROWSERS = [
    "gzip, deflate, br, zstd", "gzip, deflate, br", "gzip, deflate", "gzip,deflate",
    "gzip", "GZIP", "br, gzip", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=1.0, *;q=0.5", "*", "",
    "identity", "gzip, deflate, br;q=0.9", "gzip, x-gzip", "compress, gzip", "gzip, sdch, br",
]  # fmt: skip


@pytest.mark.parametrize("regional", [False, True])
def test_spellings_of_accept_encoding_are_few_variants(
    stage: Callable[..., Play], regional: bool
) -> None:
    """A key has eight variants; what origins choose among are six."""
    play = stage(semantics="rfc9111", regional=regional)
    sent: set[bytes | None] = set()
    for spelling in BROWSERS * 2:
        play.viewer().asks("/v", accept_encoding=spelling)
        if len(play.origin.heard) > len(sent):
            call = play.origin.hears("/v")
            sent.add(first_value(call.request.fields, b"accept-encoding"))
            play.origin.answers(200, "v", cache="max-age=60", vary="Accept-Encoding")
        play.viewer().gets(200, "v")
    assert sent == {
        b"br, gzip, zstd", b"br, gzip", b"gzip", b"br, dcb, dcz, gzip, zstd", b"identity",
    }  # fmt: skip
    play.origin.hears_nothing()


def test_what_is_not_kept_for_others_is_asked_for_as_it_was_sent(rfc: Play) -> None:
    rfc.viewer().asks("/v", "POST", "x", accept_encoding="gzip, deflate;q=0.1")
    rfc.origin.hears("/v", accept_encoding="gzip, deflate;q=0.1")
    rfc.origin.answers(200, "v")
    rfc.viewer().gets(200)


def test_a_field_that_is_absent_matches_only_its_absence(rfc: Play) -> None:
    """§4.1: "If a header field is absent from a request, it can only match [...] absent there"."""
    stores(rfc, "without", "Foo")
    stores(rfc, "with", "Foo", foo="1")
    rfc.viewer().asks("/v").gets(200, "without", x_cache="Hit")


def test_every_named_field_has_to_match(rfc: Play) -> None:
    """§4.1."""
    stores(rfc, "one", "Foo, Bar", foo="1", bar="1")
    stores(rfc, "two", "Foo, Bar", foo="1", bar="2")
    rfc.viewer().asks("/v", foo="1", bar="1").gets(200, "one", x_cache="Hit")
    rfc.viewer().asks("/v", foo="1", bar="2", other="x").gets(200, "two", x_cache="Hit")


def test_vary_star_never_matches(rfc: Play) -> None:
    """§4.1: a stored response with `*` among its Vary members always fails to match."""
    for _ in range(2):
        rfc.viewer().asks("/v")
        rfc.origin.hears("/v")
        rfc.origin.answers(200, "x", cache="max-age=60", vary="Foo, *")
        assert "stored" not in (rfc.viewer().gets(200, "x").field("cache-status") or "")


def test_a_key_holds_eight_variants_and_forgets_the_oldest(rfc: Play) -> None:
    for number in range(9):
        stores(rfc, f"body {number}", "Foo", foo=str(number))
    for number in range(1, 9):
        rfc.viewer().asks("/v", foo=str(number)).gets(200, f"body {number}", x_cache="Hit")
    rfc.viewer().asks("/v", foo="0")
    rfc.origin.hears("/v")
    rfc.origin.answers(200, "again", cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "again", cache_status="fwd=vary-miss")


def test_a_response_in_the_one_preferred_language_answers(rfc: Play) -> None:
    """§4.1 with RFC 9110 §12.5.4: what was chosen is what this request prefers."""
    rfc.viewer().asks("/v", accept_language="de, en;q=0.5")
    rfc.origin.hears("/v")
    rfc.origin.answers(
        200, "Hallo", cache="max-age=60", vary="Accept-Language", content_language="de"
    )
    rfc.viewer().gets(200, "Hallo")
    rfc.viewer().asks("/v", accept_language="en;q=0.1, de").gets(200, "Hallo", x_cache="Hit")
    rfc.viewer().asks("/v", accept_language="en, de;q=0.5")
    rfc.origin.hears("/v")
    rfc.origin.answers(
        200, "Hello", cache="max-age=60", vary="Accept-Language", content_language="en"
    )
    rfc.viewer().gets(200, "Hello", cache_status="fwd=vary-miss")


def test_of_several_that_answer_the_newest_does(rfc: Play) -> None:
    """RFC 9111 §4: the most recent by Date is used where several match."""
    stores(rfc, "with Vary", "Foo", foo="1")
    rfc.advance(5)
    rfc.viewer().asks("/v", foo="2")
    rfc.origin.hears("/v")
    rfc.origin.answers(200, "for all", cache="max-age=60")
    rfc.viewer().gets(200, "for all")
    rfc.viewer().asks("/v", foo="1").gets(200, "for all", x_cache="Hit")


def test_waiting_viewers_get_only_what_answers_them(rfc: Play) -> None:
    """§4.1 holds for a response that is still arriving, too."""
    rfc.viewer("a").asks("/v", foo="1")
    rfc.origin.hears("/v", foo="1")
    rfc.viewer("b").asks("/v", foo="2")
    rfc.viewer("c").asks("/v", foo="1")
    rfc.origin.hears_nothing()
    rfc.origin.answers(200, "one", cache="max-age=60", vary="Foo")
    rfc.origin.hears("/v", foo="2")
    rfc.origin.answers(200, "two", cache="max-age=60", vary="Foo")
    rfc.viewer("a").gets(200, "one", x_cache="Miss")
    rfc.viewer("b").gets(200, "two", x_cache="Miss")
    rfc.viewer("c").gets(200, "one", x_cache="Hit", cache_status="collapsed")


@pytest.mark.parametrize("regional", [False, True])
def test_what_a_gateway_takes_for_a_field_in_vary_chooses_nobody_elses_variant(
    stage: Callable[..., Play], regional: bool
) -> None:
    """WSGI and CGI read `Accept_Language` as Accept-Language, which nobody has said."""
    limits = Limits(underscores_in_headers=True)
    play = stage(semantics="rfc9111", regional=regional, limits=limits)
    lines = "Accept_Language: fr\r\nX_Original_URL: /b\r\nClient_IP: 192.0.2.1\r\nApi_Key: k"
    play.viewer("m").sends(f"GET /v HTTP/1.1\r\nHost: site.test\r\n{lines}\r\n\r\n".encode())
    asked = play.origin.hears("/v").request
    assert [name for name, _ in asked.fields if b"_" in name] == [b"accept_language", b"api_key"]
    play.origin.answers(200, "Bonjour", cache="max-age=60", vary="Accept-Language")
    play.viewer("m").gets(200, "Bonjour")
    play.viewer("v").asks("/v")
    play.origin.hears("/v")
    play.origin.answers(200, "Hello", cache="max-age=60", vary="Accept-Language")
    play.viewer("v").gets(200, "Hello", x_cache="Miss")
    play.viewer("m").sends(f"GET /w HTTP/1.1\r\nHost: site.test\r\n{lines}\r\n\r\n".encode())
    play.origin.hears("/w")
    play.origin.answers(200, "w", cache="max-age=60", vary="Accept")
    play.viewer("m").gets(200, "w")
    play.viewer("v").asks("/w").gets(200, "w", x_cache="Hit")
