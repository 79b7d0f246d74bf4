"""Sitemaps and their indexes, as XML, text or either of them compressed.

Law: bounds are the protocol's, a document type is refused, so that no entity grows (CVE-2003-1564,
"billion laughs") and no file is read by one. https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.parsers import expat

SITEMAP_BYTES_MAX = 50 * 1024 * 1024  # uncompressed
URLS_MAX = 50_000  # of one sitemap, or sitemaps of one index
URL_BYTES_MAX = 2_048
DEPTH_MAX = 16
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(slots=True)
class Sitemap:
    """URLs of pages, or those of other sitemaps."""

    is_index: bool = False
    urls: list[str] = field(default_factory=list)


def read_sitemap(data: bytes) -> Sitemap:
    """What a sitemap holds. ValueError says why it is none."""
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data)
    if len(data) > SITEMAP_BYTES_MAX:
        raise ValueError(f"more than {SITEMAP_BYTES_MAX} bytes")
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text.startswith(b"<"):
        lines = text.decode("utf-8", "strict").split()
        return Sitemap(urls=[checked_url(line) for line in lines[: URLS_MAX + 1]])
    return _SitemapParser().read(text)


def _unpacked(data: bytes) -> bytes:
    """What was compressed, as far as it is not too much. ValueError."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        found = unpacker.decompress(data, SITEMAP_BYTES_MAX + 1)
    except zlib.error as error:
        raise ValueError(f"not gzip: {error}") from None
    if len(found) > SITEMAP_BYTES_MAX or not unpacker.eof:
        raise ValueError(f"cut off, or more than {SITEMAP_BYTES_MAX} bytes uncompressed")
    return found


class _SitemapParser:
    """expat with a bound on everything."""

    def __init__(self) -> None:
        self._found = Sitemap()
        self._names: list[str] = []
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, data: bytes) -> Sitemap:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ValueError(f"not XML: {error}") from None
        return self._found

    def _doctype(self, *_: object) -> None:
        raise ValueError("it has a document type, which a sitemap has not")

    def _start(self, name: str, _attributes: object) -> None:
        if len(self._names) >= DEPTH_MAX:
            raise ValueError(f"nested deeper than {DEPTH_MAX}")
        local = name.rpartition(":")[2]
        if not self._names:
            if local not in ("urlset", "sitemapindex"):
                raise ValueError(f"<{local[:40]}> is neither urlset nor sitemapindex")
            self._found.is_index = local == "sitemapindex"
        self._names.append(name if ":" in name else local)
        self._text = []

    def _characters(self, text: str) -> None:
        if self._names[-1:] == ["loc"] and sum(map(len, self._text)) <= URL_BYTES_MAX:
            self._text.append(text)

    def _end(self, _name: str) -> None:
        name = self._names.pop()
        if name == "loc" and self._names[-1:] in (["url"], ["sitemap"]):
            self._found.urls.append(checked_url("".join(self._text).strip()))
            if len(self._found.urls) > URLS_MAX:
                raise ValueError(f"more than {URLS_MAX} URLs")


def checked_url(url: str) -> str:
    """A URL that can be asked for. ValueError."""
    if len(url.encode()) > URL_BYTES_MAX:
        raise ValueError(f"a URL is longer than {URL_BYTES_MAX} bytes")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{url[:100]!r} is not http://HOST/PATH or https://HOST/PATH")
    if not url.isascii() or any(char <= " " for char in url):
        raise ValueError(f"{url[:100]!r} is not percent-encoded")
    return url
