"""Pages of the built site: links that lead nowhere, and what would be fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).resolve().parents[2] / "var" / "site"
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class PageParser(HTMLParser):
    """Links, fetched files and anchors of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        is_link_alone = given.get("rel") in ("canonical", "prev", "next")
        if FETCHED.get(tag) in given and not is_link_alone:
            self.fetched.append(given[FETCHED[tag]])


def parsed(site: Path) -> dict[Path, PageParser]:
    """Every page of a site, read."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = parser = PageParser()
        parser.feed(path.read_text("utf-8"))
    return pages


def lost_links(site: Path) -> Iterator[str]:
    """Links and fetched files that are not there, and anchors that no page has."""
    pages = parsed(site)
    for page, parser in pages.items():
        for link in (*parser.links, *parser.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{page.relative_to(site)}: {link} is not there"
            elif target in pages and not _has(pages[target], unquote(parts.fragment)):
                yield f"{page.relative_to(site)}: {link} has no such anchor"


def external_links(site: Path) -> Iterator[str]:
    """Links to other hosts, each with the first page that has it; nobody is asked."""
    pages_by_link: dict[str, str] = {}
    for page, parser in parsed(site).items():
        for link in parser.links:
            if urlsplit(link).netloc:
                pages_by_link.setdefault(link, str(page.relative_to(site)))
    for link, first in sorted(pages_by_link.items()):
        yield f"{link} ({first})"


def _has(page: PageParser, anchor: str) -> bool:
    return not anchor or anchor in page.anchors


def foreign_requests(site: Path) -> Iterator[str]:
    """What a browser would fetch from another host while it shows a page."""
    for page, parser in parsed(site).items():
        for address in parser.fetched:
            if urlsplit(address).netloc:
                yield f"{page.relative_to(site)}: fetches {address}"
    for style in site.rglob("*.css"):
        if "url(http" in style.read_text("utf-8", "replace"):
            yield f"{style.relative_to(site)}: fetches from elsewhere"
