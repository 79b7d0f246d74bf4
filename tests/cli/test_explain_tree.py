"""The tree people read: everything that was told, and nothing that a terminal would obey."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from edgecache.cli.explain import print_tree, tree_of
from edgecache.control.nodes.explain import OriginExplanation, PlaceExplanation
from edgecache.control.rest.explain import ExplainReport
from edgecache.rules.caching.freshness import TtlStep
from edgecache.rules.explanation import (
    AccessExplanation,
    BehaviorMatch,
    Explanation,
    KeyPart,
    LookupExplanation,
    StoredExplanation,
    TierExplanation,
)

CHOICE = BehaviorMatch("EONE", "*.site.test", "cloudfront", 1, "/a*", ("/b*",), "/a", "/a")
RULES = Explanation(
    "http://x.site.test/a", "GET", CHOICE, AccessExplanation(), "", "4:EONE2:/a",
    (KeyPart("header", ("x-a", None)),), True, "br", ("/a", "/*"),
)  # fmt: skip
ORIGIN = OriginExplanation(
    "o", "origin.test:80", "GET", "/a", (("Host", "o"),), "g", ("p",), (500, 502)
)
ENTRY = StoredExplanation(
    True, 200, 10, 700, 5.0, 60.0, 55.0, (TtlStep("max-age", 60.0, "what the origin says"),),
    0.0, 0.0, '"e"', "", "gzip", (("accept", None),), "bytes 0-9/20",
)  # fmt: skip
PLACE = PlaceExplanation(
    "A",
    "edge",
    "127.0.0.1:81",
    2,
    (TierExplanation("a1", "edge", "A", LookupExplanation.HIT, "", (ENTRY,)),),
    "only 1",
)


def shown(told: ExplainReport) -> str:
    """The tree as a terminal of ample width has it."""
    out = io.StringIO()
    Console(file=out, soft_wrap=True, width=200).print(tree_of(told))
    return out.getvalue()


def test_the_version_of_http_is_shown_where_it_is_not_the_plain_one() -> None:
    rules, origin = replace(RULES, http_version="3.0"), replace(ORIGIN, protocol="h2")
    text = shown(ExplainReport(rules, origin))
    assert "GET http://x.site.test/a HTTP/3.0" in text
    assert "would be sent on a miss, by HTTP/2" in text
    plain = shown(ExplainReport(RULES, ORIGIN))
    assert "HTTP/" not in plain


def test_everything_is_shown() -> None:
    text = shown(ExplainReport(RULES, ORIGIN, (PLACE,)))
    for words in (
        "GET http://x.site.test/a",
        "distribution EONE: its name *.site.test, cloudfront",
        "behavior 1: /a*",
        "not matched before it: /b*",
        "admitted",
        "key 4:EONE2:/a",
        "header: 'x-a' (absent)",
        "collapses with others",
        "compresses: br",
        "origin o at origin.test:80",
        "Host: o",
        "group g: then p on 500, 502",
        "1 of 2 workers, each with its own memory",
        "only 1",
        "a1: hit",
        "stored: 200, 10 bytes, bytes 0-9/20, gzip, takes 700",
        "age 5 s, ttl 60 s, left 55 s",
        "ttl 60 s by max-age: what the origin says",
        '"e"',
        "chosen by accept: (absent)",
        "invalidation paths that remove it",
    ):
        assert words in text


def test_a_pipe_gets_whole_lines_by_indents(capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 200
    longer = OriginExplanation("o", name, "GET", "/a", (), "", (), ())
    print_tree(ExplainReport(RULES, longer, (PLACE,)), "from the file alone")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "GET http://x.site.test/a"
    assert f"  origin o at {name} would be sent on a miss" in lines
    assert lines[-1] == "from the file alone"
    assert "\n".join(lines).isascii()


def test_what_is_refused_and_what_has_no_key() -> None:
    refused = Explanation(
        "http://x/",
        "POST",
        CHOICE,
        AccessExplanation(301, "redirect-to-https", "https://x/"),
        "method",
    )
    text = shown(ExplainReport(refused))
    assert "not admitted: 301 redirect-to-https to https://x/" in text
    assert "no key: nothing is looked up or stored (method)" in text
    assert "no distribution answers" in shown(ExplainReport(Explanation("http://y/", "GET")))


def test_control_bytes_and_markup_are_only_text() -> None:
    hostile = OriginExplanation("o", "a", "GET", "/", (("X-A", "\x1b[31m[bold]\x9b"),))
    text = shown(ExplainReport(RULES, hostile))
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "[bold]" in text
