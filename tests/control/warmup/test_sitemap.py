"""Sitemaps: what they may be, and what is refused of those that are hostile."""

from __future__ import annotations

import gzip

import pytest

from edgecache.control.warmup import sitemap as module
from edgecache.control.warmup.sitemap import Sitemap, read_sitemap

A, B = "https://www.example.org/a?x=1&amp;y=2", "https://www.example.org/b"
URLSET = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
    f"<url><loc> {A} </loc><image:image><image:loc>https://x.test/</image:loc></image:image></url>"
    f"<url><loc>{B}</loc><lastmod>2026-01-01</lastmod></url></urlset>"
).encode()
INDEX = f"<sitemapindex><sitemap><loc>{B}</loc></sitemap></sitemapindex>".encode()
URLS = ["https://www.example.org/a?x=1&y=2", B]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (URLSET, Sitemap(False, URLS)),
        (b"\xef\xbb\xbf" + URLSET, Sitemap(False, URLS)),
        (gzip.compress(URLSET), Sitemap(False, URLS)),
        (INDEX, Sitemap(True, [B])),
        (f"{URLS[0]}\n{B}\n".encode(), Sitemap(False, URLS)),
        (b"<urlset/>", Sitemap(False, [])),
    ],
)
def test_a_sitemap(data: bytes, found: Sitemap) -> None:
    assert read_sitemap(data) == found


BOMB = (
    b'<!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<urlset><url><loc>https://a.test/&b;</loc></url></urlset>"
)
FILE = (
    b'<!DOCTYPE urlset [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    b"<urlset><url><loc>&f;</loc></url></urlset>"
)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        (b"<html/>", "neither urlset nor sitemapindex"),
        (b"<urlset><url>", "not XML"),
        (b"<urlset>" + b"<a>" * 100, "nested deeper"),
        (URLSET.replace(b"https://www.example.org/b", b"file:///etc/passwd"), "is not http"),
        (URLSET.replace(b"https://www.example.org/b", b"https://u:p@h/"), "is not http"),
        (f"https://a.test/{'a' * 3_000}".encode(), "longer than"),
        ("https://a.test/ä".encode(), "not percent-encoded"),
        (gzip.compress(URLSET)[:-9], "cut off"),
        (b"\x1f\x8bnonsense", "not gzip"),
    ],
)
def test_what_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_sitemap(data)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SITEMAP_BYTES_MAX", 1_000)
    for data in (b"<urlset>" + b" " * 1_000, gzip.compress(b" " * 100_000)):
        with pytest.raises(ValueError, match="more than 1000 bytes"):
            read_sitemap(data)
    monkeypatch.setattr(module, "URLS_MAX", 1)
    with pytest.raises(ValueError, match="more than 1 URLs"):
        read_sitemap(URLSET)
