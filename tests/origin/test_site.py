"""The demo's site: what it links to is there, and a bucket gives each file its proper type."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecache.origin.bucket import bucket_app
from edgecache.origin.demo import MARK, VIDEO

SITE = Path(__file__).resolve().parents[2] / "config" / "bucket"
PAGES = sorted(SITE.glob("*.html"))
Ask = Callable[..., Any]
NOT_THERE = "/nothing-here"  # the link that shows an error

TYPES = {
    "index.html": "text/html; charset=utf-8",
    "about.html": "text/html; charset=utf-8",
    "404.html": "text/html; charset=utf-8",
    "robots.txt": "text/plain; charset=utf-8",
    "assets/site.css": "text/css; charset=utf-8",
    "assets/app.3f9a1c.js": "text/javascript; charset=utf-8",
    "assets/path.png": "image/png",
    "data/prices.json": "application/json",
}


@pytest.mark.parametrize("name", TYPES)
def test_every_file_is_served_with_its_type(ask: Ask, name: str) -> None:
    answer = ask(bucket_app(SITE), b"/" + name.encode())
    assert answer.status == 200
    assert answer.headers[b"content-type"].decode() == TYPES[name]
    assert answer.body == (SITE / name).read_bytes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r'(?:href|src)="(/[^"?#]*)', page.read_text()):
        target = SITE / (link.removeprefix("/") or "index.html")
        assert target.is_file() or link == NOT_THERE or link == f"/{VIDEO}", link


def test_the_script_asks_for_what_is_there() -> None:
    script = (SITE / "assets" / "app.3f9a1c.js").read_text()
    listed = re.search(r"const paths = \[(.*)\];", script)
    assert listed is not None
    for path in re.findall(r'"/([^"]+)"', listed[1]):
        assert (SITE / path).is_file()


def test_the_site_wants_the_video_but_does_not_keep_it() -> None:
    assert (SITE / MARK).is_file()
    assert Path(VIDEO).name in (SITE / MARK).with_name(".gitignore").read_text().split()
